"""Bandwidth counters that go round, and parts that count wrong.

A counter of b bits in units of u bytes turns once every 2^b u bytes. The kernel takes the difference of two readings
modulo 2^b (Linux arch/x86/kernel/cpu/resctrl/monitor.c, mbm_overflow_count: both shifted left by 64 - b, subtracted,
shifted back): right after one wrap, short by whole turns after more, and nothing shows it. No tenant moves more than
memory can: 2^b u / bandwidth is safe for all. 24 bits of 64 KiB are a TiB; the kernel reads once a second.

Some parts count too much or too little for RMIDs above a threshold (errata SKX99, BDF102). The kernel multiplies the
count so far by a factor with 20 binary digits (mbm_cf_table, get_corrected_mbm_count), which it does not round again.
"""

import math
from typing import NamedTuple

from nfvlab.cmt.quantised import exceeds, unit_variance
from nfvlab.llc.params import LINE_BYTES

FACTOR_ONE = 1 << 20  # the factor's unit in mbm_cf_table
_REACH = 9.0


class Reading(NamedTuple):
    """Bytes that one reading of a counter tells: its mean, and its mean squared distance from a target."""

    mean: float
    squared_error: float


def turn_bytes(counter_bits: int, upscale_bytes: int) -> float:
    """Bytes after which a counter is where it was."""
    return float(2**counter_bits * upscale_bytes)


def longest_interval_ns(counter_bits: int, upscale_bytes: int, bytes_per_s: float) -> float:
    """Longest interval in which traffic of at most `bytes_per_s` cannot take the counter round twice."""
    return turn_bytes(counter_bits, upscale_bytes) / bytes_per_s * 1e9


def binary_factor(factor: float) -> float:
    """A correction factor as the kernel holds it, with 20 binary digits."""
    return math.floor(factor * FACTOR_ONE + 0.5) / FACTOR_ONE


def modulo(mean: float, variance: float, turn: float, unit: int, target: float, step: int = 0) -> Reading:
    """What a counter of `turn` bytes tells of an interval: mean, and mean squared distance from `target`.

    Traffic near normal (in steps of `step`, if not 0) is counted in whole units from a uniform phase: X bytes are told,
    were there no turns.
    """
    sd = math.sqrt(variance)
    if sd > turn:  # anywhere in the turn
        middle = (turn - unit) / 2
        return Reading(middle, (middle - target) ** 2 + (turn**2 - unit**2) / 12)
    whole = unit_variance(mean, sd, unit, step)
    low = max(math.floor((mean - _REACH * sd - unit) / turn), 0)
    high = math.ceil((mean + _REACH * sd + unit) / turn)
    turns = turns_squared = with_turns = 0.0  # E K, E K^2, E K (X - mean), for K turns beyond `low`
    for m in range(low + 1, high + 1):
        share, told = _reaches(m * turn, mean, sd, unit)
        turns += share
        turns_squared += (2 * (m - low) - 1) * share
        with_turns += told - mean * share
    at = mean - low * turn
    off = at - target
    squared = variance + whole + off**2 + turn**2 * turns_squared - 2 * turn * (with_turns + off * turns)
    told = min(
        max(at - turn * turns, 0.0), turn - unit
    )  # as low as 0: a normal variable's part below it is none
    return Reading(told, max(squared, (told - target) ** 2))


def _reaches(edge: float, mean: float, sd: float, unit: float) -> tuple[float, float]:
    """P(X >= edge) and E[X; X >= edge]: traffic beyond the edge is told as it is in the mean.

    Traffic less than a unit below the edge moves the counter to it with the probability of its part of the unit.
    """
    beyond, with_it = _upper(edge, mean, sd)
    near, with_near = (a - b for a, b in zip(_upper(edge - unit, mean, sd), (beyond, with_it), strict=True))
    lifted = max(with_near - (edge - unit) * near, 0.0) / unit
    return beyond + lifted, with_it + edge * lifted


def _upper(edge: float, mean: float, sd: float) -> tuple[float, float]:
    """P(Y >= edge) and E[Y; Y >= edge] of a normal variable; sd 0: of the constant."""
    share = exceeds(edge, mean, sd)
    bump = sd * math.exp(-0.5 * ((edge - mean) / sd) ** 2) / math.sqrt(2 * math.pi) if sd > 0 else 0.0
    return share, mean * share + bump


def reading(
    passed: float, variance: float, unit: int, bits: int, miscount: float, correction: float
) -> Reading:
    """Bytes told over an interval in which `passed` bytes go by (mean and variance), against these `passed`.

    The counter counts 1 / miscount of them; the kernel multiplies by `correction`.
    """
    mean, variance = passed / miscount, variance / miscount**2
    step = LINE_BYTES if miscount == 1 else 0
    told = modulo(mean, variance, turn_bytes(bits, unit), unit, passed / correction, step)
    again = unit**2 / 6 if correction != 1 else 0.0  # the corrected total is cut to whole units once more
    return Reading(correction * told.mean, correction**2 * told.squared_error + again)


__all__ = ["Reading", "binary_factor", "longest_interval_ns", "modulo", "reading", "turn_bytes"]
