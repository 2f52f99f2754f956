"""The terms of the glossary: a word, what it means in one line, and where the code has it."""

from typing import NamedTuple


class Term(NamedTuple):
    """A word, what it means, and where the code has it: "module:name", or a field of the built features."""

    word: str
    meaning: str
    place: str


TERMS: dict[str, tuple[Term, ...]] = {
    "claims and verdicts": (
        Term("exact", "the theory's value is the simulation's expectation", "nfvlab.results:exact"),
        Term("lower bound", "the truth is at least the theory's value", "nfvlab.results:lower"),
        Term("upper bound", "the truth is at most the theory's value", "nfvlab.results:upper"),
        Term(
            "within", "right to a tolerance, which was measured at the place named", "nfvlab.results:approx"
        ),
        Term("stderr", "standard error of the simulated value", "nfvlab.stats:Estimate"),
        Term(
            "z",
            "theory minus simulation, in standard errors; an exact claim fails beyond four",
            "nfvlab.twin:SIGMA",
        ),
        Term(
            "holds, fails",
            "whether claim and simulation agree to within both their errors",
            "nfvlab.twin:Row",
        ),
        Term("twin table", "theory and simulation of one scenario, output by output", "nfvlab.twin:compare"),
        Term(
            "scenario",
            "one set of parameters: a guest, its work, the limits, the hosts",
            "nfvlab.params:Params",
        ),
    ),
    "pre-copy migration": (
        Term(
            "dirty log",
            "where the hypervisor notes each page that the guest writes",
            "nfvlab.precopy.guest:Guest",
        ),
        Term(
            "migration bitmap",
            "one bit a page: still to be sent",
            "nfvlab.precopy.migration_thread:MigrationThread",
        ),
        Term("sync", "a merge of the dirty log into the migration bitmap", "dirty_sync_count"),
        Term(
            "bulk stage",
            "the first pass over all memory, up to the first sync after it",
            "nfvlab.precopy.migration_thread:BULK",
        ),
        Term("round", "what is sent between two syncs", "nfvlab.precopy.rounds:Rounds"),
        Term("normal page", "a page sent with its content", "normal_pages"),
        Term(
            "zero page", "a page of zeroes, sent as a header; QEMU counts it as duplicate", "duplicate_pages"
        ),
        Term("window", "100 ms: the limiter's budget and the bandwidth estimate are per window", "window_ns"),
        Term(
            "downtime limit",
            "how long the stop-and-copy may take by the sender's estimate",
            "downtime_limit_ns",
        ),
        Term(
            "stop rule", "stop when what is left can be sent within the downtime limit", "downtime_limit_ns"
        ),
        Term("downtime", "the source's stop-and-copy, as QEMU reports it", "downtime_ns"),
        Term("pause", "what the guest feels, from its stop to its resume; longer than downtime", "pause_ns"),
        Term("convergence", "the migration completes before it is given up", "converged_frac"),
        Term("auto-converge", "slows the vCPUs of a guest that dirties too fast", "auto_converge"),
        Term("working set", "the pages that a guest keeps writing to", "wss_bytes"),
        Term(
            "page visit",
            "a write to some page of the working set; several may hit one page",
            "write_rate_per_s",
        ),
    ),
    "free pages": (
        Term("free page", "a page that the guest's allocator holds in its free lists", "skipped_pages"),
        Term("skipping", "taking free pages out of the migration bitmap in the bulk stage", "skipping"),
        Term(
            "buddy allocator",
            "keeps free memory in blocks of 2^order pages, order 0 to 10",
            "nfvlab.kernels.buddy:MAX_ORDER",
        ),
        Term(
            "fragmentation",
            "share of the free 4 MiB blocks that a long-lived page has broken up",
            "fragmentation_frac",
        ),
        Term(
            "bitmap (transport)",
            "the talk's way: one bit for each guest frame, before the bulk stage",
            "transport",
        ),
        Term(
            "hint", "today's way: one free 4 MiB block, told while the sender is under way", "hint_block_ns"
        ),
        Term(
            "command id",
            "names the time between two syncs that a hint belongs to",
            "nfvlab.freepages.hints:CMD_ID_MIN",
        ),
        Term(
            "PCI hole",
            "guest addresses below 4 GiB without RAM: frames are not RAM-block pages",
            "nfvlab.freepages.physmap:pc_map",
        ),
        Term(
            "init_on_alloc", "the guest kernel zeroes what it allocates, hinted blocks too", "init_on_alloc"
        ),
    ),
    "compressed migration": (
        Term("DEFLATE level", "how hard the compressor searches: 1 is fast, 9 is small", "zlib_level"),
        Term(
            "fixed, dynamic codes",
            "Huffman codes as the standard has them, or made for each block: smaller, and slower to make",
            "engine_deflate",
        ),
        Term("compression ratio", "compressed over original size: less is better", "own_ratio"),
        Term(
            "engine, slice", "the device's compressor, and its parts that work side by side", "slices_count"
        ),
        Term("request", "what the engine is given at once: one or several pages", "request_pages"),
        Term("request ring", "holds requests and their responses: so many are in flight", "ring_requests"),
        Term(
            "sent raw", "a page that goes as it is, since the ring was full or it did not shrink", "raw_frac"
        ),
        Term("pagemap", "/proc/self/pagemap, where a process reads its physical addresses", "pagemap_cycles"),
        Term("mlock", "keeps pages in memory, so that a device finds them there", "mlock"),
        Term("compress thread", "QEMU's way of 2015: a thread a page, zlib", "compress_threads_count"),
        Term(
            "multifd channel",
            "a thread with a socket of its own, a packet of pages at a time",
            "channels_count",
        ),
        Term("QATzip, IAA", "accelerators of today's QEMU, used by multifd channels", "accelerator"),
        Term("XBZRLE", "sends the difference from the version of a page that was sent before", "delta_bytes"),
        Term(
            "bottleneck law",
            "pages a second are at most one over the slowest station's time a page",
            "nfvlab.qat.mva:bounds",
        ),
        Term(
            "mean-value analysis",
            "rates and queues of a closed network, from those of one customer less",
            "nfvlab.qat.mva:mva",
        ),
    ),
    "forwarding": (
        Term(
            "line rate",
            "what the traffic generator sends, whether or not the guest listens",
            "line_rate_bits_per_s",
        ),
        Term("ring", "descriptors that hold packets while the guest does not look", "ring_count"),
        Term("service gap", "a time in which the guest runs but does not look at its ring", "sync_gap_ns"),
        Term("lost packet", "unheard while the guest is stopped, or dropped at a full ring", "lost_count"),
    ),
    "last-level cache": (
        Term("way, set", "a line may lie in any way of the one set that its address names", "cache_ways"),
        Term(
            "reference",
            "an access that reaches the last-level cache; a hit or a miss",
            "references_per_s",
        ),
        Term(
            "CLOSID",
            "class of service: the index of a mask, which a core or task runs under",
            "nfvlab.cat.parts:Capability",
        ),
        Term(
            "CBM",
            "capacity bit mask: the ways that a class may fill; it is served from all",
            "nfvlab.cat.cbm:Cbm",
        ),
        Term("min_cbm_bits", "fewest bits of a mask", "min_cbm_ways"),
        Term("shareable_bits", "ways that devices fill, too", "io_mask"),
        Term("CDP", "masks apart for code and for data; it halves the number of classes", "cdp"),
        Term("schemata", "the masks of a group as text, L3:0=ff000;1=ff000", "nfvlab.cat.schemata:paste"),
        Term(
            "DDIO", "devices write into the last-level cache, in ways of their own", "nfvlab.llc.params:Cache"
        ),
        Term(
            "tenant", "who shares the cache: a core with its workload, class of service and RMID", "tenants"
        ),
        Term("unit of work", "one packet, or one wake-up with all that it does", "unit_ns"),
        Term(
            "characteristic time",
            "how long a line lives that nobody refers to again",
            "nfvlab.llc.che:characteristic_time",
        ),
        Term("RMID", "resource monitoring ID: a line carries its filler's until it is evicted", "rmid_count"),
        Term("upscaling factor", "bytes of one unit of a monitoring counter", "upscale_bytes"),
        Term("limbo", "where an ended group's RMID waits until its lines are gone", "limbo_count"),
    ),
    "real-time path": (
        Term(
            "virtual-APIC page", "the guest's interrupt controller in memory", "nfvlab.apicv.vapic:VapicState"
        ),
        Term(
            "VIRR, VISR", "vectors requested, and in service, in that page", "nfvlab.apicv.vapic:VapicState"
        ),
        Term(
            "RVI, SVI",
            "the highest requested vector, and the one in service",
            "nfvlab.apicv.vapic:VapicState",
        ),
        Term(
            "VTPR, VPPR", "the guest's task priority, and what follows of it", "nfvlab.apicv.vapic:VapicState"
        ),
        Term("EOI", "end of interrupt: a write that may exit", "eoi_exit_frac"),
        Term(
            "PIR, ON, SN",
            "requests posted, notified, not to be notified",
            "nfvlab.apicv.descriptor:Descriptor",
        ),
        Term("NV, NDST", "which vector notifies, and which CPU", "nfvlab.apicv.descriptor:Descriptor"),
        Term("notification", "the interrupt that tells of a post", "notifications_ratio"),
        Term("merge", "a request whose vector was already waiting is one with it", "coalesced_frac"),
        Term("VM exit, VM entry", "from the guest to the host, and back", "exit_cycles"),
        Term("spread", "the share of a stage's cost that varies, exponentially", "spread_frac"),
        Term("halt polling", "the host waits a while before a halted vCPU's thread sleeps", "halt_poll_ns"),
        Term(
            "eventfd, irqfd", "what a handler signals, and what makes a guest's vector of it", "irqfd_cycles"
        ),
        Term(
            "IRQ thread",
            "runs an interrupt's handler under PREEMPT_RT, with a priority",
            "irq_priority_level",
        ),
        Term("IRQF_NO_THREAD", "the handler stays in the hard interrupt", "nfvlab.vfio.locks:VARIANTS"),
        Term("housekeeping CPU", "takes the interrupts that the vCPU's own CPU is spared", "same_cpu"),
        Term("TSC deadline", "when the guest's timer is to fire, in counts of its TSC", "interval_ns"),
        Term("VMX-preemption timer", "counts down while the guest runs; at zero it exits", "timer_shift"),
        Term(
            "hrtimer", "the host kernel's timer, whose interrupt makes the guest exit", "hrtimer_irq_cycles"
        ),
        Term("advance", "how much before the deadline KVM lets its timer fire", "advance"),
        Term("fast path", "an exit handled without the loop around it", "fastpath"),
        Term("SMI", "system management interrupt: the firmware stops all CPUs", "smi_per_s"),
    ),
}

__all__ = ["TERMS", "Term"]
