"""How a field of parameters is declared (`Spec`), checked, and complained about (`Problem`, `ParamError`).

`nfvlab.params` is the module to use; this one holds what works on a single field.
"""

import dataclasses
import inspect
import math
import numbers
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, ClassVar

from nfvlab.units import Dimension, UnknownUnit, dimension, human

KINDS = (float, int, bool, str, tuple)
KEY = "nfvlab.param"


@dataclass(frozen=True)
class Problem:
    """One broken rule: the field, its value, what must hold, how to mend it, and in which of many sets."""

    field: str
    value: Any
    rule: str
    remedy: str
    where: str = ""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.field} = {_shown(self.field, self.value)}: {self.rule}; {self.remedy}"


class ParamError(ValueError):
    """Everything that is wrong with a set of parameters, at once, as `.problems`."""

    def __init__(self, problems: Iterable[Problem], owner: str = "parameters"):
        self.problems = tuple(problems)
        self.owner = owner
        super().__init__(self.problems, owner)  # as given, so that the error survives pickling

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return f"{self.owner}: {self.problems[0]}"
        return "\n  ".join([f"{self.owner}: {len(self.problems)} problems", *map(str, self.problems)])


@dataclass(frozen=True)
class Spec:
    """The declaration of one field; `kind` is float, int, bool, str or tuple (then of `element`)."""

    name: str
    kind: type
    default: Any
    doc: str
    domain: tuple[float, float] | None
    typical: tuple[float, float] | None
    log: bool
    choices: tuple[str, ...] | None
    source: str
    dimension: Dimension | None
    element: type | None = None

    def span(self, ends: tuple[float, float] | None = None) -> str:
        """The domain (or another interval) in words and human units."""
        if self.choices:
            return " or ".join(self.choices)
        low, high = ends or self.domain or (None, None)
        if low is None:
            return "yes or no" if self.kind is bool else "any number of them"
        if self.kind is tuple:
            return f"{low} to {high} of them"
        return f"{human(self.name, low)} to {human(self.name, high)}"

    def check(self, value: Any) -> tuple[Any, Problem | None]:
        """The value as it is stored, and what is wrong with it as far as the field alone can tell."""
        if (
            type(value) is float is self.kind
            and self.domain[0] <= value <= self.domain[1]
            and value - value == 0
        ):
            return value, None  # the usual case, quickly: a slider makes a set of parameters at every step
        if getattr(value, "shape", None) == () and hasattr(value, "item"):
            value = value.item()  # a numpy scalar
        if self.kind in (float, int):
            return self._check_number(value)
        if self.kind is tuple:
            return self._check_tuple(value)
        if self.kind is bool:
            if isinstance(value, bool):
                return value, None
            return value, Problem(self.name, value, "must be True or False", "write one of them")
        if isinstance(value, str) and value in self.choices:
            return str(value), None
        near = get_close_matches(value, self.choices, 1) if isinstance(value, str) else []
        remedy = f"did you mean {near[0]!r}?" if near else f"write one of them, for example {self.default!r}"
        return value, Problem(self.name, value, f"must be one of {', '.join(self.choices)}", remedy)

    def _check_number(self, value: Any) -> tuple[Any, Problem | None]:
        wanted = numbers.Integral if self.kind is int else numbers.Real
        if isinstance(value, bool) or not isinstance(value, wanted):
            return value, self._wrong_type(value)
        try:
            value = self.kind(value)
        except OverflowError:
            value = math.inf if value > 0 else -math.inf
        remedy = f"typical values are {self.span(self.typical)}"
        if not math.isfinite(value):
            return value, Problem(self.name, value, "must be finite", remedy)
        if not self.domain[0] <= value <= self.domain[1]:
            return value, Problem(self.name, value, f"must lie in {self.span()}", remedy)
        return value, None

    def _wrong_type(self, value: Any) -> Problem:
        rule = "must be a whole number" if self.kind is int else "must be a number"
        remedy = f"write it as {self.kind.__name__}, for example {self.default!r}"
        if isinstance(value, numbers.Real) and not isinstance(value, bool) and abs(value) < 2**53:
            remedy = f"write {round(value)}"  # only an int field refuses a real number
        return Problem(self.name, value, rule, remedy)

    def _check_tuple(self, value: Any) -> tuple[Any, Problem | None]:
        kind = owner_name(self.element)
        if not isinstance(value, list | tuple) or any(type(item) is not self.element for item in value):
            remedy = f"write ({kind}(...), {kind}(...))"
            return value, Problem(self.name, value, f"must be a tuple of {kind}", remedy)
        value = tuple(value)
        if self.domain and not self.domain[0] <= len(value) <= self.domain[1]:
            return value, Problem(self.name, value, f"must hold {self.span()}", "add or remove elements")
        return value, None


