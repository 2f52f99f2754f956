"""Tenants on the exact cache: masks, tags, clocks and traffic, by hand and by conservation."""

import numpy as np
import pytest

from nfvlab.kernels import contend
from nfvlab.llc.engine import Engine
from nfvlab.llc.params import LINE_BYTES, Cache, Tenant
from nfvlab.units import GB, KiB, us

SMALL = Cache(cache_sets=64, cache_ways=8, io_mask=0xC0, hit_ns=20.0, memory_ns=80.0)  # 512 lines, 32 KiB
FULL = 0xFF


def tenant(workload, lines, **changed):
    fixed = {"workload": workload, "data_bytes": lines * LINE_BYTES, "data_mask": FULL, "code_mask": FULL}
    return Tenant(**{**fixed, "write_frac": 0.0, "work_ns": 10.0, **changed})


def engine(*tenants, p=SMALL, seed=1, **options):
    return Engine(p, tenants, np.random.default_rng(seed), **options)


MIXED = (
    tenant("zipf", 600, write_frac=0.4, code_frac=0.2, code_bytes=4 * KiB, data_mask=0x0F),
    tenant("scan", 900, write_frac=0.3, data_mask=0x3C, parallelism_ratio=4.0),
    tenant(
        "packets", 300, ring_count=64, buffer_bytes=2048, frame_bytes=256, backlog_count=8, data_mask=0xF0
    ),
    tenant("wakeups", 64, code_bytes=2 * KiB, interval_ns=30 * us, data_mask=0x03),
)


def test_every_line_is_accounted_for():
    made = engine(*MIXED)
    before = made.lines()
    window = made.run(2e6, snapshot_ns=1e4)
    assert (made.lines() <= SMALL.cache_ways * SMALL.cache_sets).all()
    assert made.lines().sum() <= SMALL.cache_ways * SMALL.cache_sets
    assert (before == 0).all() and window.occupancy.shape == (200, 5)
    assert (window.fills.sum(axis=1)[:4] == window.misses.sum(axis=1)).all()
    assert (window.reads[:4] == window.fills[:4]).all()
    assert window.reads[4].sum() == 0 < window.fills[4].sum()  # devices write whole lines: nothing is read
    assert (window.write_backs <= window.fills).all() and window.write_backs[4].sum() > 0
    assert np.array_equal(window.occupancy[-1], made.lines())
    assert 0 < window.channel_ns <= 2e6 + 1e4
    assert (window.busy_ns[:3] <= 2e6 + 1e3).all()


def test_nobody_holds_a_line_outside_its_mask():
    made = engine(*MIXED)
    for end in (3e5, 1e6, 2e6):
        window = made.run(end, snapshot_ns=1e4)
        for k, t in enumerate((*MIXED, Tenant(data_mask=SMALL.io_mask))):
            ways = [w for w in range(8) if t.data_mask >> w & 1]
            assert (window.occupancy[:, k] <= len(ways) * SMALL.cache_sets).all()
            by_way = made.held_by_way(k)
            assert by_way.sum() == made.lines()[k] == by_way[ways].sum()


def test_code_and_data_have_masks_of_their_own_with_cdp_only():
    loops = tenant("zipf", 100, code_frac=0.5, code_bytes=100 * LINE_BYTES, data_mask=0x0F, code_mask=0x30)
    for cdp in (True, False):
        made = engine(loops, p=SMALL.replace(cdp=cdp))
        made.run(1e6)
        assert made.held_by_way(0)[:4].sum() > 0 and made.held_by_way(0)[6:].sum() == 0
        assert bool(made.held_by_way(0)[4:6].sum()) is cdp


def test_sticky_contention_bits_widen_a_mask_that_touches_them():
    for sticky, most in ((True, [0, 6, 7]), (False, [0, 6])):
        made = engine(tenant("zipf", 4000, data_mask=0x41), p=SMALL.replace(io_sticky=sticky))
        made.run(1e6)
        assert np.flatnonzero(made.held_by_way(0)).tolist() == most
    made = engine(tenant("zipf", 4000, data_mask=0x21), p=SMALL.replace(io_sticky=True))
    made.run(1e6)
    assert np.flatnonzero(made.held_by_way(0)).tolist() == [0, 5]


def test_a_new_mask_evicts_nothing_and_hits_go_on_in_the_old_ways():
    fits = tenant("chase", 100, data_mask=0x0F)
    made = engine(fits, p=SMALL.replace(hashed=True, cache_sets=256))
    made.run(1e5)
    held = made.held_by_way(0)
    made.set_masks([fits.replace(data_mask=0xF0)])
    window = made.run(3e5)
    assert window.misses.sum() == 0 < window.hits.sum()
    assert np.array_equal(made.held_by_way(0), held) and held[4:].sum() == 0 < held.sum()


