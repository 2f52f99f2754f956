"""Results: what a theory claims (`Theory`), what a simulation saw (`Samples`), and where they came from.

A feature declares its theory's outputs with the kind of claim each one makes::

    @dataclass(frozen=True, kw_only=True)
    class Theory(results.Theory):
        total_time_ns: float = output(OUTPUTS["total_time_ns"], approx(rel=0.05, where="tests/precopy/..."))
        transferred_bytes: float = output(OUTPUTS["transferred_bytes"], lower())

Its samples hold one row a replication and estimate the same names. `twin.compare` sets the two side by side.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nfvlab import __version__
from nfvlab.params import Params, html_table
from nfvlab.specs import owner_name
from nfvlab.stats import Estimate
from nfvlab.units import UnknownUnit, dimension, human

if TYPE_CHECKING:
    import pandas

_KEY = "nfvlab.output"


@dataclass(frozen=True)
class Claim:
    """What a theory says of a number: it is exact, a lower or upper bound, or right to a tolerance."""

    kind: str
    rel: float = 0.0
    abs: float = 0.0
    where: str = ""

    def words(self, name: str = "") -> str:
        """The claim in words, its absolute tolerance in the human unit of output `name`."""
        if self.kind != "approx":
            return self.kind if self.kind == "exact" else f"{self.kind} bound"
        absolute = human(name, self.abs) if name else f"{self.abs:.3g}"
        parts = [f"{100 * self.rel:.3g} %" if self.rel else "", absolute if self.abs else ""]
        return "within " + " + ".join(part for part in parts if part)

    __str__ = words


def exact(where: str = "") -> Claim:
    """The theory's value is the expectation of the simulation's; `where` may say under which condition."""
    return Claim("exact", where=where)


def lower(where: str = "") -> Claim:
    """The truth is at least the theory's value."""
    return Claim("lower", where=where)


def upper(where: str = "") -> Claim:
    """The truth is at most the theory's value."""
    return Claim("upper", where=where)


def approx(*, rel: float, abs: float = 0.0, where: str) -> Claim:
    """The truth lies within `rel` of itself plus `abs` (in the output's unit), as measured in `where`."""
    if not (0 <= rel < math.inf and 0 <= abs < math.inf and rel + abs > 0):
        raise ValueError(
            f"rel = {rel}, abs = {abs}: a tolerance is finite and above zero; else claim exact()"
        )
    if not where:
        raise ValueError("where = '': say where the tolerance was measured")
    return Claim("approx", rel, abs, where)


def output(doc: str, claim: Claim) -> Any:
    """Declare a field of a `Theory` as an output that the simulation estimates under the same name."""
    return dataclasses.field(metadata={_KEY: (doc, claim)})


def indexed(name: str, values: Any) -> dict[str, Any]:
    """An output that has one value a tenant, as outputs of their own: "miss_frac[0]", "miss_frac[1]" …"""
    return {f"{name}[{position}]": value for position, value in enumerate(values)}


def field_of(name: str) -> str:
    """The field that an output belongs to: "miss_frac" of "miss_frac[1]"."""
    return name.partition("[")[0]


