"""What the notebook computes of RMIDs that come back: decay, wait, refusals, and the old driver's rotation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nfvlab import cmt, units
from nfvlab.cmt import groups
from nfvlab.cmt.churn import churn, erlang_b
from nfvlab.cmt.departure import Decay, depart
from nfvlab.cmt.limbo import RmidAllocator, round_threshold
from nfvlab.cmt.params import Params
from nfvlab.cmt.rotation_study import share_left, study
from nfvlab.cmt.rotation_theory import rotation
from nfvlab.cmt.studies import never
from nfvlab.llc.engine import Engine
from nfvlab.units import s

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Departure:
    """The first tenant of a scenario ends: what is left of its lines, by theory and in simulated runs."""

    params: Params
    theory: cmt.Theory
    runs: tuple[Decay, ...]

    @property
    def limit_bytes(self) -> int:
        """The threshold as the kernel holds it."""
        return round_threshold(self.params.threshold_bytes, self.params.upscale_bytes)


def departures(scenarios: Mapping[str, Params], *, seed: int, n: int) -> dict[str, Departure]:
    """Theory and n runs of each scenario."""
    made = {}
    for label, p in scenarios.items():
        runs = []
        for rng in np.random.default_rng(seed).spawn(n):
            engine = Engine(p, p.tenants, rng)
            engine.run(p.warmup_ns)
            runs.append(depart(engine, 0))
        made[label] = Departure(p, cmt.analyze(p), tuple(runs))
    return made


def decay_table(made: Mapping[str, Departure]) -> "DataFrame":
    """`departures` in words: a row a scenario."""
    import pandas as pd

    rows = {}
    for label, one in made.items():
        clean = [run.below_ns(one.limit_bytes) for run in one.runs]
        rest = [run.final_bytes for run in one.runs]
        rows[label] = {
            "held at the end": units.human("x_bytes", one.theory.occupancy_bytes[0]),
            "simulated": units.human("x_bytes", np.mean([run.level_bytes[0] for run in one.runs])),
            "below the threshold after": never(one.theory.clean_ns),
            "simulated ": never(np.mean(clean)),
            "left for ever": units.human("x_bytes", np.round(one.theory.residue_bytes, 1)),
            "simulated  ": units.human("x_bytes", np.mean(rest)),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("the others")


def waits(
    p: Params, work_ns: Iterable[float], thresholds_bytes: Sequence[float], *, seed: int, n: int
) -> "DataFrame":
    """Wait for a clean RMID and bytes charged to its next owner, the slower the second tenant works.

    Columns work_ns, threshold_bytes, traffic_bytes_per_s (of all but the first tenant), and wait_ns, stale_bytes with
    simulated_wait_ns, simulated_stale_bytes (means of n runs).
    """
    import pandas as pd

    rows = []
    points = [(work, threshold) for work in work_ns for threshold in thresholds_bytes]
    children = np.random.default_rng(seed).spawn(len(points))
    for (work, threshold), rng in zip(points, children, strict=True):
        second = p.tenants[1].replace(work_ns=float(work))
        q = p.replace(
            tenants=(p.tenants[0], second, *p.tenants[2:]), threshold_bytes=threshold, starts_per_s=0.0
        )
        theory = cmt.analyze(q)
        seen = cmt.simulate(q, rng=rng, n=n)
        rows.append(
            {
                "work_ns": float(work),
                "threshold_bytes": threshold,
                "traffic_bytes_per_s": sum(theory.bandwidth_bytes_per_s[1:]),
                "wait_ns": theory.clean_wait_ns,
                "stale_bytes": theory.stale_bytes,
                "simulated_wait_ns": seen.values("clean_wait_ns").mean(),
                "simulated_stale_bytes": seen.values("stale_bytes").mean(),
            }
        )
    return pd.DataFrame(rows)


def waits_in_words(frame: "DataFrame") -> "DataFrame":
    """`waits` in words, theory and simulation in one cell."""
    import pandas as pd

    rows = {}
    for row in frame.itertuples():
        key = units.human("traffic_bytes_per_s", row.traffic_bytes_per_s)
        stale = [row.stale_bytes, row.simulated_stale_bytes]
        rows[units.human("threshold_bytes", row.threshold_bytes), key] = {
            "wait": never(row.wait_ns),
            "simulated": never(row.simulated_wait_ns),
            "charged to the next": units.human("x_bytes", stale[0]),
            "simulated ": units.human("x_bytes", stale[1]),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["threshold", "others' traffic"])


def refusals(
    starts_per_s: Iterable[float],
    clean_ns: Mapping[str, float],
    *,
    rmid_count: int,
    lifetime_ns: float,
    check_ns: float = 1 * s,
    seed: int,
) -> "DataFrame":
    """Share of new groups refused, by starts a second, where RMIDs are clean after so long: theory, simulated groups.

    Columns host, starts_per_s, theory, without_limbo (Erlang's formula of lives alone), simulated, busy_frac (of all
    starts: EBUSY), no_space_frac (ENOSPC), limbo_count, simulated_limbo_count.
    """
    import pandas as pd

    points = [(host, clean, float(rate)) for host, clean in clean_ns.items() for rate in starts_per_s]
    rows = []
    for (host, clean, rate), rng in zip(points, np.random.default_rng(seed).spawn(len(points)), strict=True):
        theory = churn(rate, lifetime_ns, clean, check_ns, rmid_count)
        allocator = RmidAllocator(rmid_count, threshold_bytes=2, unit_bytes=1, check_ns=check_ns)
        seen = groups.churn(allocator, clean_ns=clean, starts_per_s=rate, lifetime_ns=lifetime_ns, rng=rng)
        asked = seen.started + seen.busy + seen.no_space
        rows.append(
            {
                "host": host,
                "starts_per_s": rate,
                "theory": theory.refused_frac,
                "without_limbo": erlang_b(rmid_count, rate * lifetime_ns / s),
                "simulated": seen.refused_frac,
                "busy_frac": seen.busy / asked,
                "no_space_frac": seen.no_space / asked,
                "limbo_count": theory.limbo_count,
                "simulated_limbo_count": seen.limbo_count,
            }
        )
    return pd.DataFrame(rows)


def refusals_in_words(frame: "DataFrame") -> "DataFrame":
    """`refusals` in words: rows (host, starts a second)."""
    import pandas as pd

    rows = {}
    for row in frame.itertuples():
        rows[row.host, units.human("starts_per_s", row.starts_per_s)] = {
            "refused": f"{row.theory:.1%}",
            "simulated": f"{row.simulated:.1%}",
            "EBUSY": f"{row.busy_frac:.1%}",
            "ENOSPC": f"{row.no_space_frac:.1%}",
            "without limbo": f"{row.without_limbo:.1%}",
            "in limbo": f"{row.limbo_count:.1f}",
            "simulated ": f"{row.simulated_limbo_count:.1f}",
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["host", "starts"])


def rotations(
    p: Params,
    groups_count: Iterable[int],
    *,
    rmid_count: int,
    footprint_bytes: float,
    seed: int,
    duration_ns: float,
) -> "DataFrame":
    """The 4.4 driver with more groups than RMIDs: share of the time watched, and readings' error, by their number.

    Lines go as those of the scenario's first tenant do when it gets another RMID, on the exact cache. Columns groups,
    theory, simulated (of the time), wait_ns, simulated_wait_ns (between two spells), reading_error_frac.
    """
    import pandas as pd

    left = share_left(p, 0, rng=np.random.default_rng(seed))
    limit = round_threshold(p.threshold_bytes, p.upscale_bytes) // p.upscale_bytes
    rows = []
    for count in groups_count:
        held = np.full(count, footprint_bytes / p.upscale_bytes)
        seen = study(held, rmid_count, limit, left, duration_ns=duration_ns)
        theory = rotation(count, rmid_count)
        rows.append(
            {
                "groups": count,
                "theory": theory.watched_frac,
                "simulated": float(seen.watched_frac.mean()),
                "wait_ns": theory.wait_ns,
                "simulated_wait_ns": float(seen.wait_ns.mean()) if seen.wait_ns.size else 0.0,
                "reading_error_frac": seen.reading_error_frac,
            }
        )
    return pd.DataFrame(rows)


def rotations_in_words(frame: "DataFrame") -> "DataFrame":
    """`rotations` in words: a row a number of groups."""
    import pandas as pd

    rows = {
        row.groups: {
            "watched": f"{row.theory:.0%}",
            "simulated": f"{row.simulated:.0%}",
            "unwatched for": units.human("wait_ns", row.wait_ns),
            "simulated ": units.human("wait_ns", row.simulated_wait_ns),
            "readings off by": units.human("x_frac", row.reading_error_frac),
        }
        for row in frame.itertuples()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("groups")
