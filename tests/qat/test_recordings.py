"""Recorded compressed migrations (QEMU 7.2, two cores for both ends) against the simulation of their scenarios."""

from dataclasses import replace
from statistics import mean, median

import numpy as np
import pytest

from nfvlab.paths import data_file
from nfvlab.qat.recordings import from_recording, measured, method_of, pages_of, way_of
from nfvlab.qat.simulation import migrate, outputs_of
from nfvlab.readers.hosts import read_host
from nfvlab.readers.qemu import read_qemu

REPLICATIONS = 4
STALLED = "c-txt-zstd-link100"  # a third of its time nothing is on the wire, for 200 ms and more at a time


@pytest.fixture(scope="module")
def recorded():
    paths = sorted(data_file("recordings", "qemu").glob("c-*.json"))
    return {meta.name: meta for meta in (read_qemu(path)[1] for path in paths)}


@pytest.fixture(scope="module")
def constants():
    return read_host(data_file("hosts", "emulated-2core.toml"))[0]


@pytest.fixture(scope="module")
def compared(recorded, constants):
    """By recording: (simulated outputs, meta)."""
    compression = measured(recorded.values(), constants)
    found = {}
    for name, meta in recorded.items():
        p = from_recording(meta, constants, compression)
        rows = [
            outputs_of(migrate(p, way_of(meta), np.random.default_rng([7, k]))) for k in range(REPLICATIONS)
        ]
        found[name] = ({key: mean(row[key] for row in rows) for key in rows[0]}, meta)
    return found


def test_methods_and_knobs_are_read(recorded, constants):
    assert {
        name: method_of(meta) for name, meta in recorded.items() if "link100" in name and "txt" in name
    } == {
        "c-txt-legacy-link100": "threads zlib",
        "c-txt-mfd-link100": "none",
        "c-txt-none-link100": "none",
        "c-txt-zlib-link100": "multifd zlib",
        "c-txt-zstd-link100": "multifd zstd",
    }
    p = from_recording(recorded["c-rnd-legacy-link100"], constants)
    assert (p.compress_threads_count, p.decompress_threads_count, p.zlib_level) == (2, 2, "1")
    assert p.content == p.written_content == "random" and p.workers_check_zero
    p = from_recording(recorded["c-txt-zlib-link100"], constants)
    assert p.channels_count == 2 and not p.workers_check_zero and not p.multifd_counts_wire
    assert from_recording(recorded["c-inc-xbzrle-link100"], constants).xbzrle_cache_bytes == 2**28


@pytest.mark.parametrize("level, known", [(1, "1"), (3, "1"), (4, "6"), (6, "6"), (8, "9"), (9, "9")])
def test_a_level_that_nobody_measured_counts_as_the_nearest(recorded, constants, level, known):
    meta = recorded["c-txt-legacy-link100"]
    parameters = meta.scenario["parameters"] | {"compress-level": level}
    other = replace(meta, scenario=meta.scenario | {"parameters": parameters})
    assert from_recording(other, constants).zlib_level == known


def test_what_is_measured_makes_sense(recorded, constants):
    found = measured(recorded.values(), constants)
    assert 0.25 < found["all"]["system_ratio"] < 0.5 and 0.4 < found["all"]["own_ratio"] < 0.55
    assert 1 < found["all"]["shared_cores"] < 2
    assert found["multifd zstd"]["stream_ratio"] < found["multifd zlib"]["stream_ratio"] < 1
    for method in ("threads zlib", "multifd zlib"):
        assert 3e7 < found[method]["zlib_random_bytes_per_s"] < found[method]["zlib_bytes_per_s"] < 1e8


def test_nothing_is_measured_where_there_is_nothing(constants):
    assert measured([], constants) == {"all": {}, "threads zlib": {}, "multifd zlib": {}, "multifd zstd": {}}


def test_bytes_on_the_wire_agree(compared):
    errors = {name: found["wire_bytes"] / meta.wire_bytes - 1 for name, (found, meta) in compared.items()}
    assert median(map(abs, errors.values())) < 0.01 and max(map(abs, errors.values())) < 0.04, errors


def test_what_qemu_counts_agrees(compared):
    errors = {
        name: found["transferred_bytes"] / meta.final["transferred_bytes"] - 1
        for name, (found, meta) in compared.items()
    }
    assert median(map(abs, errors.values())) < 0.01 and max(map(abs, errors.values())) < 0.04, errors


def test_times_agree(compared):
    errors = {
        name: found["total_time_ns"] / meta.final["total_time_ns"] - 1
        for name, (found, meta) in compared.items()
    }
    assert median(map(abs, errors.values())) < 0.12, errors
    del errors[STALLED]
    assert max(map(abs, errors.values())) < 0.30, errors


def test_all_converge_as_recorded(compared):
    for name, (found, meta) in compared.items():
        assert found["converged_frac"] == (meta.outcome == "completed"), name


def test_the_stalled_recording_is_what_it_is_said_to_be(compared):
    meta = compared[STALLED][1]
    times, sent = meta.wire["t_ns"].to_numpy(), meta.wire["wire_bytes"].to_numpy()
    still = np.diff(times)[np.diff(sent) < 20_000].sum()
    assert still / (times[-1] - times[0]) > 0.25


def test_pages_sent_agree(compared, recorded, constants):
    compression = measured(recorded.values(), constants)
    for name, (_, meta) in compared.items():
        p = from_recording(meta, constants, compression)
        totals = migrate(p, way_of(meta), np.random.default_rng(3)).totals
        assert totals.normal_pages == pytest.approx(pages_of(meta), rel=0.03), name
