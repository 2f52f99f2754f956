"""Events and units of perf as the talk's integration point has them, and what a printed unit is in ours.

Standard library only. Linux 4.1 to 4.13 offered cache monitoring as a perf PMU, `intel_cqm`; commit c39a0e2c8850 took
it out again in favour of resctrl. The words of /sys/bus/event_source/devices/intel_cqm/events, as v4.10's
arch/x86/events/intel/cqm.c has them:

    llc_occupancy         event=0x01   unit Bytes   scale: the CPUID upscaling factor, in bytes   snapshot
    total_bytes           event=0x02   unit MB      scale 1e-6 (patches of March 2016)
    local_bytes           event=0x03   unit MB      scale 1e-6 (patches of March 2016)

All three are per package. perf multiplies the count by the scale, so that what it prints is in the unit; with -I it
prints what an interval added, but of a snapshot event the value itself.
"""

from dataclasses import dataclass

from nfvlab.units import MB, GiB, KiB, MiB, kB, ms, ns, us


@dataclass(frozen=True)
class PerfEvent:
    """A perf event as sysfs describes it.

    scale : what perf multiplies the count by, as sysfs spells it; None: the upscaling factor of the part
    snapshot : a level (the same with and without -I), not a running count
    word : our word for it
    """

    config: str
    unit: str
    scale: str | None
    snapshot: bool
    word: str
    per_package: bool = True


CQM_EVENTS = {
    "intel_cqm/llc_occupancy/": PerfEvent("event=0x01", "Bytes", None, True, "llc_occupancy_bytes"),
    "intel_cqm/total_bytes/": PerfEvent("event=0x02", "MB", "1e-6", False, "mbm_total_bytes"),
    "intel_cqm/local_bytes/": PerfEvent("event=0x03", "MB", "1e-6", False, "mbm_local_bytes"),
}

#: {unit as perf prints it: (our units in one of it, the suffix of our unit)}; perf's MB is 10^6 bytes, its MiB 2^20.
UNITS = {
    "": (1.0, "_count"),
    "Bytes": (1.0, "_bytes"),
    "bytes": (1.0, "_bytes"),
    "KB": (float(kB), "_bytes"),
    "MB": (float(MB), "_bytes"),
    "KiB": (float(KiB), "_bytes"),
    "MiB": (float(MiB), "_bytes"),
    "GiB": (float(GiB), "_bytes"),
    "ns": (ns, "_ns"),
    "usec": (us, "_ns"),
    "msec": (ms, "_ns"),
}
