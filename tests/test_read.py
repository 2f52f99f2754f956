"""`nfvlab read` shows what was understood, in human units, safely."""

import gzip
import json

import perf_samples
import pqos_samples
import pytest
import resctrl_samples
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


RESCTRL = resctrl_samples.plain()
RUNS = pqos_samples.samples(2)
KINDS = {
    "pqos text": (pqos_samples.text(RUNS), "pqos      text"),
    "pqos terminal": (pqos_samples.text(RUNS, tty=True), "pqos      text"),
    "pqos 2016": (pqos_samples.text_2016(pqos_samples.samples(2, cores=("0",), rmid=1)), "pqos      text"),
    "pqos CSV": (pqos_samples.csv(RUNS), "pqos      csv"),
    "pqos XML": (pqos_samples.xml(RUNS), "pqos      xml"),
    "pqos -s": (pqos_samples.config(), "pqos      configuration"),
    "pqos -s, no classes": (
        "Core information for socket 0:\n    Core 0 => RMID1\n",
        "pqos      configuration",
    ),
    "perf stat": (perf_samples.stat(), "perf stat -x','"),
    "perf stat -I -x;": (perf_samples.stat(times=("1.000000000",), sep=";"), "perf stat -x';'"),
    "resctrl recording": ("".join(resctrl_samples.lines()), "resctrl   recording"),
    "query-migrate": (json.dumps(RUNNING), "outcome   unfinished"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_file_is_is_seen_by_what_is_in_it(show, tmp_path, kind):
    content, says = KINDS[kind]
    path = tmp_path / "a.txt"
    path.write_text(content)
    status, text, error = show(path)
    assert (status, error) == (0, "") and says in text and text.startswith("file ")
    assert all(line.isprintable() for line in text.split("\n"))


def test_a_resctrl_tree_and_a_tar_of_it(show, tmp_path):
    folder = resctrl_samples.write(tmp_path / "copy", RESCTRL)
    for path in (folder, resctrl_samples.pack(tmp_path / "copy.tar.gz", RESCTRL, "w:gz")):
        status, text, _ = show(path)
        assert status == 0 and "cbm_mask fffff" in text and "shareable_bits c0000" in text
        assert "web    shareable  MB:0=50;1=100 L3:0=ff0;1=fffff" in text
        assert "web    L3 0  occupancy 11 MiB" in text and "3 of 6 rows lack a count" in text


def test_means_of_a_recording_in_human_units(show, tmp_path):
    path = tmp_path / "r.json"
    path.write_text("".join(resctrl_samples.lines()))
    _, text, _ = show(path)
    assert "samples   3, from 0 ns to 2 s" in text and "outcome   complete" in text
    assert "web  L3 0  occupancy 128 KiB  total 8 Mbit/s" in text  # 10^6 bytes each second


def test_pqos_and_perf_in_human_units(show, tmp_path):
    path = tmp_path / "a"
    path.write_text(pqos_samples.csv(RUNS))
    _, text, _ = show(path)
    assert (
        "cores 0-27,56-83" in text and "llc_occupancy_bytes" in text and "3 MiB" in text
    )  # 1.5 x 2048.5 KiB
    path.write_text(perf_samples.stat())
    _, text, _ = show(path)
    assert "intel_cqm/llc_occupancy/" in text and "11 MiB" in text and "not supported" in text
    path.write_text(pqos_samples.config(cdp=True))
    _, text, _ = show(path)
    assert "class 1  socket 0  L3CODE  3f" in text and "class 0  cores 0,2" in text


@pytest.mark.parametrize(
    "content",
    [
        b"hello, world\n",
        b"a,b,c\n1,2,3\n",
        b"# a comment\n",
        b"TIME flies\n",
        b"<html></html>\n",
        b"\x1b[2Jhello\n",
    ],
    ids=repr,
)
def test_what_nobody_knows_is_refused_with_what_is_known(show, tmp_path, content):
    path = tmp_path / "a"
    path.write_bytes(content)
    status, text, error = show(path)
    assert (status, text) == (2, "") and error.count("\n") == 1 and "\x1b" not in error
    for known in ("query-migrate", "resctrl directory", "pqos monitoring", "pqos -s", "perf stat -x"):
        assert known in error


def test_near_misses_say_what_to_do(show, tmp_path):
    path = tmp_path / "a"
    for content, says in (
        (b'{"counter-value" : "1.0", "event" : "cycles"}\n', "Record it with perf stat -x,"),
        (gzip.compress(pqos_samples.csv(RUNS).encode(), mtime=0), "gunzip"),
        (b"", "the file is empty"),
    ):
        path.write_bytes(content)
        status, _, error = show(path)
        assert status == 2 and says in error
    status, _, error = show(tmp_path)  # a directory without a tree
    assert status == 2 and "no resctrl tree" in error and "cp -r" in error


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
