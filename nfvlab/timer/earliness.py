"""How early the VMX-preemption timer comes by its steps: every phase of the TSC, counted out by the exact countdown."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nfvlab.timer.countdown import fires_at, value_at

if TYPE_CHECKING:
    from pandas import DataFrame


class Counted(NamedTuple):
    """One countdown, tick by tick: int64[n] each, and where it ends; `early_cycles` is T less that."""

    tsc: np.ndarray
    bit: np.ndarray
    value: np.ndarray
    entry_tsc: int
    deadline_tsc: int
    fires_tsc: int
    early_cycles: int


def counted(shift: int, entry_tsc: int, deadline_tsc: int, *, margin: int = 0) -> Counted:
    """Load (deadline - entry) >> X at the entry, as KVM does, and count until the deadline and `margin` ticks more."""
    field = deadline_tsc - entry_tsc >> shift
    tsc = np.arange(entry_tsc, deadline_tsc + margin + 1)
    value = np.array([value_at(entry_tsc, field, shift, int(t)) for t in tsc])
    fires = fires_at(entry_tsc, field, shift)
    return Counted(tsc, tsc >> shift & 1, value, entry_tsc, deadline_tsc, fires, deadline_tsc - fires)


def all_phases(shift: int, steps_count: int = 8) -> np.ndarray:
    """How early the timer is, cycles: int64[2**X phases of the TSC at the entry, 2**X deadlines after whole steps]."""
    step = 1 << shift
    found = np.empty((step, step), dtype=np.int64)
    for phase in range(step):
        for rest in range(step):
            deadline = phase + steps_count * step + rest
            found[phase, rest] = deadline - fires_at(phase, deadline - phase >> shift, shift)
    return found


def by_shift(shifts: tuple[int, ...], tsc_hz: float) -> "DataFrame":
    """Step, mean, largest and smallest earliness over all phases for each X, counted out: cycles, and the mean in ns.

    An index X; columns step_cycles, least_cycles, mean_cycles, most_cycles, mean_ns.
    """
    import pandas as pd

    rows = {}
    for shift in shifts:
        early = all_phases(shift)
        rows[shift] = {
            "step_cycles": 1 << shift,
            "least_cycles": int(early.min()),
            "mean_cycles": float(early.mean()),
            "most_cycles": int(early.max()),
            "mean_ns": float(early.mean()) / tsc_hz * 1e9,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("X")


__all__ = ["Counted", "all_phases", "by_shift", "counted"]
