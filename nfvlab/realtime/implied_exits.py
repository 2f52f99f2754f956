"""VM exits, from perf kvm stat: how often, and which stages their times are.

perf takes the time from the tracepoint kvm_exit to the next kvm_entry of the vCPU (tools/perf/util/kvm-stat.c). Both
stand inside vmx_vcpu_run, so the hardware's exit and entry are left out, and the loop around an exit is in. Until Linux
5.7 kvm_exit stood in vmx_handle_exit, below the point where a host's interrupt is taken: EXTERNAL_INTERRUPT then is the
loop alone (commit dcf068da7eb2, KVM: VMX: Introduce generic fastpath handler, moved it).
"""

import math
from typing import TYPE_CHECKING

from nfvlab.realtime.implied import Implied, check_positive, rate_bounds
from nfvlab.realtime.recorded import CONFIDENCE, Interval
from nfvlab.realtime.solve import Row

if TYPE_CHECKING:
    import pandas

    from nfvlab.readers.perf_kvm import PerfKvmStat

HALT = "HLT"
INTERRUPT = "EXTERNAL_INTERRUPT"
TIMERS = {"preemption timer": "hv_arm_cycles", "hrtimer": "hrtimer_arm_cycles"}
_EOI_WRITE = "0x80b:W"  # x2APIC, SDM vol. 3A table 11-6
_LEAST_ERROR = 0.01  # of the time itself


def stages(
    *, timer: str = "preemption timer", apicv: bool = True, fastpath: bool = False, since_5_8: bool = True
) -> dict[str, dict[str, float]]:
    """{exit reason: how often each stage is in its time}, by the names of the stages' costs.

    timer : what KVM arms for the guest's deadline, "preemption timer" or "hrtimer"
    apicv, fastpath : as in `timer.Params`; the fast path has no loop around the deadline's WRMSR and, with APICv,
        around the timer's exit (without, KVM leaves it for its request: arch/x86/kvm/lapic.c apic_timer_expired)
    since_5_8 : whether the host's Linux is 5.8 or newer
    """
    if timer not in TIMERS:
        raise ValueError(f"timer = {timer!r}: KVM arms one of {', '.join(TIMERS)}")
    loop = {"loop_cycles": 1.0}
    fast = fastpath and timer == "preemption timer"
    pending = {"sync_cycles" if apicv else "inject_cycles": 1.0}
    interrupt = {"irq_cycles": 1.0} if since_5_8 else {}
    eoi = {**loop, "eoi_cycles": 1.0}
    window = {**loop, "inject_cycles": 1.0}
    return {
        "PREEMPTION_TIMER": {"hv_expire_cycles": 1.0, **({} if fast and apicv else loop), **pending},
        "MSR_WRITE": {"msr_cycles": 1.0, TIMERS[timer]: 1.0, **({} if fast else loop)},
        INTERRUPT: {**interrupt, **loop},
        "APIC_ACCESS": eoi,
        "INTERRUPT_WINDOW": window,
        "PENDING_INTERRUPT": window,  # its older name
    }


#: {exit reason: what else may be in its time, or may not be what the stages say}
_MIXED = {
    "MSR_WRITE": "every write is the guest's deadline (not the ICR, nor an EOI)",
    INTERRUPT: "the host's own handlers take no time",
    "APIC_ACCESS": "every access is an EOI or a TPR write",
}


def exits_of(
    frame: "pandas.DataFrame",
    meta: "PerfKvmStat",
    *,
    tsc_hz: float,
    number: int | None = None,
    tracing_ns: float = 0.0,
    **host,
) -> Implied:
    """Rows for `solve`, one for every exit reason whose stages are known, and `tsc_hz` as an override.

    tsc_hz : the host's TSC frequency, which perf does not print
    number : which report of the file; needed where several have VM exits
    tracing_ns : what a tracepoint costs, half of one at each end
    host : as `stages` takes it
    A stage's mean cost is not below the shortest exit, and not above the mean one: the row is halfway, its error the
    half of that. Without a minimum, or of a single exit, it begins at 0. ValueError for a file without VM exits.
    """
    check_positive(
        "tsc_hz", tsc_hz, "it stands in the kernel's log: tsc: Refined TSC clocksource calibration"
    )
    if not 0 <= tracing_ns < math.inf:
        raise ValueError(f"tracing_ns = {tracing_ns}: must be 0 or a finite number above")
    known = stages(**host)
    rows, bounds, assumed = [], {}, []
    unknown = []
    for exit_ in _vm_exits(frame, meta, number).itertuples():
        counts = known.get(exit_.event)
        if counts is None:
            unknown.append(exit_.event)
            continue
        bound = _mean_cost(exit_, tracing_ns)
        bounds[f"{exit_.event}_ns"] = bound
        rows.append(_row(exit_.event, counts, bound, exit_.mean_ns, tsc_hz))
        assumed += [f"{exit_.event}: {_MIXED[exit_.event]}"] if exit_.event in _MIXED else []
    assumed.append(
        "perf's tracepoints take no time" if not tracing_ns else f"a tracepoint takes {tracing_ns:g} ns"
    )
    return Implied(
        overrides={"tsc_hz": tsc_hz},
        bounds={"tsc_hz": Interval(tsc_hz, tsc_hz)} | bounds,
        rows=tuple(rows),
        assumed=tuple(assumed),
        untold=_untold(meta, unknown),
        source="perf kvm stat",
    )


