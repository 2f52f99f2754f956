"""Physical memory under the tenants: 4 KiB pages on random frames, no frame twice.

Areas get consecutive page numbers, and one keyed bijection takes page numbers to frames: no page table is stored, and
a tenant may have as much memory as it likes. A plain set index of the cache so sees random page colours.
"""

from dataclasses import dataclass, field

import numpy as np

from nfvlab.kernels import permute, references
from nfvlab.llc.params import LINE_BYTES

PAGE_BYTES = 4096
PAGE_LINES = PAGE_BYTES // LINE_BYTES
FRAMES = 1 << 34  # of 4 KiB: physical addresses of 46 bits, as on Xeon E5 v3 (CPUID 0x80000008 EAX[7:0])
TABLE_LINES = 1 << 20  # areas up to this many lines carry a table of their addresses, 8 bytes each


@dataclass(frozen=True)
class Area:
    """Lines of one tenant in some order: line numbers, or, where scattered, a random permutation of them.

    table : uint64[lines] byte addresses of the items; empty where `references.locate` computes them
    scatter : uint64[7] of `permute.plan`; None: not scattered, or the table holds it
    """

    lines: int
    first_page: int
    table: np.ndarray = field(repr=False)
    scatter: np.ndarray | None = field(default=None, repr=False)


class Memory:
    """Hands out areas; `rng` draws where their pages lie."""

    def __init__(self, rng: np.random.Generator):
        self.frames = permute.plan(FRAMES, rng)  # uint64[7]: page number -> frame
        self.pages = 0

    def area(self, lines: int, rng: np.random.Generator | None = None) -> Area:
        """A new area; `rng` draws the permutation of a scattered one.

        Up to TABLE_LINES the permutation is uniform over all of them, above it is a keyed one.
        """
        first, pages = self.pages, -(-lines // PAGE_LINES)
        if not (lines >= 1 and first + pages <= FRAMES):
            raise ValueError(f"lines is {lines}: not from 1 to what is left of {FRAMES} pages. Ask for less")
        self.pages += pages
        if lines > TABLE_LINES:
            return Area(lines, first, np.empty(0, dtype=np.uint64), rng and permute.plan(lines, rng))
        order = np.arange(lines) if rng is None else rng.permutation(lines)
        return Area(lines, first, references.tabulate(order, first, self.frames[None]))
