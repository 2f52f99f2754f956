"""What one page costs at the three stations it passes (source, link, destination), and what the limiter lets through."""

from math import erf, inf, log, sqrt
from typing import NamedTuple

from nfvlab.precopy.params import HEADER_BYTES, PAGE_BYTES, ZERO_PAGE_BYTES, Params

NORMAL_BYTES = HEADER_BYTES + PAGE_BYTES


class Cost(NamedTuple):
    """Of one page: time at the source, at the slower of link and destination, and bytes on the wire."""

    source_ns: float
    drain_ns: float
    wire_bytes: float

    @property
    def bottleneck_ns(self) -> float:
        """Time per page when many follow each other."""
        return max(self.source_ns, self.drain_ns)


class Costs(NamedTuple):
    """The three kinds of page."""

    first: Cost
    again: Cost
    zero: Cost

    def mix(self, nonzero_frac: float) -> Cost:
        """An average page of a region that is sent for the first time.

        The socket evens out a fine mixture, so each station works at its average, and only the slowest counts.
        """
        if nonzero_frac >= 1:
            return self.first
        return Cost(*(nonzero_frac * a + (1 - nonzero_frac) * b for a, b in zip(self.first, self.zero, strict=True)))


def costs(p: Params) -> Costs:
    """Per-page costs of a scenario."""
    byte_ns = 1e9 / (p.link_bytes_per_s * p.link_share_frac)
    link_ns = NORMAL_BYTES * byte_ns + p.link_page_ns
    return Costs(
        first=Cost(p.send_ns, max(link_ns, p.first_touch_ns), NORMAL_BYTES),
        again=Cost(p.send_ns, max(link_ns, p.again_ns), NORMAL_BYTES),
        zero=Cost(p.zero_scan_ns, max(ZERO_PAGE_BYTES * byte_ns, p.zero_load_ns), ZERO_PAGE_BYTES),
    )


def speed_up(p: Params) -> float:
    """Mean speed over many iterations of fixed length, relative to that at the mean time per page.

    An iteration in which a page takes F times its mean time sends 1/F times the mean number: E[1/F] = 1 + cv^2 for a
    log-normal F of mean 1 (Jensen's inequality is an equation here).
    """
    return 1 + p.speed_cv_frac**2


def expected_min(limit: float, mean: float, cv: float) -> tuple[float, float]:
    """E[min(limit, X)] and P(X > limit) of a log-normal X: bytes of a window under a limiter, and how often it binds.

    The expectation is the limited one of actuaries: mean * Phi(d - s) + limit * Phi(-d), d = (ln(limit/mean) + s^2/2)/s.
    """
    if cv <= 0 or limit <= 0:
        return min(limit, mean), float(mean > limit)
    s = sqrt(log(1 + cv * cv))
    d = (log(limit / mean) + s * s / 2) / s
    return mean * _phi(d - s) + limit * _phi(-d), _phi(-d)


def _phi(x: float) -> float:
    return (1 + erf(x / sqrt(2))) / 2


def iterations_per_window(p: Params) -> int:
    """Iterations that fit into a window which the limiter does not cut short (it ends with an iteration)."""
    return max(1, -int(-p.window_ns // p.iterate_max_ns))


def capacity_bytes_per_s(p: Params, cost: Cost) -> float:
    """Mean rate without the limiter."""
    return inf if cost.bottleneck_ns == 0 else cost.wire_bytes / cost.bottleneck_ns * 1e9 * speed_up(p)


def limited_bytes_per_s(p: Params, cost: Cost) -> float:
    """Mean rate under the limiter, for pages of one kind: windows that fill their budget sleep, and wake late."""
    span = iterations_per_window(p) * p.iterate_max_ns
    capacity = capacity_bytes_per_s(p, cost)
    if capacity == inf:
        return p.max_bandwidth_bytes_per_s * p.window_ns / (p.window_ns + p.wakeup_ns)
    cv = p.speed_cv_frac / sqrt(iterations_per_window(p))
    budget = p.max_bandwidth_bytes_per_s * p.window_ns / 1e9
    mean, binds = expected_min(budget, capacity * span / 1e9, cv)
    unlimited = 1 - binds
    length = unlimited * span + binds * max(p.window_ns + p.wakeup_ns, budget / capacity * 1e9)
    return mean / length * 1e9


def throttled_visits_per_s(p: Params, throttle: float) -> float:
    """Visits of the workload whose vCPU is stopped for a share `throttle` of the time: idle time goes first."""
    rate = min(p.write_rate_per_s, 1e9 / p.visit_ns) if p.visit_ns > 0 else p.write_rate_per_s
    busy = rate * p.visit_ns / 1e9
    return rate * min(1.0, (1 - throttle) / busy) if busy > 0 else rate

