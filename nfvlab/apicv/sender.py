"""The wait in front of the housekeeping CPU that takes the device's interrupts and posts them."""

import numpy as np
from scipy.special import ndtr

from nfvlab.apicv import waiting
from nfvlab.apicv.accounting import Routes

FIRST, LAST = 40, 440  # the interrupts that are followed
_STEADY = 0.8  # load up to which the steady state is reached at once


def sender_wait(r: Routes) -> np.ndarray:
    """Law of the wait, a mixture of weight 1; at and above full load it grows from interrupt to interrupt."""
    p, rate = r.p, r.p.interrupts_per_s * 1e-9
    if not r.sender:
        return waiting.mixture((1.0, waiting.ZERO))
    one = r.time(*r.sender)
    load = rate * one[0]
    vary = 1 - 1 / p.vector_count if p.arrivals == "periodic" else 1.0
    if load > _STEADY:
        return _growing(one, rate, vary)
    steady = waiting.queue(one, rate)
    if vary == 1.0 or len(steady) == 1:
        return steady
    waits = steady[1, 0] * vary
    return waiting.mixture((1 - waits, waiting.ZERO), (waits, steady[1, 1:]))


def _growing(one: np.ndarray, rate: float, vary: float) -> np.ndarray:
    """The wait of the interrupts 40 … 440 of a queue that starts empty, as a reflected Brownian motion.

    J. M. Harrison, Brownian Motion and Stochastic Flow Systems, 1985, section 1.8: the maximum of a drifted motion.
    """
    n = np.linspace(FIRST, LAST, 9)[:-1] + (LAST - FIRST) / 16
    drift, load = one[0] - 1 / rate, rate * one[0]
    variance = max(vary / rate**2 + one[1], (1e-6 / rate) ** 2)
    drift = drift if abs(drift) > 1e-9 * one[0] else 1e-9 * one[0]
    sigma = np.sqrt(variance * n)
    z = drift * n / sigma
    density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    mean = sigma * density + drift * n * ndtr(z) + variance / (2 * drift) * (2 * ndtr(z) - 1)
    mean = np.maximum(mean, 0.0) * min(load, 1.0) ** 2
    spread = np.minimum(mean**2, variance * n)
    return waiting.mixture(
        *(
            (1 / len(n), np.array([m, v, 2 * v * v / m if m > 0 else 0.0]))
            for m, v in zip(mean, spread, strict=True)
        )
    )


__all__ = ["FIRST", "LAST", "sender_wait"]
