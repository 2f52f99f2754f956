"""What the notebook computes: tables against the models they come from, and the race against its own rules."""

import numpy as np
import pytest

from nfvlab import freepages
from nfvlab.freepages import published, studies, watch
from nfvlab.freepages.free_memory import BLOCK_PAGES
from nfvlab.freepages.params import Params
from nfvlab.params import ParamError
from nfvlab.paths import data_file
from nfvlab.readers.hosts import read_host
from nfvlab.readers.qemu import read_qemu
from nfvlab.units import Gbps, GiB, MiB, ms, s, us

SEED = 2016
SMALL = Params(ram_bytes=1 * GiB, hint_reserve_pages=5000)
BUSY = SMALL.replace(
    touched_bytes=128 * MiB,
    touched_freed=True,
    wss_bytes=128 * MiB,
    visit_ns=0.2 * us,
    link_bytes_per_s=2.5 * Gbps,
    downtime_limit_ns=100 * ms,
    give_up_ns=5 * s,
)


def test_with_and_without_is_what_analyze_says():
    frame = studies.with_and_without({"one": SMALL, "forwarding": SMALL.replace(line_rate_bits_per_s=1e9)})
    off, on = (freepages.analyze(SMALL.replace(skipping=skipping)) for skipping in (False, True))
    row = frame.loc["one", "Total time"]
    assert row["without"] == studies.units.human("total_time_ns", off.total_time_ns)
    assert row["with"] == studies.units.human("total_time_ns", on.total_time_ns)
    assert row["saved"] == studies.units.human("x_frac", 1 - on.total_time_ns / off.total_time_ns)
    assert ("one", "Packets lost") not in frame.index and ("forwarding", "Packets lost") in frame.index


@pytest.mark.parametrize("machine, ram_bytes", [("q35", 8 * GiB), ("i440fx", 8 * GiB)])
def test_a_bitmap_with_a_hole_corrupts_unless_it_is_folded(machine, ram_bytes):
    (row,) = studies.folding([(machine, ram_bytes)], seed=SEED).rows
    assert row["in use, but dropped: folded"] == "0 pages"
    assert row["as it is"] != "0 pages"


def test_a_guest_below_the_hole_needs_no_folding():
    (row,) = studies.folding([("q35", 2 * GiB)], seed=SEED).rows
    assert row["PCI hole"] == "0 B" and row["as it is"] == "0 pages"


def test_savings_are_shares_of_the_time_without():
    frame = studies.savings(SMALL, {"zero_scan_ns": [100.0, 1000.0]}, ways=("bitmap", "hints"))
    assert list(frame["way"]) == ["bitmap"] * 2 + ["hints"] * 2
    for row in frame.itertuples():
        p = SMALL.replace(zero_scan_ns=row.value, **studies.WAYS[row.way])
        off, on = (freepages.analyze(p.replace(skipping=x)).total_time_ns for x in (False, True))
        assert row.saved_frac == pytest.approx(1 - on / off)


def test_one_dirty_rate_promises_an_end_where_there_is_none():
    frame = studies.edge(BUSY, {"uniform": [1e4, 9e4]}, seed=SEED, n=2)
    slow, fast = frame.to_dict("records")
    assert slow["theory_ns"] == pytest.approx(slow["median_ns"], rel=0.05)
    assert slow["geometric_ns"] < slow["median_ns"]
    assert np.isnan(fast["theory_ns"]) and np.isnan(fast["median_ns"]) and fast["converged_frac"] == 0
    assert np.isfinite(fast["geometric_ns"])


@pytest.fixture(scope="module")
def race():
    p = SMALL.replace(transport="hints", hint_block_ns=1 * ms)
    return watch.watch(p, rng=np.random.default_rng(SEED))


def test_hints_above_the_sender_are_in_time_and_those_below_too_late(race):
    t, first, _ = race.hints
    reached = np.interp(t, race.sender[0], race.sender[1])
    assert 0.2 < race.in_time.mean() < 1
    assert (first[race.in_time] + BLOCK_PAGES >= reached[race.in_time]).all()
    assert (first[~race.in_time] <= reached[~race.in_time] + BLOCK_PAGES).all()


def test_watching_changes_nothing(race):
    seen = freepages.simulation.thread(race.params, np.random.default_rng(SEED))
    seen.run()
    assert race.hints[2].sum() == seen.skipped_pages
    assert (np.diff(race.sender[0]) >= 0).all() and (np.diff(race.hints[0]) >= 0).all()


@pytest.mark.parametrize("changes", [{"transport": "bitmap"}, {"transport": "hints", "skipping": False}])
def test_only_hints_race(changes):
    with pytest.raises(ParamError, match="only hints race"):
        watch.watch(SMALL.replace(**changes), rng=np.random.default_rng(SEED))


def test_packets_of_both_readings_of_the_line_rate():
    p = SMALL.replace(line_rate_bits_per_s=2013e6, dirty_log_stop_ns=30 * ms, downtime_limit_ns=10 * ms)
    frame = studies.packets(p, seed=SEED, n=1)
    assert list(frame.index.get_level_values(0).unique()) == ["3.93 Mpps offered", "3 Mpps offered"]
    lost = frame["lost (theory)"].str.replace(",", "").astype(float).unstack()
    stopped, later = "free pages skipped, log stopped in the pause", "free pages skipped, log stopped later"
    assert (lost[stopped] - lost[later] > 80_000).all()


def test_a_recording_beside_the_model_and_all_of_them_summed_up():
    constants, _ = read_host(data_file("hosts", "emulated-2core.toml"))
    _, meta = read_qemu(data_file("recordings", "qemu", "a10-used1g-rnd768-bw100-fph.r1.json"))
    p = freepages.from_recording(meta, constants)
    frame = studies.beside(p, meta, freepages.simulate(p, rng=np.random.default_rng(SEED), n=2))
    assert {"Total time", "Transferred", "Pause"} <= set(frame.index)
    assert frame.loc["Total time", "measured"] == "1.24 s"


def test_misses_are_named_with_their_reason():
    fields = {"side": "with", "output": "total_time_ns", "published": 2.0, "tolerance": 0.1}
    good = published.Figure(row="fp-idle-total", simulated=2.1, **fields)
    bad = published.Figure(row="fp-used-total", simulated=1.0, **fields)
    assert [row["row"] for row in studies.misses([good, bad]).rows] == ["fp-used-total, with"]
    assert "write-protects" in studies.misses([bad]).rows[0]["what the model lacks"]
    assert studies.misses([good]).rows[0]["row"] == "none"
