"""What the notebook computes: tidy tables over scenarios and knobs; `in_words` shows one in human units."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nfvlab import freepages, sweep, twin, units
from nfvlab.freepages.free_memory import free_memory
from nfvlab.freepages.params import Params, packets_per_s
from nfvlab.freepages.physmap import filter_bitmap
from nfvlab.kernels import pagemap
from nfvlab.precopy.dirtying import unique_pages
from nfvlab.precopy.memory import guest_memory
from nfvlab.precopy.params import PAGE_BYTES
from nfvlab.precopy.rates import visits_per_s
from nfvlab.precopy.textbook import geometric
from nfvlab.style import words

if TYPE_CHECKING:
    from pandas import DataFrame

QUANTITIES = ("total_time_ns", "transferred_bytes", "pause_ns", "lost_count")
WAYS = {
    "bitmap": {"transport": "bitmap"},
    "hints": {"transport": "hints"},
    "hints, init_on_alloc": {"transport": "hints", "init_on_alloc": True},
}


def in_words(frame: "DataFrame") -> "DataFrame":
    """The same table with every number in human units, and its columns named as a person names them."""
    shown = frame.copy().astype(object)
    for name in frame.columns:
        shown[name] = [_cell(name, value) for value in frame[name]]
    return shown.rename(columns=lambda name: words(name) if _known(name) else name)


def _cell(name: str, value) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return (
        units.human(name, value)
        if isinstance(value, int | float | np.number) and _known(name)
        else str(value)
    )


def _known(name: str) -> bool:
    try:
        units.dimension(name)
    except units.UnknownUnit:
        return False
    return True


def with_and_without(scenarios: Mapping[str, Params]) -> "DataFrame":
    """What skipping changes, in words: rows (scenario, quantity), columns without, with, saved; by theory."""
    import pandas as pd

    rows = {}
    for label, p in scenarios.items():
        off, on = (freepages.analyze(p.replace(skipping=skipping)) for skipping in (False, True))
        for name in QUANTITIES[: None if packets_per_s(p) else -1]:
            before, after = getattr(off, name), getattr(on, name)
            rows[label, "Packets lost" if name == "lost_count" else words(name)] = {
                "without": units.human(name, before),
                "with": units.human(name, after),
                "saved": units.human("saved_frac", 1 - after / before),
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["scenario", "quantity"])


def twins(scenarios: Mapping[str, Params], *, seed: int, n: int) -> "DataFrame":
    """One row a scenario: how many claims hold, and those that do not, with theory and simulation in words."""
    import pandas as pd

    rows = {}
    for (label, p), child in zip(
        scenarios.items(), np.random.SeedSequence(seed).spawn(len(scenarios)), strict=True
    ):
        found = twin.compare(freepages, p, rng=np.random.default_rng(child), n=n)
        fails = (
            f"{row.field}: {row.words()['theory']} for {row.words()['monte_carlo']}" for row in found.failures
        )
        held = len(found.rows) - len(found.failures)
        rows[label] = {
            "claims that hold": f"{held} of {len(found.rows)}",
            "fails": "; ".join(fails) or "none",
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("scenario")


def folding(memories: Iterable[tuple[str, float]], *, seed: int) -> "DataFrame":
    """Pages in use that a free-page bitmap drops, folded and taken as it is; memories: (machine, ram_bytes)."""
    import pandas as pd

    rows = []
    for machine, ram_bytes in memories:
        p, rng = Params(machine=machine, ram_bytes=ram_bytes), np.random.default_rng(seed)
        memory = guest_memory(p, rng)
        free = free_memory(p, memory, rng)
        guest = memory.used[: pagemap.words_for(free.memory_map.ram_pages)]
        raw = free.raw_bitmap()
        folded, _ = filter_bitmap(guest, raw, free.memory_map)
        rows.append(
            {
                "machine": machine,
                "ram_bytes": ram_bytes,
                "hole_bytes": sum(pages for _, pages in free.memory_map.holes) * PAGE_BYTES,
                "free_pages": free.free_pages,
                "folded: in use, dropped_pages": _popcount(guest) - _popcount(folded),
                "as it is: in use, dropped_pages": _popcount(guest & raw[: guest.size]),
            }
        )
    return pd.DataFrame(rows)


def _popcount(bits: np.ndarray) -> int:
    return int(pagemap.count(bits))


def savings(
    base: Params, over: Mapping[str, Iterable[float]], ways: Sequence[str] = tuple(WAYS)
) -> "DataFrame":
    """Share of the total time that skipping saves, one knob at a time: rows knob, value, way, saved_frac.

    Negative where skipping costs time, NaN where a migration does not converge.
    """
    import pandas as pd

    rows = []
    for knob, values in over.items():
        for way in ways:
            grid = {knob: values, "skipping": (False, True)}
            frame = sweep.sweep(freepages.analyze, base.replace(**WAYS[way]), grid, outputs=["total_time_ns"])
            time = frame.pivot(index=knob, columns="skipping", values="total_time_ns")
            saved = 1 - time[True] / time[False]
            rows += [{"knob": knob, "value": v, "way": way, "saved_frac": x} for v, x in saved.items()]
    return pd.DataFrame(rows)


def edge(base: Params, rates: Mapping[str, Iterable[float]], *, seed: int, n: int) -> "DataFrame":
    """Theory, one dirty rate and simulation, towards the write rate at which migration ceases to converge.

    rates: page visits a second by pattern. Columns pattern, write_rate_per_s, theory_ns, geometric_ns, least_ns,
    median_ns, most_ns (total times, NaN where a migration does not converge), converged_frac.
    """
    import pandas as pd

    points = [(pattern, float(rate)) for pattern, some in rates.items() for rate in some]
    rows = []
    for (pattern, rate), child in zip(points, np.random.SeedSequence(seed).spawn(len(points)), strict=True):
        p = base.replace(pattern=pattern, write_rate_per_s=rate)
        theory = freepages.analyze(p)
        samples = freepages.simulate(p, rng=np.random.default_rng(child), n=n)
        total = samples.values("total_time_ns")
        seen = total[np.isfinite(total)] if np.isfinite(total).any() else np.array([np.nan])
        rows.append(
            {
                "pattern": pattern,
                "write_rate_per_s": rate,
                "theory_ns": theory.total_time_ns,
                "geometric_ns": one_dirty_rate_ns(p, theory),
                "least_ns": seen.min(),
                "median_ns": np.median(seen),
                "most_ns": seen.max(),
                "converged_frac": samples.estimate()["converged_frac"].value,
            }
        )
    return pd.DataFrame(rows)


def one_dirty_rate_ns(p: Params, theory: freepages.Theory) -> float:
    """Total time if the guest had one dirty rate, the one that query-migrate shows: unique pages in a second.

    The first pass is the theory's; then the rounds are a geometric series in dirty rate over bandwidth.
    """
    course = theory.migration.course
    bandwidth = p.link_bytes_per_s * p.link_share_frac
    dirty = float(unique_pages(p, visits_per_s(p))) * PAGE_BYTES
    first_ns = float(course.round_t_ns[0])
    rest = geometric(dirty * first_ns / 1e9, dirty, bandwidth, bandwidth * p.downtime_limit_ns / 1e9)
    return first_ns + rest.total_time_ns if rest.converged else float("nan")
