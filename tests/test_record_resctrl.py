"""The resctrl recorder on trees that change, vanish and cannot be read; it only ever reads."""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
import resctrl_samples as samples

from nfvlab import recorder_resctrl as recorder
from nfvlab.cli import main
from nfvlab.commands.record import seconds
from nfvlab.readers import ReaderError
from nfvlab.readers.resctrl import read_resctrl
from nfvlab.recorder_resctrl import record_resctrl
from nfvlab.units import ms


@pytest.fixture
def tree(tmp_path):
    return samples.write(tmp_path / "resctrl", samples.plain())


def snapshot(root):
    """Every file's content and times, so that a change would show."""
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns) if path.is_file() else sorted(os.listdir(path))
        for path in sorted(root.rglob("*"))
    }


def at_sample(monkeypatch, number, act):
    """Act before the recorder reads its sample of this number (from 0)."""
    taken, load = [], recorder.load_folder

    def loading(root, *want):
        if want:
            taken.append(root)
            if len(taken) == number + 1:
                act()
        return load(root, *want)

    monkeypatch.setattr(recorder, "load_folder", loading)


def test_what_it_records_is_what_the_tree_says(tree, tmp_path):
    before = snapshot(tree)
    done = record_resctrl(tmp_path / "r.json", seconds=0.2, interval_ns=100 * ms, root=tree)
    assert done.outcome == "complete" and 2 <= done.samples <= 3 and snapshot(tree) == before
    wanted, meant = read_resctrl(tree)
    frame, meta = read_resctrl(done.path)
    assert (meta.outcome, meta.source, meta.interval_ns) == ("complete", "nfvlab record resctrl", 100 * ms)
    assert meta.resources == meant.resources and meta.groups == meant.groups
    assert meta.last_cmd_status == meant.last_cmd_status == "ok" and meta.changes == ()
    columns = [c for c in wanted.columns if c not in ("sample", "t_ns")]
    for _, part in frame.groupby("sample"):
        assert part[columns].reset_index(drop=True).equals(wanted[columns])
    assert frame["t_ns"].unique()[-1] == pytest.approx(200 * ms, abs=80 * ms)
    n = done.samples
    assert meta.notes == tuple(note.replace("3 of 6", f"{3 * n} of {6 * n}") for note in meant.notes)


@pytest.mark.parametrize("name", ["amd", "snc", "cdp"])
def test_other_parts(tmp_path, name):
    root = samples.write(tmp_path / "resctrl", samples.TREES[name]())
    done = record_resctrl(tmp_path / "r.json", seconds=0.001, root=root)
    frame, meta = read_resctrl(done.path)
    wanted, meant = read_resctrl(root)
    assert frame.drop(columns="t_ns").equals(wanted.drop(columns="t_ns")) and meta.groups == meant.groups


def test_groups_and_masks_that_change_are_recorded_with_their_time(tree, tmp_path, monkeypatch):
    def change():
        (tree / "web" / "schemata").write_text("    L3:0=00003;1=fffff\n    MB:0=  50;1= 100\n")
        samples.write(tree, samples.readings("new/", 0, (1, 2, 3)) | samples.readings("new/", 1, (1, 2, 3)))
        samples.write(tree, samples.group("new/", "L3:0=1;1=1\n", "L3:0=1;1=1\n"))

    at_sample(monkeypatch, 1, change)
    done = record_resctrl(tmp_path / "r.json", seconds=0.2, interval_ns=100 * ms, root=tree)
    frame, meta = read_resctrl(done.path)
    ((t_ns, groups),) = meta.changes
    assert groups["web", ""].schemata["L3"][0] == 3 and ("new", "") in groups and 0 < t_ns < 1e9
    assert meta.groups["web", ""].schemata["L3"][0] == 0xFF0
    first, *later = frame.groupby("sample").size()
    assert first == 6 and later and set(later) == {8}


def test_a_group_that_goes_is_no_longer_there(tree, tmp_path, monkeypatch):
    at_sample(monkeypatch, 1, lambda: shutil.rmtree(tree / "web"))
    done = record_resctrl(tmp_path / "r.json", seconds=0.2, interval_ns=200 * ms, root=tree)
    frame, meta = read_resctrl(done.path)
    assert frame.groupby("sample").size().tolist() == [6, 2] and len(meta.changes) == 1


def test_a_mount_that_goes_away_ends_it_with_what_there_was(tree, tmp_path, monkeypatch):
    at_sample(
        monkeypatch, 2, lambda: [shutil.rmtree(p) if p.is_dir() else p.unlink() for p in tree.iterdir()]
    )
    said = []
    done = record_resctrl(tmp_path / "r.json", seconds=9, interval_ns=1 * ms, root=tree, say=said.append)
    assert (done.outcome, done.samples) == ("gone", 2) and "no resctrl is mounted" in said[-1]
    frame, meta = read_resctrl(done.path)
    assert len(frame) == 12 and meta.outcome == "gone"


