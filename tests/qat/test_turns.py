"""What goes round in turns, page by page beside the laws: rings, with ciphers or without, and a device's packets."""

import numpy as np
import pytest

from nfvlab.qat.device_work import Qatzip
from nfvlab.qat.iaa_work import Iaa
from nfvlab.qat.laws import law
from nfvlab.qat.params import Params
from nfvlab.qat.ring_work import Talk
from nfvlab.units import Gbps, s, us

# -- the ring ------------------------------------------------------------------------------------------------------


class Ring:
    """The talk's loop, page by page: a place is taken by the page that opens a request, and free once it is polled.

    What is encrypted goes through its device's cipher once its slice is through; its pages' headers are the CPU's.
    """

    def __init__(self, p, work, other):
        self.p, self.work, self.other = p, work, other
        self.cycle_ns = 1e9 / p.cpu_hz
        self.slices = [0.0] * (p.devices_count * p.slices_count)
        self.ciphers = [0.0] * p.devices_count
        self.header_ns = 12 * 1e9 / p.tls_bytes_per_s if p.encrypted else 0.0
        self.bits_ns = 1e9 * p.slices_count / p.engine_bits_per_s
        self.now_ns = self.linked_ns = 0.0
        self.ready: list[float] = []  # when each request's response is there, in order
        self.building = 0
        self.socket_ns = 1e6  # what it holds, as time of the link
        self.spun_ns = 0.0

    def write(self, page, thread_ns):
        """Copy a page into the socket, which may have to make room."""
        self.now_ns += thread_ns
        self.linked_ns = max(self.linked_ns, self.now_ns) + page.link_ns
        self.now_ns = max(self.now_ns, self.linked_ns - self.socket_ns)

    def poll(self):
        """Send the pages of all responses that have come, and of those that come meanwhile."""
        p = self.p
        while self.ready and self.ready[0] <= self.now_ns:
            del self.ready[0]
            self.now_ns += p.poll_cycles * self.cycle_ns
            for _ in range(p.request_pages):
                copied_ns = (p.send_ns - p.nonzero_check_cycles * self.cycle_ns) * self.work.wire_bytes / 4104
                self.write(self.work, p.put_cycles * self.cycle_ns + copied_ns + self.header_ns)

    def page(self):
        """Come to a page; whether it went as it is."""
        p = self.p
        self.poll()
        if p.wait_when_full and not self.building and len(self.ready) == p.ring_requests:
            self.spun_ns += self.ready[0] - self.now_ns
            self.now_ns = self.ready[0]
            self.poll()
        if not self.building and len(self.ready) == p.ring_requests:
            self.write(self.other, self.other.thread_ns)
            return True
        self.building += 1
        self.now_ns += (p.build_cycles + p.cached_cycles) * self.cycle_ns
        if self.building == p.request_pages:
            self.building = 0
            self.now_ns += p.submit_cycles * self.cycle_ns
            at = int(np.argmin(self.slices))
            start_ns = max(self.now_ns, self.slices[at])
            self.slices[at] = start_ns + p.engine_request_ns + p.request_pages * 4096 * 8 * self.bits_ns
            device = at // p.slices_count
            self.ciphers[device] = (
                max(self.ciphers[device], self.slices[at]) + p.request_pages * self.work.cipher_ns
            )
            self.ready.append(self.ciphers[device] + p.engine_latency_ns)
            self.ready.sort()
        return False


BLOCKED = {
    "one request": {"ring_requests": 1, "engine_latency_ns": 40 * us},
    "few requests": {"ring_requests": 4, "engine_latency_ns": 40 * us},
    "few pages": {"ring_requests": 4, "request_pages": 1, "engine_latency_ns": 40 * us},
    "more than slices": {"ring_requests": 16, "engine_latency_ns": 40 * us},
    "the talk": {},
    "many requests": {"ring_requests": 256},
    "a fast engine": {"ring_requests": 4, "engine_bits_per_s": 1e12, "engine_latency_ns": 20 * us},
    "a fast link": {"link_bytes_per_s": 100 * Gbps},
    "encrypted": {"encrypted": True},
    "encrypted, one request": {"encrypted": True, "ring_requests": 1, "engine_latency_ns": 40 * us},
    "encrypted, few requests": {"encrypted": True, "ring_requests": 4, "engine_latency_ns": 40 * us},
    "encrypted, fast TLS": {
        "encrypted": True,
        "tls_bytes_per_s": 5e9,
        "ring_requests": 16,
        "engine_latency_ns": 40 * us,
    },
    "a slow cipher": {"encrypted": True, "cipher_bits_per_s": 5e9, "tls_bytes_per_s": 5e9},
    "a slower cipher": {"encrypted": True, "cipher_bits_per_s": 2e9, "tls_bytes_per_s": 5e9},
    "ciphers of two devices": {
        "encrypted": True,
        "cipher_bits_per_s": 4e9,
        "devices_count": 2,
        "slices_count": 1,
        "tls_bytes_per_s": 5e9,
    },
    "a slow cipher beside slow TLS": {"encrypted": True, "cipher_bits_per_s": 4e9},
}