def owner_name(cls: type) -> str:
    """`freepages.Params` for a class of `nfvlab.freepages.params`; the bare name for one from elsewhere."""
    parts = cls.__module__.split(".")
    return f"{parts[1]}.{cls.__qualname__}" if parts[0] == "nfvlab" and len(parts) > 2 else cls.__qualname__


def in_words(name: str, value: Any) -> str:
    """A field's value as a person would say it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return human(name, value) if isinstance(value, int | float) else str(value)


def read_declarations(cls: type, inherited: Mapping[str, Spec]) -> dict[str, Spec]:
    """The fields that a class declares itself; a mistake in them is its author's, hence a TypeError."""
    try:
        annotations = inspect.get_annotations(cls, eval_str=True)
    except NameError as error:
        remedy = "define classes named in annotations above it, at module level"
        raise TypeError(f"{owner_name(cls)}: {error}; {remedy}") from None
    for name in inherited:
        if name in vars(cls) and name not in annotations:
            raise TypeError(
                f"{owner_name(cls)}.{name}: to change a field repeat its annotation and param(...)"
            )
    specs = {}
    for name, kind in annotations.items():
        if kind is ClassVar or typing.get_origin(kind) is ClassVar:
            continue
        try:
            specs[name] = _read(name, kind, vars(cls).get(name))
        except (TypeError, UnknownUnit) as error:
            raise TypeError(f"{owner_name(cls)}.{name}: {error}") from None
    return specs


def _read(name: str, kind: Any, field: Any) -> Spec:
    if not isinstance(field, dataclasses.Field) or KEY not in field.metadata:
        raise TypeError("declare it with param(default, doc, ..., source=...)")
    declared = dict(field.metadata[KEY])
    kind, element = _kind(kind)
    if not declared["doc"] or not declared["source"]:
        raise TypeError("doc and source must not be empty")
    if (kind is str) != bool(declared["choices"]):
        raise TypeError("choices belong to a str field, and every str field has them")
    declared["domain"] = _interval(declared["domain"], kind, "domain")
    declared["typical"] = _interval(declared["typical"], kind, "typical") or declared["domain"]
    if kind in (float, int):
        _check_intervals(**{key: declared[key] for key in ("domain", "typical", "log")})
        declared["dimension"] = dimension(name)
    else:
        declared["dimension"] = None
    spec = Spec(name, kind, field.default, **declared, element=element)
    default, problem = spec.check(field.default)
    if problem:
        raise TypeError(f"its default breaks its own declaration: {problem}")
    return dataclasses.replace(spec, default=default)


def _kind(annotation: Any) -> tuple[type, type | None]:
    if annotation in KINDS and annotation is not tuple:
        return annotation, None
    element, *rest = typing.get_args(annotation) or (None,)
    if typing.get_origin(annotation) is not tuple or rest != [...] or not hasattr(element, "specs"):
        raise TypeError("its annotation must be float, int, bool, str or tuple[SomeParams, ...]")
    return tuple, element


def _interval(ends: Any, kind: type, word: str) -> tuple[float, float] | None:
    if ends is None:
        return None
    if kind in (bool, str):
        raise TypeError(f"a {kind.__name__} field has no {word}")
    low, high = ends
    if not low <= high:
        raise TypeError(f"{word} must be (low, high)")
    if kind is float:
        return float(low), float(high)
    if low != int(low) or high != int(high):
        raise TypeError(f"the ends of {word} must be whole numbers")
    return int(low), int(high)


def _check_intervals(domain: Any, typical: Any, log: bool) -> None:
    if domain is None:
        raise TypeError("a number needs a domain")
    if not domain[0] <= typical[0] <= typical[1] <= domain[1] or not all(map(math.isfinite, typical)):
        raise TypeError("typical must be a finite interval inside the domain")
    if log and typical[0] <= 0:
        raise TypeError("a logarithmic scale needs typical values above zero")


def _shown(name: str, value: Any) -> str:
    """A value in an error message: as written, then in human units, never longer than a line."""
    text = repr(value[:60] if isinstance(value, str | bytes) else value)
    text = text if len(text) <= 80 else text[:77] + "..."
    number = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        words = in_words(name, value) if number and math.isfinite(value) else ""
    except (UnknownUnit, OverflowError):
        words = ""
    return f"{text} ({words})" if words and words != text else text
