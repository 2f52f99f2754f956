"""A whole migration in fluid form: rounds until the stop rule is met, many like rounds at a stride."""

from dataclasses import dataclass, fields

import numpy as np

from nfvlab.precopy.params import PAGE_BYTES, Params
from nfvlab.precopy.regions import Region
from nfvlab.precopy.rounds import CHECK_NS, Rounds

LIKE = 4  # rounds whose mean is compared with that of as many before them
STRIDE_FRAC = 0.2  # of the way to the threshold that one stride may cover
STEADY_FRAC = 0.02  # by which the length of like rounds may differ

Mark = tuple[
    float, float, float, float
]  # at a sync: time, bytes and normal pages sent, bytes above the threshold


@dataclass(frozen=True, eq=False)
class Fluid:
    """What became of a migration, until it completed or was given up.

    Rounds (float64 arrays, one entry for each sync between the first and the last; like rounds are passed over):
    when it ended, bytes sent in it, bytes marked after its sync, the threshold that they must fall below, and the
    share of the time for which the vCPUs are stopped from then on.
    Curve (float64 arrays): time, bytes sent and bytes marked at the ends of windows.
    """

    converged: bool
    total_time_ns: float
    downtime_ns: float
    pause_ns: float
    transferred_bytes: float
    normal_pages: float
    duplicate_pages: float
    dirty_sync_count: float
    throttle_frac: float
    stop_pages: float
    round_t_ns: np.ndarray
    round_sent_bytes: np.ndarray
    round_left_bytes: np.ndarray
    round_threshold_bytes: np.ndarray
    round_throttle_frac: np.ndarray
    curve_t_ns: np.ndarray
    curve_transferred_bytes: np.ndarray
    curve_left_bytes: np.ndarray

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Fluid):
            return NotImplemented
        return all(np.array_equal(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))


def fluid(p: Params, memory: tuple[Region, ...] | None = None, wait_ns: float = 0.0) -> Fluid:
    """Follow one migration; `memory` (by default `regions(p)`) is what its first pass sends, after `wait_ns`."""
    rounds = Rounds(p, memory, wait_ns)
    sender, throttle = rounds.sender, rounds.throttle
    table: list[tuple[float, float, float, float, float]] = []
    like: list[Mark] = []
    converged, stop = False, (0.0, 0.0, 0.0)
    while not converged:
        start_bytes, frac = sender.bytes, throttle.frac
        left_pages = rounds.send()
        if sender.now_ns >= p.give_up_ns:
            break
        if left_pages > 0 or sender.threshold_bytes > 0:
            rounds.sync()
        left = rounds.pending() * PAGE_BYTES
        table.append((sender.now_ns, sender.bytes - start_bytes, left, sender.threshold_bytes, throttle.frac))
        converged = left < sender.threshold_bytes or left == 0
        if throttle.frac != frac:
            like.clear()
        like.append((sender.now_ns, sender.bytes, sender.normal, left - sender.threshold_bytes))
        if len(like) > 2 * LIKE and not converged and _stride(rounds, like):
            like.clear()
    if converged:
        stop = rounds.stop()
    return Fluid(
        converged,
        sender.now_ns,
        *stop[:2],
        sender.bytes,
        sender.normal,
        sender.duplicate,
        rounds.syncs,
        throttle.frac,
        stop[2],
        *np.array(table).reshape(-1, 5).T,
        *np.array(sender.curve).T,
    )


def _stride(rounds: Rounds, like: list[Mark]) -> bool:
    """Pass over rounds that differ little from one to the next; what is marked falls by a fifth at most."""
    old, middle, new = like[-1 - 2 * LIKE], like[-1 - LIKE], like[-1]
    length_ns, size, normal = ((new[i] - middle[i]) / LIKE for i in range(3))
    if abs((middle[0] - old[0]) / LIKE - length_ns) > STEADY_FRAC * length_ns:
        return False
    excess = sum(mark[3] for mark in like[-LIKE:]) / LIKE
    drift = (excess - sum(mark[3] for mark in like[-2 * LIKE : -LIKE]) / LIKE) / LIKE
    p, throttle = rounds.p, rounds.throttle
    horizon_ns = p.give_up_ns if throttle.settled() else min(p.give_up_ns, throttle.last_ns + CHECK_NS)
    count = (horizon_ns - rounds.sender.now_ns) / length_ns - 1
    if drift:
        count = min(count, STRIDE_FRAC * excess / abs(drift))
    if count < LIKE:
        return False
    rounds.stride(int(count), length_ns, size, normal)
    return True
