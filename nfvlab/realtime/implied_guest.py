"""What a guest measured: latencies of its deadline timer, and what its own wake-up adds to a model's latency.

tscdeadline_latency of kvm-unit-tests measures from the deadline to the handler (x86/tscdeadline_latency.c), as
`timer.Theory.latency_ns` does; cyclictest measures to the thread that the handler wakes: a guest's scheduler is in it.
vmexit of kvm-unit-tests gives cycles of whole rounds of the path (x86/vmexit.c): `cases_of` makes rows of them.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from nfvlab.realtime.implied import Implied, check_positive, mean_bounds
from nfvlab.realtime.implied_exits import TIMERS
from nfvlab.realtime.recorded import CONFIDENCE, Interval, Recorded
from nfvlab.realtime.solve import Row

if TYPE_CHECKING:
    import pandas

VMCALL = "vmcall"
IMMEDIATE = "tscdeadline_immed"  # the deadline is the present TSC
AHEAD = "tscdeadline"  # it is 3000 cycles ahead, and the guest spins until the interrupt
_AHEAD_CYCLES = 3000.0
_HYPERCALL_CYCLES = 150.0  # kvm_emulate_hypercall refuses an unknown number
_CASE_ERROR_CYCLES = 50.0  # of what a case does beside the stages: its loop, and how long a hypercall takes
_LONGEST_NS = 1e13
_REST = 1e-9  # of the probability, above which a mean by sums leaves off
_POINTS = 4096


def cases(
    *, timer: str = "preemption timer", apicv: bool = True, fastpath: bool = False
) -> dict[str, tuple[dict[str, float], float]]:
    """{case of vmexit: how often each stage is in an iteration, and the cycles beside}, by the names of the costs.

    timer, apicv, fastpath : as `implied_exits.stages` takes them; no timer advance
    """
    if timer not in TIMERS:
        raise ValueError(f"timer = {timer!r}: KVM arms one of {', '.join(TIMERS)}")
    hardware = timer == "preemption timer"
    around = {} if fastpath and apicv and hardware else {"loop_cycles": 1.0}
    pending = "sync_cycles" if apicv else "inject_cycles"
    through = {"exit_cycles": 1.0, "entry_cycles": 1.0}
    handled = {pending: 1.0, "deliver_cycles": 1.0, "return_cycles": 1.0}
    eoi = {} if apicv else {**through, "loop_cycles": 1.0, "eoi_cycles": 1.0}
    expires = "hv_expire_cycles" if hardware else "hrtimer_irq_cycles"
    made = {
        VMCALL: ({**through, "loop_cycles": 1.0}, _HYPERCALL_CYCLES),
        AHEAD: (_sum({**through, **around, expires: 1.0, **handled}, eoi), _AHEAD_CYCLES),
    }
    if hardware:  # arming finds the deadline past, and requests the interrupt at once
        armed = {"msr_cycles": 1.0, TIMERS[timer]: 1.0}
        made[IMMEDIATE] = (_sum({**through, **around, **armed, **handled}, eoi), 0.0)
    return made


def cases_of(frame: "pandas.DataFrame", **host) -> Implied:
    """Rows for `solve` from a frame of `readers.kvm_unit_tests`: one for every case whose stages are known.

    host : as `cases` takes it
    The runs of a case are averaged; their range widens its error. ValueError where there is no such case.
    """
    known = cases(**host)
    whole = frame[(frame["test"] == "vmexit") & (frame["part"] == "")]
    rows, bounds = [], {}
    for name, runs in whole.groupby("name", sort=False)["cycles"]:
        if name not in known:
            continue
        counts, beside = known[name]
        half = (runs.max() - runs.min()) / 2
        bounds[f"{name}_cycles"] = Interval(float(runs.min()), float(runs.max()))
        rows.append(
            Row(f"vmexit {name}", counts, float(runs.mean()), _CASE_ERROR_CYCLES + float(half), beside)
        )
    if not rows:
        raise ValueError(
            f"no case whose stages are known: give what vmexit.flat printed of {', '.join(known)}"
        )
    unknown = [name for name in whole["name"].unique() if name not in known]
    return Implied(
        bounds=bounds,
        rows=tuple(rows),
        assumed=(
            "KVM's timer advance is off (lapic_timer_advance_ns=0), and the guest's TSC is not scaled",
            f"a hypercall takes {_HYPERCALL_CYCLES:g} cycles beside exit, loop and entry",
        ),
        untold=(f"no stages are known of {', '.join(unknown)}",) if unknown else (),
        source="kvm-unit-tests",
    )


def _sum(*parts: dict[str, float]) -> dict[str, float]:
    return {name: sum(part.get(name, 0.0) for part in parts) for part in parts for name in part}


def deadline_latencies(frame: "pandas.DataFrame", *, tsc_hz: float) -> tuple[Recorded, float]:
    """The latencies in a frame of `readers.kvm_unit_tests`, and the share of interrupts before their deadline.

    tsc_hz : frequency of the guest's TSC, in which the test counts
    An interrupt before its deadline, as a host's timer advance brings about, has latency 0 here. ValueError without
    a latency.
    """
    check_positive("tsc_hz", tsc_hz, "the guest's kernel prints it at its start: tsc: Detected … MHz")
    cycles = frame.loc[frame["test"] == "tscdeadline_latency", "cycles"].to_numpy(float)
    if not len(cycles):
        raise ValueError("no latency in it: give what tscdeadline_latency.flat printed, not vmexit.flat")
    values, count = np.unique(np.maximum(cycles, 0.0), return_counts=True)
    per_ns = tsc_hz / 1e9
    return Recorded(values / per_ns, (values + 1) / per_ns, count), float(np.mean(cycles < 0))


def beyond(
    measured: Recorded,
    modelled: Callable[[float], float] | np.ndarray,
    *,
    confidence: float = CONFIDENCE,
) -> Implied:
    """By how much a measured latency is longer than a model's: `median_ns` and `mean_ns`, differences with bounds.

    modelled : P(latency > x_ns), falling from x = 0 on, or samples of the latency in ns (NaN is left out)
    The bounds of a difference hold both sides' errors; the model's own error, and what it does not know, are in it.
    """
    median, mean = _of_curve(modelled) if callable(modelled) else _of_samples(modelled, confidence)
    there = measured.quantile(0.5, confidence=confidence)
    ends = [(side, measured.count.astype(float)) for side in (measured.low_ns, measured.high_ns)]
    bounds = {
        "median_ns": _difference(there, median),
        "mean_ns": _difference(mean_bounds(*ends, confidence=confidence), mean),
    }
    assumed = (
        "the guest runs on the host that the model is of, with nothing else on the CPU",
        "samples are independent, and their mean has a normal error",
    )
    untold = ("whether the difference is the guest's wake-up or an error of the model",)
    if not math.isfinite(mean.high):
        untold += ("the model's mean is not finite: compare the medians",)
    return Implied(bounds=bounds, assumed=assumed, untold=untold, source="a guest")


def survival(curve_ns: np.ndarray, shares: np.ndarray) -> Callable[[float], float]:
    """P(latency > x_ns) of a theory's curve, for `beyond`: all before it begins, none after its last point.

    What is left at the last point is left out: a mean is too low by as much of it as comes later.
    """
    if len(curve_ns) != len(shares) or not len(shares) or np.any(np.diff(curve_ns) < 0):
        raise ValueError(
            "curve_ns must rise, with a share for each: give theory.curve_ns, theory.curve_high[k]"
        )
    return lambda x_ns: float(np.interp(x_ns, curve_ns, shares, left=1.0, right=0.0))


def _difference(one: Interval, other: Interval) -> Interval:
    low = one.low - other.high if math.isfinite(other.high) else -math.inf
    return Interval(low, one.high - other.low)


def _of_samples(samples: np.ndarray, confidence: float) -> tuple[Interval, Interval]:
    """Median and mean of samples, with bounds; infinite ones make the mean infinite."""
    flat = np.asarray(samples, dtype=float).ravel()
    values, count = np.unique(flat[~np.isnan(flat)], return_counts=True)
    if not len(values):
        raise ValueError("modelled: holds no sample; give latencies in ns")
    ends = (values, count.astype(float))
    median = Recorded(values, values, count).quantile(0.5, confidence=confidence)
    return median, mean_bounds(ends, ends, confidence=confidence)


def _of_curve(sf: Callable[[float], float]) -> tuple[Interval, Interval]:
    """Median and mean of a curve: the mean lies between two sums, as the curve does not rise."""
    _check_curve(sf)
    grid = np.geomspace(1e-3, _end(sf, _REST), _POINTS)
    grid = np.concatenate([[0.0], grid])
    reached = np.array([float(sf(x)) for x in grid])
    if np.any(np.diff(reached) > 1e-12):
        raise ValueError("modelled: rises; it must be P(latency > x), not P(latency <= x)")
    steps = np.diff(grid)
    most = float(steps @ reached[:-1]) if reached[-1] <= _REST else math.inf
    half = float(grid[np.searchsorted(-reached, -0.5)]) if reached[-1] <= 0.5 else math.inf
    median = Interval(_before(grid, half), half)
    return median, Interval(float(steps @ reached[1:]), most)


def _check_curve(sf: Callable[[float], float]) -> None:
    for x in (0.0, _LONGEST_NS):
        if not 0 <= (p := float(sf(x))) <= 1 + 1e-12:
            raise ValueError(f"modelled: gives {p} at {x:g} ns, which is no probability")


def _end(sf: Callable[[float], float], rest: float) -> float:
    """A latency beyond which no more than `rest` is left, or the longest tried."""
    end = 1.0
    while end < _LONGEST_NS and float(sf(end)) > rest:
        end *= 2
    return end


def _before(grid: np.ndarray, at: float) -> float:
    """The point of the grid before one; for infinity the last one."""
    return float(grid[max(int(np.searchsorted(grid, at)) - 1, 0)])
