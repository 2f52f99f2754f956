"""The theory of skipping: what it counts, by hand and by enumeration; what it conserves; where it ends."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import edges, typical

from nfvlab.freepages import analyze, free_memory, guest_memory, physmap
from nfvlab.freepages.chase import through
from nfvlab.freepages.free_lists import (
    BLOCK_PAGES,
    LOW_RUN_PAGES,
    RESERVED,
    TOP_ORDER,
    _run_blocks,
    blocks_in_gap,
    blocks_in_run,
    stretches,
)
from nfvlab.freepages.params import Params
from nfvlab.freepages.regions import DMA_PAGES, below_4g_pages
from nfvlab.freepages.report import both
from nfvlab.freepages.scenarios import SCENARIOS
from nfvlab.freepages.zones import DMA, parts
from nfvlab.precopy import analytic as precopy
from nfvlab.precopy import memory
from nfvlab.precopy.params import Params as Plain
from nfvlab.precopy.params import ram_pages
from nfvlab.units import GiB, MiB, ms, s, us

QUIET = {"background_rate_per_s": 0.0}


def decomposed(start: int, end: int) -> list[int]:
    """Orders of the largest aligned blocks that fill [start, end), from the left."""
    orders = []
    while start < end:
        order = min(TOP_ORDER, (start & -start).bit_length() - 1 if start else TOP_ORDER)
        while start + (1 << order) > end:
            order -= 1
        orders.append(order)
        start += 1 << order
    return orders


@pytest.mark.parametrize("pages", [1, 2, 3, 7, 100, 1023, 1024, 1025, 2047, 5000])
def test_blocks_of_a_run_by_enumeration_of_its_places(pages):
    places = [decomposed(at, at + pages) for at in range(BLOCK_PAGES)]
    assert blocks_in_run(pages) == pytest.approx(np.mean([len(orders) for orders in places]))


@pytest.mark.parametrize("start, end", [(0, 4096), (1, 4096), (11406, 200_000), (999, 5001), (1024, 1 << 20)])
def test_blocks_between_known_addresses(start, end):
    orders = decomposed(start, end)
    whole, smaller = _run_blocks(start, end, True, True)
    assert whole == orders.count(TOP_ORDER) and smaller == len(orders) - whole


def test_one_page_breaks_a_block_into_ten():
    assert {len(decomposed(0, at)) + len(decomposed(at + 1, 1024)) for at in range(1024)} == {TOP_ORDER}
    base = Params(fragmentation_frac=0.0)
    whole = sum(stretch.whole for stretch in stretches(base))
    grown = [analyze(base.replace(fragmentation_frac=f)).list_blocks_count for f in (0.0, 0.5)]
    assert grown[1] - grown[0] == pytest.approx(9 * 0.5 * whole)


@pytest.mark.parametrize("mean", [0.5, 5.0, 72.0, 3000.0])
def test_blocks_of_gaps_of_random_length(mean):
    lengths = np.arange(1, int(60 * mean) + 60)
    chance = (1 / (mean + 1)) * (mean / (mean + 1)) ** lengths
    expected = sum(p * blocks_in_run(int(n)) for n, p in zip(lengths, chance, strict=True))
    assert blocks_in_gap(mean) == pytest.approx(expected, rel=1e-6)


def test_the_two_sides_speak_of_the_same_guest():
    assert LOW_RUN_PAGES == memory.RUN_PAGES
    assert physmap.LEGACY_HOLE_PAGES == RESERVED
    assert guest_memory.DMA_END == DMA_PAGES and free_memory.BLOCK_PAGES == BLOCK_PAGES
    for machine in ("q35", "i440fx"):
        for mib in (256, 2815, 2816, 3071, 3072, 3583, 3584, 8192):
            p = Params(ram_bytes=float(mib * MiB), machine=machine, boot_per_gib_pages=0)
            low = min(physmap.lowmem_bytes(mib * MiB, machine), mib * MiB) // 4096
            assert below_4g_pages(p) == low, (machine, mib)


@settings(max_examples=60)
@given(typical(Params))
def test_every_page_is_used_or_free(p):
    found = stretches(p)
    for stretch in found:
        assert stretch.free + stretch.used.pages == pytest.approx(stretch.content.pages)
        assert 0 <= stretch.used.nonzero <= stretch.used.pages * (1 + 1e-9)
        assert stretch.content.nonzero <= stretch.content.pages * (1 + 1e-9)
        assert stretch.whole * BLOCK_PAGES <= stretch.free * (1 + 1e-9)
    assert sum(stretch.content.pages for stretch in found) == pytest.approx(ram_pages(p))
    pieces = parts(p, found)
    assert sum(part.pages for part in pieces) == pytest.approx(ram_pages(p))
    assert [part.turn == DMA for part in pieces] == sorted(
        (part.turn == DMA for part in pieces), reverse=True
    )


@settings(max_examples=60)
@given(typical(Params, pattern="uniform"))
def test_outputs_make_sense(p):
    theory = analyze(p)
    if not theory.migration.course.converged:
        assert all(
            np.isnan(value) for name, (value, _) in theory.outputs().items() if name != "converged_frac"
        )
        return
    values = {name: value for name, (value, _) in theory.outputs().items()}
    assert all(np.isfinite(value) and value >= 0 for value in values.values()), values
    assert theory.skipped_pages <= theory.free_pages * (1 + 1e-9)
    assert theory.downtime_ns <= theory.pause_ns <= theory.total_time_ns + p.resume_ns + p.setup_ns + 1e12
    assert theory.ring_drop_count <= theory.lost_count
    assert theory.report_ns <= theory.total_time_ns or p.transport == "hints"


@given(
    edges(
        Params, ram_bytes=1 * GiB, touched_bytes=0.0, wss_bytes=0.0, write_rate_per_s=0.0, give_up_ns=60 * s
    )
)
def test_the_ends_of_the_domains_break_nothing(p):
    theory = analyze(p)
    assert theory.converged_frac in (0.0, 1.0)
    for name, (value, claim) in theory.outputs().items():
        assert claim.kind in ("exact", "approx") and (value >= 0 or np.isnan(value)), name


@pytest.mark.parametrize("name", SCENARIOS)
def test_without_skipping_it_is_pre_copy(name):
    p = SCENARIOS[name].replace(skipping=False, fragmentation_frac=0.0, touched_freed=False)
    plain = precopy.analyze(Plain(**{k: v for k, v in p.to_dict().items() if k in Plain.specs()}))
    theory = analyze(p)
    for output, (value, _) in plain.outputs().items():
        assert getattr(theory, output) == pytest.approx(value, rel=2e-3), output
    assert theory.skipped_pages == theory.report_ns == 0


@pytest.mark.parametrize("transport", ["bitmap", "hints"])
def test_in_a_guest_that_does_not_write_every_page_is_sent_once_or_skipped(transport):
    theory = analyze(Params(**QUIET, transport=transport, touched_bytes=2 * GiB, touched_freed=True))
    sent = theory.normal_pages + theory.duplicate_pages
    assert sent + theory.skipped_pages == pytest.approx(ram_pages(theory.params))


def test_skipping_never_sends_more_and_what_is_free_is_gone():
    for name, p in SCENARIOS.items():
        pair = both(p.replace(**QUIET, write_rate_per_s=0.0))
        assert pair.saved("normal_pages") > -1, name
        if p.transport == "bitmap":
            assert pair.skipping.skipped_pages == pair.skipping.free_pages
        assert pair.skipping.params.skipping and not pair.without.params.skipping


def test_the_report_is_the_walk():
    p = Params(request_ns=7 * ms, walk_block_ns=1 * us, walk_page_ns=2.0)
    theory = analyze(p)
    walk = theory.list_blocks_count * 1 * us + theory.free_pages * 2.0
    assert theory.report_ns == pytest.approx(7 * ms + walk)
    later = analyze(p.replace(request_ns=1007 * ms))
    assert later.total_time_ns - theory.total_time_ns == pytest.approx(1 * s, abs=p.window_ns)


def test_nothing_is_sent_before_the_report_is_there():
    for name in ("8 GiB, just booted", "hints (virtio-balloon)"):
        theory = analyze(SCENARIOS[name])
        waits = theory.first_page_ns - analyze(SCENARIOS[name].replace(skipping=False)).first_page_ns
        assert waits == pytest.approx(theory.report_ns if SCENARIOS[name].transport == "bitmap" else 0.0)
        assert theory.first_page_ns < theory.total_time_ns


def test_what_is_left_to_chance_is_said():
    assert "race" in analyze(SCENARIOS["hints (virtio-balloon)"]).doubts()[-1]
    plain = analyze(SCENARIOS["8 GiB, just booted"])
    assert plain.doubts() == plain.migration.doubts()


@pytest.mark.parametrize("share, top", [(1.0, 1.0), (0.9, 0.7), (0.3, 1.0), (0.5, 0.0)])
@pytest.mark.parametrize("start", [0.0, 40.0, 90.0, 300.0])
def test_the_chase_in_closed_form_is_the_differential_equation(share, top, start):
    speed, begin, end, pages = 2.0, 50.0, 200.0, 500.0
    t, x, dt = start, 0.0, 0.01
    while x < pages:
        hinted = share * top * np.clip((t + dt / 2 - begin) / (end - begin), 0, 1)
        x += speed * dt / max(1 - hinted, 1e-6)
        t += dt
    assert through(start, pages, speed, share, (begin, end, top)) == pytest.approx(t, abs=0.05)


def test_slow_hints_skip_less_and_infinitely_slow_ones_nothing():
    skipped = [
        analyze(Params(transport="hints", hint_block_ns=each)).skipped_pages
        for each in (0.1 * us, 50 * us, 500 * us, 5 * ms, 10 * s)
    ]
    assert all(a >= b for a, b in zip(skipped, skipped[1:], strict=False)) and skipped[-1] < 2 * BLOCK_PAGES
    p = Params(transport="hints", hint_block_ns=0.1 * us, request_ns=0.0, fragmentation_frac=0.0)
    most = analyze(p)
    assert most.free_pages - p.hint_reserve_pages - 6 * BLOCK_PAGES < most.skipped_pages < most.free_pages


def test_no_hint_below_the_reserve():
    theory = analyze(Params(transport="hints", hint_reserve_pages=10**9))
    assert theory.skipped_pages == theory.report_ns == 0


def test_zeroed_hints_come_back_as_zero_pages():
    p = Params(**QUIET, transport="hints", init_on_alloc=True)
    plain, zeroed = analyze(p.replace(init_on_alloc=False)), analyze(p)
    assert zeroed.duplicate_pages > plain.duplicate_pages + plain.skipped_pages
    assert zeroed.dirty_sync_count > plain.dirty_sync_count
    assert zeroed.total_time_ns > analyze(p.replace(skipping=False)).total_time_ns


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_is_fast_enough_for_a_slider(name):
    p, best = SCENARIOS[name], np.inf
    for _ in range(20):
        start = time.perf_counter()
        analyze(p)
        best = min(best, time.perf_counter() - start)
    assert best < 5e-3, f"{best * 1e3:.2f} ms"
