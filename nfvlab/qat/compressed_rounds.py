"""The pre-copy recursion of pages that are compressed: rounds, windows and stop rule as QEMU has them, at its pace.

What differs from pre-copy alone: each run of pages has the pace of its slowest station (`work.Way.flow`), and its
bytes on the wire need not be those that QEMU counts. Limiter, bandwidth estimate and stop rule go by the latter, and
compare it with 4096 bytes for every page that is left.
"""

from copy import copy

from nfvlab.precopy.dirtying import Classes
from nfvlab.precopy.fluid import Fluid, fluid
from nfvlab.precopy.params import PAGE_BYTES
from nfvlab.precopy.rates import Cost
from nfvlab.precopy.regions import Region, regions
from nfvlab.precopy.rounds import Rounds, Throttle
from nfvlab.precopy.sender import LEAST_PAGES, Kind, Run, Sender
from nfvlab.qat.cpu_work import Xbzrle
from nfvlab.qat.params import Params
from nfvlab.qat.work import Flow, Way, mix

FINE = 32  # how finely the mixture of pages sent again is known, for fewer kinds
DEVICE = ("ring", "engine", "cipher")
Parts = tuple[tuple[float, str], ...]  # (share, content)


def memory(p: Params) -> tuple[Region, ...]:
    """What the first pass sends: pre-copy's regions, zero pages strewn among the touched, without what is skipped."""
    found = (_mixed(p, region) for region in regions(p))
    if p.skip_free:
        found = (_used(p, region) for region in found)
    return tuple(region for region in found if region.pages > 0)


def _mixed(p: Params, region: Region) -> Region:
    if region.name != "touched":
        return region
    return region._replace(nonzero=region.nonzero * (1 - p.zero_mix_frac))


def _used(p: Params, region: Region) -> Region:
    """What of a region is not free: boot and applications gave pages back, and zero ones lie between the kernel's."""
    kept = {"zero": 0.0, "stale": 0.0, "low": region.nonzero}.get(region.name, region.pages)
    if region.name == "touched" and p.touched_freed:
        kept = min(p.ended_pages, region.pages)
    share = region.nonzero / region.pages if region.name != "low" else 1.0
    return Region(region.name, kept, kept * share, min(region.written, kept))


class PacedKind(Kind):
    """A kind of run with its flow."""

    __slots__ = ("flow", "pages", "slowest")

    def __init__(self, p: Params, flow: Flow):
        work = flow.work
        steady = flow.slowest in DEVICE or flow.drains_ns
        device = 1 + p.speed_cv_frac**2 if steady else 1.0  # does not vary as hosts do
        super().__init__(p, Cost(flow.source_ns * device, work.link_ns, flow.load_ns, work.counted_bytes))
        self.hold_ns = p.socket_bytes / work.wire_bytes * self.drain_ns
        self.flow, self.pages = flow, 0.0
        budget_ns = self.size / self.budget_bytes * (p.window_ns + self.late_ns)
        self.slowest = flow.slowest if budget_ns <= max(self.source_ns, self.drain_ns) else "max-bandwidth"


