"""What the theory of skipping claims: what pre-copy claims of the rest, and how well the pages skipped are known."""

from nfvlab.freepages.free_lists import BLOCK_PAGES, RESERVED, Stretch
from nfvlab.freepages.packets import gap_drops, throttle_drops
from nfvlab.freepages.params import Params, packets_per_s
from nfvlab.precopy.analytic import Theory
from nfvlab.precopy.rates import costs
from nfvlab.results import Claim, approx, exact

HERE = "tests/freepages/test_twins.py, random scenarios"
STRAY_PAGES = RESERVED[1] - RESERVED[0]  # chance decides how many reserved frames lie among free ones
HINTED_REL = 0.05  # of the free pages that hints came too late for


def unsure_pages(p: Params, found: tuple[Stretch, ...], skipped: float) -> float:
    """Free pages of which chance decides whether a hint comes in time: a share of those that it misses."""
    if not p.skipping or p.transport == "bitmap":
        return 0.0
    late = BLOCK_PAGES * sum(stretch.whole for stretch in found) - skipped
    return HINTED_REL * max(late, 0.0) + 2 * BLOCK_PAGES


def claim(p: Params, migration: Theory, unsure: float, drops: float, name: str) -> Claim:
    """The claim of one output; `unsure`: pages that may or may not be skipped, `drops`: packets dropped at the ring."""
    if name in ("skipped_pages", "report_ns"):
        return _of_report(p, unsure, name)
    if name in ("lost_count", "ring_drop_count"):
        return _of_packets(p, migration, drops, name)
    known = migration.claim(name)
    if known.kind != "approx" or not p.skipping:
        return known
    cost = costs(p).first
    more = {
        "total_time_ns": unsure * cost.bottleneck_ns,
        "transferred_bytes": unsure * cost.wire_bytes,
        "normal_pages": unsure,
        "duplicate_pages": unsure * (2 if p.init_on_alloc else 1) + STRAY_PAGES,
    }
    return approx(rel=known.rel, abs=known.abs + more.get(name, 0.0), where=HERE)


def _of_report(p: Params, unsure: float, name: str) -> Claim:
    if not p.skipping:
        return exact()
    if name == "skipped_pages":
        return approx(rel=2e-5, abs=unsure + STRAY_PAGES, where=HERE)
    if p.transport == "bitmap":
        return approx(rel=1e-3, where=HERE)
    return exact()


def _of_packets(p: Params, migration: Theory, drops: float, name: str) -> Claim:
    if not packets_per_s(p) or not migration.course.converged:
        return exact()
    syncs = migration.claim("dirty_sync_count")
    count = migration.dirty_sync_count
    more = (syncs.rel * count + syncs.abs) * gap_drops(p, p.sync_gap_ns, p.window_ns)
    throttled = throttle_drops(p, migration.course.throttle_frac, p.window_ns)  # known to a window
    ring = 0.1 * drops + more + throttled + p.ring_count
    if name == "ring_drop_count":
        return approx(rel=0.0, abs=ring, where=HERE)
    pause = migration.claim("pause_ns")
    unheard = packets_per_s(p) * (pause.rel * migration.pause_ns + pause.abs) / 1e9
    return approx(rel=0.0, abs=ring + unheard, where=HERE)
