"""What `perf kvm stat` prints, composed as print_result in tools/perf/builtin-kvm.c does, by version."""

import math

#: Times of events in nanoseconds, as the tracepoints kvm_exit and kvm_entry give them: invented.
EXITS = {
    "MSR_WRITE": [1200, 1350, 2400, 990, 1800, 1210, 1195, 1300],
    "HLT": [800_000, 2_000_000, 12_345_678],
    "EXTERNAL_INTERRUPT": [710, 480, 106_090, 655],
    "PREEMPTION_TIMER": [900, 1100],
    "EPT_MISCONFIG": [16_380],
}
#: Exits of a host that emulates the APIC, and its MSR accesses (EOI writes of x2APIC), in a run of 2 s: invented.
EMULATED = {
    "MSR_WRITE": [1040 + 7 * (k % 23) for k in range(2400)],
    "EXTERNAL_INTERRUPT": [820 + 9 * (k % 17) for k in range(600)],
    "INTERRUPT_WINDOW": [760 + 5 * (k % 19) for k in range(150)],
    "HLT": [310_000 + 900 * (k % 40) for k in range(900)],
}
EOIS = {"0x80b:W": [640 + 4 * (k % 11) for k in range(2400)]}
TITLES = {"vmexit": "VM-EXIT", "mmio": "MMIO Access", "ioport": "IO Port Access", "msr": "MSR Access"}


def report(
    exits=EXITS,
    *,
    event="vmexit",
    since="v6.3",
    vms="all VMs",
    vcpu=None,
    lost=0,
    clock=None,
    total_count=None,
):
    """One report; since: v3.8 (no minimum and maximum), v3.13 (names of 20 characters) or v6.3 (of 40)."""
    width, minmax = (40 if since == "v6.3" else 20), since != "v3.8"
    head = [f"{TITLES[event]:>{width}} ", f"{'Samples':>10} ", f"{'Samples%':>9} ", f"{'Time%':>9} "]
    head += [f"{'Min Time':>11} ", f"{'Max Time':>11} "] if minmax else []
    whose = "" if since == "v3.8" else f"{vms}, "
    which = "all VCPUs" if vcpu is None else f"VCPU {vcpu}"
    out = f"\x1b[H\x1b[2J\n{clock}" if clock else ""
    out += f"\n\nAnalyze events for {whose}{which}:\n\n{''.join(head)}{'Avg time':>16} \n\n"
    count = sum(map(len, exits.values())) if total_count is None else total_count
    total = sum(map(sum, exits.values()))
    for name, times in sorted(exits.items(), key=lambda item: -len(item[1])):
        out += row(name, times, count, total, width, minmax, vcpu)
    out += f"\nTotal Samples:{count}, Total events handled time:{total / 1000:.2f}us.\n\n"
    return out + (f"\nLost events: {lost}\n\n" if lost else "")


def row(name, times, count, total, width, minmax, vcpu):
    """One event; perf's minimum stays at zero where it filters by vCPU."""
    n, time = len(times), sum(times)
    mean = time / n
    share = f"{time / total * 100:8.2f}" if total else f"{'-nan':>8}"
    least = 0 if vcpu is not None else min(times)
    spread = f"{least / 1000:9.2f}us {max(times) / 1000:9.2f}us " if minmax else ""
    variance = sum((t - mean) ** 2 for t in times) / (n - 1) / n if n > 1 else 0.0
    error = 100 * math.sqrt(variance) / mean if mean else 0.0
    return (
        f"{name:>{width}} {n:10d} {n / count * 100:8.2f}% {share}% {spread}"
        f"{mean / 1000:9.2f}us ( +-{error:7.2f}% )\n"
    )
