"""A whole migration in fluid form: rounds until the stop rule is met, many like rounds at a stride."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from nfvlab.precopy.params import PAGE_BYTES, Params
from nfvlab.precopy.regions import Region
from nfvlab.precopy.rounds import CHECK_NS, Rounds

LIKE = 4  # rounds whose mean is compared with that of as many before them
MANY = 32  # the same for rounds that go up and down
STRIDE_FRAC = 0.2  # of the way to the threshold that one stride may cover
STEADY_FRAC = 0.02  # by which like rounds may differ in length, and in what they leave above the threshold

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


def fluid(
    p: Params,
    memory: tuple[Region, ...] | None = None,
    wait_ns: float = 0.0,
    kind: Callable[..., Rounds] = Rounds,
) -> Fluid:
    """Follow one migration.

    `memory` (by default `regions(p)`) is what its first pass sends, after `wait_ns`; `kind` makes its rounds.
    """
    rounds = kind(p, memory, wait_ns)
    sender, throttle = rounds.sender, rounds.throttle
    table: list[tuple[float, float, float, float, float]] = []
    strides = Strides(rounds)
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
            strides.forget()
        if not converged:
            strides.after_sync(left - sender.threshold_bytes)
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


class Strides:
    """Passes over rounds that differ little from one to the next, so that a migration has few to follow."""

    def __init__(self, rounds: Rounds):
        self.rounds = rounds
        self.forget()

    def forget(self) -> None:
        """Start anew: what comes is not like what has been."""
        self.marks: list[Mark] = []
        self.levels: list[float] = []  # of the excess, at each stride

    def after_sync(self, excess_bytes: float) -> None:
        """Pass over rounds if the last few are alike, or at least, on the average, the last many."""
        sender = self.rounds.sender
        self.marks.append((sender.now_ns, sender.bytes, sender.normal, excess_bytes))
        past = len(self.marks) - 1
        few = past >= 2 * LIKE and past % LIKE == 0 and self._stride(LIKE, even=True)
        many = past == 2 * MANY and not few
        if few or (many and self._stride(MANY, even=False)):
            self.marks.clear()
        elif many:
            del self.marks[:MANY]

    def _stride(self, half: int, even: bool) -> bool:
        """Compare the last `half` rounds with as many before them, and pass over as many as that allows."""
        old, middle, new = self.marks[-1 - 2 * half], self.marks[-1 - half], self.marks[-1]
        length_ns, size, normal = ((new[i] - middle[i]) / half for i in range(3))
        later = [mark[3] for mark in self.marks[-half:]]
        level = sum(later) / half
        if even:
            longer_ns = abs((middle[0] - old[0]) / half - length_ns)
            if longer_ns > STEADY_FRAC * length_ns or max(later) - min(later) > STEADY_FRAC * level:
                return False
        drift = (level - sum(mark[3] for mark in self.marks[-2 * half : -half]) / half) / half
        count = self._rounds_ahead(length_ns, level, drift, normal * PAGE_BYTES / max(size, 1.0))
        if count < half:
            return False
        self.rounds.stride(count, length_ns, size, normal)
        self.levels.append(level)
        return True

    def _rounds_ahead(self, length_ns: float, level: float, drift: float, dirtied_frac: float) -> int:
        """How many rounds to pass over: what is above the threshold may change by a fifth, at first."""
        p, throttle = self.rounds.p, self.rounds.throttle
        calm = throttle.settled() or dirtied_frac <= p.throttle_trigger_frac
        horizon_ns = p.give_up_ns if calm else min(p.give_up_ns, throttle.last_ns + CHECK_NS)
        count = (horizon_ns - self.rounds.sender.now_ns) / length_ns - 1
        last = self.levels[-LIKE:]
        level_again = len(last) == LIKE and max(abs(level - one) for one in last) < STRIDE_FRAC * level / 2
        if drift and not level_again and len(self.levels) < 8 * LIKE:
            count = min(count, STRIDE_FRAC * level / abs(drift))
        return int(count)
