"""What the notebook computes: tables in words over ways, scenarios and switches, and frames for the pictures."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from nfvlab import units
from nfvlab.precopy import simulation as precopy
from nfvlab.precopy.params import PAGE_BYTES
from nfvlab.qat import stations
from nfvlab.qat.analytic import Theory, analyze
from nfvlab.qat.figures import change, shown
from nfvlab.qat.laws import law
from nfvlab.qat.params import WAYS, Params
from nfvlab.qat.scenarios import SCENARIOS
from nfvlab.qat.simulation import Run, Samples, migrate, outputs_of, thread_of
from nfvlab.qat.talk import NONE, QAT
from nfvlab.units import Gbps, GiB, MiB

if TYPE_CHECKING:
    from pandas import DataFrame

QUANTITIES = {
    "total_time_ns": "Total time",
    "downtime_ns": "Downtime",
    "wire_bytes": "On the wire",
    "source_cpu_frac": "Source CPU",
    "destination_cpu_frac": "Destination CPU",
}
_TALK = SCENARIOS["the talk"]
_SMALL_RING = SCENARIOS["small ring, far engine"]
_FAST = _TALK.replace(link_bytes_per_s=40 * Gbps, engine_bits_per_s=100e9)
SWITCHES: dict[str, tuple[Params, str, dict[str, bool]]] = {  # where it matters, the field, its settings
    "small ring, when it is full": (_SMALL_RING, "wait_when_full", {"send raw": False, "wait": True}),
    "random pages, fast link, when the ring is full": (
        _TALK.replace(content="random", link_bytes_per_s=40 * Gbps),
        "wait_when_full",
        {"send raw": False, "wait": True},
    ),
    "fast link and engine, addresses": (
        _FAST,
        "cached_translation",
        {"read before, kept": True, "read for each page": False},
    ),
    "fast link, waits for the ring": (
        _TALK.replace(link_bytes_per_s=40 * Gbps, wait_when_full=True),
        "mlock",
        {"mlock": True, "no mlock": False},
    ),
    "idle guest, zero pages": (
        SCENARIOS["idle guest"],
        "zero_check",
        {"compressed like others": False, "looked for": True},
    ),
    "full guest, zero pages": (_TALK, "zero_check", {"compressed like others": False, "looked for": True}),
    "responses": (_TALK, "interrupts", {"polled for": False, "by interrupt": True}),
}
STEP_CASES: dict[str, dict] = {
    "as in the talk": {},
    "one page a request": {"request_pages": 1},
    "pagemap read for each page": {"cached_translation": False},
    "zero pages looked for": {"zero_check": True},
    "responses by interrupt": {"interrupts": True},
}


MAP_BASE = (
    _TALK.replace(  # completes at 1 Gbit/s without compression; every page becomes as small as the map says
        write_rate_per_s=1e4, cpu_method="multifd zstd", own_cv_frac=0.0
    )
)
EVEN_CASES: dict[str, dict] = {
    "the talk": {},
    "engine of 100 Gbit/s": {"engine_bits_per_s": 100e9},
    "waits for the ring": {"wait_when_full": True},
    "half of the pages zero": {"zero_mix_frac": 0.5},
    "idle guest of 2 GiB": {"ram_bytes": 2 * GiB, "touched_bytes": 0.0, "wss_bytes": 64 * MiB},
    "idle guest of 8 GiB": {"touched_bytes": 0.0, "wss_bytes": 64 * MiB},
    "idle guest, zero pages looked for": {"touched_bytes": 0.0, "wss_bytes": 64 * MiB, "zero_check": True},
    "random pages": {"content": "random"},
}


def answer(p: Params, samples: Samples | None = None) -> "DataFrame":
    """The three ways side by side, in words: a row a quantity, a column a way, and the accelerator's change.

    By theory; with samples, the simulated accelerator's in a column more.
    """
    import pandas as pd

    theory, rows = analyze(p), {}
    seen = samples.estimate() if samples is not None else None
    for output, title in QUANTITIES.items():
        values = getattr(theory, output)
        row = {way: shown(output, value) for way, value in zip(WAYS, values, strict=True)}
        row["QAT against none"] = change(output, values[QAT], values[NONE])
        if seen is not None:
            row["QAT, simulated"] = shown(output, seen[f"{output}[{QAT}]"].value)
        rows[title] = row
    slowest = {way: stations.in_words(c) for way, c in zip(WAYS, theory.courses, strict=True)}
    rows["Slowest"] = slowest | {name: "" for name in rows["Total time"] if name not in WAYS}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("quantity")


def scenarios(cases: Mapping[str, Params] = SCENARIOS) -> "DataFrame":
    """Every scenario by theory, in words: total times, the accelerator's changes, and what held it back."""
    import pandas as pd

    rows = {}
    for label, p in cases.items():
        theory = analyze(p)
        row = {f"Total, {way}": shown("total_time_ns", theory.total_time_ns[k]) for k, way in enumerate(WAYS)}
        for output in ("total_time_ns", "downtime_ns", "wire_bytes", "source_cpu_frac"):
            values = getattr(theory, output)
            row[f"{QUANTITIES[output]}, QAT"] = change(output, values[QAT], values[NONE])
        rows[label] = row | {"Slowest, QAT": stations.in_words(theory.courses[QAT])}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("scenario")


