"""Compression by a device in the migration thread: the talk's rings.

Source: the talk. A request is built of several pages, submitted, its response polled for or told of by a coalesced
interrupt, its pages sent; the device reads physical addresses.
"""

from nfvlab.precopy.params import HEADER_BYTES, PAGE_BYTES
from nfvlab.precopy.rates import NORMAL_BYTES, iteration_ns
from nfvlab.qat.laws import law
from nfvlab.qat.mva import Station
from nfvlab.qat.params import Params
from nfvlab.qat.slices import faults_ns, inflate_slice_ns, slice_ns
from nfvlab.qat.work import LENGTH_BYTES, Way, Work


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
        self.polls = not p.interrupts
        address = p.cached_cycles if p.cached_translation else p.pagemap_cycles
        self.request_ns = self._request_ns(address, p.interrupts)

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
        wire = raw * NORMAL_BYTES + (1 - raw) * (HEADER_BYTES + LENGTH_BYTES + small)
        read_ns = self.store_ns(fresh)
        inflate_ns = 0.0
        if p.destination_engine:
            # its memory is locked, too, its addresses are kept, and it polls
            read_ns += (1 - raw) * self._request_ns(p.cached_cycles, False)
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
            normal=1.0,
        )
        return self.sized(work, wire, fresh)

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
        return work if p.zero_check else work._replace(thread_ns=self.copy_ns)

    def pool_ns(self, work: Work) -> float:
        """The slices at work, or the turns of the ring: places over the time that a request keeps one."""
        if not work.engine_ns:
            return 0.0
        busy_ns = work.engine_ns / self.engines
        turn_ns = work.engine_ns + work.hold_ns + (work.thread_ns if self.p.wait_when_full else 0.0)
        return max(busy_ns, self._ring_ns(turn_ns))

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

    def spin_ns(self, work: Work, pace_ns: float, waits: bool) -> float:
        """Waiting for the ring; else, once an iteration, for the requests that are under way at its end."""
        if waits or not work.engine_ns:
            return super().spin_ns(work, pace_ns, waits)
        share = work.engine_ns / self.engine_ns
        pages = self.p.ring_requests * self.p.request_pages
        empty_ns = min(
            (self.engine_ns + self.turn_ns) * self.p.request_pages, pages * self.pool_ns(work) / share
        )
        if share * pace_ns <= self.pool_ns(work) * (1 + 1e-9):
            empty_ns = pages * self.engine_ns / self.engines  # the ring is full
        return empty_ns * pace_ns / iteration_ns(self.p)

    def engine_busy_ns(self, work: Work) -> float:
        """Time of a slice's work per page."""
        return work.engine_ns / self.engines

    def ring(self, work: Work) -> tuple[list[Station], float, int]:
        """A request's way round: stations (thread, slices), the device's latency (ns), and the ring's places."""
        pages = self.p.request_pages
        stations = [Station(work.thread_ns * pages), Station(work.engine_ns * pages, self.engines)]
        return stations, work.hold_ns * pages, self.p.ring_requests

    @property
    def turn_pages(self) -> int:
        """Pages that go round together."""
        return self.p.request_pages
