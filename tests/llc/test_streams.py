"""Address streams: orders by hand, laws by counting, pages apart, and nothing lost between two calls."""

import dataclasses

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from nfvlab.kernels import references
from nfvlab.llc import memory, streams
from nfvlab.llc.params import LINE_BYTES, Tenant, lines_of
from nfvlab.llc.streams import CODE, FIRST, IO, LAST, WRITE
from nfvlab.units import GiB, KiB, MiB

TABLE, DESCRIPTORS, BUFFERS, PACKET_CODE = range(4)  # the areas of the packets workload
SMALL = {"data_bytes": 4 * KiB, "code_bytes": 640.0, "work_ns": 7.0}


def stream(seed=1, **fields):
    return streams.of_tenants([Tenant(**fields)], np.random.default_rng(seed))[0]


def items(made, chunk):
    """(area, item) of each reference of a stream whose areas all carry tables."""
    where = {int(x): (a, k) for a, area in enumerate(made.areas) for k, x in enumerate(area.table)}
    assert len(where) == sum(area.lines for area in made.areas)
    return [where[int(x)] for x in chunk.address]


def assert_fits(counts, probabilities):
    """Pearson's chi-square on a fixed seed: a right sampler fails one seed in ten thousand."""
    expected = np.asarray(probabilities) * np.sum(counts)
    assert expected.min() > 5
    assert chisquare(counts, expected).pvalue > 1e-4


