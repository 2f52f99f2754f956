"""`nfvlab read` shows what was understood, in human units, safely."""

import json

import pytest
from qemu_samples import COMPLETED, RECORDINGS, RUNNING

from nfvlab.cli import main

ZLIB = next(path for path in RECORDINGS if path.stem == "c-txt-zlib-link100.r1")


@pytest.fixture
def show(capsys):
    def run(*paths):
        status = main(["read", *map(str, paths)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def rows(text):
    return {
        line.split()[0]: " ".join(line.split()[1:]) for line in text.splitlines() if line.startswith("  ")
    }


def test_a_recording_in_human_units(show):
    status, text, _ = show(ZLIB)
    assert status == 0
    said = rows(text)
    assert "name      c-txt-zlib-link100 (repeat 1)" in text and "QEMU      7.2.22" in text
    assert "polls     191, from 54.6 ms to 10.7 s" in text
    assert said["touched_bytes"] == "384 MiB" and said["downtime_limit_ns"] == "300 ms"
    assert said["max_bandwidth_bytes_per_s"] == "10 Gbit/s" and said["capabilities"] == "multifd"
    assert said["free_page_hint"] == "no" and said["pattern"] == "uniform"
    assert (
        said["total_time_ns"] == "10.6 s" and said["downtime_ns"] == "296 ms" and said["pause_ns"] == "301 ms"
    )
    assert said["normal_pages"] == "152 kpages" and said["dirty_sync_count"] == "5"
    assert said["throughput_bytes_per_s"] == "473 Mbit/s" and said["wire_bytes"] == "230 MiB"
    assert "wire_bytes is what crossed the link" in text.split("notes")[1]
    assert "recording/calc_dirty_rate" in text.splitlines()[-1]


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_every_recording_shows(show, path):
    status, text, _ = show(path)
    assert status == 0 and "outcome   completed" in text and "link_bytes_per_s" in text


def test_several_files_and_bare_replies(show, tmp_path):
    path = tmp_path / "polls.json"
    path.write_text(json.dumps([RUNNING, COMPLETED]))
    status, text, _ = show(path, ZLIB)
    assert status == 0 and text.count("outcome   completed") == 2
    assert "of unknown version" in text and "polls     2\n" in text


def test_a_file_that_cannot_be_read_is_one_line_and_status_2(show, tmp_path):
    status, text, error = show(tmp_path / "none.json")
    assert (status, text) == (2, "") and error.count("\n") == 1 and "no such file" in error


def test_a_hostile_recording_cannot_write_to_the_terminal(show, tmp_path):
    raw = json.loads(ZLIB.read_text())
    escape = "\x1b]0;owned\x07\nline"
    raw["name"] = raw["outcome"] = raw["measured"]["disturbed"] = escape
    raw["scenario"]["parameters"] = {escape: escape}
    raw["measured"]["src_thread_cpu_s"] = {escape: 1}
    raw[escape] = escape
    path = tmp_path / "run.json"
    path.write_text(json.dumps(raw))
    status, text, _ = show(path)
    assert status == 0 and "owned" in text
    assert all(line.isprintable() for line in text.split("\n"))
    assert not any(line.startswith("line") for line in text.split("\n"))
