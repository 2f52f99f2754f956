"""Where in the steps of the VMX-preemption timer, and of the guest's TSC, a deadline falls.

The timer counts flips of TSC bit X (Intel SDM vol. 3C, 25.5.1), so a field value v, loaded at TSC t, is used up at
((t >> X) + v) << X. With v = (T - t) >> X that is early by (t mod 2^X) + ((T - t) mod 2^X) ticks: two remainders of
0 … 2^X - 1 each. Over many rounds a remainder is uniform if what stands before it varies by about a step; if it varies
less, it stays where the mean has it, modulo 2^X. With uniform remainders the mean is 2^X - 1 ticks.

The remainders do not come from the clock alone: an exit by the timer falls on a multiple of 2^X, so t is the round's
work since the last exit, modulo 2^X. Rounds of constant length repeat the same remainder for ever.
"""

import numpy as np
from scipy.special import ndtri

_FINE = 8.0  # cycles: of a tick below which its mean stands for it
_NODES = 16  # of a remainder's law
_WIDE = 0.5  # of a step: a standard deviation from which a remainder is uniform (the rest is exp(-pi^2 / 2) < 1 %)
_SCORES = ndtri((np.arange(_NODES) + 0.5) / _NODES)


def remainder(mean: float, sd: float, step: float, *, whole: bool = True) -> np.ndarray:
    """Equally likely values of X mod step, for X near normal: float64[m], m = 1 if it does not vary.

    `whole`: X is a whole number, so that a step of 1 leaves nothing.
    """
    if step <= (1.0 if whole else 0.0):
        return np.zeros(1)
    if sd > _WIDE * step:
        if whole and step <= _NODES:
            return np.arange(step)
        return (step - whole) * (np.arange(_NODES) + 0.5) / _NODES
    if sd <= 0:
        return np.array([np.floor(mean) % step if whole else mean % step])
    return np.maximum((mean + sd * _SCORES) % step - 0.5 * whole, 0.0)


def early_cycles(
    shift: int, at_entry: tuple[float, float], left: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """How much before T the preemption timer's exit comes: values in cycles and their probabilities.

    `at_entry`: mean and standard deviation of the TSC at the entry, from a multiple of 2^shift on; `left`: of what is
    left until T then. A value that is 0 at once is used up at the entry: early by all that is left.
    """
    step = 2.0**shift
    if left[0] < step:
        return np.array([max(left[0], 0.0)]), np.ones(1)
    phase, rest = remainder(*at_entry, step), remainder(*left, step)
    values = np.add.outer(phase, rest).ravel()
    return values, np.full(values.size, 1 / values.size)


def late_cycles(tick_cycles: float) -> tuple[np.ndarray, np.ndarray]:
    """How much after T a host reckons with a guest's TSC of `tick_cycles` a tick: it has read that rounded down."""
    if tick_cycles < _FINE:
        return np.array([tick_cycles / 2]), np.ones(1)
    values = remainder(0.0, np.inf, tick_cycles, whole=False)
    return values, np.full(values.size, 1 / values.size)


__all__ = ["early_cycles", "late_cycles", "remainder"]
