"""A writer that goes round and round: what it dirties is a stretch of pages, known without any expectation."""

from bisect import bisect_right
from math import exp

from nfvlab.precopy.params import PAGE_BYTES, Params


class Stretches:
    """Marks of the migration bitmap as disjoint stretches of the working set; the same calls as `Classes`.

    The guest's kernel writes at random to `background` pages below the working set, of which `idle_marked` are
    expected to be marked. `cursor` is where sending goes on: a page of the working set, or its end.
    """

    def __init__(self, p: Params, background: float):
        self.working = float(p.wss_bytes // PAGE_BYTES)
        self.background = self.idle_marked = float(background)
        self.idle = p.background_rate_per_s / background if background else 0.0
        self.stretches = [(0.0, self.working)]
        self.writer = 0.0
        self.cursor = self.working

    def marked(self) -> float:
        """Pages marked."""
        return sum(end - start for start, end in self.stretches) + self.idle_marked

    def write(self, seconds: float, visits: float) -> None:
        """Merge a log of `seconds` in which the workload made `visits` visits."""
        unmarked = self.background - self.idle_marked
        self.idle_marked = self.background - unmarked * exp(-self.idle * seconds)
        start, end = self.writer, self.writer + min(visits, self.working)
        self.writer = (start + visits) % self.working if self.working else 0.0
        self._mark(start, min(end, self.working))
        if end > self.working:
            self._mark(0.0, end - self.working)

    def _mark(self, start: float, end: float) -> None:
        if end <= start:
            return
        apart = [one for one in self.stretches if one[1] < start or one[0] > end]
        touched = [one for one in self.stretches if not (one[1] < start or one[0] > end)]
        if touched:
            start, end = min(start, touched[0][0]), max(end, touched[-1][1])
        apart.insert(bisect_right(apart, (start, end)), (start, end))
        self.stretches = apart

    def sweep(self, sent: float) -> None:
        """Unmark `sent` pages from the cursor on, round and round; the background lies before the working set."""
        sent = self._sweep_to(self.working, sent)
        if sent <= 0:
            return
        kernels = min(sent, self.idle_marked)
        self.idle_marked -= kernels
        if sent > kernels:
            self.cursor = 0.0
            self._sweep_to(self.working, sent - kernels)

    def _sweep_to(self, stop: float, sent: float) -> float:
        """Unmark at most `sent` pages between the cursor and `stop`; what is left to unmark."""
        kept = []
        for start, end in self.stretches:
            if sent <= 0 or end <= self.cursor:
                kept.append((start, end))
                continue
            if start < self.cursor:
                kept.append((start, self.cursor))
                start = self.cursor
            taken = min(sent, end - start)
            sent -= taken
            self.cursor = start + taken
            if self.cursor < end:
                kept.append((self.cursor, end))
        self.stretches = kept
        if sent > 0:
            self.cursor = stop
        return sent
