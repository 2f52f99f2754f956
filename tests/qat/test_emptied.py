"""A ring that is emptied at the end of every iteration: the law beside a loop page by page; one thread is one CPU."""

import math

import pytest
from hypothesis import given, settings
from qat.guests import FULL, NONE, QAT, QUIET, STEADY
from strategies import typical

from nfvlab.precopy.rates import iteration_ns
from nfvlab.qat.analytic import analyze
from nfvlab.qat.params import Params
from nfvlab.qat.ring_work import Talk
from nfvlab.units import Gbps, GiB, MiB, ms

SLOW = Params(
    content="random",
    engine_bits_per_s=1 * Gbps,
    slices_count=1,
    request_pages=1,
    engine_latency_ns=0.0,
    link_bytes_per_s=400 * Gbps,
    first_touch_ns=0.0,
    iterate_max_ns=10 * ms,
    **STEADY,
)


def page_by_page(p, iterations):
    """Share through the ring, time per page and polling in vain, of a thread that never waits for a socket."""
    talk = Talk(p)
    own, raw_ns = talk.page("random", True), talk.other("random", True).thread_ns
    send_ns = talk._send_ns(own, 1.0)
    build_ns, pool_ns = own.thread_ns - send_ns, own.engine_ns
    now_ns = idle_ns = 0.0
    through = raw = 0
    for _ in range(iterations):
        end_ns, answers = now_ns + iteration_ns(p), []
        while now_ns < end_ns:
            while answers and answers[0] <= now_ns:
                answers.pop(0)
                now_ns += send_ns
            if len(answers) < p.ring_requests:
                now_ns += build_ns
                answers.append(max(now_ns, answers[-1] if answers else 0.0) + pool_ns)
                through += 1
            else:
                now_ns += raw_ns
                raw += 1
        for answer in answers:
            idle_ns += max(answer - now_ns, 0.0)
            now_ns = max(answer, now_ns) + send_ns
    pages = through + raw
    return through / pages, now_ns / pages, idle_ns / pages


@pytest.mark.parametrize("places", [128, 1024, 4096])
@pytest.mark.parametrize("send_ns", [1000.0, 12000.0])
def test_the_wait_for_a_full_ring_is_on_top_of_every_iteration(places, send_ns):
    p = SLOW.replace(ring_requests=places, send_ns=send_ns)
    flow = Talk(p).flow([(1.0, "random")], True)
    share, page_ns, idle_ns = page_by_page(p, 20)
    assert flow.through_frac == pytest.approx(share, rel=0.02)
    assert flow.source_ns == pytest.approx(page_ns, rel=0.02)
    assert flow.spin_ns == pytest.approx(idle_ns, rel=0.02, abs=0.01 * page_ns)


def test_a_ring_that_cannot_be_filled_in_an_iteration_is_emptied_of_what_it_has():
    p = SLOW.replace(ring_requests=4096, build_cycles=60_000.0)
    share, page_ns, _ = page_by_page(p, 20)
    flow = Talk(p).flow([(1.0, "random")], True)
    assert flow.through_frac == pytest.approx(share, rel=0.03)
    assert flow.source_ns == pytest.approx(page_ns, rel=0.03)


def test_the_stop_has_no_iterations():
    """What is left at the stop is sent without a wait for the ring, whatever an iteration's length."""
    p = FULL.replace(engine_bits_per_s=1 * Gbps, downtime_limit_ns=2e9, **STEADY)
    often, seldom = (analyze(p.replace(iterate_max_ns=time)) for time in (5 * ms, 500 * ms))
    assert often.total_time_ns[QAT] > 1.5 * seldom.total_time_ns[QAT]
    talk = Talk(p.replace(iterate_max_ns=5 * ms))
    ends, runs = (talk.flow([(1.0, "random")], True, last=last) for last in (True, False))
    assert ends.source_ns < runs.source_ns
    assert ends.drains_ns == 0 < runs.drains_ns


@settings(max_examples=60)
@given(typical(Params, accelerator="talk"))
def test_one_thread_is_one_cpu(p):
    """Its work and polling in vain never take longer than the migration, without compression or with the talk's."""
    theory = analyze(p)
    for way in (NONE, QAT):
        if not math.isnan(theory.source_cpu_frac[way]):
            assert theory.source_cpu_frac[way] <= 1 + 1e-9


@pytest.mark.parametrize(
    "changes", [{}, {"speed_cv_frac": 0.4}, {"interrupts": True}, {"wait_when_full": True}]
)
@pytest.mark.parametrize("encrypted", [False, True])
def test_one_thread_is_one_cpu_though_a_large_ring_is_slow(changes, encrypted):
    p = FULL.replace(
        engine_bits_per_s=1 * Gbps, ring_requests=256, encrypted=encrypted, device_encrypts=False
    )
    theory = analyze(p.replace(iterate_max_ns=10 * ms, **changes))
    assert theory.thread_busy_frac[QAT] <= theory.source_cpu_frac[QAT] <= 1 + 1e-9


def test_what_sockets_hold_all_of_does_not_slow_channels():
    """A slow link behind sockets that hold the whole migration: channels meet the device as if the link were fast."""
    p = Params(accelerator="IAA", channels_count=8, ram_bytes=1 * GiB, touched_bytes=0.0, wss_bytes=0.0)
    p = p.replace(engine_bits_per_s=1 * Gbps, skip_free=True, socket_bytes=64.0 * MiB, **QUIET)
    slow, fast = (analyze(p.replace(link_bytes_per_s=rate * Gbps)) for rate in (0.5, 100))
    assert slow.total_time_ns[QAT] == pytest.approx(fast.total_time_ns[QAT], rel=0.02)
    assert slow.courses[QAT].through_frac == pytest.approx(fast.courses[QAT].through_frac, rel=0.02)
    blocked = analyze(p.replace(link_bytes_per_s=0.5 * Gbps, socket_bytes=1.0 * MiB))
    assert blocked.total_time_ns[QAT] > 2 * slow.total_time_ns[QAT]
    assert blocked.courses[QAT].through_frac > slow.courses[QAT].through_frac
