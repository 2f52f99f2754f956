"""Hints of free 4 MiB blocks against the sender: what is out of the bitmap when it gets there.

The driver takes one block every so often, zone by zone and in random order within each; the sender comes up from
address 0. Where a share s of the pages lies in blocks that are hinted sooner or later, h(t) of them by the time
t, the sender meets 1 - s h(t) of the pages, so that it moves at dx/dt = v / (1 - s h(t)). With h linear in t
between the first hint of the zone and its last this has a closed form.
"""

from dataclasses import dataclass
from math import exp, log1p

from nfvlab.freepages.free_lists import BLOCK_PAGES, Stretch
from nfvlab.freepages.params import Params
from nfvlab.freepages.zones import DMA, Part
from nfvlab.precopy.rates import costs, mean_bytes_per_s
from nfvlab.precopy.regions import Region
from nfvlab.precopy.rounds import Rounds
from nfvlab.precopy.sender import Run
from nfvlab.units import GiB

FASTEST = 1e3  # pages a ns of a sender that costs nothing


@dataclass(frozen=True)
class Hints:
    """When the sender starts, when hints begin, how long each takes, how many there are; `order`: blocks by turn."""

    sender_ns: float
    start_ns: float
    each_ns: float
    count: float
    order: dict[tuple[int, int], float]

    def law(self, turn: tuple[int, int]) -> tuple[float, float, float]:
        """Of the blocks whose turn it is: from when to when they are hinted, and which share is."""
        blocks = self.order.get(turn, 0.0)
        if not blocks:
            return self.start_ns, self.start_ns, 0.0
        first = sum(count for other, count in self.order.items() if other < turn)
        given = min(max(self.count - first, 0.0), blocks)
        return (
            self.start_ns + first * self.each_ns,
            self.start_ns + (first + given) * self.each_ns,
            given / blocks,
        )


class ZeroingRounds(Rounds):
    """Rounds of a guest that zeroes what it hints (init_on_alloc): every hinted block is dirty at the next sync.

    Hints begin anew after each sync, as long as there are blocks left; they come too late to skip anything then, but
    cost a zero page for each page of theirs.
    """

    def __init__(self, *args, given: Hints):
        super().__init__(*args)
        self.given, self.hinted = given, 0.0

    def in_order(self, runs: list[Run]) -> list[Run]:
        """The queue as the cursor meets it: zeroed pages lie above those that the guest writes to."""
        late = [run for region, run in zip(self.fresh, runs, strict=False) if region.name == "zeroed"]
        return [run for run in runs if run not in late] + late

    def log(self) -> float:
        """Merge the dirty log into the bitmap; the newly marked pages, zeroed ones too."""
        given, asked_ns = self.given, self.logged_ns + self.p.request_ns
        fresh = min(max(self.sender.now_ns - asked_ns, 0.0) // given.each_ns, given.count - self.hinted)
        self.hinted += fresh
        marked = super().log()
        if fresh:
            self.fresh.append(Region("zeroed", fresh * BLOCK_PAGES, 0.0))
        return marked + fresh * BLOCK_PAGES


def hints(p: Params, memory: tuple[Stretch, ...], pieces: tuple[Part, ...]) -> Hints:
    """The hints that the driver would give if no synchronisation cut it short.

    It stops when the zones' free pages, less what the block itself does not count, are down to the reserve.
    """
    each_ns = p.hint_block_ns + (BLOCK_PAGES * p.fresh_touch_ns if p.init_on_alloc else 0.0)
    order: dict[tuple[int, int], float] = {}
    free = 0.0
    for part in pieces:
        if part.turn != DMA:
            stretch = memory[part.stretch]
            share = part.pages / stretch.content.pages
            order[part.turn] = order.get(part.turn, 0.0) + stretch.whole * share
            free += stretch.free * share
    allowed = -(-(free - (BLOCK_PAGES - 1) - p.hint_reserve_pages) // BLOCK_PAGES)
    count = min(sum(order.values()), max(allowed, 0.0))
    sender_ns = p.setup_ns + p.sync_ns + p.sync_per_gib_ns * p.ram_bytes / GiB
    return Hints(sender_ns, sender_ns + p.request_ns, each_ns, count, order)


def chase(p: Params, memory: tuple[Stretch, ...], pieces: tuple[Part, ...], given: Hints) -> list[float]:
    """Pages of each stretch that the hints take out in time."""
    t = given.sender_ns - _ahead_ns(p, memory[0].content)
    skipped = [0.0] * len(memory)
    for part in pieces:
        stretch = memory[part.stretch]
        speed = pages_per_ns(p, stretch.content)
        share = min(stretch.whole * BLOCK_PAGES / stretch.content.pages, 1.0)
        law = given.law(part.turn)
        end = through(t, part.pages, speed, share, law)
        if share * law[2]:
            skipped[part.stretch] += max(part.pages - speed * (end - t), 0.0)
        t = end
    return skipped


def _ahead_ns(p: Params, first: Region) -> float:
    """How far the sender is ahead of the link by the pages that the sockets take in at once."""
    cost = costs(p).mix(first.nonzero / first.pages)
    return min(
        p.socket_bytes / cost.wire_bytes * cost.drain_ns,
        first.pages * max(cost.drain_ns - cost.source_ns, 0.0),
    )


def pages_per_ns(p: Params, region: Region) -> float:
    """How fast the sender goes through such a region."""
    cost = costs(p).mix(region.nonzero / region.pages)
    return min(mean_bytes_per_s(p, cost) / cost.wire_bytes / 1e9, FASTEST)


def through(t: float, pages: float, speed: float, share: float, law: tuple[float, float, float]) -> float:
    """When a sender that starts at `t` is through some pages: dx/dt = v / (1 - s h(t)), solved."""
    begin, end, top = law
    hinted = share * top
    if hinted <= 0:
        return t + pages / speed
    if t < begin:
        reach = speed * (begin - t)
        if reach >= pages:
            return t + pages / speed
        pages, t = pages - reach, begin
    if t < end:
        slope = hinted / (end - begin)
        left = 1 - slope * (t - begin)  # share of the pages that is to be sent now
        last = max(1 - hinted, 1e-12)
        reach = -speed / slope * log1p((last - left) / left)
        if reach >= pages:
            return t + left / slope * (1 - exp(-slope * pages / speed))
        pages, t = pages - reach, end
    return t + pages * (1 - hinted) / speed
