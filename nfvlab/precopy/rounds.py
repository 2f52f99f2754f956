"""The parts of a migration: first pass, rounds, auto-converge, stop-and-copy."""

from math import inf

from nfvlab.precopy.dirtying import Classes
from nfvlab.precopy.params import PAGE_BYTES, Params
from nfvlab.precopy.rates import visits_per_s
from nfvlab.precopy.regions import Region, regions
from nfvlab.precopy.sender import Run, Sender
from nfvlab.precopy.sequential import Stretches
from nfvlab.units import GiB, s

CHECK_NS = 1 * s  # a sync counts for auto-converge when the last that counted is longer ago


class Throttle:
    """Auto-converge: twice too much dirtied, and the vCPU is stopped for a larger share of its time."""

    def __init__(self, p: Params, now_ns: float):
        self.p, self.frac = p, 0.0
        self.last_ns, self.last_bytes, self.dirtied_pages, self.high = now_ns, 0.0, 0.0, 0
        self.tick_ns = p.throttle_sync_ns if p.auto_converge and p.throttle_sync_ns else inf
        self.syncs_at_tick = 0.0

    def settled(self) -> bool:
        """Whether it will not change any more."""
        return not self.p.auto_converge or self.frac >= self.p.throttle_max_frac

    def sync(self, now_ns: float, sent_bytes: float, dirtied_pages: float) -> None:
        """Judge the time since the last sync that counted."""
        p = self.p
        self.dirtied_pages += dirtied_pages
        if now_ns <= self.last_ns + CHECK_NS:
            return
        allowed = p.throttle_trigger_frac * (sent_bytes - self.last_bytes)
        if p.auto_converge and self.dirtied_pages * PAGE_BYTES > allowed:
            self.high += 1
        if self.high >= 2:
            self.high = 0
            step = p.throttle_increment_frac if self.frac else p.throttle_initial_frac
            self.frac = min(self.frac + step, p.throttle_max_frac)
        self.last_ns, self.last_bytes, self.dirtied_pages = now_ns, sent_bytes, 0.0

    def first_pass_over(self, now_ns: float) -> None:
        """Move the timer past the ticks of the first pass."""
        if self.tick_ns < now_ns:
            self.tick_ns += (
                -int(-(now_ns - self.tick_ns) // self.p.throttle_sync_ns) * self.p.throttle_sync_ns
            )

    def due_ns(self, syncs: float) -> float:
        """When its timer next looks at the syncs; that it does so in the first pass, too, has no effect."""
        return self.tick_ns if syncs > 1 else inf

    def tick(self, now_ns: float, syncs: float) -> bool:
        """Whether its timer asks for a sync, since there was none since it last looked."""
        stale = syncs == self.syncs_at_tick
        self.syncs_at_tick = syncs + stale
        self.tick_ns = now_ns + self.p.throttle_sync_ns
        return stale


class Rounds:
    """The first pass and the rounds of one migration, one step a sync."""

    def __init__(self, p: Params, memory: tuple[Region, ...] | None = None, wait_ns: float = 0.0):
        self.p, self.sender = p, Sender(p)
        self.fresh = list(regions(p) if memory is None else memory)  # never sent
        background = sum(region.written for region in self.fresh if region.name == "low")
        self.written = (Stretches if p.pattern == "sequential" else Classes)(p, background)
        self.fresh_written = self.written.marked()  # of the pages that something writes to, those never sent
        self.again = 0.0  # those sent, and marked again
        self.sync_ns = p.sync_ns + p.sync_per_gib_ns * p.ram_bytes / GiB
        self.sender.pause(p.setup_ns + self.sync_ns)
        self.logged_ns = self.sender.now_ns
        self.throttle = Throttle(p, self.logged_ns)
        self.sender.pause(wait_ns)
        self.syncs = 1.0

    def pending(self) -> float:
        """Pages marked in the migration bitmap."""
        return sum(region.pages for region in self.fresh) + self.again

    def queue(self) -> list[Run]:
        """What is marked, from the cursor on: never sent first, then round again."""
        run = self.sender.run
        fresh = [run(region.pages, region.nonzero / region.pages) for region in self.fresh]
        return [*fresh, self.sender.again(self.again)]

    def in_order(self, runs: list[Run]) -> list[Run]:
        """The queue as the cursor meets it."""
        return list(runs)

    def send(self) -> float:
        """One round: send until the stop rule or the throttle asks for the dirty log, or for too long; the rest."""
        while True:
            left = self._send()
            now_ns, throttle = self.sender.now_ns, self.throttle
            asked = now_ns >= throttle.due_ns(self.syncs) and throttle.tick(now_ns, self.syncs)
            if (
                asked
                or now_ns >= self.p.give_up_ns
                or left * PAGE_BYTES < max(self.sender.threshold_bytes, 1.0)
            ):
                return left

    def _send(self) -> float:
        runs = self.queue()
        left = self.sender.send(self.in_order(runs), self.pending(), self.throttle.due_ns(self.syncs))
        swept, fresh = 0.0, []
        for region, run in zip(self.fresh, runs[:-1], strict=True):
            sent = region.pages - run.pages
            swept += min(region.written, sent)
            if run.pages > 1e-6:
                fresh.append(region.cut(sent))
        self.fresh_written -= swept
        self.written.sweep(swept)
        self.written.sweep(self.again - runs[-1].pages)
        self.fresh, self.again = fresh, runs[-1].pages
        return left

    def log(self) -> float:
        """Merge the dirty log into the bitmap; the newly marked pages."""
        now_ns = self.sender.now_ns
        seconds = (now_ns - self.logged_ns) / 1e9
        visits = visits_per_s(self.p, self.throttle.frac) * seconds
        before = self.written.marked()
        self.written.write(seconds, visits)
        marked = self.written.marked()
        self.again = max(marked - self.fresh_written, 0.0)
        self.logged_ns = now_ns
        self.syncs += 1
        return marked - before

    def sync(self) -> float:
        """A sync while the guest runs; the newly marked pages."""
        self.sender.pause(self.sync_ns)
        marked = self.log()
        if self.syncs == 2:
            self.throttle.first_pass_over(self.sender.now_ns)
        self.throttle.sync(self.sender.now_ns, self.sender.bytes, marked)
        return marked

    def stop(self) -> tuple[float, float, float]:
        """Stop the guest, send the rest, resume; downtime, pause and the pages sent meanwhile."""
        p, sender = self.p, self.sender
        stopped_ns = sender.now_ns
        self.log()
        sender.pause(p.stop_ns + self.sync_ns + (0.0 if p.dirty_log_stop_deferred else p.dirty_log_stop_ns))
        pages = self.pending()
        sender.finish(self.queue())
        end_ns = max(sender.now_ns, sender.drained_ns) + p.resume_ns
        return sender.now_ns - stopped_ns, end_ns - stopped_ns, pages

    def stride(self, count: int, length_ns: float, size: float, normal: float) -> None:
        """Pass over `count` rounds that are like the last ones; a growing or shrinking rest is left to the next."""
        marked = max(self.again, 0.0)
        self.sender.shift(count * length_ns, count * size, count * normal)
        self.logged_ns += count * length_ns
        self.throttle.dirtied_pages += count * normal
        self.throttle.tick_ns += count * length_ns
        self.syncs += count
        self.again = marked
