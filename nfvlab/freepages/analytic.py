"""analyze(): skipping free pages, as pre-copy of what is left to send, and the packets lost meanwhile."""

from dataclasses import dataclass
from typing import NamedTuple

from nfvlab import results
from nfvlab.freepages.chase import chase, hints
from nfvlab.freepages.free_lists import BLOCK_PAGES, Stretch, stretches
from nfvlab.freepages.packets import gap_drops, throttle_drops
from nfvlab.freepages.params import OUTPUTS, Params, packets_per_s
from nfvlab.precopy import analytic as precopy
from nfvlab.precopy.regions import Region
from nfvlab.results import Claim, approx, exact, output

HERE = "tests/freepages/test_twins.py"


@dataclass(frozen=True, kw_only=True)
class Theory(results.Theory):
    """Totals of one migration that may skip free pages, packets lost, and its course (`migration`)."""

    params: Params
    total_time_ns: float = output(OUTPUTS["total_time_ns"], approx(rel=0.05, where=HERE))
    downtime_ns: float = output(OUTPUTS["downtime_ns"], approx(rel=0.2, where=HERE))
    pause_ns: float = output(OUTPUTS["pause_ns"], approx(rel=0.2, where=HERE))
    transferred_bytes: float = output(OUTPUTS["transferred_bytes"], approx(rel=0.03, where=HERE))
    normal_pages: float = output(OUTPUTS["normal_pages"], approx(rel=0.03, where=HERE))
    duplicate_pages: float = output(OUTPUTS["duplicate_pages"], approx(rel=0.02, where=HERE))
    dirty_sync_count: float = output(OUTPUTS["dirty_sync_count"], approx(rel=0.1, where=HERE))
    converged_frac: float = output(OUTPUTS["converged_frac"], exact())
    skipped_pages: float = output(OUTPUTS["skipped_pages"], approx(rel=0.02, where=HERE))
    report_ns: float = output(OUTPUTS["report_ns"], approx(rel=0.02, where=HERE))
    lost_count: float = output(OUTPUTS["lost_count"], approx(rel=0.2, where=HERE))
    ring_drop_count: float = output(OUTPUTS["ring_drop_count"], approx(rel=0.2, where=HERE))
    free_pages: float
    list_blocks_count: float
    migration: precopy.Theory

    def claim(self, name: str) -> Claim:
        """What does not happen is claimed exactly; what pre-copy claims is not claimed anew."""
        if not self.params.skipping and name in ("skipped_pages", "report_ns"):
            return exact()
        return super().claim(name)


class Plan(NamedTuple):
    """What the first pass has to send, and what skipping does to the rest."""

    memory: tuple[Region, ...]
    skipped: float = 0.0
    report_ns: float = 0.0
    wait_ns: float = 0.0
    syncs: float = 0.0


def analyze(p: Params) -> Theory:
    """What to expect of one migration of `p`, with or without skipping."""
    found = stretches(p)
    plan = _plan(p, found)
    migration = precopy.analyze(p, plan.memory)
    converged = bool(migration.converged_frac)
    syncs = migration.dirty_sync_count + plan.syncs
    drops = _ring_drops(p, migration, syncs)
    unheard = packets_per_s(p) * migration.pause_ns / 1e9 if converged else 0.0
    return Theory(
        params=p,
        total_time_ns=migration.total_time_ns + plan.wait_ns,
        downtime_ns=migration.downtime_ns,
        pause_ns=migration.pause_ns,
        transferred_bytes=migration.transferred_bytes,
        normal_pages=migration.normal_pages,
        duplicate_pages=migration.duplicate_pages,
        dirty_sync_count=syncs,
        converged_frac=migration.converged_frac,
        skipped_pages=plan.skipped,
        report_ns=plan.report_ns,
        lost_count=unheard + drops,
        ring_drop_count=drops,
        free_pages=sum(stretch.free for stretch in found),
        list_blocks_count=sum(stretch.blocks for stretch in found),
        migration=migration,
    )


def _plan(p: Params, found: tuple[Stretch, ...]) -> Plan:
    if not p.skipping:
        return Plan(_filled(stretch.content for stretch in found))
    return _hinted(p, found) if p.transport == "hints" else _filtered(p, found)


def _filtered(p: Params, found: tuple[Stretch, ...]) -> Plan:
    """The bitmap: the walk of the free lists first, then nothing that was free is sent."""
    free, blocks = (sum(getattr(stretch, name) for stretch in found) for name in ("free", "blocks"))
    report_ns = p.request_ns + p.walk_block_ns * blocks + p.walk_page_ns * free
    return Plan(_filled(stretch.used for stretch in found), free, report_ns, report_ns)


def _hinted(p: Params, found: tuple[Stretch, ...]) -> Plan:
    """Hints: the sender starts at once, and what it has passed before the hint is sent all the same."""
    given = hints(p, found)
    skipped, _ = chase(p, found, given)
    memory = [
        stretch.content.cut(pages) if pages else stretch.content
        for stretch, pages in zip(found, skipped, strict=True)
    ]
    report_ns = p.request_ns + (given.each_ns if given.count else 0.0)
    if p.init_on_alloc:
        memory.append(Region("hinted", given.count * BLOCK_PAGES, 0.0))
    return Plan(_filled(memory), sum(skipped), report_ns, syncs=float(p.init_on_alloc and given.count > 0))


def _filled(memory) -> tuple[Region, ...]:
    return tuple(region for region in memory if region.pages > 1e-6)


def _ring_drops(p: Params, migration: precopy.Theory, syncs: float) -> float:
    """Packets dropped at the ring before the stop: at each sync, and while the vCPU is throttled."""
    before = syncs - 1 if migration.converged_frac else syncs
    course = migration.course
    drops = before * gap_drops(p, p.sync_gap_ns, p.window_ns)
    return drops + throttle_drops(p, course.throttle_frac, course.total_time_ns)
