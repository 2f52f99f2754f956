"""The scenario of one pre-copy migration, and the names of its outputs."""

from collections.abc import Iterable
from dataclasses import dataclass

from nfvlab.params import ASSUMED, Problem, param
from nfvlab.precopy.host import Host
from nfvlab.units import GB, Gbps, GiB, MiB, TiB, human, ms, s

PAGE_BYTES = 4096
HEADER_BYTES = 8
ZERO_PAGE_BYTES = 9
PATTERNS = ("uniform", "sequential", "hot", "zipf")
MIGRATION_JSON = "QEMU qapi/migration.json"

OUTPUTS = {
    "total_time_ns": "from the migrate command to completion, as query-migrate reports it (total-time)",
    "downtime_ns": "the source's stop-and-copy, as query-migrate reports it (downtime)",
    "pause_ns": "what the guest feels: from its stop at the source to its resume at the destination",
    "transferred_bytes": "bytes written to the migration stream (ram.transferred)",
    "normal_pages": "pages sent with their content (ram.normal)",
    "duplicate_pages": "zero pages sent as a header (ram.duplicate)",
    "dirty_sync_count": "synchronisations of the dirty bitmap (ram.dirty-sync-count)",
    "converged_frac": "share of migrations that complete before they are given up",
}


@dataclass(frozen=True, kw_only=True)
class Params(Host):
    """One live migration: a guest, its writes, the limits set for it, on a pair of hosts."""

    ram_bytes: float = param(
        8 * GiB,
        "guest memory",
        domain=(64 * MiB, 16 * TiB),
        typical=(512 * MiB, 64 * GiB),
        log=True,
        source=ASSUMED,
    )
    rom_pages: int = param(
        130,
        "pages of the firmware's RAM blocks (BIOS, option ROMs, ACPI tables)",
        domain=(0, 10**6),
        typical=(0, 1000),
        source="data/recordings/qemu: ram.total of a q35 guest without graphics",
    )
    touched_bytes: float = param(
        0.0,
        "memory an application filled before the migration",
        domain=(0, 16 * TiB),
        typical=(0, 64 * GiB),
        source=ASSUMED,
    )
    touched_content: str = param(
        "random",
        "what it was filled with: zero pages stay cheap to send",
        choices=("random", "zero"),
        source=ASSUMED,
    )
    touched_freed: bool = param(
        False, "the application has ended: its pages are free, but not zero", source=ASSUMED
    )
    wss_bytes: float = param(
        0.0,
        "working set that the guest keeps writing to",
        domain=(0, 16 * TiB),
        typical=(0, 16 * GiB),
        source=ASSUMED,
    )
    write_rate_per_s: float = param(
        0.0,
        "page visits: writes to some page of the working set",
        domain=(0, 1e9),
        typical=(0, 2e6),
        source=ASSUMED,
    )
    pattern: str = param("uniform", "how visits fall on the working set", choices=PATTERNS, source=ASSUMED)
    hot_pages_frac: float = param(
        0.1,
        "share of the working set that is hot (pattern hot)",
        domain=(1e-6, 1),
        typical=(0.01, 0.5),
        source=ASSUMED,
    )
    hot_visits_frac: float = param(
        0.9,
        "share of the visits that go to the hot pages",
        domain=(0, 1),
        typical=(0.5, 0.99),
        source=ASSUMED,
    )
    zipf_exponent: float = param(
        0.99,
        "exponent of the visits' Zipf law (pattern zipf)",
        domain=(0.01, 10),
        typical=(0.5, 1.5),
        source="Cooper et al., Benchmarking Cloud Serving Systems with YCSB, 2010",
    )
    background_wss_bytes: float = param(
        4 * MiB,
        "pages that an idle guest's kernel keeps writing to",
        domain=(0, 1 * TiB),
        typical=(0, 64 * MiB),
        source=ASSUMED,
    )
    background_rate_per_s: float = param(
        100.0, "page visits of the idle guest's kernel", domain=(0, 1e7), typical=(0, 1e4), source=ASSUMED
    )
    max_bandwidth_bytes_per_s: float = param(
        100 * GB,
        "max-bandwidth: the sender's own limit",
        domain=(1e4, 1e12),
        typical=(1e7, 1e10),
        log=True,
        source=MIGRATION_JSON,
    )
    link_bytes_per_s: float = param(
        10 * Gbps,
        "nominal rate of the link",
        domain=(1e4, 1e13),
        typical=(1e8 / 8, 1e11 / 8),
        log=True,
        source=ASSUMED,
    )
    downtime_limit_ns: float = param(
        300 * ms,
        "downtime-limit",
        domain=(1 * ms, 2000 * s),
        typical=(1 * ms, 2 * s),
        log=True,
        source=MIGRATION_JSON + ": 300 ms by default, 2000 s at most",
    )
    window_ns: float = param(
        100 * ms,
        "BUFFER_DELAY: the limiter's and the bandwidth estimate's window",
        domain=(1 * ms, 10 * s),
        typical=(50 * ms, 200 * ms),
        source="QEMU migration/migration.h",
    )
    iterate_max_ns: float = param(
        50 * ms,
        "MAX_WAIT: the longest that one call of the RAM iterator sends",
        domain=(1 * ms, 10 * s),
        typical=(10 * ms, 100 * ms),
        source="QEMU migration/ram.c",
    )
    avail_switchover_bytes_per_s: float = param(
        0.0,
        "avail-switchover-bandwidth: if set, the stop rule uses it instead of the last window's; 0 is off",
        domain=(0, 1e13),
        typical=(0, 1e10),
        source=MIGRATION_JSON + ", since 8.2",
    )
    auto_converge: bool = param(
        False, "throttle the vCPUs when the guest dirties too fast", source=MIGRATION_JSON
    )
    throttle_trigger_frac: float = param(
        0.5,
        "throttle-trigger-threshold: dirtied over sent bytes",
        domain=(0.01, 1),
        typical=(0.1, 1),
        source=MIGRATION_JSON,
    )
    throttle_initial_frac: float = param(
        0.2, "cpu-throttle-initial", domain=(0.01, 0.99), typical=(0.05, 0.5), source=MIGRATION_JSON
    )
    throttle_increment_frac: float = param(
        0.1, "cpu-throttle-increment", domain=(0.01, 0.99), typical=(0.05, 0.5), source=MIGRATION_JSON
    )
    throttle_max_frac: float = param(
        0.99, "max-cpu-throttle", domain=(0.01, 0.99), typical=(0.5, 0.99), source=MIGRATION_JSON
    )
    throttle_sync_ns: float = param(
        0.0,
        "period of the throttle's own look at the dirty log; 0 is off",
        domain=(0, 1000 * s),
        typical=(0, 10 * s),
        source="QEMU migration/cpu-throttle.c: 5 s since 9.2, none before",
    )
    dirty_log_stop_deferred: bool = param(
        True,
        "dirty logging is stopped after the guest runs again, not while it is stopped",
        source="opnfv/kvmfornfv commit 738df5b97; QEMU since 2.5",
    )
    give_up_ns: float = param(
        300 * s,
        "a migration that has not completed by then is given up",
        domain=(1 * ms, 1e6 * s),
        typical=(10 * s, 600 * s),
        log=True,
        source=ASSUMED,
    )

    def rules(self) -> Iterable[Problem]:
        """The rules that bind several fields."""
        used = self.touched_bytes + (0 if self.touched_freed else self.wss_bytes)
        boot = boot_pages(self) * PAGE_BYTES
        if self.wss_bytes > self.ram_bytes:
            yield self.problem(
                "wss_bytes",
                f"the working set fits into the guest's memory of {human('ram_bytes', self.ram_bytes)}",
                "lower wss_bytes or raise ram_bytes",
            )
        elif used + boot > self.ram_bytes:
            yield self.problem(
                "touched_bytes",
                f"touched memory, working set and the booted system ({human('ram_bytes', boot)}) fit into "
                f"the guest's memory of {human('ram_bytes', self.ram_bytes)}",
                "lower touched_bytes, wss_bytes or the boot_*_pages, or raise ram_bytes",
            )
        if self.touched_freed and self.wss_bytes + boot > self.ram_bytes >= self.wss_bytes:
            yield self.problem(
                "wss_bytes",
                f"the working set fits beside the booted system ({human('ram_bytes', boot)})",
                "lower wss_bytes or raise ram_bytes",
            )
        low = self.boot_low_pages * PAGE_BYTES
        if self.background_wss_bytes > low:
            yield self.problem(
                "background_wss_bytes",
                f"the kernel writes to its own low pages only ({human('ram_bytes', low)} of boot_low_pages)",
                "lower background_wss_bytes or raise boot_low_pages",
            )
        if self.write_rate_per_s > 0 and self.wss_bytes < PAGE_BYTES:
            yield self.problem(
                "write_rate_per_s",
                "visits need a working set of at least one page",
                "set wss_bytes, or write_rate_per_s=0",
            )
        if self.throttle_initial_frac > self.throttle_max_frac:
            yield self.problem(
                "throttle_initial_frac",
                f"the first throttle does not exceed the last ({self.throttle_max_frac})",
                "lower throttle_initial_frac or raise throttle_max_frac",
            )


