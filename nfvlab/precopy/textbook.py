"""Pre-copy as the textbooks have it: each round sends what the round before it saw dirtied.

Clark et al., "Live Migration of Virtual Machines", NSDI 2005: V_0 is the whole memory, round i takes T_i = V_i / B,
and V_{i+1} is what the guest dirties in T_i, until V_i can be sent within the downtime limit. With a constant dirty
rate D this is a geometric series, V_i = V_0 (D/B)^i (Liu et al., HPDC 2011). Both know neither zero pages nor QEMU's
windows, its remainder, or the destination; `analytic` has these, and the distance between the two is their worth.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, inf, isfinite, log

from nfvlab.precopy.dirtying import unique_pages
from nfvlab.precopy.params import PAGE_BYTES, Params

MOST_ROUNDS = 1000


@dataclass(frozen=True)
class Textbook:
    """Rounds before the stop (the first pass is one), and what they and the stop-and-copy take; inf if never."""

    converged: bool
    rounds: float
    total_time_ns: float
    downtime_ns: float
    transferred_bytes: float
    volumes_bytes: tuple[float, ...] = ()


def geometric(volume: float, dirty: float, bandwidth: float, stop: float) -> Textbook:
    """The closed form for a constant dirty rate.

    volume: bytes of the first round; dirty, bandwidth: bytes/s; stop: bytes that may be left for the stop-and-copy.
    With r = D/B, n = ceil(ln(stop/V)/ln r) rounds send V (1 - r^n)/(1 - r), and V r^n is left.
    """
    ratio = dirty / bandwidth
    if volume <= stop:
        rounds, left = 0.0, volume
    elif ratio == 0:
        rounds, left = 1.0, 0.0
    elif ratio < 1 and stop > 0:
        rounds = float(max(1, ceil(log(stop / volume) / log(ratio) * (1 - 1e-12))))
        left = volume * ratio**rounds
    else:
        return Textbook(False, inf, inf, inf, inf)
    sent = volume * rounds if ratio == 1 else volume * (1 - ratio**rounds) / (1 - ratio)
    total = sent + left
    return Textbook(True, rounds, total / bandwidth * 1e9, left / bandwidth * 1e9, total)


def clark(volume: float, dirtied: Callable[[float], float], bandwidth: float, stop: float) -> Textbook:
    """The recursion for any law of dirtying: dirtied(seconds) gives the distinct bytes.

    It does not converge if a round is no smaller than the one before it: the law is concave and starts at 0, so the
    volumes fall or rise for ever.
    """
    volumes = [float(volume)]
    while volumes[-1] > stop:
        left = float(dirtied(volumes[-1] / bandwidth))
        if left >= volumes[-1] * (1 - 1e-9) or len(volumes) > MOST_ROUNDS or not isfinite(left):
            return Textbook(False, inf, inf, inf, inf, tuple(volumes))
        volumes.append(left)
    total = sum(volumes)
    rounds = float(len(volumes) - 1)
    return Textbook(
        True, rounds, total / bandwidth * 1e9, volumes[-1] / bandwidth * 1e9, total, tuple(volumes)
    )


def textbook(p: Params) -> Textbook:
    """What the recursion says of a scenario: all memory as full pages, at the lower of link rate and limit."""
    bandwidth = min(p.max_bandwidth_bytes_per_s, p.link_bytes_per_s * p.link_share_frac)
    room = (1 - p.workload_busy_frac) * 1e9
    rate = min(p.write_rate_per_s, room / p.visit_ns) if p.visit_ns else p.write_rate_per_s

    def dirtied(seconds: float) -> float:
        return float(unique_pages(p, rate * seconds)) * PAGE_BYTES

    return clark(p.ram_bytes, dirtied, bandwidth, bandwidth * p.downtime_limit_ns / 1e9)
