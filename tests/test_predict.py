"""Predictions of recordings: the words and errors that the issue of a recording wants, and the command line."""

import json
from dataclasses import replace

import pytest

from nfvlab.cli import main
from nfvlab.paths import data_dir
from nfvlab.predict import Prediction, predict_all, summary
from nfvlab.qat.recordings import measured
from nfvlab.readers.hosts import read_host
from nfvlab.readers.qemu import read_qemu

RECORDINGS = data_dir() / "recordings" / "qemu"
HOST = data_dir() / "hosts" / "emulated-2core.toml"
SMALL = (
    "a01-idle512-bw100.r1",
    "a04-idle2g-bw200-fph.r1",
    "b-wss256-r1000-bw100.r1",
    "c-rnd-zstd-link100.r1",
)
COMPRESSED = (
    "c-rnd-legacy-link100.r1",
    "c-txt-legacy-link100.r1",
    "c-txt-zlib-link100.r1",
    "c-inc-xbzrle-link100.r1",
)


def small(names=SMALL):
    return [(RECORDINGS / f"{name}.json", read_qemu(RECORDINGS / f"{name}.json")[1]) for name in names]


@pytest.fixture(scope="module")
def found():
    return predict_all(small(), read_host(HOST)[0], seed=1, n=3)


def test_predictions_stand_under_qemus_names(found):
    for p in found[:3]:
        assert not p.left_out
        common = {"total-time", "downtime", "transferred", "normal", "duplicate", "dirty-sync-count", "mbps"}
        assert common | {"converged", "pause_ms"} <= set(p.predicted)
        assert common | {"converged", "pause_ms"} <= set(p.measured)
        assert abs(p.error("transferred")) < 0.05
        assert abs(p.error("total-time")) < 0.5  # a recording's own repeats differ by up to that


def test_what_the_model_cannot_express_is_left_out_with_a_reason(found):
    assert "multifd-compression zstd" in found[3].left_out
    assert found[3].predicted == {}


def test_the_same_seed_gives_the_same_predictions(found):
    assert predict_all(small(), read_host(HOST)[0], seed=1, n=3) == found


def test_a_recording_alone_gets_the_prediction_it_gets_first_among_others(found):
    assert predict_all(small()[:1], read_host(HOST)[0], seed=1, n=3) == found[:1]


@pytest.fixture(scope="module")
def squeezed():
    constants, about = read_host(HOST)
    return predict_all(small(COMPRESSED), constants, seed=1, n=3, compression=about.compression)


def test_compressed_migrations_are_predicted_where_the_host_file_tells_what_compression_costs(squeezed):
    """The costs were measured on these recordings: the CPU seconds and bytes are theirs, the times are not."""
    assert not any(p.left_out for p in squeezed)
    for p in squeezed:
        assert p.predicted["converged"] and abs(p.error("transferred")) < 0.04, p.name
        assert abs(p.error("wire_bytes")) < 0.04 and abs(p.error("total-time")) < 0.35, p.name
    assert summary(squeezed)["wire bytes: median error"] < 0.02


def test_what_qemu_counts_apart_is_not_predicted(squeezed):
    legacy, _, multifd, xbzrle = squeezed
    assert "normal" not in legacy.predicted and "normal" not in xbzrle.predicted
    assert abs(multifd.error("normal")) < 0.05 and "precopy-bytes" not in multifd.predicted
    assert "precopy-bytes" in legacy.predicted and abs(legacy.error("duplicate")) < 0.05


def test_compression_beside_another_mechanism_is_left_out():
    constants, about = read_host(HOST)
    path, meta = small(COMPRESSED[:1])[0]
    both = replace(meta, scenario=meta.scenario | {"capabilities": ("compress", "xbzrle")})
    (found,) = predict_all([(path, both)], constants, seed=1, n=1, compression=about.compression)
    assert found.left_out == "compress, xbzrle is not modelled by uncompressed pre-copy"


def row(predicted, measured, **more):
    base = {"converged": True}
    return Prediction("f", "f", base | predicted, base | measured, **more)


