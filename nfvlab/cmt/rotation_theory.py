"""More groups than RMIDs under the perf driver of Linux 4.4: what share of the time a group is watched.

The driver (arch/x86/kernel/cpu/perf_event_intel_cqm.c, __intel_cqm_rmid_rotate, from 4.1 to 4.13) takes the RMID of the
group at the head of its list every 250 ms, keeps it in limbo for at least as long, and hands on what is found clean.
One RMID besides 0 is set apart for this. A round that finds a clean RMID goes over the list a second time ("steal")
while fewer than a quarter of the RMIDs have been in limbo for 250 ms: so two groups lose and two groups gain an RMID in
each round, and an RMID that is clean after c rounds keeps 2 c of them in limbo.
"""

import math
from typing import NamedTuple

from nfvlab.units import ms

QUEUE_NS = 250 * ms  # RMID_DEFAULT_QUEUE_TIME: the rounds' interval, and the least time in limbo
_STOLEN = 2  # groups that lose their RMID in a round


class Rotation(NamedTuple):
    """Share of the time that a group is watched, for how long in a row, how long it then waits, RMIDs in limbo."""

    watched_frac: float
    spell_ns: float
    wait_ns: float
    limbo_count: float


def rotation(
    groups_count: int, rmid_count: int, clean_ns: float = 0.0, round_ns: float = QUEUE_NS
) -> Rotation:
    """The steady state of `groups_count` groups on RMIDs 1..`rmid_count`, each clean `clean_ns` after it is taken.

    While 2 c exceeds the quarter that may be in limbo the driver raises its threshold instead, and
    `watched_frac` is a lower bound. RMIDs that never get clean (inf) end in limbo, all of them: nobody is watched.
    """
    if groups_count < 1 or rmid_count < 1 or clean_ns < 0:
        raise ValueError(
            f"groups_count = {groups_count}, rmid_count = {rmid_count}, clean_ns = {clean_ns}: "
            "give a group, an RMID and a time from 0 up"
        )
    if groups_count < rmid_count:
        return Rotation(1.0, math.inf, 0.0, 0.0)
    if math.isinf(clean_ns):
        return Rotation(0.0, 0.0, math.inf, float(rmid_count))
    rounds = max(1, math.ceil(clean_ns / round_ns))
    limbo = min(_STOLEN * rounds, max((rmid_count + 1) // 4, _STOLEN))
    watched = max(rmid_count - limbo, 0)
    return Rotation(
        watched / groups_count,
        watched / _STOLEN * round_ns,
        (groups_count - watched) / _STOLEN * round_ns,
        float(limbo),
    )


__all__ = ["QUEUE_NS", "Rotation", "rotation"]
