"""The tables that `nfvlab read` prints of latencies: cyclictest, oslat, jitterdebugger, rtla timerlat and osnoise."""

import math

from nfvlab.commands._lines import about, grid, notes, quantity

#: {what a latency is: what the recording is good for}
USES = {
    "wake-up latency": "notebooks/04_preemption_timer.ipynb: of a guest, beside the model's latency of its timer",
    "interruption": "notebooks/04_preemption_timer.ipynb: noise_per_s and noise_ns of the host; also 05_vfio_msi.ipynb",
    "timer latency": "notebooks/05_vfio_msi.ipynb: wake-up and context switch of the host, beside cyclictest",
}


def cyclictest(path, unit: str | None = None) -> list[str]:
    """How late threads woke up; `unit` for a file that does not say its own."""
    from nfvlab.readers.cyclictest import read_cyclictest

    return _table(*read_cyclictest(path, unit=unit))


def oslat(path) -> list[str]:
    """How long a busy loop was interrupted."""
    from nfvlab.readers.oslat import read_oslat

    return _table(*read_oslat(path))


def jitterdebugger(path) -> list[str]:
    """How late threads woke up."""
    from nfvlab.readers.jitterdebugger import read_jitterdebugger

    return _table(*read_jitterdebugger(path))


def rtla(path) -> list[str]:
    """How late a timer was in its handler, its thread and user space, or how long a loop was interrupted."""
    from nfvlab.readers.rtla import one_context, read_rtla

    frame, meta = read_rtla(path)
    lines = _head(frame, meta) + _threads(meta)
    for context in dict.fromkeys(meta.contexts):
        rows, part = one_context(frame, meta, context)
        lines += _quantiles(rows, part.kind)
    lines += _hops(frame, meta) if meta.kind == "timer latency" else _noise(frame, meta)
    return lines + _use(meta) + notes(meta)


def _table(frame, meta) -> list[str]:
    lines = _head(frame, meta) + _threads(meta) + _quantiles(frame, meta.kind)
    return lines + (_noise(frame, meta) if meta.kind == "interruption" else []) + _use(meta) + notes(meta)


def _head(frame, meta) -> list[str]:
    """What was measured, with what, where."""
    realtime = {True: " with PREEMPT_RT", False: " without PREEMPT_RT", None: ""}[meta.realtime]
    rows = {"file": meta.path, "tool": f"{meta.tool} {meta.version or ''}".rstrip(), "form": meta.form}
    rows |= {"measured": meta.kind, "command": meta.command, "started": meta.started}
    rows |= {"kernel": f"{meta.kernel}{realtime}" if meta.kernel else None}
    rows |= {"samples": f"{int(frame['count'].sum()):,}, in steps of {quantity('_ns', meta.resolution_ns)}"}
    rows |= {"bias": None if not meta.bias_ns else quantity("_ns", meta.bias_ns)}
    return about(rows)


def _threads(meta) -> list[str]:
    contexts = getattr(meta, "contexts", None) or ("",) * len(meta.threads)
    rows = [["", "samples", "min", "mean", "max", "beyond the histogram"]]
    for thread, context in zip(meta.threads, contexts, strict=True):
        where = "" if thread.cpu is None else f"CPU {thread.cpu}"
        name = f"{where} {context}" if context else f"thread {thread.thread} {where}"
        said = [_time(value) for value in (thread.min_ns, thread.mean_ns, thread.max_ns)]
        rows.append([name.strip(), _count(thread.cycles), *said, _count(thread.overflows)])
    return grid("threads", rows)


def _time(value_ns: float | None) -> str:
    return "-" if value_ns is None else quantity("_ns", value_ns)


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _quantiles(frame, kind: str) -> list[str]:
    """Quantiles of all threads together with their bounds, and where the samples end."""
    from nfvlab.realtime.recorded import CONFIDENCE, recorded

    if not len(frame):
        return ["", f"{kind}: no sample"]
    found = recorded(frame)
    rows = [["share", "at least", "at most"]]
    for level, row in found.to_frame().iterrows():
        most = quantity("_ns", row["high_ns"]) if row["enough"] else "too few samples to tell"
        rows.append([f"{100 * level:.7g} %", quantity("_ns", row["low_ns"]), most])
    lines = grid(f"{kind}: quantiles at {quantity('_frac', CONFIDENCE)} confidence", rows)
    often = math.floor(1 / found.rarest())
    return [*lines, f"  nothing is told of what comes less often than once in {often:,} (3/n)"]


def _noise(frame, meta) -> list[str]:
    """What the interruptions are as noise of a CPU, where the recording says how long it took."""
    from nfvlab.realtime.implied_noise import noise_of

    if not len(frame) or not all(thread.duration_ns for thread in meta.threads):
        return []
    noise = noise_of(frame, meta)
    rows = [["", "value", "at least", "at most"]]
    for name, bound in noise.bounds.items():
        value = noise.overrides.get(name)
        rows.append(
            [name, "-" if value is None else quantity(name, value), *(quantity(name, end) for end in bound)]
        )
    return grid("noise of a CPU", rows) + [f"  not told: {sentence}" for sentence in noise.untold]


def _hops(frame, meta) -> list[str]:
    """From the timer's interrupt to its thread, by CPU."""
    from nfvlab.realtime.implied_hops import hops

    if not {"irq", "thread"} <= set(frame["context"]):
        return []
    rows = [["", "at least", "at most"]]
    for cpu, bound in hops(frame, meta).items():
        rows.append([f"CPU {cpu}", *(quantity("_ns", end) for end in bound)])
    return grid("wake-up and switch: thread latency less IRQ latency in the mean", rows)


def _use(meta) -> list[str]:
    return ["", f"use       {USES[meta.kind]}"]
