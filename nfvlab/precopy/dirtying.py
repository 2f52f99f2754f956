"""Expected distinct pages that a guest dirties: by class of page, in closed form.

A page that is visited at rate v has been written after t with probability 1 - exp(-v t). `Classes` holds the pages
that anything writes to, in slices of the working set in address order and, within a slice, in classes of pages that
are visited alike. (A sequential writer needs no expectation: see `sequential`.)
"""

import numpy as np

from nfvlab.precopy.params import PAGE_BYTES, Params

SLICES = 24  # how finely the cursor's place is known
BINS = 32  # classes of a Zipf law's ranks, equal steps on a logarithmic scale


class Classes:
    """Expected marks of the migration bitmap; `pages`, `dirty`, `share` (of all visits, a page): (slices, classes).

    The first slice holds the pages of the guest's kernel, `background` of them; the workload's follow.
    """

    def __init__(self, p: Params, background: float):
        pages, share = classes(p)
        self.pages = np.concatenate((np.zeros((1, pages.shape[1])), pages))
        self.pages[0, 0] = background
        self.share = np.concatenate((np.zeros((1, pages.shape[1])), share))
        self.idle = p.background_rate_per_s / background if background else 0.0
        self.dirty = self.pages.copy()
        self.cursor = 0

    def marked(self) -> float:
        """Pages marked."""
        return float(self.dirty.sum())

    def write(self, seconds: float, visits: float) -> None:
        """Merge a log of `seconds` in which the workload made `visits` visits."""
        missed = np.exp(-visits * self.share)
        missed[0] = np.exp(-self.idle * seconds)
        self.dirty = self.pages - (self.pages - self.dirty) * missed

    def sweep(self, sent: float) -> None:
        """Unmark `sent` expected pages from the cursor on, round and round."""
        if sent <= 0:
            return
        marked = self.dirty.sum(axis=1)
        reach = marked.cumsum()
        target = sent + (reach[self.cursor - 1] if self.cursor else 0.0)
        last = max(int(reach.searchsorted(target)), self.cursor)
        if last < len(reach):
            self.dirty[self.cursor : last] = 0.0
        else:
            self.dirty[self.cursor :] = 0.0
            target -= reach[-1]
            last = min(int(reach.searchsorted(target)), self.cursor)
            self.dirty[:last] = 0.0
        if marked[last]:
            self.dirty[last] *= min(max((reach[last] - target) / marked[last], 0.0), 1.0)
        self.cursor = last


def unique_pages(p: Params, visits) -> np.ndarray:
    """Expected distinct pages of the working set among `visits` visits (a number or an array).

    Uniform: W (1 - exp(-visits / W)); hot and Zipf: the same by class; sequential: all different until it wraps.
    """
    visits = np.asarray(visits, dtype=float)
    working = p.wss_bytes // PAGE_BYTES
    if p.pattern == "sequential" or not working:
        return np.minimum(visits, working)
    pages, share = classes(p)
    return -(np.expm1(-visits[..., None, None] * share) * pages).sum((-1, -2))


def classes(p: Params) -> tuple[np.ndarray, np.ndarray]:
    """Pages of each cell (slice, class) of the working set, and the share of the visits that each of its pages gets."""
    working = p.wss_bytes // PAGE_BYTES
    if not working:
        return np.zeros((0, 1)), np.zeros((0, 1))
    if p.pattern == "zipf":
        return _zipf(working, p.zipf_exponent)
    hot = max(1.0, round(p.hot_pages_frac * working)) if p.pattern == "hot" else working
    if hot >= working:
        return _even(working, 1.0)
    warm, cold = _even(hot, p.hot_visits_frac), _even(working - hot, 1 - p.hot_visits_frac)
    return np.concatenate((warm[0], cold[0])), np.concatenate((warm[1], cold[1]))


def _even(pages: float, share: float) -> tuple[np.ndarray, np.ndarray]:
    return np.full((SLICES, 1), pages / SLICES), np.full((SLICES, 1), share / pages)


def _zipf(working: float, exponent: float) -> tuple[np.ndarray, np.ndarray]:
    """Ranks in bins, single ones at the top where each page matters; ranks are scattered over all addresses."""
    edges = np.unique(np.round(np.geomspace(1, working + 1, BINS + 1)))
    pages = np.diff(edges)
    share = edges[:-1] ** -exponent
    wide = pages > 1.5
    middle = edges - 0.5  # the sum over ranks [a, b) as an integral over [a - 1/2, b - 1/2)
    power = 1 - exponent
    total = np.log(middle) if abs(power) < 1e-9 else middle**power / power
    share[wide] = (np.diff(total) / pages)[wide]
    share /= share @ pages
    return np.tile(pages / SLICES, (SLICES, 1)), np.tile(share, (SLICES, 1))
