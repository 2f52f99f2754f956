"""The constants of a pair of hosts and the link between them, as live migration feels them.

They are properties of the machines, not of the guest: `nfvlab calibrate migration` fits them on recordings of
migrations, and every file in data/hosts/ is one set of them with its source.
"""

from dataclasses import dataclass

from nfvlab.params import ASSUMED, Params, param
from nfvlab.units import GiB, KiB, MiB, ms, s, us

QEMU_RAM = "QEMU migration/ram.c"


@dataclass(frozen=True, kw_only=True)
class Host(Params):
    """What one page, one synchronisation and one stop cost on a pair of hosts."""

    send_ns: float = param(
        400.0,
        "source: migration thread's time per normal page",
        domain=(0, 1e6),
        typical=(100, 5e3),
        log=True,
        source=ASSUMED,
    )
    zero_scan_ns: float = param(
        720.0,
        "source: time to find a page all zero and send its header",
        domain=(0, 1e6),
        typical=(50, 5e3),
        log=True,
        source="published.csv fp-idle-total, see data/hosts/haswell-x540.toml",
    )
    first_touch_ns: float = param(
        900.0,
        "destination: time per normal page that it sees for the first time (page fault and copy)",
        domain=(0, 1e6),
        typical=(100, 5e4),
        log=True,
        source=ASSUMED,
    )
    again_ns: float = param(
        400.0,
        "destination: time per normal page that it has seen before",
        domain=(0, 1e6),
        typical=(100, 5e4),
        log=True,
        source=ASSUMED,
    )
    zero_load_ns: float = param(
        100.0,
        "destination: time per zero page",
        domain=(0, 1e6),
        typical=(10, 5e3),
        log=True,
        source=ASSUMED,
    )
    link_page_ns: float = param(
        0.0,
        "time a link adds to each page that the destination sees for the first time, beyond its serialisation",
        domain=(0, 1e6),
        typical=(0, 1e4),
        source="none for a wire; a forwarding proxy shares the destination's CPU with its page faults",
    )
    link_share_frac: float = param(
        0.94,
        "share of the link's nominal rate that carries migration bytes",
        domain=(0.01, 1.0),
        typical=(0.3, 1.0),
        source="TCP over Ethernet, MTU 1500: 1448/1538",
    )
    socket_bytes: float = param(
        4 * MiB,
        "bytes that the sockets between source and destination hold",
        domain=(64 * KiB, 1 * GiB),
        typical=(256 * KiB, 16 * MiB),
        log=True,
        source="Linux net.ipv4.tcp_wmem + tcp_rmem maxima",
    )
    sync_ns: float = param(
        0.2 * ms,
        "one synchronisation of the dirty bitmap: fixed part",
        domain=(0, 10 * s),
        typical=(0, 10 * ms),
        source=ASSUMED,
    )
    sync_per_gib_ns: float = param(
        0.1 * ms,
        "one synchronisation of the dirty bitmap: part per GiB of guest memory",
        domain=(0, 10 * s),
        typical=(0, 5 * ms),
        source=ASSUMED,
    )
    wakeup_ns: float = param(
        0.1 * ms,
        "how late the migration thread wakes at the end of a window",
        domain=(0, 1 * s),
        typical=(0, 10 * ms),
        source=ASSUMED,
    )
    setup_ns: float = param(
        2 * ms,
        "from the migrate command to the first page",
        domain=(0, 100 * s),
        typical=(0, 200 * ms),
        source=ASSUMED,
    )
    stop_ns: float = param(
        2 * ms,
        "stopping the vCPUs and saving the devices, without the pages",
        domain=(0, 10 * s),
        typical=(0, 50 * ms),
        source=ASSUMED,
    )
    resume_ns: float = param(
        5 * ms,
        "destination: from the last byte to the guest running",
        domain=(0, 10 * s),
        typical=(0, 100 * ms),
        source=ASSUMED,
    )
    dirty_log_stop_ns: float = param(
        0.0,
        "stopping dirty logging, when it is done while the guest is stopped",
        domain=(0, 10 * s),
        typical=(0, 100 * ms),
        source="opnfv/kvmfornfv commit 738df5b97: 32 ms for an 8 GiB guest before it was deferred",
    )
    speed_cv_frac: float = param(
        0.05,
        "coefficient of variation of every per-page time from one 50 ms iteration to the next",
        domain=(0, 2),
        typical=(0, 0.5),
        source=ASSUMED,
    )
    link_cv_frac: float = param(
        0.0,
        "coefficient of variation of the link's time per byte from one 50 ms iteration to the next",
        domain=(0, 2),
        typical=(0, 0.5),
        source="none for a wire; data/recordings/qemu c-*, e: mbps of a link played by a proxy varies by 13 %",
    )
    visit_ns: float = param(
        1 * us,
        "vCPU time of one page visit of the guest's workload",
        domain=(0, 1 * s),
        typical=(0.1 * us, 100 * us),
        log=True,
        source=ASSUMED,
    )
    workload_busy_frac: float = param(
        0.0,
        "share of a vCPU that the guest's workload takes besides its visits (timers, system calls)",
        domain=(0, 0.99),
        typical=(0, 0.5),
        source="data/recordings/qemu b-*, c-*: a vCPU is 10 % busy at 1000 visits a second and at 8000 alike",
    )
    boot_low_pages: int = param(
        7_300,
        "non-zero pages of a freshly booted guest at the bottom of its memory (kernel image, early allocations)",
        domain=(0, 10**9),
        typical=(0, 200_000),
        source="data/recordings/qemu a01-a03, a06-a09",
    )
    boot_stale_pages: int = param(
        4_000,
        "pages right above that the boot used and freed: not zero, but free, and the first that applications get",
        domain=(0, 10**9),
        typical=(0, 50_000),
        source="data/recordings/qemu: a02 (idle) sends that many more than a08 (application zeroed its memory)",
    )
    boot_middle_pages: int = param(
        10_000,
        "non-zero pages of a freshly booted guest in one cluster (initramfs, page cache)",
        domain=(0, 10**9),
        typical=(0, 200_000),
        source="data/recordings/qemu a01-a03",
    )
    boot_top_pages: int = param(
        700,
        "non-zero pages at the top of memory, whatever its size",
        domain=(0, 10**9),
        typical=(0, 20_000),
        source="data/recordings/qemu a01, e: pages left at the stop",
    )
    boot_per_gib_pages: int = param(
        4_400,
        "non-zero pages per GiB at the top of memory (struct page: 64 bytes for each 4 KiB page, and hash tables)",
        domain=(0, 262_144),
        typical=(0, 20_000),
        source="data/recordings/qemu a01-a03; Linux struct page",
    )
    ended_pages: int = param(
        0,
        "zero pages that stay in use after an application has ended and freed its memory",
        domain=(0, 10**9),
        typical=(0, 50_000),
        source="data/recordings/qemu a09-a12: free memory before and after",
    )