class PacedSender(Sender):
    """A sender that knows how many pages of each kind it has sent, and when its slowest station changed."""

    def __init__(self, p: Params, way: Way):
        super().__init__(p)
        self.way, self.kinds, self.sprints = way, {}, False
        self.linked_ns = 0.0  # when the link will have sent all that has been written
        self.slowest: list[tuple[float, str]] = []

    def paced(
        self,
        pages: float,
        nonzero_frac: float,
        parts: Parts,
        fresh: bool,
        hit: float = 0.0,
        last: bool = False,
    ) -> Run:
        """A run of pages of such contents; hit: share of them whose last version is in xbzrle's cache.

        last: in the stop-and-copy, where nothing is put into that cache, and no ring emptied at iterations' ends.
        Under a limit whose window fits into the sockets, the source sends in sprints and sleeps.
        """
        usual = self.kinds.get((parts, fresh, hit, False))
        if last and usual is not None and not (usual.flow.drains_ns or isinstance(self.way, Xbzrle)):
            last = False
        key = (parts, fresh, hit, last)
        kind = self.kinds.get(key)
        if kind is None:
            kind = PacedKind(self.p, self._flow(parts, fresh, hit, last))
            if kind.slowest == "max-bandwidth" and kind.budget_bytes <= self.p.socket_bytes and not hit:
                kind = PacedKind(self.p, self.way.flow(list(parts), fresh, sprints=True, last=last))
            self.kinds[key] = kind
        return Run(pages, kind, nonzero_frac)

    def _flow(self, parts: Parts, fresh: bool, hit: float, last: bool) -> Flow:
        if not (hit or (last and isinstance(self.way, Xbzrle))):
            return self.way.flow(list(parts), fresh, sprints=self.sprints, last=last)
        encoded = mix((share, self.way.hit(content)) for share, content in parts)
        missed = mix((share, self.way.missed(content, last)) for share, content in parts)
        return self.way.paced(mix([(hit, encoded), (1 - hit, missed)]), 0.0, 1.0)

    def _write(self, run: Run, pages: float) -> None:
        if pages > LEAST_PAGES and (not self.slowest or self.slowest[-1][1] != run.kind.slowest):
            self.slowest.append((self.now_ns, run.kind.slowest))
        run.kind.pages += pages
        link_ns = pages * run.kind.flow.work.link_ns
        self.linked_ns = max(self.linked_ns, self.now_ns) + link_ns
        super()._write(run, pages)
        self.linked_ns = min(self.linked_ns, self.drained_ns)

    def unsent_link_ns(self) -> float:
        """Link time of what has not been sent at the end."""
        return max(self.linked_ns - self.now_ns, 0.0)

    def shift(self, duration_ns: float, size: float, normal_pages: float) -> None:
        """Move all clocks and counters on."""
        super().shift(duration_ns, size, normal_pages)
        self.linked_ns += duration_ns

    def _skip(self, run, windows, like):
        sent = super()._skip(run, windows, like)
        run.kind.pages += sent
        if run.kind.flow.work.link_ns >= run.kind.flow.load_ns:
            self.linked_ns = self.drained_ns
        return sent


