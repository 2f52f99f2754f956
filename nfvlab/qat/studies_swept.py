"""One knob turned, theory beside simulated runs; rules of counting; skipping free pages; effects that are missing."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nfvlab import units
from nfvlab.glossary import Table
from nfvlab.qat.analytic import analyze
from nfvlab.qat.figures import change, shown
from nfvlab.qat.params import WAYS, Params
from nfvlab.qat.simulation import migrate, outputs_of
from nfvlab.qat.talk import NONE, QAT

if TYPE_CHECKING:
    from pandas import DataFrame

OUTPUTS = ("total_time_ns", "raw_frac")
COUNTED = {"pages, as in 7.2": False, "bytes sent, as in 10.0": True}
PLAIN = "every page, as it is"


def swept(
    base: Params, field: str, values: Iterable[Any], *, ways: Iterable[str] = WAYS, seed: int, n: int
) -> "DataFrame":
    """A row a value and way: `field`, way, then total_time_ns and raw_frac by theory and as simulated.

    Columns <output>_theory and <output>_monte_carlo, the mean of n migrations; NaN where one does not complete.
    """
    import pandas as pd

    rows = []
    for value in values:
        p = base.replace(**{field: value})
        theory = analyze(p)
        for way in ways:
            row, k = {field: value, "way": way}, WAYS.index(way)
            for output, mean in _means(p, way, seed, n).items():
                row |= {f"{output}_theory": getattr(theory, output)[k], f"{output}_monte_carlo": mean}
            rows.append(row)
    return pd.DataFrame(rows)


def _means(p: Params, way: str, seed: int, n: int) -> dict[str, float]:
    children = np.random.SeedSequence(seed).spawn(n)
    found = [outputs_of(migrate(p, way, np.random.default_rng(child))) for child in children]
    return {output: float(np.mean([one[output] for one in found])) for output in OUTPUTS}


def swept_table(frame: "DataFrame", field: str) -> "DataFrame":
    """The same in words: a row a value, a pair of columns a way."""
    import pandas as pd

    rows: dict[str, dict[str, str]] = {}
    for _, found in frame.iterrows():
        row = rows.setdefault(units.human(field, found[field]), {})
        for title, side in (("theory", "theory"), ("simulated", "monte_carlo")):
            row[f"{found['way']}, {title}"] = shown("total_time_ns", found[f"total_time_ns_{side}"])
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(field)


def counting(cases: Mapping[str, tuple[Params, str]], *, seed: int) -> "DataFrame":
    """Both rules by which QEMU counts multifd's bytes, in words: rows (case, what is counted); one run each.

    cases: {label: (scenario, way)}, of ways that use multifd channels.
    """
    import pandas as pd

    rows = {}
    for label, (p, way) in cases.items():
        for rule, wire in COUNTED.items():
            q, k = p.replace(multifd_counts_wire=wire), WAYS.index(way)
            theory, seen = analyze(q), outputs_of(migrate(q, way, np.random.default_rng(seed)))
            row = {"on the wire": shown("wire_bytes", theory.wire_bytes[k])}
            for title, output in (
                ("ram.transferred", "transferred_bytes"),
                ("total time", "total_time_ns"),
                ("downtime", "downtime_ns"),
            ):
                row[title] = shown(output, getattr(theory, output)[k])
                row[f"{title}, simulated"] = shown(output, seen[output])
            rows[label, rule] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["way", "counted"])


def combined(guests: Mapping[str, Params], *, seed: int) -> "DataFrame":
    """Skipping the guest's free pages, compressing by QAT, and both, in words: rows (guest, what is done)."""
    import pandas as pd

    rows = {}
    for label, p in guests.items():
        none = analyze(p.replace(skip_free=False)).total_time_ns[NONE]
        for title, skips, k in (
            (PLAIN, False, NONE),
            ("free pages skipped", True, NONE),
            ("QAT", False, QAT),
            ("both", True, QAT),
        ):
            q = p.replace(skip_free=skips)
            theory, seen = analyze(q), outputs_of(migrate(q, WAYS[k], np.random.default_rng(seed)))
            rows[label, title] = {
                "total time": shown("total_time_ns", theory.total_time_ns[k]),
                "simulated": shown("total_time_ns", seen["total_time_ns"]),
                "change": change("total_time_ns", theory.total_time_ns[k], none),
                "downtime": shown("downtime_ns", theory.downtime_ns[k]),
                "on the wire": shown("wire_bytes", theory.wire_bytes[k]),
                "source CPU": shown("source_cpu_frac", theory.source_cpu_frac[k]),
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["guest", "what is done"])


def misses(figures: Iterable[Any]) -> Table:
    """What the published comparisons miss, and which effect is not in the model: a row a reason.

    figures: of `talk`, `published`, `multi_thread` or `qatzip`, each with `ok` and `missing`.
    """
    found: dict[str, list[str]] = {}
    for figure in figures:
        if not figure.ok:
            name = getattr(figure, "row", None) or figure.output
            names = found.setdefault(figure.missing, [])
            names += [name] if name not in names else []
    rows = [{"missed": ", ".join(names), "what is not in the model": why} for why, names in found.items()]
    return Table("Missed", rows or [{"missed": "nothing", "what is not in the model": ""}])
