"""A wake-up on the host, from rtla timerlat: what lies between the timer's interrupt and the thread that it wakes.

timerlat takes the time in the hrtimer's handler (context irq) and again in the thread that the handler wakes, both from
the time at which the timer was to expire (Linux kernel/trace/trace_osnoise.c, timerlat_irq and timerlat_main): their
difference is the rest of the handler, the wake-up and one context switch.
"""

import math
from typing import TYPE_CHECKING

from nfvlab.readers.latency import COLUMNS
from nfvlab.realtime.implied import Implied, check_positive
from nfvlab.realtime.recorded import CONFIDENCE, Interval, Recorded, recorded
from nfvlab.realtime.solve import Row

if TYPE_CHECKING:
    import pandas

    from nfvlab.readers.rtla import RtlaMeta

HOP = {"wake_cycles": 1.0, "switch_cycles": 1.0}
_ASSUMED = (
    "every wake-up is one try_to_wake_up and one switch from idle or from another thread",
    "the rest of the timer's handler, and tracing, cost nothing: the hop is at most what is measured",
    "latencies of one timer's two contexts may be correlated in any way",
)


def latencies_of(frame: "pandas.DataFrame", meta: "RtlaMeta") -> dict[str, dict[int, Recorded]]:
    """{context: {CPU: its latencies}} of a recording of timerlat; a CPU without a sample is left out."""
    _check(meta)
    found: dict[str, dict[int, Recorded]] = {}
    for thread, context in zip(meta.threads, meta.contexts, strict=True):
        rows = frame[frame["thread"] == thread.thread]
        if len(rows):
            found.setdefault(context, {})[thread.cpu] = recorded(rows[list(COLUMNS)])
    return found


def hops(
    frame: "pandas.DataFrame", meta: "RtlaMeta", *, confidence: float = CONFIDENCE
) -> dict[int, Interval]:
    """{CPU: thread latency less IRQ latency in the mean, ns}; ValueError where no CPU has both contexts."""
    found = latencies_of(frame, meta)
    irq, thread = found.get("irq", {}), found.get("thread", {})
    if not set(irq) & set(thread):
        raise ValueError(
            "no CPU has both an IRQ and a thread latency: record without --no-irq and --no-thread"
        )
    printed = {
        (context, about.cpu): about.mean_ns
        for context, about in zip(meta.contexts, meta.threads, strict=True)
    }
    made = {}
    for cpu in sorted(set(irq) & set(thread)):
        early = _mean(irq[cpu], printed["irq", cpu], meta.resolution_ns)
        late = _mean(thread[cpu], printed["thread", cpu], meta.resolution_ns)
        error = _error(irq[cpu], thread[cpu], confidence)
        low = late.low - early.high - error
        made[cpu] = Interval(max(low, 0.0), max(late.high - early.low + error, 0.0))
    return made


def hop_of(
    frame: "pandas.DataFrame", meta: "RtlaMeta", *, tsc_hz: float, confidence: float = CONFIDENCE
) -> Implied:
    """`hop_ns[cpu]` as `hops` gives it, a row of wake-up and switch for each CPU, and `tsc_hz` as an override.

    tsc_hz : the host's TSC frequency, which rtla does not print
    ValueError for recordings of other tools, and where no CPU has both contexts.
    """
    check_positive(
        "tsc_hz", tsc_hz, "it stands in the kernel's log: tsc: Refined TSC clocksource calibration"
    )
    bounds = {f"hop_ns[{cpu}]": bound for cpu, bound in hops(frame, meta, confidence=confidence).items()}
    left_out = sorted({about.cpu for about in meta.threads if f"hop_ns[{about.cpu}]" not in bounds})
    untold = ("how wake-up and switch share the hop: only their sum is measured",)
    if left_out:
        untold += (f"CPUs {', '.join(map(str, left_out))}: one of the two contexts has no sample",)
    rows = tuple(_row(name, bound, tsc_hz) for name, bound in bounds.items() if math.isfinite(bound.high))
    return Implied(
        overrides={"tsc_hz": tsc_hz},
        bounds={"tsc_hz": Interval(tsc_hz, tsc_hz)} | bounds,
        rows=rows,
        assumed=_ASSUMED,
        untold=untold,
        source="rtla timerlat",
    )


def _check(meta) -> None:
    if getattr(meta, "kind", "") != "timer latency":
        raise ValueError(
            f"{meta.tool}: not a recording of rtla timerlat hist; give one with all its contexts"
        )


def _mean(samples: Recorded, printed_ns: float | None, step_ns: float) -> Interval:
    """The samples' mean by their buckets and, where rtla prints one, by that: it cuts off samples and mean."""
    by_buckets = samples.mean_ns()
    if printed_ns is None:
        return by_buckets
    return Interval(max(by_buckets.low, printed_ns), min(by_buckets.high, printed_ns + 2 * step_ns))


def _error(irq: Recorded, thread: Recorded, confidence: float) -> float:
    """Of the difference of the two means: standard deviations add up at worst."""
    from scipy.special import ndtri

    spread = sum(_standard_error(samples) for samples in (irq, thread))
    return float(ndtri((1 + confidence) / 2)) * spread


def _standard_error(samples: Recorded) -> float:
    """Of a mean, at most: as if every sample were at the upper end of its bucket, and half a bucket more."""
    wide = samples.high_ns - samples.low_ns
    middle = samples.low_ns + wide / 2
    if not math.isfinite(samples.largest_ns):
        return math.inf
    share = samples.count / samples.n
    spread = math.sqrt(float(share @ (middle - share @ middle) ** 2)) + math.sqrt(
        float(share @ (wide / 2) ** 2)
    )
    return spread / math.sqrt(samples.n)


def _row(name: str, bound: Interval, tsc_hz: float) -> Row:
    middle, half = (bound.low + bound.high) / 2, (bound.high - bound.low) / 2
    per_ns = tsc_hz / 1e9
    return Row(f"timerlat {name}", HOP, middle * per_ns, max(half * per_ns, 1.0))
