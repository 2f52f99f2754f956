"""The tables that `nfvlab read` prints of VM exits and of what a guest counts: perf kvm stat, kvm-unit-tests."""

from nfvlab.commands._lines import about, grid, notes, quantity

_EXITS = "notebooks/03_apicv.ipynb: exits per second and the stages' costs; also 04_preemption_timer.ipynb"
_CYCLES = "notebooks/04_preemption_timer.ipynb: the stages' costs, and a guest's latency beside the model's"


def perf_kvm(path) -> list[str]:
    """Every report: events by their share, HLT apart, which sleeps."""
    from nfvlab.readers.perf_kvm import read_perf_kvm_stat

    frame, meta = read_perf_kvm_stat(path)
    lines = about({"file": meta.path, "tool": "perf kvm stat", "reports": len(meta.reports)})
    for number, report in enumerate(meta.reports):
        lines += _report(frame[frame["number"] == number], report)
    return [*lines, "", f"use       {_EXITS}", *notes(meta)]


def _report(frame, report) -> list[str]:
    from nfvlab.readers.perf_kvm import HALT, without_halt

    vcpu = "all vCPUs" if report.vcpu is None else f"vCPU {report.vcpu}"
    whose = ", ".join(filter(None, (report.vms, vcpu, report.clock)))
    title = f"{report.report} of {whose}: {report.samples_count:,} in {quantity('_ns', report.total_ns)}"
    if not len(frame):
        return ["", title]
    awake = without_halt(frame).sort_values("time_frac", ascending=False, kind="stable")
    halted = frame[frame["event"].isin(HALT) & (report.report == "vmexit")]
    head = ["", "count", "of count", "of time", "min", "mean", "max", "mean's error"]
    rows = [_event(row, shares=True) for row in awake.itertuples()]
    rows += [_event(row, shares=False) for row in halted.itertuples()]
    lines = grid(title, [head, *rows])
    return lines + ["  shares are without HLT: its time is the guest's sleep"] * bool(len(halted))


def _event(row, *, shares: bool) -> list[str]:
    """One event; HLT has no share of what the others have."""
    share = [quantity("_frac", value) if shares else "-" for value in (row.samples_frac, row.time_frac)]
    times = [quantity("_ns", value) for value in (row.min_ns, row.mean_ns, row.max_ns)]
    return [row.event, f"{row.samples_count:,}", *share, *times, quantity("_frac", row.mean_stderr_frac)]


def kvm_unit_tests(path) -> list[str]:
    """Cases of vmexit in cycles, and the latencies of tscdeadline_latency in a line."""
    from nfvlab.readers.kvm_unit_tests import read_kvm_unit_tests

    frame, meta = read_kvm_unit_tests(path)
    lines = about(
        {
            "file": meta.path,
            "tool": "kvm-unit-tests",
            "tests": ", ".join(meta.tests),
            "accel": meta.accel,
            "vCPUs": meta.vcpus_count,
            "breakmax": None if meta.breakmax_cycles is None else quantity("_cycles", meta.breakmax_cycles),
            "skipped": ", ".join(meta.skipped) or None,
        }
    )
    cases = frame[frame["test"] == "vmexit"]
    for run, part in cases.groupby("run"):
        rows = [[row.name, row.part, quantity("_cycles", row.cycles)] for row in part.itertuples(index=False)]
        lines += grid(f"vmexit, run {run}: cycles an iteration", rows)
    for run, part in frame[frame["test"] != "vmexit"].groupby("run"):
        lines += _latencies(
            part["cycles"], f"tscdeadline_latency, run {run}: from the deadline to the handler"
        )
    return [*lines, "", f"use       {_CYCLES}", *notes(meta)]


def _latencies(cycles, title: str) -> list[str]:
    said = {"min": cycles.min(), "median": cycles.median(), "mean": cycles.mean(), "max": cycles.max()}
    rows = [["latencies", f"{len(cycles):,}"], ["before the deadline", f"{int((cycles < 0).sum()):,}"]]
    return grid(title, rows + [[name, quantity("_cycles", value)] for name, value in said.items()])
