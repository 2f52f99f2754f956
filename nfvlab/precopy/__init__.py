"""Pre-copy live migration, as QEMU does it: the engine under skipping free pages and under compression.

Question
    How long does a live migration take, how many bytes does it send, how long does the guest stand still, and does
    it end at all, for this guest, these hosts and these limits?

Mechanism
    One thread at the source walks the bitmap of pages to send, in windows with a budget of bytes, while the guest
    runs and its writes are logged. When little enough is left, the log is merged into the bitmap; if it is still
    little, the guest is stopped and the rest sent. Source, link and destination work in tandem behind a socket's
    buffer.

Assumptions
    Costs per page are those of the hosts (`Host`), alike for all pages of a kind, and vary from one iteration to the
    next. The guest writes to its working set at a steady rate, as one of four patterns.

Left out
    Post-copy, multifd, compression and XBZRLE, RDMA, several vCPUs that are throttled apart, KVM's manual
    protection of the dirty log, devices with much state of their own.

References
    QEMU 7.2 migration/migration.c and migration/ram.c; Clark et al., Live Migration of Virtual Machines, NSDI 2005;
    Liu et al., Performance and Energy Modeling for Live Migration of Virtual Machines, HPDC 2011.
"""

import importlib

from nfvlab.precopy.analytic import Theory, analyze
from nfvlab.precopy.params import OUTPUTS, Params, from_recording
from nfvlab.precopy.scenarios import SCENARIOS
from nfvlab.precopy.textbook import Textbook, clark, geometric, textbook

__all__ = [
    "OUTPUTS",
    "SCENARIOS",
    "Live",
    "Params",
    "Samples",
    "Textbook",
    "Theory",
    "analyze",
    "clark",
    "figure",
    "from_recording",
    "geometric",
    "simulate",
    "textbook",
]

#: Imported when first asked for: numba and matplotlib take longer to load than the rest together.
_LATE = {"Samples": "simulation", "simulate": "simulation", "Live": "figures", "figure": "figures"}


def __getattr__(name: str):
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LATE[name]}"), name)
