"""Compression by a device in the migration thread: the talk's rings.

Source: the talk. A request is built of several pages, submitted, its response polled for or told of by a coalesced
interrupt, its pages sent; the device reads physical addresses. Of an encrypted stream, the device may seal the pages of
a request once they are compressed, shrunk or not: in its cipher, one after the other.
"""

from math import ceil
from typing import NamedTuple

from nfvlab.precopy.params import HEADER_BYTES, PAGE_BYTES, ram_pages
from nfvlab.precopy.rates import NORMAL_BYTES, iteration_ns
from nfvlab.qat.laws import law
from nfvlab.qat.mva import Station
from nfvlab.qat.params import Params
from nfvlab.qat.slices import faults_ns, inflate_slice_ns, slice_ns
from nfvlab.qat.turns import Passed, iteration
from nfvlab.qat.work import LENGTH_BYTES, SOURCE, ByCpu, Flow, Way, Work, mix

SEAL_BYTES = (
    12 + 16
)  # NIST SP 800-38D, 8.2.1 and 5.2.1.2: AES-GCM's initialisation vector and tag, one a page


class Turn(NamedTuple):
    """From one empty ring to the next: pages through it; until the first responses that find it full are seen, the
    time that the link still has nothing of, and the time that the thread has for other pages."""

    pages: float
    blocked_ns: float
    free_ns: float


