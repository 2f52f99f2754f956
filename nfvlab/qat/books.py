"""What a migration takes of its resources: migration thread, what compresses, link; CPU of both ends; bytes."""

from dataclasses import dataclass

from nfvlab.qat.params import Params
from nfvlab.units import GiB


@dataclass(frozen=True)
class Use:
    """Busy time until `t_ns`: of the migration thread, of what compresses (mean of all of them), of the link."""

    t_ns: float
    thread_ns: float
    engine_ns: float
    link_ns: float


@dataclass(frozen=True)
class Spent:
    """What a whole migration took; the link's time is that until the source completed."""

    thread_ns: float
    engine_ns: float
    link_ns: float
    source_cpu_ns: float
    destination_cpu_ns: float
    wire_bytes: float
    content_pages: int
    raw_pages: int


def until(busy_ns: float, done_ns: float, now_ns: float) -> float:
    """The link's busy time until now: it has been given work that will keep it busy until `done_ns`."""
    return busy_ns - max(done_ns - now_ns, 0.0)


def sync_work_ns(p: Params, syncs: int) -> float:
    """The migration thread's work for synchronisations of the dirty bitmap."""
    return syncs * (p.sync_ns + p.sync_per_gib_ns * p.ram_bytes / GiB)