def test_late_samples_are_not_caught_up_in_a_burst(tree, tmp_path, monkeypatch):
    at_sample(monkeypatch, 1, lambda: time.sleep(0.05))
    done = record_resctrl(tmp_path / "r.json", seconds=0.06, interval_ns=10 * ms, root=tree)
    assert done.samples < 6


def wait_for(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_keeps_what_was_recorded(tree, tmp_path, number):
    output = tmp_path / "r.json"
    call = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "nfvlab",
        "record",
        "resctrl",
        "--seconds",
        "600",
        "--interval",
        "10ms",
    ]
    process = subprocess.Popen(
        [*call, "--root", str(tree), "-o", str(output)], stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: output.exists() and output.read_bytes().count(b"\n") > 3)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130 and "stopped: " in error and "Traceback" not in error
    frame, meta = read_resctrl(output)
    assert (
        meta.outcome == "stopped" and len(frame) >= 18 and not any("end line" in note for note in meta.notes)
    )


def test_it_records_from_any_thread_and_gives_signals_back(tree, tmp_path):
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    done = []
    thread = threading.Thread(
        target=lambda: done.append(record_resctrl(tmp_path / "a.json", seconds=0.001, root=tree))
    )
    thread.start()
    thread.join()
    record_resctrl(tmp_path / "b.json", seconds=0.001, root=tree)
    assert done[0].outcome == "complete"
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers


REFUSED = {
    "nothing there": (lambda root: None, "no such directory"),
    "not mounted": (lambda root: root.mkdir(), "not mounted"),
    "another directory": (lambda root: samples.write(root, {"a/b": "c"}), "no directory info"),
    "no monitoring": (lambda root: samples.write(root, samples.l2()), "monitors nothing"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_recorded_is_said_before_a_file_is_made(tmp_path, name):
    make, says = REFUSED[name]
    make(tmp_path / "resctrl")
    with pytest.raises(ReaderError, match=says) as refused:
        record_resctrl(tmp_path / "r.json", seconds=1, root=tmp_path / "resctrl")
    assert refused.value.remedy and not (tmp_path / "r.json").exists()


def test_readings_without_permission_are_said(tree, tmp_path, monkeypatch):
    plain = os.open

    def refuse(path, *rest):
        if "mon_data" in str(path):
            raise PermissionError(13, "Permission denied", path)
        return plain(path, *rest)

    monkeypatch.setattr("nfvlab.readers.resctrl_tree.os.open", refuse)
    with pytest.raises(ReaderError, match="none of its mon_data can be read"):
        record_resctrl(tmp_path / "r.json", seconds=1, root=tree)


def test_an_output_is_not_overwritten_unless_asked(tree, tmp_path):
    output = tmp_path / "r.json"
    output.write_text("mine")
    with pytest.raises(ReaderError, match="exists already"):
        record_resctrl(output, seconds=0.001, root=tree)
    assert output.read_text() == "mine"
    assert record_resctrl(output, seconds=0.001, root=tree, force=True).samples == 1
    with pytest.raises(ReaderError, match="cannot write"):
        record_resctrl(tmp_path / "no" / "r.json", seconds=0.001, root=tree)


def test_a_full_disk_is_an_error_that_names_the_file(tree):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with pytest.raises(ReaderError, match="writing failed after 0 samples"):
        record_resctrl("/dev/full", seconds=0.001, root=tree, force=True)


def test_no_task_and_no_file_that_reading_changes_is_in_it(tree, tmp_path):
    samples.write(tree, {"info/L3/io_alloc_cbm": "0=ff\n", "tasks": "424242\n"})
    done = record_resctrl(tmp_path / "r.json", seconds=0.001, root=tree)
    text = (tmp_path / "r.json").read_text()
    assert "424242" not in text and "io_alloc_cbm" not in text
    header = json.loads(text.splitlines()[0])
    assert header["groups"][0]["tasks_count"] == 1 and done.samples == 1


def test_the_command(tree, tmp_path, capsys):
    output = tmp_path / "r.json"
    call = [
        "record",
        "resctrl",
        "--seconds",
        "0.02",
        "--interval",
        "10ms",
        "--root",
        str(tree),
        "-o",
        str(output),
    ]
    assert main(call) == 0
    said = capsys.readouterr().err
    assert re.search("complete: [123] samples in", said) and f"nfvlab read {output}" in said
    assert main(call) == 2 and "--force" in capsys.readouterr().err
    assert main([*call, "--force"]) == 0
    assert main(["record", "resctrl", "--seconds", "1", "--root", str(tmp_path / "no"), "-o", "x"]) == 2
    assert "no such directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "value"), [("60", 60), ("0.5", 0.5), ("90s", 90), ("10min", 600), ("2h", 7200)]
)
def test_how_long(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "0", "-5", "nan", "forever", "9999999", "8 days", "1e3"])
def test_a_time_that_is_none_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="10min"):
        seconds(text)