def test_a_packet_in_its_order():
    # 8 buffers of 2 lines (100 bytes, rounded up), 3 waiting; a frame of 70 bytes has 2 lines; descriptors 4 to a line
    ring = {"ring_count": 8, "buffer_bytes": 100, "backlog_count": 3, "frame_bytes": 70}
    made = stream(workload="packets", header_lines=1, lookups_count=2, write_frac=1.0, **ring, **SMALL)
    chunk = made.take(7 * 9)
    for packet, start in enumerate(range(0, 63, 7)):
        ahead, slot = (packet + 3) % 8, packet % 8
        found = items(made, streams.Chunk(*(column[start : start + 7] for column in chunk)))
        written = [(DESCRIPTORS, ahead // 4), (BUFFERS, 2 * ahead), (BUFFERS, 2 * ahead + 1)]
        assert found[:5] == [*written, (DESCRIPTORS, slot // 4), (BUFFERS, 2 * slot)]
        assert [area for area, _ in found[5:]] == [TABLE, TABLE]
    assert chunk.kind[:7].tolist() == [IO | WRITE | FIRST, IO | WRITE, IO | WRITE, 0, 0, WRITE, WRITE | LAST]
    assert chunk.gap_ns[:7].tolist() == [1e9 / 5e6, 0, 0, 7, 7, 7, 7]
    for column in (chunk.kind, chunk.gap_ns):
        assert (column.reshape(9, 7) == column[:7]).all()


def test_with_none_waiting_the_device_writes_what_the_core_then_reads():
    made = stream(workload="packets", backlog_count=0, lookups_count=0, **SMALL)
    found = items(made, made.take(4 * 100))
    assert found[::4] == found[2::4] and found[1::4] == found[3::4]


def test_a_packet_without_header_and_look_ups_ends_with_its_descriptor():
    made = stream(workload="packets", header_lines=0, lookups_count=0, frame_bytes=64, **SMALL)
    assert made.take(6).kind.tolist() == [IO | WRITE | FIRST, IO | WRITE, LAST] * 2


def test_code_comes_before_each_reference_of_the_core_and_never_before_the_device():
    made = stream(workload="packets", code_frac=0.4, **SMALL)
    chunk = made.take(200_000)
    code = chunk.kind == CODE
    core = chunk.kind & IO == 0
    assert (chunk.kind & CODE > 0).sum() == code.sum()  # a fetch is nothing else
    assert_fits([code.sum(), core.sum() - code.sum()], [0.4, 0.6])
    fetched = [item for area, item in items(made, chunk) if area == PACKET_CODE]
    assert fetched == [k % 10 for k in range(len(fetched))]
    first, last = (np.flatnonzero(chunk.kind & bit) for bit in (FIRST, LAST))
    assert (chunk.kind[first] & IO > 0).all() and (chunk.kind[last] & (IO | CODE) == 0).all()
    assert (first[1:] == last[: first.size - 1] + 1).all()
    assert chunk.kind[first[3] + 1] & IO  # the frame's line right after the descriptor
    fetches = code[core]
    after = fetches[1:][fetches[:-1]]  # whether a fetch follows a fetch is as likely as ever
    assert_fits([after.sum(), after.size - after.sum()], [0.4, 0.6])


def test_wake_ups_walk_all_data_then_all_code():
    made = stream(workload="wakeups", interval_ns=5e5, write_frac=0.0, **SMALL)
    chunk = made.take(2 * 74)
    assert items(made, chunk) == 2 * ([(0, k) for k in range(64)] + [(1, k) for k in range(10)])
    assert chunk.kind.tolist() == 2 * ([FIRST] + 63 * [0] + 9 * [CODE] + [CODE | LAST])
    assert chunk.gap_ns.tolist() == 2 * ([5e5] + 73 * [7.0])


def test_wake_ups_of_one_line_each():
    made = stream(workload="wakeups", data_bytes=64.0, code_bytes=64.0, write_frac=1.0)
    assert made.take(4).kind.tolist() == [FIRST | WRITE, LAST | CODE] * 2


def test_a_scan_goes_through_the_lines_in_order_and_round_again():
    made = stream(workload="scan", write_frac=0.0, **SMALL)
    chunk = made.take(150)
    assert [item for _, item in items(made, chunk)] == [k % 64 for k in range(150)]
    assert not chunk.kind.any() and (chunk.gap_ns == 7.0).all()
    lines = stream(workload="scan", data_bytes=1 * MiB).take(1 << 14).address // LINE_BYTES
    assert (np.diff(lines.reshape(-1, 64), axis=1) == 1).all()  # within a page


def test_a_chase_is_one_cycle_through_all_lines():
    made = stream(workload="chase", **SMALL)
    lines = made.take(192).address.reshape(3, 64)
    assert (lines == lines[0]).all() and np.unique(lines[0]).size == 64
    followers = np.zeros(
        4, dtype=int
    )  # of 4 lines: 3! = 6 cycles; who follows the line with the lowest address
    for seed in range(600):
        order = np.argsort(np.argsort(stream(seed, workload="chase", data_bytes=256.0).take(4).address))
        followers[order[(np.flatnonzero(order == 0)[0] + 1) % 4]] += 1
    assert followers[0] == 0
    assert_fits(followers[1:], [1 / 3] * 3)


def test_phases_are_uniform_over_a_region_and_take_turns_by_data_references():
    made = stream(workload="phases", phases_count=3, phase_references_count=40_000, code_frac=0.3, **SMALL)
    found = [item for area, item in items(made, made.take(250_000)) if area == 0][:160_000]
    for turn, region in enumerate([(0, 21), (21, 42), (42, 64), (0, 21)]):
        counts = np.bincount(found[turn * 40_000 : (turn + 1) * 40_000], minlength=64)
        assert counts.sum() == counts[slice(*region)].sum() == 40_000
        assert_fits(counts[slice(*region)], np.full(region[1] - region[0], 1 / (region[1] - region[0])))


@pytest.mark.parametrize(
    ("workload", "exponent"), [("zipf", 0.0), ("zipf", 0.8), ("zipf", 1.0), ("packets", 0.8)]
)
def test_popularity_follows_zipf_in_a_random_order_of_the_lines(workload, exponent):
    made = stream(workload=workload, skew_exponent=exponent, **SMALL)
    ranks = np.array([item for area, item in items(made, made.take(100_000)) if area == TABLE])
    weights = np.arange(1, 65) ** -exponent
    assert_fits(np.bincount(ranks, minlength=64), weights / weights.sum())
    tops = [stream(seed, workload=workload, **SMALL).areas[TABLE] for seed in range(640)]
    offsets = [
        int(area.table[0]) % 4096 // LINE_BYTES for area in tops
    ]  # one page: the top line's place in it
    assert_fits(np.bincount(offsets, minlength=64), np.full(64, 1 / 64))


def test_writes_are_drawn_for_data_and_not_for_code():
    chunk = stream(workload="zipf", write_frac=0.3, code_frac=0.5).take(100_000)
    data = chunk.kind & CODE == 0
    assert_fits([(chunk.kind & WRITE > 0).sum(), (data & (chunk.kind & WRITE == 0)).sum()], [0.3, 0.7])
    assert not (chunk.kind[~data] & WRITE).any()


@given(strategies.typical(Tenant), st.lists(st.integers(0, 400), min_size=2, max_size=5))
def test_what_is_taken_in_pieces_is_what_is_taken_at_once(tenant, sizes):
    tenant = dataclasses.replace(tenant, data_bytes=min(tenant.data_bytes, 1 * MiB))
    whole, pieces = (streams.of_tenants([tenant], np.random.default_rng(5))[0] for _ in range(2))
    parts = [pieces.take(size) for size in sizes]
    for column, split in zip(whole.take(sum(sizes)), zip(*parts, strict=True), strict=True):
        assert np.array_equal(column, np.concatenate(split))


@given(st.sampled_from(("zipf", "scan", "chase", "phases", "packets", "wakeups")), st.booleans())
def test_compiled_and_plain_agree(workload, computed):
    with pytest.MonkeyPatch.context() as patch:
        if computed:
            patch.setattr(memory, "TABLE_LINES", 0)
        made = [stream(workload=workload, code_frac=0.3, phase_references_count=50, **SMALL) for _ in "ab"]
    compiled = made[0].take(300)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(references, "refer", references.refer.py_func)
        for name in ("locate", "draw", "_region_item", "permute"):
            patch.setattr(references, name, getattr(references, name).py_func)
        plain = made[1].take(300)
    for one, other in zip(compiled, plain, strict=True):
        assert np.array_equal(one, other)


def test_addresses_are_whole_lines_of_46_bits_and_tenants_share_no_page():
    tenants = [Tenant(workload=name, code_frac=0.2) for name in ("zipf", "packets", "wakeups", "packets")]
    pages = [
        set((made.take(50_000).address >> np.uint64(12)).tolist())
        for made in streams.of_tenants(tenants, np.random.default_rng(1))
    ]
    assert sum(map(len, pages)) == len(set.union(*pages)) > 1000
    for made in streams.of_tenants(tenants, np.random.default_rng(1)):
        address = made.take(5000).address
        assert (address % LINE_BYTES == 0).all() and (address < 1 << 46).all()


def test_page_colours_are_uniform():
    made = stream(workload="scan", data_bytes=64 * MiB, write_frac=0.0)
    pages = made.take(1 << 20).address[::64] >> np.uint64(12)
    assert np.unique(pages).size == 1 << 14
    for shift in (0, 8, 26):
        colour = (pages >> np.uint64(shift)) & np.uint64(255)
        assert_fits(np.bincount(colour.astype(np.int64), minlength=256), np.full(256, 1 / 256))


@pytest.mark.parametrize("workload", ["scan", "chase"])
def test_areas_without_a_table_are_walked_as_ones_with_it(workload, monkeypatch):
    size = 3 * 4096.0 + 128
    monkeypatch.setattr(memory, "TABLE_LINES", 10)
    computed = stream(workload=workload, data_bytes=size).take(2 * 194).address.reshape(2, 194)
    assert (computed[0] == computed[1]).all() and np.unique(computed[0]).size == 194
    monkeypatch.undo()
    table = stream(workload=workload, data_bytes=size).take(194).address
    if workload == "scan":
        assert (computed[0] == table).all()
    else:
        assert sorted(computed[0]) == sorted(table) and (computed[0] != table).any()


def test_64_gib_take_no_memory_and_are_spread():
    made = stream(workload="zipf", skew_exponent=0.0, data_bytes=64 * GiB)
    assert sum(area.table.nbytes for area in made.areas[:1]) == 0
    address = made.take(200_000).address
    assert np.unique(address).size > 199_000 * 0.99
    assert_fits(np.bincount((address >> np.uint64(40)).astype(np.int64), minlength=64), np.full(64, 1 / 64))
    assert_fits(np.bincount((address >> np.uint64(6)).astype(np.int64) % 64), np.full(64, 1 / 64))


@given(strategies.edges(Tenant), st.integers(0, 3))
def test_the_ends_of_the_domains_are_drawn_too(tenant, seed):
    (made,) = streams.of_tenants([tenant], np.random.default_rng(seed))
    chunk = made.take(3000)
    assert (chunk.address % LINE_BYTES == 0).all() and (chunk.address < 1 << 46).all()
    assert (chunk.kind < 32).all() and (chunk.gap_ns >= 0).all()
    first, last = ((chunk.kind & bit > 0).nonzero()[0] for bit in (FIRST, LAST))
    assert made.units == (tenant.workload in ("packets", "wakeups"))
    if made.units:
        assert first[0] == 0 and first.size - last.size in (0, 1)
        assert (first[1:] == last[: first.size - 1] + 1).all()
    else:
        assert not first.size and not last.size


def test_memory_runs_out():
    with pytest.raises(ValueError, match="what is left"):
        memory.Memory(np.random.default_rng(1)).area(memory.FRAMES * 64 + 1)


def test_a_tenant_refers_to_the_same_places_whoever_is_beside_it():
    beside = [
        streams.of_tenants([Tenant(), other], np.random.default_rng(2))[0].take(1000)
        for other in (Tenant(workload="scan"), Tenant(workload="packets"))
    ]
    assert np.array_equal(beside[0].address, beside[1].address)


MUTANTS = {  # a row of the packets' script, a column, a wrong value
    "the device writes this packet's descriptor, not the one ahead": (0, references.C, 0),
    "the frame lands in the core's own slot": (1, references.C, 0),
    "one line of the frame is forgotten": (1, references.COUNT, 1),
    "descriptors of 64 bytes": (0, references.D, 1),
    "buffers without a gap": (3, references.B, 1),
    "the core's read counts as the device's": (2, references.BITS, IO),
    "headers are written": (3, references.MAY_WRITE, 1),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_wrong_packets_are_rejected(name, monkeypatch):
    row, column, value = MUTANTS[name]
    made = streams.packets

    def wrong(*args, **kwargs):
        found = made(*args, **kwargs)
        assert found._script[row, column] != value
        found._script[row, column] = value
        return found

    monkeypatch.setattr(streams, "packets", wrong)
    with pytest.raises((AssertionError, KeyError, ValueError)):
        test_a_packet_in_its_order()


def test_the_data_has_the_lines_that_the_parameters_say():
    for size in (64.0, 65.0, 4096.0):
        made = stream(workload="scan", data_bytes=size)
        assert made.areas[0].lines == lines_of(size) == np.unique(made.take(500).address).size
