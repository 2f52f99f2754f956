"""Expected distinct pages that a guest dirties, by class of page and by place.

A page that is visited at rate v has been written after t with probability 1 - exp(-v t). The pages that anything
writes to are grouped into cells, runs of pages with (nearly) the same rate, in address order; a cell knows the
expected number of its pages that are marked in the migration bitmap. Merging the dirty log marks pages, sending
unmarks them from the cursor on, in address order and round and round.
"""

import numpy as np

from nfvlab.precopy.params import PAGE_BYTES, Params

CELLS = 32  # of one class: how finely the cursor's place in it is known
BINS = 40  # of a Zipf law's ranks, each 1/40 of the way on a logarithmic scale


class Cells:
    """Arrays over cells: `pages`, `dirty` (expected marked pages), and each page's share of the visits.

    The first cell holds the pages of the guest's kernel, `background` of them; the workload's follow.
    """

    def __init__(self, p: Params, background: float):
        working = p.wss_bytes // PAGE_BYTES
        pages, share = _classes(p, working) if working else (np.empty(0), np.empty(0))
        self.pages = np.concatenate(([background], pages))
        self.share = np.concatenate(([0.0], share / pages))
        self.idle = p.background_rate_per_s / background if background else 0.0
        self.working = working
        self.ends = np.cumsum(pages)
        self.sequential = p.pattern == "sequential"
        self.place = 0.0  # of the sequential writer, pages from the working set's start
        self.dirty = self.pages.copy()
        self.cursor = 0

    def write(self, seconds: float, visits: float) -> None:
        """Merge a log of `seconds` in which the workload made `visits` visits."""
        if self.sequential:
            missed = np.concatenate(([1.0], 1 - self._passed(visits)))
        else:
            missed = np.exp(-visits * self.share)
        missed[0] = np.exp(-self.idle * seconds)
        self.dirty = self.pages - (self.pages - self.dirty) * missed

    def _passed(self, visits: float) -> np.ndarray:
        """Share of each cell that a writer going round and round passes."""
        if not self.working:
            return np.empty(0)
        start, length = self.place, min(visits, self.working)
        self.place = (start + visits) % self.working
        covered = np.clip(self.ends, start, start + length) - start
        covered += np.clip(self.ends + self.working, None, start + length) - np.clip(self.working, None, start + length)
        return np.diff(covered, prepend=0.0) / self.pages[1:]

    def sweep(self, sent: float) -> None:
        """Unmark `sent` expected pages from the cursor on."""
        if sent <= 0:
            return
        order = np.concatenate((self.dirty[self.cursor :], self.dirty[: self.cursor]))
        reach = np.cumsum(order)
        last = int(np.searchsorted(reach, sent))
        if last >= len(order):
            self.dirty = np.zeros_like(self.pages)
            return
        order[:last] = 0.0
        order[last] = reach[last] - sent
        cursor = self.cursor
        split = len(order) - cursor
        self.dirty = np.concatenate((order[split:], order[:split]))
        self.cursor = (cursor + last) % len(order)


def unique_pages(p: Params, visits) -> np.ndarray:
    """Expected distinct working-set pages among `visits` visits (a number or an array): W(1 - exp(-visits/W)) by class."""
    visits = np.asarray(visits, dtype=float)
    working = p.wss_bytes // PAGE_BYTES
    if not working:
        return np.zeros_like(visits)
    if p.pattern == "sequential":
        return np.minimum(visits, working)
    pages, share = _classes(p, working)
    return -(np.expm1(-visits[..., None] * share / pages) * pages).sum(-1)


def _classes(p: Params, working: float) -> tuple[np.ndarray, np.ndarray]:
    """Pages and share of the visits of each cell of the working set."""
    if p.pattern == "hot":
        hot = max(1.0, round(p.hot_pages_frac * working))
        if hot >= working:
            return _even(working, 1.0)
        warm, cold = _even(hot, p.hot_visits_frac), _even(working - hot, 1 - p.hot_visits_frac)
        return np.concatenate((warm[0], cold[0])), np.concatenate((warm[1], cold[1]))
    if p.pattern == "zipf":
        return _zipf(working, p.zipf_exponent)
    return _even(working, 1.0)


def _even(pages: float, share: float) -> tuple[np.ndarray, np.ndarray]:
    return np.full(CELLS, pages / CELLS), np.full(CELLS, share / CELLS)


def _zipf(working: float, exponent: float) -> tuple[np.ndarray, np.ndarray]:
    """Bins of ranks, fine at the top, where single pages matter, and no coarser than an even split below."""
    last = np.log(working + 1)
    edges = np.unique(
        np.round(np.concatenate((np.exp(np.arange(BINS + 1) * last / BINS), np.linspace(1, working + 1, CELLS))))
    )
    middle = 1 - exponent  # sum of k^-s over [a, b) as an integral over [a - 1/2, b - 1/2): off by 4 % at rank 1 only
    ends = edges - 0.5
    total = np.log(ends) if abs(middle) < 1e-9 else ends**middle / middle
    weight = np.diff(total)
    single = np.diff(edges) < 1.5
    weight[single] = edges[:-1][single] ** -exponent
    return np.diff(edges), weight / weight.sum()
