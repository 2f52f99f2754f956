"""What `perf stat -x` prints, composed as tools/perf/util/stat-display.c does."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Count:
    """A count: value as printed (None: not counted, "": not supported), unit, event and what follows it."""

    value: str | None
    unit: str
    event: str
    run_ns: int = 1_000_000_000
    percent: float = 100.0
    metrics: tuple[tuple[str, str], ...] = ()


CQM = (
    Count("11534336", "Bytes", "intel_cqm/llc_occupancy/"),
    Count("512.25", "MB", "intel_cqm/total_bytes/"),
    Count("400.00", "MB", "intel_cqm/local_bytes/"),
)
MIXED = (
    *CQM,
    Count(
        "3449195817",
        "",
        "instructions",
        221979762,
        35.75,
        (("1.00", "insn per cycle"), ("0.11", "stalled cycles per insn")),
    ),
    Count(None, "", "LLC-load-misses", 0),
    Count("", "", "mem-loads", 0),
    Count("1000.53", "msec", "task-clock", metrics=(("0.998", "CPUs utilized"),)),
    Count("77", "", "cpu/event=0x2e,umask=0x41/"),
    Count("0.35", "Joules", "power/energy-pkg/"),
    Count("12.50", "MiB", "uncore_imc_0/cas_count_read/"),
)


def stat(
    counts=MIXED,
    *,
    sep=",",
    times=(None,),
    where=((),),
    cgroup=None,
    variance=False,
    running=True,
    unit=True,
    started=True,
):
    """Lines of perf stat -x; where: the leading fields of each place, as ("S0", "8") or ("CPU3",)."""
    out = "# started on Thu Mar  5 10:00:00 2026\n\n" if started else ""
    for time in times:
        for place in where:
            lead = ([] if time is None else [time]) + list(place)
            for count in counts:
                said = {None: "<not counted>", "": "<not supported>"}.get(count.value, count.value)
                cells = [*lead, said, *([count.unit] if unit else []), count.event]
                cells += [] if cgroup is None else [cgroup]
                cells += ["1.25%"] if variance else []
                cells += [str(count.run_ns), f"{count.percent:.2f}"] if running else []
                first, *more = count.metrics or (("", ""),)
                out += sep.join([*cells, *(first if running else ())]) + "\n"
                for metric in more if running else ():
                    empty = 3 + (cgroup is not None) + len(place)
                    out += sep.join([*lead, *[""] * (empty + 1 - (1 if place else 0)), *metric]) + "\n"
    return out