def test_the_summary_of_hand_made_rows():
    rows = [
        row({"transferred": 110, "pause_ms": 30.0}, {"transferred": 100, "pause_ms": 10.0}),
        row({"transferred": 100, "pause_ms": 11.0}, {"transferred": 100, "pause_ms": 10.0}),
        row({"converged": False}, {"converged": True}),
        row({}, {}, left_out="compressed"),
    ]
    figures = summary(rows)
    assert figures["recordings"] == 3
    assert figures["convergence right"] == pytest.approx(2 / 3)
    assert figures["bytes: median error"] == pytest.approx(0.05)
    assert figures["bytes: 90th percentile"] == pytest.approx(0.09)
    assert figures["pause within a factor of 2"] == 0.5


def test_nothing_to_predict_gives_an_empty_summary():
    assert summary([]) == {"recordings": 0}


def test_predict_on_the_command_line(tmp_path, capsys):
    target = tmp_path / "table.json"
    files = [str(RECORDINGS / f"{name}.json") for name in (SMALL[0], SMALL[3])]
    assert main(["predict", "migration", *files, "--host", str(HOST), "--json", str(target), "-n", "1"]) == 0
    said = capsys.readouterr().out
    assert "bytes: median error" in said
    rows = json.loads(target.read_text())
    assert [r["name"] for r in rows] == ["a01-idle512-bw100", "c-rnd-zstd-link100"]
    assert rows[1]["predicted"]["wire_bytes"] == pytest.approx(rows[1]["measured"]["wire_bytes"], rel=0.04)
    assert rows[0]["predicted"]["converged"] is True
    assert rows[0]["measured"]["pause_ms"] == pytest.approx(99.27)


def test_calibrate_on_the_command_line(tmp_path, capsys):
    target = tmp_path / "host.toml"
    files = [str(RECORDINGS / f"{name}.json") for name in (SMALL[0], SMALL[1], SMALL[2])]
    assert main(["calibrate", "migration", *files, "-o", str(target), "--iterations", "1"]) == 0
    said = capsys.readouterr()
    assert "fitted on 2 recordings (1 left out)" in said.out
    assert "free-page hints" in said.err
    constants, meta = read_host(target)
    assert constants["fresh_touch_ns"] == constants["first_touch_ns"]
    assert "2 recordings" in meta.source


def test_a_host_without_costs_of_compression_leaves_it_out(tmp_path, capsys):
    host = tmp_path / "host.toml"
    host.write_text(HOST.read_text().partition("[compression.all]")[0])
    file = str(RECORDINGS / f"{SMALL[3]}.json")
    assert main(["predict", "migration", file, "--host", str(host), "-n", "1"]) == 0
    assert "left out: multifd-compression zstd" in capsys.readouterr().out


def test_calibrate_measures_compression_where_it_was_recorded(tmp_path, capsys):
    target = tmp_path / "host.toml"
    files = [str(RECORDINGS / f"{name}.json") for name in (SMALL[0], SMALL[2], *COMPRESSED[:2])]
    assert main(["calibrate", "migration", *files, "-o", str(target), "--iterations", "1"]) == 0
    constants, about = read_host(target)
    metas = [meta for _, meta in small(COMPRESSED[:2])]
    assert about.compression == {k: v for k, v in measured(metas, constants).items() if v}
    assert set(about.compression) == {"all", "threads zlib"}
    assert about.source.endswith("; compression measured on 2 others")


@pytest.mark.parametrize("command", [["predict", "migration", "{dir}", "--host", str(HOST)],
                                     ["calibrate", "migration", "{dir}", "-o", "{dir}/host.toml"]])  # fmt: skip
def test_an_empty_directory_is_refused(tmp_path, capsys, command):
    assert main([part.format(dir=tmp_path) for part in command]) == 2
    assert "no recording (*.json) in this directory" in capsys.readouterr().err


def test_only_compressed_recordings_cannot_be_calibrated_on(tmp_path, capsys):
    file = str(RECORDINGS / f"{SMALL[3]}.json")
    assert main(["calibrate", "migration", file, "-o", str(tmp_path / "host.toml")]) == 2
    assert "no completed, uncompressed recording" in capsys.readouterr().err
