"""What rotation costs whoever reads the events: the time a group is watched, and how wrong its readings are then.

Each group has a steady working set in the cache. Its first RMID, if it gets one when it starts, tags all of it. When it
gets another one its lines come under that one by one, as the cache replaces them; when it loses the RMID the lines keep
it until they are replaced: `decay`, the share of lines that still carry an RMID so long after it was taken away, tells
both; `share_left` measures it on the exact cache.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nfvlab.cmt.departure import follow
from nfvlab.cmt.params import Params
from nfvlab.cmt.rotation import QUEUE_NS, Group, Rotation
from nfvlab.llc.engine import Engine

Decay = Callable[[float], float]  # share of the lines left so many ns after an RMID lost its group, 1 at 0


@dataclass(frozen=True)
class Watched:
    """Outcome of a rotation, after the first half of the time.

    watched_frac : share of the time with an RMID, float64[groups]
    wait_ns : times from the loss of an RMID to the next, float64[waits]
    clean_wait_ns : times that RMIDs spent in limbo, float64[releases]
    reading_error_frac : readings of watched groups, relative to the lines they have: mean of |reading / true - 1|
    lost_frac : share of readings that found a group without an RMID
    threshold_units : the threshold at every run of the worker, int64[runs]
    """

    watched_frac: np.ndarray
    wait_ns: np.ndarray
    clean_wait_ns: np.ndarray
    reading_error_frac: float
    lost_frac: float
    threshold_units: np.ndarray


def share_left(p: Params, tenant: int, *, rng: np.random.Generator) -> Decay:
    """Share of a running tenant's lines that still carry the RMID it had, by the time since it got another one.

    Hits re-tag nothing, so the share need not go to 0: lines that are never evicted keep the old RMID for ever.
    """
    engine = Engine(p, p.tenants, rng, spare_rmids=1)
    engine.run(p.warmup_ns)
    engine.set_rmid(tenant, engine.rmid_count - 1)
    decay = follow(engine, tenant)
    if decay.level_bytes[0] == 0:
        raise ValueError(f"tenants[{tenant}] holds no line after warmup_ns = {p.warmup_ns:g}: make it longer")
    return lambda since_ns: float(decay.level(since_ns) / decay.level_bytes[0])


class _Tags:
    """Lines by RMID: its present group's, growing, and those left over from earlier groups, going."""

    def __init__(self, footprint_units: np.ndarray, decay: Decay):
        self.footprint, self.decay = footprint_units, decay
        self.since: dict[int, tuple[float, int]] = {}  # RMID in use -> (since when, its group)
        self.left: dict[
            int, list[tuple[float, float]]
        ] = {}  # RMID -> [(lines, since when they have been going)]

    def begin(self, rmid: int, group: int, now: float) -> None:
        self.since[rmid] = (now, group)

    def end(self, rmid: int, now: float) -> None:
        lines = self._tagged(rmid, now)
        del self.since[rmid]
        self.left.setdefault(rmid, []).append((lines, now))

    def lines(self, rmid: int, now: float) -> float:
        """Units of the cache that carry an RMID."""
        old = [
            (lines, since)
            for lines, since in self.left.get(rmid, ())
            if self.decay(now - since) * lines > 0.5
        ]
        self.left[rmid] = old
        total = sum(lines * self.decay(now - since) for lines, since in old)
        return total + (self._tagged(rmid, now) if rmid in self.since else 0.0)

    def _tagged(self, rmid: int, now: float) -> float:
        """Units that carry an RMID in use for the sake of its present group."""
        began, group = self.since[rmid]
        return self.footprint[group] * (1 - self.decay(now - began) if began > 0 else 1.0)


def study(
    footprint_units,
    max_rmid: int,
    limit_units: int,
    decay: Decay,
    *,
    duration_ns: float,
    read_ns: float = 1e9,
) -> Watched:
    """Rotate groups with these footprints (units of the counter) for so long, and read each every `read_ns`."""
    footprint = np.asarray(footprint_units, dtype=float)
    tags = _Tags(footprint, decay)
    made = Rotation(max_rmid, limit_units, lambda rmid, now: int(tags.lines(rmid, now)))
    log: list[tuple[float, int, int | None, int | None]] = []

    def exchanged(group: Group, old: int | None, new: int | None) -> None:
        if old is not None:
            tags.end(old, made.now_ns)
        if new is not None:
            tags.begin(new, group.name, made.now_ns)
        log.append((made.now_ns, group.name, old, new))

    made.exchanged = exchanged
    for name in range(footprint.size):
        made.add(Group(name))
    errors, lost, readings, threshold = [], 0, 0, []
    next_read = duration_ns / 2
    while made.now_ns < duration_ns:
        while next_read <= made.now_ns:
            for group in made.groups:
                readings += 1
                lost += group.rmid is None
                if group.rmid is not None:
                    errors.append(abs(int(tags.lines(group.rmid, next_read)) / footprint[group.name] - 1))
            next_read += read_ns
        made.rotate()
        threshold.append(made.threshold_units)
        made.now_ns += QUEUE_NS
    share = lost / readings if readings else np.nan
    error = float(np.mean(errors)) if errors else np.nan
    return Watched(*_times(log, footprint.size, duration_ns), error, share, np.array(threshold))


def _times(log, groups: int, end: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(share of the second half that each group was watched; waits of groups; stays of RMIDs in limbo and reserve)."""
    start, held = end / 2, np.zeros(groups)
    since, gone, left = {}, {}, {}
    waits, stays = [], []
    for now, group, old, new in log:
        if old is not None:
            held[group] += max(0.0, now - max(start, since.pop(group)))
            gone[group], left[old] = now, now
        if new is not None:
            since[group] = now
            if group in gone and now >= start:
                waits.append(now - gone[group])
            if new in left and now >= start:
                stays.append(now - left[new])
    for group, began in since.items():
        held[group] += end - max(start, began)
    return held / (end - start), np.array(waits), np.array(stays)
