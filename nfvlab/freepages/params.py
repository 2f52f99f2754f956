"""The scenario of a migration that skips the guest's free pages, and the names of its outputs."""

from collections.abc import Iterable
from dataclasses import dataclass

from nfvlab.params import ASSUMED, Problem, param
from nfvlab.precopy import params as precopy
from nfvlab.units import GiB, ms, s, us

PC_LOW_BYTES = 2.75 * GiB  # QEMU hw/i386/pc_q35.c: what is more goes above 4 GiB
TRANSPORTS = ("bitmap", "hints")
BALLOON = "Linux drivers/virtio/virtio_balloon.c, QEMU hw/virtio/virtio-balloon.c"
GUIDE = "opnfv/kvmfornfv docs/release/userguide/live_migration.userguide.rst"

OUTPUTS = precopy.OUTPUTS | {
    "skipped_pages": "free pages taken out of the migration bitmap and never sent",
    "report_ns": "from the request for the free pages until the sender may use them: the walk, or the first hint",
    "lost_count": "packets that the forwarding guest lost: unheard while it was stopped, and dropped at a full ring",
    "ring_drop_count": "those of them dropped at a full ring, in service gaps before the stop and after it",
}


@dataclass(frozen=True, kw_only=True)
class Params(precopy.Params):
    """One live migration with or without skipping free pages, and the packets that its guest forwards."""

    skipping: bool = param(True, "skip the free pages in the bulk stage", source="the talk")
    transport: str = param(
        "bitmap",
        "how the guest reports them: one bitmap before the bulk stage, or hints of 4 MiB that race with the sender",
        choices=TRANSPORTS,
        source="the talk; VIRTIO_BALLOON_F_FREE_PAGE_HINT",
    )
    machine: str = param(
        "q35",
        "machine type: where the PCI hole splits the guest's frames",
        choices=("q35", "i440fx"),
        source="QEMU hw/i386/pc_q35.c, pc_piix.c",
    )
    fragmentation_frac: float = param(
        0.02,
        "share of the free 4 MiB blocks that a long-lived allocation has broken up",
        domain=(0, 1),
        typical=(0, 0.5),
        source=ASSUMED,
    )
    request_ns: float = param(
        5 * ms,
        "from the request until the guest's driver starts: interrupt, work queue, virtqueue",
        domain=(0, 100 * s),
        typical=(0, 100 * ms),
        source=ASSUMED,
    )
    walk_block_ns: float = param(
        0.2 * us,
        "guest: time per block on the free lists while walking them (a cache miss for its struct page)",
        domain=(0, 1 * s),
        typical=(0.02 * us, 2 * us),
        log=True,
        source=ASSUMED,
    )
    walk_page_ns: float = param(
        5.0,
        "guest: time to set one free page's bit in the bitmap",
        domain=(0, 1e6),
        typical=(0.1, 50),
        log=True,
        source=ASSUMED,
    )
    hint_block_ns: float = param(
        100 * us,
        "guest and device: time per hinted 4 MiB block",
        domain=(0.1 * us, 10 * s),
        typical=(10 * us, 10 * ms),
        log=True,
        source="data/recordings/qemu a04: 474 blocks of a 2 GiB guest within 50 to 100 ms",
    )
    hint_reserve_pages: int = param(
        21_120,
        "the zones' low watermarks, below which the driver's allocation of a block fails",
        domain=(0, 10**9),
        typical=(0, 50_000),
        source="Linux mm/khugepaged.c, mm/page_alloc.c: see low_watermark_pages; data/recordings/qemu a04, a10, a12",
    )
    init_on_alloc: bool = param(
        False,
        "guest kernel zeroes what it allocates, hinted blocks too: every one of their pages gets dirty",
        source="Linux init_on_alloc=1, CONFIG_INIT_ON_ALLOC_DEFAULT_ON",
    )
    fresh_touch_ns: float = param(
        0.5 * us,
        "guest: time to zero a page on allocation, with the host's page fault",
        domain=(0, 1 * s),
        typical=(0.1 * us, 50 * us),
        log=True,
        source=ASSUMED,
    )
    line_rate_bits_per_s: float = param(
        0.0,
        "offered load of the forwarding guest; 0: it forwards nothing",
        domain=(0, 1e12),
        typical=(0, 10e9),
        source=GUIDE + ": 2013 Mbit/s",
    )
    frame_bytes: int = param(
        64, "size of a frame with its checksum", domain=(64, 9216), typical=(64, 1518), source="IEEE 802.3"
    )
    line_rate_on_the_wire: bool = param(
        False,
        "the load counts preamble and gap (20 bytes a frame) too",
        source="the talk does not say: 3.93 Mpps of frames alone, 3.00 Mpps on the wire",
    )
    forward_capacity_per_s: float = param(
        6e6,
        "packets per second that the guest's forwarding core can do",
        domain=(1, 1e9),
        typical=(1e6, 2e7),
        log=True,
        source=ASSUMED,
    )
    ring_count: int = param(
        256,
        "descriptors of the receive ring",
        domain=(1, 65536),
        typical=(64, 4096),
        log=True,
        source="QEMU hw/net/virtio-net.c: rx_queue_size 256",
    )
    sync_gap_ns: float = param(
        0.1 * ms,
        "how long a synchronisation of the dirty bitmap keeps the forwarding vCPU from its ring",
        domain=(0, 10 * s),
        typical=(0, 10 * ms),
        source=ASSUMED,
    )

    def rules(self) -> Iterable[Problem]:
        """The rules that bind several fields."""
        yield from super().rules()
        if self.ram_bytes % precopy.PAGE_BYTES:
            yield self.problem("ram_bytes", "is a whole number of 4 KiB pages", "round it")
        if packets_per_s(self) > self.forward_capacity_per_s:
            yield self.problem(
                "line_rate_bits_per_s",
                f"the guest can forward the {packets_per_s(self) / 1e6:.3g} Mpps offered "
                f"(forward_capacity_per_s {self.forward_capacity_per_s / 1e6:.3g} Mpps)",
                "lower the load or raise forward_capacity_per_s: an overloaded ring drops packets without migration",
            )


