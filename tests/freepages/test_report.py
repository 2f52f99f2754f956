"""What the theory says of packets, and of when skipping pays."""

import numpy as np
import pytest

from nfvlab.freepages import analyze
from nfvlab.freepages.packets import TIMESLICE_NS, gap_drops, throttle_drops
from nfvlab.freepages.params import Params, packets_per_s
from nfvlab.freepages.report import both, worth
from nfvlab.freepages.scenarios import SCENARIOS
from nfvlab.units import MiB, ms, s, us

QUIET = {"background_rate_per_s": 0.0}


def follow_ring(p: Params, gap_ns: float, work_ns: float, gaps: int) -> float:
    """Packets dropped in the last of `gaps` gaps, step by step: a fluid in a tank."""
    rate, room, level = packets_per_s(p) / 1e9, p.ring_count, 0.0
    for _ in range(gaps):
        level, dropped = min(level + rate * gap_ns, room), max(level + rate * gap_ns - room, 0.0)
        level = max(level - (p.forward_capacity_per_s / 1e9 - rate) * work_ns, 0.0)
    return dropped


@pytest.mark.parametrize("capacity", [4e6, 4.05e6, 6e6])
@pytest.mark.parametrize("gap_ns", [10 * us, 60 * us, 100 * us, 5 * ms])
@pytest.mark.parametrize("work_ns", [50 * us, 1 * ms, 10 * ms])
def test_drops_of_many_equal_gaps(capacity, gap_ns, work_ns):
    p = Params(line_rate_bits_per_s=2013e6, forward_capacity_per_s=capacity)
    steady = follow_ring(p, gap_ns, work_ns, 500)
    assert gap_drops(p, gap_ns, work_ns) == pytest.approx(steady, abs=1e-6)


def test_a_throttled_vcpu_drops_its_share():
    p = Params(line_rate_bits_per_s=2013e6, ring_count=1)
    sleeps = 1 * s / (2 * TIMESLICE_NS)
    assert throttle_drops(p, 0.5, 1 * s) == pytest.approx(0.5 * packets_per_s(p), abs=sleeps)
    assert throttle_drops(p, 0.0, 1 * s) == 0


def test_the_two_readings_of_the_line_rate():
    frames, wire = (
        analyze(SCENARIOS["DPDK L2 forwarding"].replace(line_rate_on_the_wire=wire)) for wire in (False, True)
    )
    heard = [theory.lost_count - theory.ring_drop_count for theory in (frames, wire)]
    assert heard[0] / heard[1] == pytest.approx(84 / 64)
    assert heard[0] == pytest.approx(2013e6 / 8 / 64 * frames.pause_ns / 1e9)


def test_no_load_no_loss():
    theory = analyze(Params(line_rate_bits_per_s=0.0))
    assert theory.lost_count == theory.ring_drop_count == 0
    assert theory.claim("lost_count").kind == "exact"


@pytest.mark.parametrize(
    "fields, pays",
    [
        ({}, True),
        ({"walk_page_ns": 2000.0}, False),  # the walk is slower than the scan of a zero page
        ({"request_ns": 10 * s}, False),
        ({"zero_scan_ns": 4.0, "zero_load_ns": 0.0, "walk_page_ns": 20.0}, False),
        (
            {"ram_bytes": 512 * MiB, "touched_bytes": 330 * MiB, "request_ns": 60 * ms},
            False,
        ),  # little is free
        ({"transport": "hints"}, True),
        ({"transport": "hints", "init_on_alloc": True}, False),
    ],
)
def test_when_skipping_does_not_pay(fields, pays):
    p = Params(**QUIET, **fields)
    balance, pair = worth(p), both(p)
    assert balance.pays is pays and (pair.saved("total_time_ns") > 0) is pays
    assert ("does not pay" in balance.words()) is not pays


def test_the_break_even_is_where_the_balance_turns():
    p = Params(request_ns=300 * ms, fragmentation_frac=0.0, boot_stale_pages=0)
    even = worth(p).break_even_pages
    used = worth(p).free_pages - even
    for more, pays in ((0.9, True), (1.1, False)):
        kept = p.replace(touched_bytes=float(int(used * more) * 4096), touched_content="zero")
        assert worth(kept).pays is pays
    assert worth(p.replace(walk_page_ns=1e6)).break_even_pages == np.inf


def test_both_in_words():
    rows = both(SCENARIOS["DPDK L2 forwarding"]).rows()
    assert [row["output"] for row in rows][-1] == "lost_count"
    assert all(set(row) == {"output", "without", "with", "saved", "share"} for row in rows)
    assert len(both(Params()).rows()) == len(rows) - 1
