"""What a page costs at the three stations that it passes (source, link, destination), and what limits add."""

from math import erf, inf, log, sqrt
from typing import NamedTuple

from nfvlab.precopy.params import HEADER_BYTES, PAGE_BYTES, ZERO_PAGE_BYTES, Params
from nfvlab.units import ms

NORMAL_BYTES = HEADER_BYTES + PAGE_BYTES
CLOCK_PAGES = 64  # QEMU's ram_save_iterate looks at the clock once in so many pages


class Cost(NamedTuple):
    """Of one page: mean times at the source, on the link and at the destination, and bytes on the wire."""

    source_ns: float
    link_ns: float
    load_ns: float
    wire_bytes: float

    @property
    def drain_ns(self) -> float:
        """Time behind the socket, when many such pages follow each other."""
        return max(self.link_ns, self.load_ns)

    @property
    def bottleneck_ns(self) -> float:
        """Time per page when many such pages follow each other."""
        return max(self.source_ns, self.link_ns, self.load_ns)


class Costs(NamedTuple):
    """The three kinds of page."""

    first: Cost
    again: Cost
    zero: Cost

    def mix(self, nonzero_frac: float) -> Cost:
        """An average page of a region that is sent for the first time.

        The socket evens out a fine mixture: each station works at its average, and only the slowest counts.
        """
        if nonzero_frac >= 1:
            return self.first
        pairs = zip(self.first, self.zero, strict=True)
        return Cost(*(nonzero_frac * a + (1 - nonzero_frac) * b for a, b in pairs))


def costs(p: Params) -> Costs:
    """Per-page costs of a scenario."""
    byte_ns = 1e9 / (p.link_bytes_per_s * p.link_share_frac)
    link_ns = NORMAL_BYTES * byte_ns
    return Costs(
        first=Cost(p.send_ns, link_ns + p.link_page_ns, p.first_touch_ns, NORMAL_BYTES),
        again=Cost(p.send_ns, link_ns, p.again_ns, NORMAL_BYTES),
        zero=Cost(p.zero_scan_ns, ZERO_PAGE_BYTES * byte_ns, p.zero_load_ns, ZERO_PAGE_BYTES),
    )


def usual(p: Params, cost: Cost) -> Cost:
    """The costs that give the mean speed over many iterations.

    In an iteration of fixed length whose pages take F times their mean time, 1/F times the mean number is sent,
    and E[1/F] = 1 + cv^2 for a log-normal F of mean 1. Of link and destination the slower counts in each.
    """
    host, link = 1 + p.speed_cv_frac**2, 1 + p.link_cv_frac**2
    found = cost._replace(
        source_ns=cost.source_ns / host, load_ns=cost.load_ns / host, link_ns=cost.link_ns / link
    )
    if not (host > 1 or link > 1) or not (cost.link_ns and cost.load_ns):
        return found
    rate, _ = expected_min(1 / found.link_ns, 1 / found.load_ns, p.link_cv_frac, p.speed_cv_frac)
    return found._replace(load_ns=max(1 / rate, found.load_ns))


def expected_min(mean_x: float, mean_y: float, cv_x: float, cv_y: float) -> tuple[float, float]:
    """E[min(X, Y)] and P(X < Y) of independent log-normals: a varying limit X on a varying speed Y.

    E[X; X < Y] = E[X] Phi((m_y - m_x - s_x^2) / s) with m, s^2 the moments of the logarithms and s^2 = s_x^2 +
    s_y^2, and the same with X and Y exchanged. With a constant X it is the actuaries' limited expected value.
    """
    var_x, var_y = log(1 + cv_x * cv_x), log(1 + cv_y * cv_y)
    s = sqrt(var_x + var_y)
    if s == 0 or mean_x <= 0:
        return min(mean_x, mean_y), float(mean_x < mean_y)
    ahead = log(mean_y / mean_x) - (var_y - var_x) / 2
    mean = mean_x * _phi((ahead - var_x) / s) + mean_y * _phi((-ahead - var_y) / s)
    return mean, _phi(ahead / s)


def _phi(x: float) -> float:
    return (1 + erf(x / sqrt(2))) / 2


def iteration_ns(p: Params) -> float:
    """The longest iteration: QEMU counts whole milliseconds, and ends it when there are more than MAX_WAIT."""
    return (p.iterate_max_ns // ms + 1) * ms


def overshoot_ns(cost: Cost) -> float:
    """How much longer an iteration takes on the average, since the clock is read after every 64th page only."""
    return CLOCK_PAGES / 2 * cost.bottleneck_ns


def iterations_per_window(p: Params) -> int:
    """Iterations in a window that the limiter does not cut short; it ends with an iteration."""
    return max(1, -int(-p.window_ns // iteration_ns(p)))


def full_window_ns(p: Params) -> float:
    """Length of a window that the limiter does not cut short."""
    return iterations_per_window(p) * iteration_ns(p)


def window_limit(p: Params, cost: Cost) -> tuple[float, float]:
    """Mean budget of a window full of such pages, less what slow iterations leave unused, and its mean lateness."""
    budget = p.max_bandwidth_bytes_per_s * p.window_ns / 1e9
    bottleneck_ns = usual(p, cost).bottleneck_ns
    if bottleneck_ns == 0:
        return budget, p.wakeup_ns
    length_ns = full_window_ns(p) + iterations_per_window(p) * overshoot_ns(cost)
    capacity = cost.wire_bytes / bottleneck_ns * length_ns
    hosts = max(cost.source_ns, cost.load_ns) > cost.link_ns
    cv = (p.speed_cv_frac if hosts else p.link_cv_frac) / sqrt(iterations_per_window(p))
    mean, binds = expected_min(budget, capacity, 0.0, cv)
    return (budget if binds < 1e-3 else mean), p.wakeup_ns * binds


def mean_bytes_per_s(p: Params, cost: Cost) -> float:
    """Mean rate of a long run of such pages under the limiter: full windows sleep to their end, and wake late."""
    bottleneck_ns = usual(p, cost).bottleneck_ns
    capacity = cost.wire_bytes / bottleneck_ns * 1e9 if bottleneck_ns else inf
    budget, late_ns = window_limit(p, cost)
    return min(capacity, budget / (p.window_ns + late_ns) * 1e9)


def visits_per_s(p: Params, throttle: float = 0.0) -> float:
    """Visits of the workload when its vCPU is stopped for a share `throttle` of the time: idle time goes first."""
    room = (1 - p.workload_busy_frac) * 1e9
    rate = min(p.write_rate_per_s, room / p.visit_ns) if p.visit_ns > 0 else p.write_rate_per_s
    busy = p.workload_busy_frac + rate * p.visit_ns / 1e9
    return rate * min(1.0, (1 - throttle) / busy) if busy > 0 else rate
