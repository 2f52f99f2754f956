"""What one page costs: bytes on the wire, and times at source, link and destination."""

import math

import numpy as np

from nfvlab.precopy.params import HEADER_BYTES, PAGE_BYTES, ZERO_PAGE_BYTES, Params
from nfvlab.units import s

NORMAL_BYTES = HEADER_BYTES + PAGE_BYTES

#: By kind of page: zero (kernels.pipe.LIGHT), sent for the first time (NEW), sent again (AGAIN).
SIZES = np.array([ZERO_PAGE_BYTES, NORMAL_BYTES, NORMAL_BYTES], dtype=float)


def page_costs(p: Params, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times (ns) by kind of page at source, link and destination, for the next iteration.

    Hosts and link are each slower or faster than average by a factor of their own, alike for all kinds.
    """
    speed, link_speed = slowness(p.speed_cv_frac, rng), slowness(p.link_cv_frac, rng)
    link_ns = s / (p.link_bytes_per_s * p.link_share_frac) * link_speed
    produce = np.array([p.zero_scan_ns, p.send_ns, p.send_ns]) * speed
    transport = SIZES * link_ns + np.array([0.0, p.link_page_ns, 0.0])
    consume = np.array([p.zero_load_ns, p.first_touch_ns, p.again_ns]) * speed
    return produce, transport, consume


def slowness(cv_frac: float, rng: np.random.Generator) -> float:
    """A factor on times: log-normal with mean 1 and this coefficient of variation."""
    if cv_frac == 0:
        return 1.0
    sigma2 = math.log1p(cv_frac**2)
    return float(rng.lognormal(-sigma2 / 2, math.sqrt(sigma2)))
