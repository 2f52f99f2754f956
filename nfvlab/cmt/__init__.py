"""Watching tenants by RMID: cache occupancy (CMT) and memory bandwidth (MBM).

Question
    Who fills the last-level cache and the memory bus, and how far can the counters be trusted?

Mechanism
    A core carries the RMID of whoever runs on it. The cache tags each line with the RMID of its filler and keeps the
    tag until the line is evicted; counters of bytes filled and written back are kept by the same tag, in whole units
    of the upscaling factor, and go round. The kernel reads them, takes differences modulo their width and multiplies
    them by a correction factor on parts that miscount. A group that ends leaves lines behind: its RMID waits in limbo
    until a check, once a second, reads an occupancy below the threshold.

Assumptions
    One last-level cache, exactly LRU in each set; one memory channel; one core a tenant; address spaces are disjoint;
    an ended tenant's lines go only as others need their places; all groups of a host end as the first tenant does.

Left out
    Prefetchers, inclusive or non-inclusive relations to the smaller caches, sub-NUMA clusters, tenants that move
    between sockets, memory shared by tenants, RMIDs of devices other than one for them all.

References
    Intel SDM volume 3B, 18.18 (monitoring); Linux arch/x86/kernel/cpu/resctrl/monitor.c, fs/resctrl/monitor.c,
    Documentation/filesystems/resctrl.rst; arch/x86/kernel/cpu/perf_event_intel_cqm.c of Linux 4.4; errata SKX99 and
    BDF102; intel-cmt-cat (pqos).
"""

from nfvlab.cmt.analytic import Theory, analyze
from nfvlab.cmt.params import OUTPUTS, Params, Tenant, from_resctrl
from nfvlab.cmt.scenarios import SCENARIOS
from nfvlab.cmt.simulation import Samples, simulate

__all__ = [
    "OUTPUTS",
    "SCENARIOS",
    "Params",
    "Samples",
    "Tenant",
    "Theory",
    "analyze",
    "figure",
    "from_resctrl",
    "simulate",
]


def __getattr__(name: str):
    """`figure` on first use, so that importing the feature imports no matplotlib."""
    if name == "figure":
        from nfvlab.cmt.figures import figure

        return figure
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