def packets_per_s(p: Params) -> float:
    """Frames per second of the offered load.

    IEEE 802.3: preamble, delimiter and gap take 20 bytes a frame. 2013 Mbit/s of 64-byte frames are 3.93 Mpps of
    frames alone, 3.00 Mpps on the wire.
    """
    return p.line_rate_bits_per_s / 8 / (p.frame_bytes + (20 if p.line_rate_on_the_wire else 0))


def low_watermark_pages(ram_bytes: float) -> int:
    """Sum of the zones' low watermarks of a guest with transparent huge pages.

    Linux mm/khugepaged.c set_recommended_min_free_kbytes: 2 + 3 x 3 page blocks of 512 pages for each populated zone
    (DMA, DMA32, and Normal above 4 GiB), at most 5 % of memory; mm/page_alloc.c __setup_per_zone_wmarks: low is
    min + min/4. The recordings' guests keep back that much, not the min.
    """
    zones = 3 if ram_bytes > PC_LOW_BYTES else 2
    least = min(zones * 11 * 512, int(ram_bytes / precopy.PAGE_BYTES) // 20)
    return least + least // 4


def from_recording(meta, constants: dict[str, float] | None = None, **overrides) -> Params:
    """The scenario of a recording, with its free-page hints, on a host given by its constants (see data/hosts)."""
    from nfvlab.precopy.host import Host

    constants = dict(constants or {})
    host = Host(**{name: value for name, value in constants.items() if name in Host.specs()})
    base = precopy.from_recording(meta, host).to_dict()
    extra = {name: value for name, value in constants.items() if name not in Host.specs()}
    hinted = bool(meta.scenario.get("free_page_hint"))
    ours = {
        "hint_reserve_pages": low_watermark_pages(base["ram_bytes"]),
        "skipping": hinted,
        "transport": "hints",
        "init_on_alloc": hinted and bool(meta.scenario.get("guest_init_on_alloc")),
    }
    return Params(**(base | ours | extra | overrides))


__all__ = ["OUTPUTS", "Params", "from_recording", "packets_per_s"]
