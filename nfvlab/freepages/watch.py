"""A hinted migration that is watched: where the sender is, and what each hint still finds to do."""

from dataclasses import dataclass, field

import numpy as np

from nfvlab.freepages.free_memory import BLOCK_PAGES, guest_with_free_lists
from nfvlab.freepages.params import Params
from nfvlab.freepages.simulation import HintThread
from nfvlab.params import ParamError, Problem
from nfvlab.precopy.guest import Guest
from nfvlab.precopy.migration_thread import BULK


@dataclass(frozen=True)
class Race:
    """The bulk stage of one migration: float64 times in ns, pages of the RAM block.

    sender: (times, pages), the place that the sender had reached; hints: (times, first pages, pages that the
    hint took out of the bitmap); end_ns: when the bulk stage was over.
    """

    params: Params
    sender: tuple[np.ndarray, np.ndarray]
    hints: tuple[np.ndarray, np.ndarray, np.ndarray]
    end_ns: float

    @property
    def in_time(self) -> np.ndarray:
        """Whether each hint came before the sender, so that it took out most of its block: bool."""
        return self.hints[2] > BLOCK_PAGES / 2


@dataclass
class WatchedThread(HintThread):
    """A migration thread that notes its place and its hints during the bulk stage."""

    places: list[tuple[float, int]] = field(default_factory=list)
    seen_hints: list[tuple[float, int, int]] = field(default_factory=list)

    def walk(self, budget: float, deadline_ns: float, costs) -> float:
        """Send pages; note where that led."""
        before = self.phase
        sent = super().walk(budget, deadline_ns, costs)
        if before == BULK:
            self.places.append((self.now_ns, self.pages if not self.left else self.cursor))
        return sent

    def _unmark(self, first_pfn: int, pages: int) -> None:
        skipped = self.skipped_pages
        super()._unmark(first_pfn, pages)
        if self.phase == BULK:
            page = self.free.memory_map.page_of(first_pfn)
            self.seen_hints.append((self.now_ns, page, self.skipped_pages - skipped))


def watch(p: Params, *, rng: np.random.Generator) -> Race:
    """Follow the bulk stage of one migration with free-page hints; ParamError for any other migration."""
    if not p.skipping or p.transport != "hints":
        rule = "only hints race with the sender: the bitmap is there before it starts"
        remedy = "replace(skipping=True, transport='hints')"
        raise ParamError([Problem("transport", p.transport, rule, remedy)], "watch")
    nonzero, free = guest_with_free_lists(p, rng)
    thread = WatchedThread(p, rng, Guest(p, rng, nonzero), free=free)
    thread.run()
    places = np.array(thread.places, dtype=float).reshape(-1, 2)
    hints = np.array(thread.seen_hints, dtype=float).reshape(-1, 3)
    return Race(p, tuple(places.T), tuple(hints.T), float(places[-1, 0]))