@pytest.mark.parametrize("name", BLOCKED)
def test_a_ring_beside_a_full_socket_goes_round_in_turns(name):
    p = Params(link_bytes_per_s=10 * Gbps, first_touch_ns=0.0).replace(**BLOCKED[name])
    talk = Talk(p)
    ring = Ring(p, talk.page("calgary", True), talk.other("calgary", True))
    for _ in range(2000):
        ring.page()
    seen = np.mean([ring.page() for _ in range(20_000)])
    assert 1 - talk.flow([(1.0, "calgary")], True).through_frac == pytest.approx(seen, abs=0.025)


@pytest.mark.parametrize("name", ["few pages", "more than slices", "the talk", "many requests"])
def test_a_ring_that_is_waited_for_is_polled_in_vain_in_its_turns(name):
    p = Params(link_bytes_per_s=10 * Gbps, first_touch_ns=0.0, wait_when_full=True, iterate_max_ns=10 * s)
    p = p.replace(**BLOCKED[name])
    talk = Talk(p)
    work = talk.page("calgary", True)
    ring = Ring(p, work, work)
    for _ in range(3000):
        ring.page()  # until the socket is full
    begin_ns, ring.spun_ns = ring.now_ns, 0.0
    for _ in range(20_000):
        ring.page()
    flow = talk.flow([(1.0, "calgary")], True)
    pace_ns = max(flow.source_ns, flow.work.link_ns)
    assert ring.spun_ns / (ring.now_ns - begin_ns) == pytest.approx(flow.spin_ns / pace_ns, abs=0.04)


def test_what_an_interrupt_holds_back_keeps_the_ring_full():
    """Coalescing lengthens the time until the first responses are seen, and with it what goes as it is."""
    p = Params(link_bytes_per_s=10 * Gbps)
    pages = [(1.0, "calgary")]
    polled, few, many, late = (
        1 - Talk(one).flow(pages, True).through_frac
        for one in (
            p,
            p.replace(interrupts=True),
            p.replace(interrupts=True, coalesce_requests=64),
            p.replace(interrupts=True, coalesce_requests=64, coalesce_ns=500 * us),
        )
    )
    assert 0 < polled < few < many < late


# -- multifd channels and a device ---------------------------------------------------------------------------------


def calls(p, page, soft_ns, packets=6000):
    """Share of QATzip's calls that find an instance, channel by channel: each copies, calls, sends, over and over."""
    device = Qatzip(p)
    call_ns = (device.requests_ns + device.packet_wait_ns(device.engine_ns)) * p.packet_pages
    between_ns = (page.workers_ns - device.requests_ns + p.handoff_ns / p.packet_pages) * p.packet_pages
    at_ns = list(np.random.default_rng(3).uniform(0, between_ns, p.channels_count))
    taken: list[float] = []
    found = 0
    for _ in range(packets):
        channel = int(np.argmin(at_ns))
        now_ns = at_ns[channel]
        taken = [end_ns for end_ns in taken if end_ns > now_ns]
        free = len(taken) < p.instances_count
        found += free
        if free:
            taken.append(now_ns + call_ns)
        at_ns[channel] = now_ns + (call_ns if free else soft_ns * p.packet_pages) + between_ns
    return found / packets


@pytest.mark.parametrize("channels, instances", [(8, 8), (8, 4), (8, 2), (3, 2), (16, 15)])
def test_software_is_for_calls_that_find_no_instance(channels, instances):
    p = Params(
        accelerator="QATzip",
        channels_count=channels,
        instances_count=instances,
        devices_count=16,
        link_bytes_per_s=1000 * Gbps,
        sync_each_iteration=False,
        inflate_engine_bits_per_s=1e13,
        first_touch_ns=0.0,
        copy_cycles=100.0,
    )
    device = Qatzip(p)
    flow = device.flow([(1.0, "calgary")], True)
    seen = calls(p, device.page("calgary", True), 4096e9 / p.zlib_bytes_per_s)
    assert flow.through_frac == pytest.approx(seen, abs=0.05)
    assert (flow.through_frac == 1) == (channels == instances)