class Talk(Way):
    """The talk's: the migration thread builds requests, submits, polls and sends.

    A ring of `ring_requests` places; a request keeps one from its submission until its response is read.
    """

    pool_name = "ring"

    def __init__(self, p: Params):
        super().__init__(p)
        self.engines = self.inflaters = p.devices_count * p.slices_count
        self.engine_ns = slice_ns(p, p.request_pages) / p.request_pages + faults_ns(p)
        self.turn_ns = p.engine_latency_ns / p.request_pages
        self.polls = self.polls_itself = not p.interrupts
        self.seals = p.encrypted and p.device_encrypts
        self.seal_bytes = SEAL_BYTES if self.seals else 0
        self.cipher_byte_ns = 8e9 / p.cipher_bits_per_s if self.seals else 0.0
        address = p.cached_cycles if p.cached_translation else p.pagemap_cycles
        self.request_ns = self._request_ns(address, p.interrupts)
        if p.cached_translation:
            self.preread_ns = self.cycles_ns(p.preread_cycles) * ram_pages(p)

    def cycles_ns(self, cycles: float) -> float:
        """A CPU's cycles as time."""
        return cycles * 1e9 / self.p.cpu_hz

    def _request_ns(self, address_cycles: float, interrupts: bool) -> float:
        """CPU time per page of building requests, finding addresses, submitting, and reading responses."""
        p = self.p
        each = p.submit_cycles + p.poll_cycles
        if interrupts:
            each += p.interrupt_cycles / self.batch
        return self.cycles_ns(p.build_cycles + address_cycles + each / p.request_pages)

    @property
    def batch(self) -> float:
        """Responses that one interrupt tells of, when requests come as fast as the slices take them."""
        p = self.p
        in_time = p.coalesce_ns / (self.engine_ns * p.request_pages / self.engines)
        return max(min(float(p.coalesce_requests), 1 + in_time), 1.0)

    def page(self, content: str, fresh: bool) -> Work:
        """A page that the device compresses; it is sent as it is if it did not shrink."""
        p = self.p
        if content == "zero":
            return (
                self.plain("zero", fresh)
                if p.zero_check
                else self._through(p.zero_compressed_bytes, 0.0, fresh)
            )
        found = law(p, content, p.engine_deflate)
        small = (found.least_bytes - found.raw_frac * PAGE_BYTES) / max(1 - found.raw_frac, 1e-12)
        return self._through(small, found.raw_frac, fresh)._replace(content=1.0, raw=found.raw_frac)

    def _through(self, small: float, raw: float, fresh: bool) -> Work:
        """A page of which a share `raw` does not shrink; the rest takes `small` bytes."""
        p = self.p
        sent = raw * PAGE_BYTES + (1 - raw) * small
        written = raw * NORMAL_BYTES + (1 - raw) * (HEADER_BYTES + LENGTH_BYTES + small) + self.seal_bytes
        sealed = sent + self.seal_bytes if self.seals else 0.0
        read_ns = self.store_ns(fresh)
        inflate_ns = 0.0
        if p.destination_engine:
            # its memory is locked, too, its addresses are kept, and it polls; what is sealed goes to it, shrunk or not
            read_ns += (1.0 if self.seals else 1 - raw) * self._request_ns(p.cached_cycles, False)
            inflate_ns = (1 - raw) * (inflate_slice_ns(p, p.request_pages) / p.request_pages)
        else:
            read_ns += (1 - raw) * 1e9 * PAGE_BYTES / p.inflate_bytes_per_s
        work = Work(
            thread_ns=self.request_ns
            + (1 - raw) * self.cycles_ns(p.put_cycles)
            + self.copy_ns * sent / PAGE_BYTES
            + (self.check_ns if p.zero_check else 0.0),
            engine_ns=self.engine_ns,
            hold_ns=self.turn_ns,
            reader_ns=read_ns,
            inflate_ns=inflate_ns,
            cipher_ns=sent * self.cipher_byte_ns,
            decipher_ns=sent * self.cipher_byte_ns if p.destination_engine else 0.0,
            normal=1.0,
        )
        opened = sealed if p.destination_engine else 0.0
        return self.sized(
            work, written, fresh, by_cpu=ByCpu(thread=written - sealed, reader=written - opened)
        )

    def other(self, content: str, fresh: bool) -> Work | None:
        """The ring is full: the page goes as it is."""
        p = self.p
        if p.wait_when_full:
            return None
        if content == "zero" and p.zero_check:
            return self.plain("zero", fresh)
        work = self.plain("own", fresh)._replace(
            content=float(content != "zero"), raw=float(content != "zero")
        )
        return work if p.zero_check else work._replace(thread_ns=work.thread_ns - self.check_ns)

    def pool_ns(self, work: Work) -> float:
        """Slices or ciphers at work, or the turns of the ring: places over the time that a request keeps one."""
        if not work.engine_ns:
            return 0.0
        turn_ns = self._away_ns(work) + (work.thread_ns if self.p.wait_when_full else 0.0)
        return max(self._device_ns(work), self._ring_ns(turn_ns))

    def slowest_of_pool(self, work: Work) -> str:
        """The ring, in which the slices are; or the ciphers, if nothing is slower."""
        return "cipher" if self.pool_ns(work) == work.cipher_ns / self.p.devices_count else self.pool_name

    def _away_ns(self, work: Work) -> float:
        """Time per page from a request's submission to its response, if it waits for nobody."""
        return work.engine_ns + work.hold_ns + work.cipher_ns

    def _device_ns(self, work: Work) -> float:
        """Time per page of what is slower in the device when it is always busy: its slices, or its cipher."""
        return max(work.engine_ns / self.engines, work.cipher_ns / self.p.devices_count)

    def _ring_ns(self, turn_ns: float) -> float:
        """Time per page of the ring.

        Of k responses that one interrupt tells of, (k - 1) / 2 keep their places meanwhile; or, if its delay is
        shorter than they take to come, each keeps its place for half of it. Where the ring has less than k places, all
        wait for the delay.
        """
        p, places = self.p, float(self.p.ring_requests)
        if not p.interrupts:
            return turn_ns / places
        delay_ns = p.coalesce_ns / p.request_pages
        if places < p.coalesce_requests:
            return (turn_ns + delay_ns) / places
        by_count = turn_ns / (places - (p.coalesce_requests - 1) / 2)
        return min(by_count, (turn_ns + delay_ns / 2) / places)

    def turn_share(self, work: Work, other: Work) -> float:
        """Share of the pages that the ring takes where link or destination block the thread.

        The ring goes round in turns. Empty, it is filled at the thread's pace; pages that find it full go as they are.
        A poll takes all responses that are there, and while their pages are sent others come: where the slices are
        faster than what blocks the thread, all have come when it is through, and the ring is empty. With constant
        times, the first group of responses to find the ring full is seen s after the turn's begin, and what has been
        written by then takes the link until s: so many are the raw pages, and half of one more, since the thread polls
        between pages.
        """
        sent_ns, raw_ns = (max(ns for _, ns in self.stations(one)) for one in (work, other))
        turn = self._turn(work, sent_ns)
        if turn is None:
            return 1.0
        raw = min(turn.blocked_ns / raw_ns, turn.free_ns / max(other.thread_ns, 1e-9)) + 0.5
        return turn.pages / (turn.pages + raw)

    def _turn(self, work: Work, sent_ns: float) -> Turn | None:
        """A turn beside a link or a destination that takes sent_ns a page; None if the ring is not full in turns."""
        p = self.p
        pages = p.request_pages * self.engine_ns / work.engine_ns  # that come for one request's
        seen, after_ns, every_ns = self._seen(pages * work.cipher_ns)
        if seen < p.ring_requests and seen * pages * sent_ns <= every_ns:
            return None  # the slices are slower
        build_ns = max(pages * work.thread_ns - self._send_ns(work, pages), 0.0)
        full_ns = build_ns * p.ring_requests
        first_ns = build_ns + pages * self._away_ns(work) + after_ns
        gain_ns, groups = every_ns - seen * pages * work.thread_ns, 0
        if full_ns > first_ns:
            if gain_ns <= 0 or seen >= p.ring_requests:
                return None  # the thread does not fill the ring
            groups = ceil((full_ns - first_ns) / gain_ns)
        blocked_ns = first_ns + groups * (every_ns - seen * pages * sent_ns)
        if blocked_ns <= 0:
            return None
        taken = (p.ring_requests + groups * seen) * pages
        return Turn(taken, blocked_ns, first_ns - full_ns + groups * gain_ns)

    def _send_ns(self, work: Work, pages: float) -> float:
        """The thread's time for a response and its pages: finding it, headers, copies."""
        p = self.p
        cycles = p.poll_cycles + (p.interrupt_cycles / self.batch if p.interrupts else 0.0)
        by_cpu = HEADER_BYTES + LENGTH_BYTES if self.seals else work.wire_bytes
        writing_ns = self.copy_ns * work.wire_bytes / NORMAL_BYTES + by_cpu * self.tls_byte_ns
        return self.cycles_ns(cycles + p.request_pages * p.put_cycles) + pages * writing_ns

    def _seen(self, cipher_ns: float) -> tuple[float, float, float]:
        """Responses that are seen together; how long after the first of them; after how long the next so many.

        The slices finish side by side; or the ciphers, if those are slower. An interrupt tells of as many as it
        may, or of what there is after its delay: that alone if the ring has not so many places.
        """
        p, slices, slice_ns = self.p, float(self.engines), self.engine_ns * self.p.request_pages
        if cipher_ns * p.slices_count > slice_ns:
            slices, slice_ns = float(p.devices_count), cipher_ns
        if not p.interrupts:
            return slices, 0.0, slice_ns
        count = float(p.coalesce_requests)
        after_ns = (ceil(count / slices) - 1) * slice_ns
        if count <= p.ring_requests and after_ns <= p.coalesce_ns:
            together = max(count, slices)
        else:
            after_ns, together = p.coalesce_ns, slices * (1 + p.coalesce_ns // slice_ns)
        return together, after_ns, together / slices * slice_ns

    def spin_ns(self, work: Work, pace_ns: float, waits: bool, last: bool = False) -> float:
        """Waiting for the ring, always or in its turns; and once an iteration for what is under way at its end."""
        if waits or not work.engine_ns:
            return super().spin_ns(work, pace_ns, waits)
        turn = self._turn(work, pace_ns) if self.p.wait_when_full else None
        in_turns_ns = min(turn.free_ns / turn.pages, max(pace_ns - work.thread_ns, 0.0)) if turn else 0.0
        if last:
            return in_turns_ns
        share = work.engine_ns / self.engine_ns
        pages = self.p.ring_requests * self.p.request_pages
        empty_ns = min(self._away_ns(work) / share * self.p.request_pages, pages * self.pool_ns(work) / share)
        if share * pace_ns <= self.pool_ns(work) * (1 + 1e-9):
            empty_ns = pages * self._device_ns(work) / share  # the ring is full
        return in_turns_ns + empty_ns * pace_ns / iteration_ns(self.p)

    def emptied(self, work: Work, other: Work, met: tuple[str, ...]) -> Flow | None:
        """Iterations whose end finds the ring full: the thread waits until it is empty, and the link until sockets are.

        The clock is read before that, so that the wait is on top. The device does not vary as hosts do.
        """
        p, run_ns, pool_ns = self.p, iteration_ns(self.p), self.pool_ns(work)
        pages = p.request_pages * self.engine_ns / work.engine_ns
        full = p.ring_requests * pages
        build_ns = max(work.thread_ns - self._send_ns(work, pages) / pages, 0.0)
        host, link = 1 + p.speed_cv_frac**2, 1 + p.link_cv_frac**2
        beside, own, others = [], dict(self.stations(work)), dict(self.stations(other))
        for name in (name for name in met if name in own):
            factor = link if name == "link" else host
            own_ns, other_ns = own[name] / factor, others[name] / factor
            if name in SOURCE:
                beside.append(Passed(own_ns, other_ns, run_ns, build_ns / host))
            else:
                held_ns = p.socket_bytes / other.wire_bytes * other_ns
                beside.append(
                    Passed(own_ns, other_ns, run_ns + min(held_ns, max(full * (pool_ns - own_ns), 0.0)))
                )
        found = iteration(run_ns, pool_ns, full, beside)
        sent, wait_ns = found.through + found.others, found.kept * pool_ns
        share, drains_ns = found.through / sent, wait_ns / sent
        sending_ns = found.kept * max(work.thread_ns - build_ns, 0.0) / host / sent
        flow = self.paced(mix([(share, work), (1 - share, other)]), 0.0, share)
        return flow._replace(
            source_ns=(run_ns + wait_ns) / sent,
            slowest=self.slowest_of_pool(work) if wait_ns > run_ns else flow.slowest,
            spin_ns=max(drains_ns - sending_ns, 0.0) if self.polls else 0.0,
            drains_ns=drains_ns,
        )

    def engine_busy_ns(self, work: Work) -> float:
        """Time of a slice's work per page."""
        return work.engine_ns / self.engines

    def ring(self, work: Work) -> tuple[list[Station], float, int]:
        """A request's way round: stations (thread, slices, ciphers), latency (ns), and the ring's places."""
        pages = self.p.request_pages
        stations = [Station(work.thread_ns * pages), Station(work.engine_ns * pages, self.engines)]
        if work.cipher_ns:
            stations.append(Station(work.cipher_ns * pages, self.p.devices_count))
        return stations, work.hold_ns * pages, self.p.ring_requests

    @property
    def turn_pages(self) -> int:
        """Pages that go round together."""
        return self.p.request_pages
