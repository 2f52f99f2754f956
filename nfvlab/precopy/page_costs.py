"""What one page costs: bytes on the wire, and times at source, link and destination."""

import math

import numpy as np

from nfvlab.precopy.params import HEADER_BYTES, PAGE_BYTES, ZERO_PAGE_BYTES, Params
from nfvlab.units import s

NORMAL_BYTES = HEADER_BYTES + PAGE_BYTES

#: By kind of page: zero (kernels.pipe.LIGHT), sent for the first time (NEW), sent again (AGAIN).
SIZES = np.array([ZERO_PAGE_BYTES, NORMAL_BYTES, NORMAL_BYTES], dtype=float)


def page_costs(p: Params, speed: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times (ns) by kind of page at source, link and destination; `speed` stretches what the hosts do."""
    link_ns = s / (p.link_bytes_per_s * p.link_share_frac)
    produce = np.array([p.zero_scan_ns, p.send_ns, p.send_ns]) * speed
    transport = SIZES * link_ns + np.array([0.0, p.link_page_ns, p.link_page_ns])
    consume = np.array([p.zero_load_ns, p.first_touch_ns, p.again_ns]) * speed
    return produce, transport, consume


def host_speed(p: Params, rng: np.random.Generator) -> float:
    """How much slower than average the hosts are for the next iteration: log-normal with mean 1."""
    if p.speed_cv_frac == 0:
        return 1.0
    sigma2 = math.log1p(p.speed_cv_frac**2)
    return float(rng.lognormal(-sigma2 / 2, math.sqrt(sigma2)))