def packet(p, device):
    """Time of one packet's jobs: submitted one by one, the slices side by side, taken in order."""
    submit_ns, take_ns = (
        cycles * 1e9 / p.cpu_hz for cycles in (p.build_cycles + p.submit_cycles, p.poll_cycles)
    )
    slices, ready, now_ns = [0.0] * device.engines, [], 0.0
    for _ in range(p.packet_pages):
        now_ns += submit_ns
        at = int(np.argmin(slices))
        slices[at] = max(slices[at], now_ns) + device.engine_ns
        ready.append(slices[at] + p.engine_latency_ns)
    for at_ns in ready:
        now_ns = max(now_ns, at_ns) + take_ns
    return now_ns


@pytest.mark.parametrize("rate", [1e9, 24e9, 1e11, 1e13])
@pytest.mark.parametrize("latency_ns", [0.0, 10 * us, 200 * us])
def test_the_jobs_of_a_packet_overlap(rate, latency_ns):
    p = Params(accelerator="IAA", engine_bits_per_s=rate, engine_latency_ns=latency_ns)
    device = Iaa(p)
    work = device.page("calgary", True)
    copied_ns = device.copy_ns * law(p, "calgary", p.engine_deflate).least_bytes / 4096
    taken_ns = (work.workers_ns - copied_ns - device.check_ns * p.workers_check_zero) * p.packet_pages
    assert taken_ns == pytest.approx(packet(p, device), rel=0.02)


def test_the_destinations_queue_overflows_into_software():
    p = Params(
        accelerator="IAA", link_bytes_per_s=1000 * Gbps, inflate_engine_bits_per_s=1e9, devices_count=8
    )
    slow, fast = (
        Iaa(one).flow([(1.0, "calgary")], True) for one in (p, p.replace(inflate_engine_bits_per_s=1e12))
    )
    device = Iaa(p)
    alone_ns = device.page("calgary", True).inflate_ns / device.inflaters
    assert fast.load_ns < slow.load_ns < alone_ns
    assert slow.work.inflate_ns < fast.work.inflate_ns * 1000


def queued(p, device):
    """Share of the jobs that a channel's packets put into the queue: three more tries, then software."""
    submit_ns, again_ns = (
        cycles * 1e9 / p.cpu_hz for cycles in (p.build_cycles + p.submit_cycles, p.submit_cycles)
    )
    soft_ns = 4096e9 / p.zlib_random_bytes_per_s
    slices, done_ns, now_ns, taken, packets = [0.0] * device.engines, [], 0.0, 0, 20
    for _ in range(packets):
        for _ in range(p.packet_pages):
            now_ns += submit_ns
            for again in range(4):
                now_ns += again_ns if again else 0.0
                done_ns = [at for at in done_ns if at > now_ns]
                if len(done_ns) < p.ring_requests:
                    at = int(np.argmin(slices))
                    slices[at] = max(slices[at], now_ns) + device.engine_ns
                    done_ns.append(slices[at])
                    taken += 1
                    break
            else:
                now_ns += soft_ns
        now_ns = max([now_ns, *done_ns])
    return taken / (packets * p.packet_pages)


@pytest.mark.parametrize("places", [1, 2, 4, 6, 16, 64, 128])
@pytest.mark.parametrize("rate", [20e9, 200e9])
def test_a_small_queue_overflows_page_by_page(places, rate):
    """With one place every other page is software's: while the channel has one, the place is free again."""
    p = Params(
        accelerator="IAA", channels_count=1, ring_requests=places, engine_bits_per_s=rate, content="random"
    )
    p = p.replace(link_bytes_per_s=400 * Gbps, first_touch_ns=0.0, destination_engine=False)
    device = Iaa(p)
    seen = queued(p, device)
    for zero in (0.0, 0.5):  # zero pages are no jobs
        flow = device.flow([(1 - zero, "random"), (zero, "zero")], True)
        soft = 1 - flow.work.engine_ns / device.engine_ns / (1 - zero)
        assert soft == pytest.approx(1 - seen, abs=0.015), zero