def test_lines_of_a_stopped_tenant_stay_until_others_need_their_ways():
    first, second = tenant("chase", 200, data_mask=0x0F), tenant("scan", 3000, data_mask=0xF0)
    made = engine(first, second)
    made.run(2e5)
    held = made.lines()[0]
    made.stop(0)
    window = made.run(6e5)
    assert window.hits[0].sum() + window.misses[0].sum() == 0 < window.misses[1].sum()
    assert made.lines()[0] == held > 0  # the other may fill only its own half
    made.set_masks([first, second.replace(data_mask=FULL)])
    made.run(1e6)
    assert made.lines()[0] == 0


def test_a_new_rmid_tags_what_is_filled_from_now_on():
    made = engine(tenant("chase", 100), tenant("scan", 3000), spare_rmids=1, remote_fracs=[0.5, 0.0])
    made.run(1e5)
    held = made.lines()
    made.set_rmid(0, 3)
    window = made.run(1.01e5, snapshot_ns=1e3)
    assert window.fills.shape == (4, 2) and window.occupancy.shape == (1, 4)
    assert made.lines()[0] <= held[0] and window.fills[0].sum() == 0
    window = made.run(4e5)
    assert made.lines()[0] < held[0] and window.fills[3].sum() == window.misses[0].sum() > 0
    with pytest.raises(ValueError, match="rmid = 4"):
        made.set_rmid(0, 4)


def test_a_run_in_pieces_is_one_run_and_the_seed_decides():
    whole = engine(*MIXED).run(1e6, snapshot_ns=5e4)
    pieces = engine(*MIXED)
    parts = [pieces.run(end, snapshot_ns=5e4) for end in (1e5, 1.3e5, 8.7e5, 1e6)]
    for name in ("hits", "misses", "fills", "reads", "write_backs"):
        assert np.array_equal(sum(getattr(part, name) for part in parts), getattr(whole, name))
    for name in ("unit_ns", "occupancy", "snapshot_ns"):
        assert np.array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(whole, name))
    again, other = engine(*MIXED).run(1e6), engine(*MIXED, seed=2).run(1e6)
    assert np.array_equal(again.unit_ns, whole.unit_ns) and np.array_equal(again.hits, whole.hits)
    assert not np.array_equal(other.hits, whole.hits)


def test_the_time_of_hits_and_misses():
    # All hits: 10 work and 20 / 2; all misses: 10 work and (20 + 80) / 2, on a channel that is never busy.
    cache = SMALL.replace(memory_bytes_per_s=1e13)
    hits = engine(tenant("chase", 8, parallelism_ratio=2.0), p=cache)
    hits.run(1e4)
    window = hits.run(1.1e5)
    assert window.misses.sum() == 0 and abs(window.hits.sum() - 1e5 / 20) <= 1
    misses = engine(tenant("scan", 5000, parallelism_ratio=2.0), p=cache)
    window = misses.run(6e5)
    assert window.hits.sum() == 0 and abs(window.misses.sum() - 6e5 / 60) <= 1
    assert window.busy_ns[0] == pytest.approx(6e5, rel=1e-3) and window.wait_ns[0] < 1e-6


def test_a_narrow_channel_sets_the_pace():
    # 64 B at 0.32 GB/s are 200 ns a line; each line read is written back later: 400 ns a miss.
    wide = engine(tenant("scan", 5000, write_frac=1.0), p=SMALL.replace(memory_bytes_per_s=0.32 * GB))
    wide.run(1e6)
    window = wide.run(3e6)
    assert window.misses.sum() == pytest.approx(2e6 / 400, rel=2e-3)
    assert window.channel_ns == pytest.approx(2e6, rel=2e-3)
    assert window.wait_ns.sum() / window.misses.sum() == pytest.approx(400 - 10 - 100, rel=1e-2)


def packets(**changed):
    options = {
        "ring_count": 16,
        "buffer_bytes": 64,
        "backlog_count": 4,
        "lookups_count": 2,
        "header_lines": 1,
    }
    return tenant("packets", 8, **{**options, "offered_packets_per_s": 4e6, **changed})


def test_packets_come_at_their_rate_and_take_the_time_from_their_start():
    # Everything fits: a packet is 4 references of 30 ns; they come every 250 ns.
    made = engine(packets())
    made.run(1e5)
    window = made.run(1.1e6)
    assert abs(window.unit_ns.size - 4000) <= 1
    assert np.allclose(window.unit_ns, 120.0)
    assert window.hits.sum() == pytest.approx(4 * 4000, abs=8)