def boot_pages(p: Params) -> int:
    """Non-zero pages of the freshly booted guest, without those it has freed again."""
    return p.boot_low_pages + p.boot_middle_pages + top_pages(p)


def top_pages(p: Params) -> int:
    """Non-zero pages at the top of the guest's memory."""
    return p.boot_top_pages + round(p.boot_per_gib_pages * p.ram_bytes / GiB)


def ram_pages(p: Params) -> int:
    """Pages of all RAM blocks: the guest's memory and the firmware's."""
    return int(p.ram_bytes // PAGE_BYTES) + p.rom_pages


UNLIMITED_LINK_BYTES_PER_S = 1e13


def from_recording(meta, host: Host | None = None, **overrides) -> Params:
    """The scenario of a recording as `Params` on `host`.

    meta: what `readers.qemu.read_qemu` returned. What the recording does not say keeps its default; `overrides` are
    set last. A recording without a played link ran over a loopback, which neither limits nor delays.
    Errors: ParamError, with every broken rule.
    """
    known = {
        name: value for name, value in meta.scenario.items() if name in Params.specs() and value is not None
    }
    if "ram_bytes" not in known and meta.final.get("ram_bytes"):
        known["ram_bytes"] = float(meta.final["ram_bytes"]) - Params.specs()["rom_pages"].default * PAGE_BYTES
    if "touched_content" in known:
        known["touched_content"] = "zero" if known["touched_content"] == "zero" else "random"
    capabilities = set(meta.scenario.get("capabilities") or ())
    known["auto_converge"] = "auto-converge" in capabilities
    if (meta.qemu_version or ()) >= (9, 2):
        known["throttle_sync_ns"] = 5 * s
    known |= _throttle(meta.scenario.get("parameters") or {})
    base = (host or Host()).to_dict()
    if "link_bytes_per_s" not in known:
        base |= {"link_page_ns": 0.0, "link_share_frac": 1.0}
        known["link_bytes_per_s"] = UNLIMITED_LINK_BYTES_PER_S
    return Params(**(base | known | overrides))


def _throttle(parameters) -> dict[str, float]:
    """QEMU's migration parameters (percent, bytes per second) in our words."""
    ours = {
        "cpu-throttle-initial": ("throttle_initial_frac", 0.01),
        "cpu-throttle-increment": ("throttle_increment_frac", 0.01),
        "max-cpu-throttle": ("throttle_max_frac", 0.01),
        "throttle-trigger-threshold": ("throttle_trigger_frac", 0.01),
        "avail-switchover-bandwidth": ("avail_switchover_bytes_per_s", 1.0),
    }
    return {word: parameters[name] * scale for name, (word, scale) in ours.items() if name in parameters}