def provenance(rng: np.random.Generator) -> int | str:
    """What a generator was seeded with: a number, or "number/i/j" for the j-th child of its i-th child."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng = {rng!r}: give a generator, for example np.random.default_rng(2024)")
    seed = getattr(rng.bit_generator, "seed_seq", None)
    root = getattr(seed, "entropy", None)
    if root is None:
        return "unknown"
    if isinstance(root, int | np.integer) and not seed.spawn_key:
        return int(root)
    roots = root if isinstance(root, list | tuple | np.ndarray) else [root]
    return "/".join(["+".join(str(int(part)) for part in roots), *map(str, seed.spawn_key)])


class _Result:
    """Equality by value (also of arrays), a hash by scenario, and a printed form that fits on a line."""

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        for name in ("__eq__", "__hash__", "__repr__"):
            if name not in vars(cls):
                setattr(cls, name, getattr(_Result, name))  # else the dataclass decorator writes its own

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        names = [field.name for field in dataclasses.fields(self)]
        return all(_same(getattr(self, name), getattr(other, name)) for name in names)

    def __hash__(self) -> int:
        return hash((type(self), self.params))

    def __repr__(self) -> str:
        words = "; ".join(f"{row['output']} {row['value']}" for row in self._rows())
        return f"<{owner_name(type(self))}: {words}>"

    def _repr_html_(self) -> str:
        return html_table(f"{owner_name(type(self))} · {self.source_line()}", self._rows())


@dataclass(frozen=True, kw_only=True)
class Theory(_Result):
    """Base of what `analyze` returns: outputs with their claims; other fields (curves) are not compared.

    An output that holds a tuple (one value a tenant) counts as so many outputs, see `indexed`.
    """

    params: Params
    version: str = __version__

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        for name, value in vars(cls).items():
            if isinstance(value, dataclasses.Field) and _KEY in value.metadata:
                try:
                    dimension(name)
                except UnknownUnit as error:
                    raise TypeError(f"{owner_name(cls)}.{name}: {error}") from None

    def claim(self, name: str) -> Claim:
        """What is claimed of output `name`; override it to claim less for some scenarios."""
        return type(self).__dataclass_fields__[field_of(name)].metadata[_KEY][1]

    def outputs(self) -> dict[str, tuple[float, Claim]]:
        """Value and claim of every output; NaN says that there is no such value."""
        values: dict[str, float] = {}
        for field in dataclasses.fields(self):
            if _KEY in field.metadata:
                value = getattr(self, field.name)
                values |= indexed(field.name, value) if isinstance(value, tuple) else {field.name: value}
        return {name: (float(value), self.claim(name)) for name, value in values.items()}

    def to_frame(self) -> "pandas.DataFrame":
        """One row an output: output, value, claim, where, doc."""
        import pandas as pd

        docs = {
            field.name: field.metadata[_KEY][0]
            for field in dataclasses.fields(self)
            if _KEY in field.metadata
        }
        rows = [
            (name, x, str(claim), claim.where, docs[field_of(name)])
            for name, (x, claim) in self.outputs().items()
        ]
        return pd.DataFrame(rows, columns=["output", "value", "claim", "where", "doc"])

    def source_line(self) -> str:
        """Where the numbers came from, for the corner of a figure."""
        return f"nfvlab {self.version} · theory"

    def _rows(self) -> list[dict[str, str]]:
        fields = type(self).__dataclass_fields__
        rows = []
        for name, (value, claim) in self.outputs().items():
            row = {
                "output": name,
                "value": human(name, value),
                "claim": claim.words(name),
                "where": claim.where,
            }
            rows.append({**row, "meaning": fields[field_of(name)].metadata[_KEY][0]})
        return rows


@dataclass(frozen=True, kw_only=True)
class Samples(_Result):
    """Base of what `simulate` returns: `n` replications, and the seed they can be made again with."""

    params: Params
    entropy: int | str
    n: int
    version: str = __version__

    def estimate(self) -> dict[str, Estimate]:
        """Value and standard error of every output, under the names of the theory."""
        raise NotImplementedError(f"{owner_name(type(self))} must define estimate()")

    def to_frame(self) -> "pandas.DataFrame":
        """One row an output: output, value, stderr, method, n."""
        import pandas as pd

        rows = [(name, e.value, e.stderr, e.method, e.n) for name, e in self.estimate().items()]
        return pd.DataFrame(rows, columns=["output", "value", "stderr", "method", "n"])

    def source_line(self) -> str:
        """Where the numbers came from, for the corner of a figure."""
        return f"nfvlab {self.version} · seed {self.entropy} · n={self.n}"

    def _rows(self) -> list[dict[str, str]]:
        return [
            {"output": name, "value": with_error(name, e), "method": e.method, "n": str(e.n)}
            for name, e in self.estimate().items()
        ]


def with_error(name: str, estimate: Estimate) -> str:
    """An estimate in human units with its standard error: "3.21 s ± 40 ms"."""
    text = human(name, estimate.value)
    return f"{text} ± {human(name, estimate.stderr)}" if estimate.stderr > 0 else text


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if isinstance(a, float) and isinstance(b, float) and a != a:
        return b != b
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(np.all(a == b))