def test_a_core_that_cannot_follow_forwards_what_it_can():
    made = engine(packets(offered_packets_per_s=1e8))
    made.run(1e5)
    window = made.run(1.3e6)
    assert abs(window.unit_ns.size - 10_000) <= 1  # 1.2e6 / 120
    assert np.allclose(window.unit_ns, 120.0)  # from start to end: waiting in the ring is not in it


def test_wake_ups_count_from_when_they_are_due():
    # 20 data and 10 code lines of 30 ns are 900 ns; every 2000, and, too often, every 600: then the wait grows.
    work = tenant("wakeups", 20, code_bytes=10 * LINE_BYTES)
    easy = engine(work.replace(interval_ns=2 * us))
    easy.run(1e4)
    window = easy.run(4.1e5)
    assert abs(window.unit_ns.size - 200) <= 1 and np.allclose(window.unit_ns, 900.0)
    assert window.busy_ns[0] == pytest.approx(200 * 900, rel=0.01)
    late = engine(work.replace(interval_ns=1 * us, work_ns=40.0))  # 1800 each
    late.run(1e4)
    window = late.run(2e5)
    assert np.allclose(np.diff(window.unit_ns), 800.0)


def test_devices_fill_their_own_ways_and_cost_the_core_nothing():
    # A ring of 1024 frames of 4 lines comes round long after its lines are gone; a descriptor line serves 4 packets.
    made = engine(packets(ring_count=1024, buffer_bytes=256, frame_bytes=256, backlog_count=10))
    made.run(2e6)
    window = made.run(3e6)
    assert made.held_by_way(1)[:6].sum() == 0 < made.held_by_way(1)[6:].sum()
    packets_done = window.unit_ns.size
    assert 4.0 * packets_done < window.fills[1].sum() <= 4.25 * packets_done + 6
    assert window.write_backs[1].sum() == pytest.approx(window.fills[1].sum(), rel=0.01)
    assert window.wait_ns[0] < window.misses[0].sum()  # the channel has little to do
    assert window.busy_ns[0] == pytest.approx(
        30 * window.hits[0].sum() + 110 * window.misses[0].sum(), rel=0.01
    )
    assert window.unit_ns.mean() == pytest.approx(window.busy_ns[0] / packets_done, rel=0.01)


def test_pages_of_the_other_node():
    own = engine(tenant("scan", 64 * 2000), remote_fracs=[0.3])
    window = own.run(64 * 2000 * 110.0)
    share = window.fills[0, 1] / window.fills[0].sum()
    assert abs(share - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 2000)  # 2000 pages
    again = own.run(own.now_ns + 64 * 2000 * 110.0)
    assert again.fills[0, 1] == pytest.approx(window.fills[0, 1], abs=70)  # the same pages
    everything = engine(tenant("scan", 6400), remote_fracs=[1.0]).run(1e6)
    assert everything.fills[0, 0] == 0 < everything.fills[0, 1]
    plain = engine(tenant("scan", 6400)).run(1e6)
    assert np.array_equal(plain.hits, everything.hits)


def test_tenants_and_masks_must_match():
    made = engine(*MIXED)
    with pytest.raises(ValueError, match="3 tenants: the engine runs 4"):
        made.set_masks(MIXED[:3])


def no_device_class(self):
    agents = real_agents(self)
    agents.class_id[:, 1] = agents.class_id[:, 0]
    return agents


def everybody_serial(self):
    return real_agents(self)._replace(parallelism=np.ones(self.count))


real_agents = Engine._agents


@pytest.mark.parametrize(
    ("mutant", "case"),
    [
        (no_device_class, test_devices_fill_their_own_ways_and_cost_the_core_nothing),
        (everybody_serial, test_the_time_of_hits_and_misses),
    ],
)
def test_wrong_engines_are_refused(monkeypatch, mutant, case):
    monkeypatch.setattr(Engine, "_agents", mutant)
    with pytest.raises(AssertionError):
        case()


def test_the_compiled_loop_is_the_plain_one_on_units_and_banks():
    def made(run):
        one = engine(*MIXED, seed=4)
        return one, run(one)

    def plain(one):
        compiled, contend._run = contend._run, contend._run.py_func
        try:
            return one.run(3e4, snapshot_ns=1e4)
        finally:
            contend._run = compiled

    (first, fast), (second, slow) = made(lambda one: one.run(3e4, snapshot_ns=1e4)), made(plain)
    for name in ("hits", "misses", "fills", "write_backs", "unit_ns", "wait_ns", "occupancy"):
        assert np.array_equal(getattr(fast, name), getattr(slow, name))
    assert np.array_equal(first.cache.rows, second.cache.rows)