def rates_of(
    frame: "pandas.DataFrame",
    meta: "PerfKvmStat",
    *,
    duration_ns: float,
    vcpus_count: int = 1,
    number: int | None = None,
    confidence: float = CONFIDENCE,
) -> Implied:
    """Exits per second and vCPU: `noise_per_s` for `timer.Params`, and `interrupts_per_s` where a report of MSRs tells.

    duration_ns : how long perf recorded, which its report does not say
    vcpus_count : how many vCPUs the report is of
    `exits_per_s` is without HLT. ValueError for a file without VM exits.
    """
    check_positive("duration_ns", duration_ns, "give the time of perf kvm stat record")
    check_positive("vcpus_count", vcpus_count, "give the number of vCPUs, 1 for a report of one")
    exits = _vm_exits(frame, meta, number, empty=True)
    counted = exits.groupby("event")["samples_count"].sum()
    halts, interrupts = int(counted.get(HALT, 0)), int(counted.get(INTERRUPT, 0))
    counts = {
        "exits_per_s": int(counted.sum()) - halts,
        "halts_per_s": halts,
        "noise_per_s": interrupts,
    }
    assumed = ["exits come at random (Poisson), on all vCPUs alike"]
    assumed += [f"every {INTERRUPT} was for the host itself: those for this guest count as noise"]
    writes = frame[(frame["report"] == "msr") & (frame["event"] == _EOI_WRITE)]
    if len(writes):
        counts["interrupts_per_s"] = int(writes.groupby("number")["samples_count"].sum().iloc[-1])
        assumed.append("every write of the EOI register (MSR 80BH) ends one interrupt")
        untold = ()
    else:
        untold = (
            "interrupts_per_s: with APICv an interrupt need not exit; perf's report of MSRs shows EOI writes",
        )
    watched = duration_ns * vcpus_count
    bounds = {name: rate_bounds(n, n, watched, confidence=confidence) for name, n in counts.items()}
    used = ("noise_per_s", "interrupts_per_s")
    overrides = {name: counts[name] / watched * 1e9 for name in used if name in counts}
    return Implied(
        overrides=overrides,
        bounds=bounds,
        assumed=tuple(assumed),
        untold=(*untold, *_lost(meta)),
        source="perf kvm stat",
    )


def _vm_exits(frame, meta, number: int | None, *, empty: bool = False) -> "pandas.DataFrame":
    """The rows of one report of VM exits."""
    there = [at for at, report in enumerate(meta.reports) if report.report == "vmexit"]
    filled = there if empty else [at for at in there if meta.reports[at].samples_count]
    if not filled:
        raise ValueError("no VM exit was counted: record while the guest runs, and report --event=vmexit")
    if number is None and len(filled) > 1:
        raise ValueError(
            f"reports {', '.join(map(str, filled))} have VM exits: say which, number={filled[-1]}"
        )
    if number is not None and number not in filled:
        raise ValueError(f"number = {number}: VM exits are in {', '.join(map(str, filled))}")
    return frame[frame["number"] == (filled[0] if number is None else number)]


def _mean_cost(exit_, tracing_ns: float) -> Interval:
    """Where the mean time of the stages lies, from the shortest exit and the mean one."""
    shortest = exit_.min_ns if exit_.samples_count > 1 and math.isfinite(exit_.min_ns) else 0.0
    longest = exit_.mean_ns * (1 + exit_.mean_stderr_frac)
    return Interval(max(shortest - tracing_ns, 0.0), max(longest - tracing_ns, 0.0))


def _row(event: str, counts: dict, bound: Interval, mean_ns: float, tsc_hz: float) -> Row:
    middle, half = (bound.low + bound.high) / 2, (bound.high - bound.low) / 2
    per_ns = tsc_hz / 1e9
    return Row(event, counts, middle * per_ns, max(half, _LEAST_ERROR * mean_ns, 1 / per_ns) * per_ns)


def _untold(meta, unknown: list[str]) -> tuple[str, ...]:
    said = ["the hardware's exit and entry: they lie outside of what perf measures"]
    unknown = [event for event in unknown if event != HALT]
    if unknown:
        said.append(f"no stages are known of {', '.join(sorted(set(unknown)))}")
    return (*said, *_lost(meta))


def _lost(meta) -> tuple[str, ...]:
    lost = sum(report.lost_count for report in meta.reports)
    return (f"perf lost {lost} records: counts are too low, and times may span two exits",) if lost else ()