def switches(names: Iterable[str] = tuple(SWITCHES), *, seed: int, n: int) -> "DataFrame":
    """One switch of the accelerator at a time, in words: rows (where, setting); theory, and simulated total time."""
    import pandas as pd

    rows = {}
    for name in names:
        base, field, settings = SWITCHES[name]
        for setting, value in settings.items():
            p = base.replace(**{field: value})
            theory = analyze(p)
            total = _mean_total_ns(p, seed, n)
            row = {QUANTITIES[output]: shown(output, getattr(theory, output)[QAT]) for output in QUANTITIES}
            row["sent raw"] = units.human("raw_frac", theory.raw_frac[QAT])
            row["slowest"] = stations.in_words(theory.courses[QAT])
            row["total time, simulated"] = shown("total_time_ns", total)
            rows[name, setting] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["where", "setting"])


def _mean_total_ns(p: Params, seed: int, n: int) -> float:
    """Mean total time of n simulated migrations with the accelerator."""
    children = np.random.SeedSequence(seed).spawn(n)
    runs = [outputs_of(migrate(p, WAYS[QAT], np.random.default_rng(child))) for child in children]
    return float(np.mean([run["total_time_ns"] for run in runs]))


def steps(p: Params, cases: Mapping[str, dict] = STEP_CASES, *, seed: int) -> "DataFrame":
    """The migration thread's cycles per page that is not zero, by step: rows steps, columns cases; one run a case.

    p: a scenario of the talk's rings, smaller if it is to be quick: cycles per page do not go with its size.
    """
    import pandas as pd

    columns = {}
    for label, changes in cases.items():
        thread = thread_of(p.replace(**changes), "QAT", np.random.default_rng(seed))
        precopy.run(thread)
        columns[label] = thread.cycles_by_step()
    return pd.DataFrame(columns).rename_axis("step")


def steps_table(frame: "DataFrame") -> "DataFrame":
    """The same in whole cycles, steps that none of the cases takes left out, with their sum."""
    kept = frame[frame.max(axis=1) > 0.5].copy()
    kept.loc["all"] = frame.sum()
    return kept.map(lambda cycles: f"{cycles:,.0f}")


def gains(
    base: Params, links_bytes_per_s: Iterable[float], ratios: Iterable[float], ways: Iterable[int] = (1, 2)
) -> "DataFrame":
    """Share of the total time without compression that a way saves, over link rate and compressed size of a page.

    ratios: compressed over original size under deflate level 1. Columns link_bytes_per_s, own_ratio, way, gain_frac
    (negative where it costs time, NaN where a migration does not complete), slowest.
    """
    import pandas as pd

    rows = []
    for link in links_bytes_per_s:
        for ratio in ratios:
            p = base.replace(content="own", link_bytes_per_s=float(link), own_ratio=float(ratio))
            theory = analyze(p)
            rows += [_gain(p, theory, way) for way in ways]
    return pd.DataFrame(rows)


def place(p: Params) -> tuple[float, float]:
    """Where a scenario of Calgary pages lies on the map of gains: link rate (bytes/s), ratio under level 1."""
    return p.link_bytes_per_s, law(p, "calgary", "1").mean_bytes / PAGE_BYTES


def _gain(p: Params, theory: Theory, way: int) -> dict:
    times, found = theory.total_time_ns, theory.courses[way].slowest_frac
    return {
        "link_bytes_per_s": p.link_bytes_per_s,
        "own_ratio": p.own_ratio,
        "way": WAYS[way],
        "gain_frac": 1 - times[way] / times[NONE],
        "slowest": found[0][0] if found else "",
    }


def even_links(
    base: Params = MAP_BASE, cases: Mapping[str, dict] = EVEN_CASES, *, points: int = 60
) -> "DataFrame":
    """From which link on the accelerator saves no time, and what is slowest there, in words: one row a case.

    Links of 1 to 400 Gbit/s, in `points` equal steps of the logarithm.
    """
    import pandas as pd

    links, rows = np.geomspace(1 * Gbps, 400 * Gbps, points), {}
    for label, changes in cases.items():
        found = (analyze(base.replace(link_bytes_per_s=float(link), **changes)) for link in links)
        lost = next((t for t in found if t.total_time_ns[QAT] >= t.total_time_ns[NONE]), None)
        rows[label] = {
            "no gain from": "above 400 Gbit/s"
            if lost is None
            else units.human("link_bytes_per_s", lost.params.link_bytes_per_s),
            "slowest there, QAT": "" if lost is None else stations.in_words(lost.courses[QAT]),
            "without": "" if lost is None else stations.in_words(lost.courses[NONE]),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("case")


def runs(p: Params, *, seed: int) -> dict[str, Run]:
    """One simulated migration each way, of the same guest: for the picture of what is busy when."""
    return {way: migrate(p, way, np.random.default_rng(seed)) for way in WAYS}
