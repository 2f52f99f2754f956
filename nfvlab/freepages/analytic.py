"""analyze(): skipping free pages, as pre-copy of what is left to send, and the packets lost meanwhile."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from nfvlab import results
from nfvlab.freepages import claims
from nfvlab.freepages.chase import ZeroingRounds, chase, hints
from nfvlab.freepages.free_lists import Stretch, stretches
from nfvlab.freepages.packets import ring_drops
from nfvlab.freepages.params import OUTPUTS, Params, packets_per_s
from nfvlab.freepages.zones import parts
from nfvlab.precopy import analytic as precopy
from nfvlab.precopy.regions import Region
from nfvlab.precopy.rounds import Rounds
from nfvlab.results import Claim, approx, exact, output
from nfvlab.units import GiB

NAN = float("nan")
_MEASURED = approx(rel=0.05, where=claims.HERE)


@dataclass(frozen=True, kw_only=True)
class Theory(results.Theory):
    """Totals of one migration that may skip free pages (NaN if it does not complete), and the packets lost.

    `migration` is the theory of pre-copy for what is left to send, with its course; `free_pages` and
    `list_blocks_count` are what the guest's free lists hold when it begins, `unsure_pages` so many of them that chance
    decides whether a hint comes in time. The tolerances are those of `claims.claim`.
    """

    params: Params
    total_time_ns: float = output(OUTPUTS["total_time_ns"], _MEASURED)
    downtime_ns: float = output(OUTPUTS["downtime_ns"], _MEASURED)
    pause_ns: float = output(OUTPUTS["pause_ns"], _MEASURED)
    transferred_bytes: float = output(OUTPUTS["transferred_bytes"], _MEASURED)
    normal_pages: float = output(OUTPUTS["normal_pages"], _MEASURED)
    duplicate_pages: float = output(OUTPUTS["duplicate_pages"], _MEASURED)
    dirty_sync_count: float = output(OUTPUTS["dirty_sync_count"], _MEASURED)
    converged_frac: float = output(OUTPUTS["converged_frac"], exact())
    skipped_pages: float = output(OUTPUTS["skipped_pages"], _MEASURED)
    report_ns: float = output(OUTPUTS["report_ns"], _MEASURED)
    lost_count: float = output(OUTPUTS["lost_count"], _MEASURED)
    ring_drop_count: float = output(OUTPUTS["ring_drop_count"], _MEASURED)
    migration: precopy.Theory
    free_pages: float
    list_blocks_count: float
    unsure_pages: float

    @property
    def first_page_ns(self) -> float:
        """When the first page is sent: after the set-up, the first synchronisation and, of a bitmap, the report."""
        p = self.params
        waited = p.skipping and p.transport == "bitmap" and self.migration.course.converged
        return (
            p.setup_ns
            + p.sync_ns
            + p.sync_per_gib_ns * p.ram_bytes / GiB
            + (self.report_ns if waited else 0.0)
        )

    def doubts(self) -> tuple[str, ...]:
        """Where the theory leaves this migration to chance, in sentences."""
        found = list(self.migration.doubts())
        if self.unsure_pages and self.migration.course.converged:
            found.append(
                f"Hints race with the sender: whether the last {self.unsure_pages:,.0f} free pages are skipped in time "
                "depends on the order in which the guest gives out its blocks."
            )
        return tuple(found)

    def claim(self, name: str) -> Claim:
        """What is claimed of output `name` for this very migration."""
        return claims.claim(self.params, self.migration, self.unsure_pages, self.ring_drop_count, name)


class Plan(NamedTuple):
    """What the first pass has to send after waiting, and what skipping does to the rest."""

    memory: tuple[Region, ...]
    wait_ns: float = 0.0
    skipped: float = 0.0
    report_ns: float = 0.0
    kind: Callable[..., Rounds] = Rounds


def analyze(p: Params) -> Theory:
    """What to expect of one migration of `p`, with or without skipping."""
    found = stretches(p)
    plan = _plan(p, found)
    migration = precopy.analyze(p, plan.memory, plan.wait_ns, plan.kind)
    done = migration.course.converged
    drops = ring_drops(p, migration.course) if done else NAN
    return Theory(
        params=p,
        total_time_ns=migration.total_time_ns,
        downtime_ns=migration.downtime_ns,
        pause_ns=migration.pause_ns,
        transferred_bytes=migration.transferred_bytes,
        normal_pages=migration.normal_pages,
        duplicate_pages=migration.duplicate_pages,
        dirty_sync_count=migration.dirty_sync_count,
        converged_frac=migration.converged_frac,
        skipped_pages=plan.skipped if done else NAN,
        report_ns=plan.report_ns if done else NAN,
        lost_count=packets_per_s(p) * migration.pause_ns / 1e9 + drops,
        ring_drop_count=drops,
        migration=migration,
        free_pages=sum(stretch.free for stretch in found),
        list_blocks_count=sum(stretch.blocks for stretch in found),
        unsure_pages=claims.unsure_pages(p, found, plan.skipped),
    )


def _plan(p: Params, found: tuple[Stretch, ...]) -> Plan:
    if not p.skipping:
        return Plan(_filled(stretch.content for stretch in found))
    return _hinted(p, found) if p.transport == "hints" else _filtered(p, found)


def _filled(memory: Iterable[Region]) -> tuple[Region, ...]:
    return tuple(region for region in memory if region.pages > 1e-6)


def _filtered(p: Params, found: tuple[Stretch, ...]) -> Plan:
    """The bitmap: the walk of the free lists first, then nothing that was free is sent."""
    free, blocks = (sum(getattr(stretch, name) for stretch in found) for name in ("free", "blocks"))
    report_ns = p.request_ns + p.walk_block_ns * blocks + p.walk_page_ns * free
    return Plan(_filled(stretch.used for stretch in found), report_ns, free, report_ns)


def _hinted(p: Params, found: tuple[Stretch, ...]) -> Plan:
    """Hints: the sender starts at once, and what it has passed before the hint is sent all the same."""
    pieces = parts(p, found)
    given = hints(p, found, pieces)
    skipped = chase(p, found, pieces, given)
    memory = [stretch.content.cut(pages) for stretch, pages in zip(found, skipped, strict=True)]
    report_ns = p.request_ns + given.each_ns if given.count >= 1 else 0.0
    kind = partial(ZeroingRounds, given=given) if p.init_on_alloc else Rounds
    return Plan(_filled(memory), 0.0, sum(skipped), report_ns, kind)
