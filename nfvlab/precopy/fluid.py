"""A whole migration in fluid form: rounds until the stop rule is met, many like rounds at a stride."""

from dataclasses import dataclass, field

from nfvlab.precopy.params import PAGE_BYTES, Params
from nfvlab.precopy.regions import Region
from nfvlab.precopy.rounds import Rounds
from nfvlab.units import s

LIKE = 4  # rounds whose mean is compared with that of the same number before them
STRIDE_FRAC = 0.2  # of the way to the threshold that one stride may cover


@dataclass
class Fluid:
    """What became of a migration.

    A round ends with a sync: when (`round_t_ns`), what was sent in it (`round_sent_bytes`), what is marked after it
    (`round_left_bytes`), against which threshold (`round_threshold_bytes`). `curve` holds (time, bytes sent, bytes
    marked) at the ends of windows.
    """

    converged: bool = False
    total_time_ns: float = 0.0
    downtime_ns: float = 0.0
    pause_ns: float = 0.0
    transferred_bytes: float = 0.0
    normal_pages: float = 0.0
    duplicate_pages: float = 0.0
    dirty_sync_count: float = 0.0
    throttle_frac: float = 0.0
    stop_pages: float = 0.0
    round_t_ns: list[float] = field(default_factory=list)
    round_sent_bytes: list[float] = field(default_factory=list)
    round_left_bytes: list[float] = field(default_factory=list)
    round_threshold_bytes: list[float] = field(default_factory=list)
    curve: list[tuple[float, float, float]] = field(default_factory=list)


def fluid(p: Params, memory: tuple[Region, ...] | None = None) -> Fluid:
    """Follow one migration; `memory` (by default `regions(p)`) is what its first pass sends."""
    rounds, out = Rounds(p, memory), Fluid()
    sender = rounds.sender
    history: list[tuple[float, float, float, float]] = []
    while True:
        start_bytes = sender.bytes
        left = rounds.send()
        if sender.now_ns >= p.give_up_ns:
            break
        if left > 0 or sender.threshold_bytes > 0:
            rounds.sync()
        left_bytes = rounds.pending() * PAGE_BYTES
        out.round_t_ns.append(sender.now_ns)
        out.round_sent_bytes.append(sender.bytes - start_bytes)
        out.round_left_bytes.append(left_bytes)
        out.round_threshold_bytes.append(sender.threshold_bytes)
        if left_bytes < sender.threshold_bytes or left_bytes == 0:
            out.converged = True
            break
        history.append((sender.now_ns, sender.bytes, sender.normal, left_bytes - sender.threshold_bytes))
        if len(history) > 2 * LIKE and _stride(rounds, history):
            history.clear()
    if out.converged:
        out.downtime_ns, out.pause_ns, out.stop_pages = rounds.stop()
    out.total_time_ns = sender.now_ns
    out.transferred_bytes, out.dirty_sync_count = sender.bytes, rounds.syncs
    out.normal_pages, out.duplicate_pages = sender.normal, sender.duplicate
    out.throttle_frac, out.curve = rounds.throttle.frac, sender.curve
    return out


def _stride(rounds: Rounds, history: list[tuple[float, float, float, float]]) -> bool:
    """Pass over rounds that differ little from one to the next, while what is left falls by a fifth at most."""
    old, middle, new = history[-1 - 2 * LIKE], history[-1 - LIKE], history[-1]
    length_ns, size, normal = ((new[i] - middle[i]) / LIKE for i in range(3))
    if abs(middle[0] - old[0] - LIKE * length_ns) > 0.02 * LIKE * length_ns:
        return False
    excess = sum(entry[3] for entry in history[-LIKE:]) / LIKE
    drift = (excess - sum(entry[3] for entry in history[-2 * LIKE : -LIKE]) / LIKE) / LIKE
    throttle, p = rounds.throttle, rounds.p
    horizon_ns = p.give_up_ns if throttle.settled else min(p.give_up_ns, throttle.last_ns + 1 * s)
    count = (horizon_ns - rounds.sender.now_ns) / length_ns - 1
    if drift:
        count = min(count, STRIDE_FRAC * excess / abs(drift))
    if count < LIKE:
        return False
    rounds.stride(int(count), length_ns, size, normal)
    return True
