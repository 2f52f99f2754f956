"""From a tenant's end until its RMID can be given out again, and what the next owner is charged with.

Linux fs/resctrl/monitor.c, __check_limbo, looks at each RMID in limbo at intervals; it stays there while its reading,
whole units of the upscaling factor, is not below the threshold, which is cut to whole units as well
(resctrl_arch_round_mon_val). So a threshold of less than a unit can never be met.
"""

import math
from dataclasses import dataclass

import numpy as np

from nfvlab.cmt.decay import Decay
from nfvlab.llc.params import LINE_BYTES

_TIMES = 20
_LAST_LINE = math.exp(-0.5772156649)  # mean number left at the mean time at which the last of many goes


def clean_level(threshold_bytes: float, upscale_bytes: int) -> float:
    """Lines at which an RMID becomes clean: floor(lines x 64 / unit) < floor(threshold / unit); below 0 never."""
    limit = threshold_bytes // upscale_bytes * upscale_bytes
    return math.ceil(limit / LINE_BYTES) - 1 + _LAST_LINE if limit > 0 else -1.0


@dataclass(frozen=True)
class Limbo:
    """Time to be clean, mean wait for the check that finds it, lines left then (NaN if never)."""

    clean_ns: float
    wait_ns: float
    stale_lines: float


def limbo(course: Decay, threshold_bytes: float, upscale_bytes: int, check_ns: float) -> Limbo:
    """The RMID of a tenant that ended at a uniform moment between checks.

    The check comes uniformly between `clean` and `clean + check_ns` after the end.
    """
    clean = course.time_below(clean_level(threshold_bytes, upscale_bytes))
    if math.isinf(clean):
        return Limbo(math.inf, math.inf, math.nan)
    t = clean + check_ns * np.concatenate([[0.0], np.geomspace(1e-4, 1.0, _TIMES)])
    left = course.lines(t)
    mean = float((0.5 * (left[1:] + left[:-1]) * np.diff(t)).sum() / check_ns)
    return Limbo(clean, clean + check_ns / 2, mean)


__all__ = ["Limbo", "clean_level", "limbo"]
