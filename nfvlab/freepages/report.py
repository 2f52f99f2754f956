"""With and without skipping side by side, and when skipping does not pay."""

from dataclasses import dataclass
from math import inf, nan

from nfvlab.freepages.analytic import Theory, analyze
from nfvlab.freepages.chase import chase, hints, pages_per_ns
from nfvlab.freepages.free_lists import BLOCK_PAGES, stretches
from nfvlab.freepages.params import Params, packets_per_s
from nfvlab.freepages.zones import parts
from nfvlab.precopy.regions import Region
from nfvlab.units import human

ZERO = Region("zero", 1.0, 0.0)
SHOWN = ("total_time_ns", "transferred_bytes", "downtime_ns", "pause_ns", "dirty_sync_count", "lost_count")


@dataclass(frozen=True)
class Both:
    """The same migration without skipping, and with it."""

    without: Theory
    skipping: Theory

    def saved(self, name: str) -> float:
        """What skipping saves of an output, in its unit: negative where it costs."""
        return getattr(self.without, name) - getattr(self.skipping, name)

    def saved_frac(self, name: str) -> float:
        """The same as a share of what it was without; 0 of nothing."""
        before = getattr(self.without, name)
        return self.saved(name) / before if before else 0.0

    def rows(self) -> list[dict[str, str]]:
        """A row an output, in human units; packets only where some are offered."""
        names = SHOWN if packets_per_s(self.skipping.params) else SHOWN[:-1]
        return [
            {
                "output": name,
                "without": human(name, getattr(self.without, name)),
                "with": human(name, getattr(self.skipping, name)),
                "saved": human(name, self.saved(name)),
                "share": human("saved_frac", self.saved_frac(name)),
            }
            for name in names
        ]


def both(p: Params) -> Both:
    """The theory of a scenario without and with skipping, whichever of them it asks for."""
    other = analyze(p.replace(skipping=not p.skipping))
    return Both(other, analyze(p)) if p.skipping else Both(analyze(p), other)


@dataclass(frozen=True)
class Worth:
    """The balance of the first pass: what the free pages would take to send, and what it takes not to send them.

    `saved_ns` and `cost_ns` are times of the sender; `page_ns` is what one free page takes to send, on average.
    """

    free_pages: float
    page_ns: float
    saved_ns: float
    cost_ns: float
    fixed_ns: float
    each_ns: float

    @property
    def pays(self) -> bool:
        """Whether skipping saves more time than it takes."""
        return self.saved_ns > self.cost_ns

    @property
    def break_even_pages(self) -> float:
        """Free pages above which skipping pays; inf if each costs more to report than to send."""
        gain_ns = self.page_ns - self.each_ns
        return self.fixed_ns / gain_ns if gain_ns > 0 else inf

    def words(self) -> str:
        """The balance in one sentence."""
        verdict = "pays" if self.pays else "does not pay"
        saved, cost = human("saved_ns", self.saved_ns), human("cost_ns", self.cost_ns)
        return f"Skipping {verdict}: it spares the sender {saved} and takes {cost}."


def worth(p: Params) -> Worth:
    """When skipping pays, by transport.

    Bitmap: F free pages in B blocks cost request_ns + B walk_block_ns + F walk_page_ns during which nothing is sent,
    against F times what a page takes (its zero scan, or its content on link and destination). Skipping does not pay
    where little is free, where zero pages are found fast, or where the walk is slow. Hints cost the sender nothing,
    but for zeroed blocks (init_on_alloc), each page of which it has to send as a zero page later.
    """
    found = stretches(p)
    free = sum(stretch.free for stretch in found)
    sent_ns = sum(stretch.free / pages_per_ns(p, stretch.content) for stretch in found if stretch.free)
    page_ns = sent_ns / free if free else nan
    if p.transport == "bitmap":
        smaller = sum(stretch.blocks for stretch in found) - free / BLOCK_PAGES
        each_ns = p.walk_page_ns + p.walk_block_ns / BLOCK_PAGES
        fixed_ns = p.request_ns + p.walk_block_ns * max(smaller, 0.0)
        return Worth(free, page_ns, sent_ns, fixed_ns + each_ns * free, fixed_ns, each_ns)
    pieces = parts(p, found)
    given = hints(p, found, pieces)
    in_time = sum(chase(p, found, pieces, given))
    each_ns = 1 / pages_per_ns(p, ZERO) if p.init_on_alloc else 0.0
    return Worth(free, page_ns, page_ns * in_time, each_ns * given.count * BLOCK_PAGES, 0.0, each_ns)
