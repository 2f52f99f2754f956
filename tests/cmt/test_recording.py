"""The simulated recording: made again to the byte, honest about itself, and true to the kernel's rules."""

import json

import numpy as np
import pytest

from nfvlab.cmt import recording
from nfvlab.cmt.params import Params, from_resctrl
from nfvlab.llc.engine import Engine
from nfvlab.llc.params import LINE_BYTES, cache_bytes
from nfvlab.paths import data_file
from nfvlab.readers.resctrl import read_resctrl
from nfvlab.units import KiB, ms

PATH = data_file("recordings", "resctrl", "simulated_600ms.jsonl")
FIRST = 5  # samples that are made again; the rest follows from the same state
SMALL = recording.SCENARIO.replace(
    cache_sets=256,
    upscale_bytes=1 * KiB,
    sample_ns=0.4 * ms,
    warmup_ns=2 * ms,
    measured_ns=24 * ms,
    tenants=tuple(
        t.replace(data_bytes=t.data_bytes / 32, code_bytes=t.code_bytes / 32, interval_ns=0.2 * ms)
        for t in recording.SCENARIO.tenants
    ),
)


@pytest.fixture(scope="module")
def stored():
    return PATH.read_text(encoding="utf-8").splitlines(keepends=True)


def test_it_is_made_again_to_the_byte(stored):
    again = list(recording.lines(samples=FIRST))
    assert again[: FIRST + 1] == stored[: FIRST + 1]
    assert json.loads(again[-1])["end"]["samples"] == FIRST


def test_it_says_of_itself_that_it_is_simulated(stored):
    header = json.loads(stored[0])
    assert "simulation and no real host" in header["source"] and str(recording.SEED) in header["source"]
    assert header["interval_ms"] * ms == recording.SCENARIO.sample_ns


def test_the_reader_takes_it_with_all_its_allocations():
    frame, meta = read_resctrl(PATH)
    assert meta.outcome == "complete" and meta.notes == () and frame["sample"].nunique() == recording.SAMPLES
    assert [t for t, _ in meta.changes] == [first * 10 * ms for first, _ in recording.ALLOCATIONS[1:]]
    masks = [
        {name: group.schemata["L3"][0] for (name, _), group in groups.items()} for _, groups in meta.changes
    ]
    assert masks == [
        dict(zip(recording.GROUPS, masks, strict=True)) for _, masks in recording.ALLOCATIONS[1:]
    ]


def test_its_readings_are_whole_units_and_fit_the_cache():
    frame, meta = read_resctrl(PATH)
    p = recording.SCENARIO
    for word in ("llc_occupancy_bytes", "mbm_total_bytes", "mbm_local_bytes"):
        assert (frame[word] % p.upscale_bytes == 0).all()
    assert (frame.groupby("sample")["llc_occupancy_bytes"].sum() <= cache_bytes(p)).all()
    assert (frame["mbm_local_bytes"] <= frame["mbm_total_bytes"]).all()
    remote = frame[frame["control_group"] != "neighbour"]
    assert (remote["mbm_local_bytes"] == remote["mbm_total_bytes"]).all()


def test_groups_stay_in_their_ways_once_they_have_them():
    """No group holds more than its ways after a while, but for old lines that nobody evicts."""
    frame, meta = read_resctrl(PATH)
    last = frame[frame["sample"] == recording.SAMPLES - 1].set_index("control_group")["llc_occupancy_bytes"]
    way = cache_bytes(recording.SCENARIO) / recording.SCENARIO.cache_ways
    own = dict(zip(recording.GROUPS, recording.ALLOCATIONS[-1][1], strict=True))
    assert last["vm_packets"] <= own["vm_packets"].bit_count() * way
    assert last["neighbour"] > own["neighbour"].bit_count() * way  # a change of masks evicts nothing


def test_overrides_of_the_host_are_those_of_the_scenario():
    frame, meta = read_resctrl(PATH)
    found = from_resctrl(frame, meta)
    p = recording.SCENARIO
    assert found == {name: getattr(p, name) for name in found}
    assert set(found) == {
        "upscale_bytes",
        "rmid_count",
        "threshold_bytes",
        "cache_ways",
        "cache_sets",
        "io_mask",
    }


def test_a_tree_that_says_less_overrides_less():
    found = from_resctrl(*read_resctrl(data_file("recordings", "resctrl", "l2.tar.gz")))
    assert set(found) <= {"upscale_bytes"}
    assert Params(**from_resctrl(*read_resctrl(data_file("recordings", "resctrl", "cat_mb.tar.gz"))))


def test_another_seed_is_another_recording_and_the_same_seed_the_same():
    made = [list(recording.lines(SMALL, seed=seed, samples=6)) for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]


def test_the_default_group_has_the_devices_lines_and_the_others_their_own():
    engine = Engine(SMALL, SMALL.tenants, np.random.default_rng(1))
    engine.run(SMALL.warmup_ns)
    held = engine.lines() * LINE_BYTES
    rows = {row[0]: row[4][0] for row in recording._Counters(SMALL).rows(engine)}
    expected = {"vm_packets": held[0], "neighbour": held[1], "realtime": held[2], "/": held[3] + held[4]}
    assert rows == {name: size // KiB * KiB for name, size in expected.items()} and held[4] > 0


def test_counts_never_go_down_and_are_the_lines_read_and_written_back():
    samples = [json.loads(line)["rows"] for line in list(recording.lines(SMALL, samples=8))[1:-1]]
    counts = np.array([[row[5] for row in sample] for sample in samples])
    assert (np.diff(counts, axis=0) >= 0).all() and (counts[0] == 0).all()
    engine = Engine(
        SMALL, SMALL.tenants, np.random.default_rng(recording.SEED), remote_fracs=[0.0, 0.3, 0.0, 0.0]
    )
    engine.run(SMALL.warmup_ns)
    window = engine.run(SMALL.warmup_ns + 7 * SMALL.sample_ns)
    moved = (window.reads + window.write_backs).sum(axis=1) * LINE_BYTES
    assert [row[0] for row in samples[-1]] == ["/", "neighbour", "realtime", "vm_packets"]
    assert (np.abs(counts[-1] - [moved[3] + moved[4], *moved[[1, 2, 0]]]) < KiB).all()
