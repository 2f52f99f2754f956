"""Skipping the free pages of a guest in live migration.

Question
    What does live migration gain when the sender leaves out the pages that the guest's allocator holds free, and what
    does a DPDK guest that forwards packets lose meanwhile?

Mechanism
    Dirty logging starts first. Then the guest walks its free lists and reports what it finds: in the talk as one raw
    bitmap by guest frame, today as hints of free 4 MiB blocks through virtio-balloon that race with the sender. The
    host folds frames across the PCI hole and takes the free pages out of the migration bitmap, in the bulk stage only.
    A page that the guest takes into use later is in the dirty log, so that no write is lost (`ordering` proves it).

Assumptions
    Free pages stay free or are written through the logged path; the guest's driver answers promptly; costs per page
    and per block are those of the host files in data/hosts.

Left out
    Balloon inflation, page reporting outside migration, post-copy, several NUMA zones, guests that lie.

References
    Liang Li, A PV solution for KVM live migration optimization (RFC), March 2016; Wei Wang et al.,
    VIRTIO_BALLOON_F_FREE_PAGE_HINT (virtio 1.2, 5.5.6.6); QEMU hw/virtio/virtio-balloon.c, migration/ram.c;
    opnfv/kvmfornfv live migration user guide.
"""

from nfvlab.freepages.analytic import Theory, analyze
from nfvlab.freepages.params import OUTPUTS, Params, from_recording
from nfvlab.freepages.scenarios import SCENARIOS
from nfvlab.freepages.simulation import Samples, simulate

__all__ = [
    "OUTPUTS",
    "SCENARIOS",
    "Params",
    "Samples",
    "Theory",
    "analyze",
    "figure",
    "from_recording",
    "simulate",
]


def __getattr__(name: str):
    """`figure` on first use, so that importing the feature imports no matplotlib."""
    if name == "figure":
        from nfvlab.freepages.figures import figure

        return figure
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