class PacedRounds(Rounds):
    """Rounds of one way."""

    def __init__(self, p: Params, fresh: tuple[Region, ...], wait_ns: float, way: Way):
        super().__init__(p, fresh, wait_ns)
        plain, self.sender = self.sender, PacedSender(p, way)
        self.sender.now_ns = plain.now_ns + way.preread_ns
        self.logged_ns += way.preread_ns
        self.throttle = Throttle(p, self.logged_ns)
        self.written_content = p.content if p.written_content == "same" else p.written_content
        self.xbzrle = isinstance(way, Xbzrle)
        self.cached = 0.0  # pages with a version in a cache without end
        self.last = False
        self.working = max(p.wss_bytes // PAGE_BYTES + self.fresh_background(), 1.0)
        self.first: dict[str, Run] = {}  # as long as nothing is sent
        for sprints in (True, False) if self._passed_by() else (False,):
            self.sender.sprints = sprints
            self.sender.kinds.clear()
            self.first = {region.name: self._first_run(region) for region in self.fresh}
            if self._held():
                break

    def _passed_by(self) -> bool:
        """Whether channels may find what compresses taken, and go on without it."""
        way = self.sender.way
        return way.streams > 1 and way.other(self.p.content, True) is not None

    def _held(self) -> bool:
        """Whether sockets hold all that is still to be sent and loaded when everything has been written once."""
        runs = self.first.values()
        drained_ns = sum(run.pages * run.kind.drain_ns for run in runs)
        written_ns = sum(run.pages * run.kind.source_ns for run in runs)
        size = sum(run.pages * run.kind.flow.work.wire_bytes for run in runs)
        return written_ns < drained_ns and size * (1 - written_ns / drained_ns) <= self.p.socket_bytes

    def fresh_background(self) -> float:
        """Pages that the guest's kernel writes to."""
        return sum(region.written for region in self.fresh if region.name == "low")

    def content(self, name: str) -> str:
        """What the non-zero pages of a region hold."""
        return {"touched": self.p.content, "working set": self.written_content}.get(name, "system")

    def queue(self) -> list[Run]:
        """What is marked, from the cursor on, each region with its own pace."""
        return [*map(self._fresh_run, self.fresh), self._again_run()]

    def _fresh_run(self, region: Region) -> Run:
        like = self.first[region.name]
        if self.last and like.kind.flow.drains_ns:
            like = self._first_run(region)
        return Run(region.pages, like.kind, like.nonzero_frac)

    def _first_run(self, region: Region) -> Run:
        share = region.nonzero / region.pages
        pairs = ((share, self.content(region.name)), (1 - share, "zero"))
        return self.sender.paced(
            region.pages, share, tuple(pair for pair in pairs if pair[0] > 0), True, last=self.last
        )

    def _again_run(self) -> Run:
        kernel = self._kernel_frac()
        pairs = ((1 - kernel, self.written_content), (kernel, "system"))
        parts = tuple((share, content) for share, content in pairs if share > 0)
        return self.sender.paced(self.again, 1.0, parts, False, self.hit_frac(), self.last)

    def _kernel_frac(self) -> float:
        """Of the pages marked, the kernel's share."""
        written, marked = self.written, self.written.marked()
        if not marked:
            return 0.0 if self.p.wss_bytes else 1.0
        kernel = float(written.dirty[0].sum()) if isinstance(written, Classes) else written.idle_marked
        return round(kernel / marked * FINE) / FINE

    def hit_frac(self) -> float:
        """Of the pages sent again, the share whose last version is in the cache: sent again before, and it fits."""
        if not self.xbzrle:
            return 0.0
        fits = min(self.sender.way.slots / self.working, 1.0)
        return round(self.cached / self.working * fits * FINE) / FINE

    def _send(self) -> float:
        before = self.again
        left = super()._send()
        self._cache(before - self.again)
        return left

    def _cache(self, sent: float) -> None:
        if not self.xbzrle:
            return
        new = max(1 - self.cached / self.working, 0.0)
        self.cached = min(self.cached + new * sent, self.working)

    def stop(self) -> tuple[float, float, float]:
        """Stop-and-copy, in which xbzrle keeps its cache as it is, and all is one iteration."""
        self.last = True
        return super().stop()

    def stride(self, count: int, length_ns: float, size: float, normal: float) -> None:
        """Pass over like rounds; their pages count for the kind of the last."""
        super().stride(count, length_ns, size, normal)
        self._again_run().kind.pages += count * normal
        self._cache(count * normal)


def follow(p: Params, way: Way) -> tuple[Fluid, PacedSender]:
    """The course of a migration, and its sender with the pages of each kind."""
    made: list[PacedRounds] = []

    def rounds(p: Params, fresh: tuple[Region, ...], wait_ns: float) -> PacedRounds:
        made.append(PacedRounds(p, fresh, wait_ns, way))
        return made[0]

    wait_ns = p.free_report_ns if p.skip_free else 0.0
    course = fluid(_with_sockets(p, way.streams), memory(p), wait_ns, rounds)
    return course, made[0].sender


def _with_sockets(p: Params, streams: int) -> Params:
    """The scenario with the buffers of all connections together, as far as its domain allows."""
    if streams == 1:
        return p
    changed = copy(p)  # no rule binds the buffers: to check all others again would take as long as a way
    size = min(p.socket_bytes * streams, p._specs["socket_bytes"].domain[1])
    object.__setattr__(changed, "socket_bytes", size)
    return changed
