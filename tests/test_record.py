"""The recorder against monitors that answer, misbehave, fall silent and vanish; it only ever asks."""

import argparse
import signal
import socket
import time

import pytest
from qemu_samples import COMPLETED, FAILED, RUNNING, reply
from qmp_monitor import SETTINGS, Monitor, command, refusal, wait_for

from nfvlab import qmp, recorder
from nfvlab.commands.record import interval_ns
from nfvlab.qmp import ASKED
from nfvlab.readers.qemu import POLLS, read_qemu, require_completed
from nfvlab.recorder import record_migration
from nfvlab.units import ms, s

IDLE, ZERO = {}, reply("completed", ram={"transferred": 0}, **{"total-time": 0, "downtime": 0})


@pytest.fixture
def record(tmp_path):
    """record(replies, …) -> (outcome, frame, meta, commands asked)."""

    def run(replies, monitor=None, **options):
        output = tmp_path / "run.json"
        with Monitor(tmp_path / "qmp", replies, **(monitor or {})) as server:
            done = record_migration(server.path, output, interval_ns=1 * ms, **options)
        frame, meta = read_qemu(output)
        assert done.replies == len(frame) and done.path == str(output)
        return done.outcome, frame, meta, server.asked

    return run


def test_it_records_what_qemu_says_and_sends_nothing_but_questions(record):
    outcome, frame, meta, asked = record([IDLE, IDLE, reply("setup"), RUNNING, RUNNING, COMPLETED])
    assert outcome == meta.outcome == "completed" and meta.notes == ()
    assert list(frame["status"]) == ["setup", "active", "active", "completed"]
    assert set(asked) == set(ASKED) and all(command.startswith("q") for command in asked)
    assert not {"migrate", "migrate-set-parameters", "migrate-set-capabilities", "stop", "cont"} & set(asked)
    assert meta.schema == POLLS and meta.qemu_version == (10, 0, 2)
    assert meta.scenario["capabilities"] == ("multifd",)
    assert (
        meta.scenario["max_bandwidth_bytes_per_s"] == 1e8 and meta.scenario["downtime_limit_ns"] == 250 * ms
    )
    assert meta.scenario["vcpus_count"] == 2 and "ram_bytes" not in meta.scenario
    assert "lab7" not in repr(meta)
    require_completed(meta, "total_time_ns", "downtime_ns", "transferred_bytes")


def test_limits_set_after_the_recorder_started_are_the_ones_recorded(record, monkeypatch):
    late, plain = {"max-bandwidth": 7 * 10**6, "downtime-limit": 40, "multifd-channels": 4}, Monitor.answer

    def answer(self, command):
        if command == "query-migrate-parameters" and "query-migrate" in self.asked:
            return {"return": late}
        return plain(self, command)

    monkeypatch.setattr(Monitor, "answer", answer)
    _, frame, meta, _ = record([IDLE, RUNNING, COMPLETED])
    assert len(frame) == 2 and meta.qemu_version == (10, 0, 2) and meta.scenario["vcpus_count"] == 2
    assert meta.scenario["max_bandwidth_bytes_per_s"] == 7e6 and meta.scenario["downtime_limit_ns"] == 40 * ms
    assert meta.scenario["parameters"] == late and meta.scenario["capabilities"] == ("multifd",)


def test_time_begins_with_the_migration_as_qemu_dates_it(record):
    _, frame, _, _ = record([{"status": "setup"}, RUNNING, RUNNING, COMPLETED])
    assert frame["t_ns"].isna().tolist() == [True, False, False, False]
    assert frame["t_ns"][1] == pytest.approx(RUNNING["total-time"] * ms, abs=20 * ms)
    assert (frame["t_ns"].diff()[2:] > 0).all()


def test_it_waits_for_totals_that_come_after_completed(record):
    outcome, frame, meta, _ = record([RUNNING, ZERO, {"status": "completed"}, COMPLETED])
    assert outcome == "completed" and len(frame) == 4
    assert meta.final["total_time_ns"] == 12345 * ms and meta.notes == ()


def test_it_does_not_wait_for_ever(record, monkeypatch):
    monkeypatch.setattr(recorder, "SETTLE_S", 0.05)
    outcome, _, meta, _ = record([RUNNING, ZERO])
    assert outcome == "completed" and "no totals yet" in meta.notes[0]


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_failure_and_cancellation_end_it(record, status):
    outcome, _, meta, _ = record([RUNNING, {**FAILED, "status": status}])
    assert outcome == meta.outcome == status and meta.error


def test_a_migration_that_had_ended_is_recorded_or_waited_out(record, tmp_path):
    outcome, frame, meta, _ = record([{"status": "cancelled"}, RUNNING, COMPLETED])
    assert (outcome, len(frame), meta.outcome) == ("cancelled", 1, "cancelled")
    (tmp_path / "run.json").unlink(), (tmp_path / "qmp").unlink()
    old = {"status": "cancelled"}
    outcome, frame, meta, _ = record([old, old, RUNNING, old], next_one=True)
    assert (outcome, list(frame["status"])) == ("cancelled", ["active", "cancelled"])


def test_qemu_going_away_keeps_what_there_is(record):
    said = []
    outcome, frame, meta, _ = record([RUNNING, RUNNING], monitor={"stay": False}, say=said.append)
    assert outcome == "gone" and meta.outcome == "unfinished" and len(frame) == 2
    assert any("QEMU went away" in line for line in said)
    assert meta.other["end"] == {
        "outcome": "gone",
        "t_ms": pytest.approx(meta.other["end"]["t_ms"]),
        "replies": 2,
    }


@pytest.mark.parametrize("junk", ["this is no JSON", '{"event": 5', "[]"])
def test_a_monitor_that_talks_nonsense(tmp_path, junk):
    output = tmp_path / "run.json"
    with Monitor(tmp_path / "qmp", [RUNNING, junk], stay=False) as server:
        done = record_migration(server.path, output, interval_ns=1 * ms)
    assert done.outcome == "gone"
    assert len(read_qemu(output)[0]) == 1


def test_events_are_dated_by_qemu(tmp_path):
    output = tmp_path / "run.json"
    with Monitor(tmp_path / "qmp", [RUNNING, COMPLETED]) as server:
        plain = server.answer

        def answer(command):
            if command == "query-migrate" and len(server.replies) == 1:
                stamp = time.time() - 0.25
                event = {
                    "event": "STOP",
                    "timestamp": {"seconds": int(stamp), "microseconds": int(stamp % 1 * 1e6)},
                }
                noise = {"event": "VNC_CONNECTED", "data": {"server": {"host": "lab7"}}}
                for said in (event, noise):
                    server.say(said)
            return plain(command)

        server.answer = answer
        record_migration(server.path, output, interval_ns=20 * ms)
    frame, meta = read_qemu(output)
    assert list(meta.events["event"]) == ["STOP"]
    assert meta.events["t_ns"][0] == pytest.approx(frame["t_ns"].iloc[-1] - 250 * ms, abs=40 * ms)
    assert "lab7" not in output.read_text()


def test_sockets_that_cannot_be_used(tmp_path, monkeypatch):
    monkeypatch.setattr(qmp, "CONNECT_S", 0.2)
    output = tmp_path / "run.json"
    plain = tmp_path / "plain"
    plain.write_text("")
    assert "cannot talk QMP" in refusal(str(tmp_path / "none"), output).what
    assert "cannot talk QMP" in refusal(str(plain), output).what
    assert "cannot talk QMP" in refusal("127.0.0.1:1", output).what
    assert "cannot talk QMP" in refusal("127.0.0.1:99999", output).what
    assert "cannot talk QMP" in refusal("x" * 200, output).what  # too long for a unix socket
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "mute"))
        mute.listen()
        assert "no QMP greeting within 0.2 s" in refusal(str(tmp_path / "mute"), output).what
    with Monitor(tmp_path / "agent", [], greeting={"hello": 1}) as server:
        assert "cannot talk QMP" in refusal(server.path, output).what
    incoming = SETTINGS | {"query-status": {"running": False, "status": "inmigrate"}}
    with Monitor(tmp_path / "destination", [], settings=incoming) as server:
        assert "it is the destination" in refusal(server.path, output).what
    assert not output.exists()


def test_outputs_that_cannot_be_used(tmp_path):
    output = tmp_path / "run.json"
    output.write_text("precious")
    with Monitor(tmp_path / "a", [COMPLETED]) as server:
        assert "exists already" in refusal(server.path, output).what
    assert output.read_text() == "precious"
    with Monitor(tmp_path / "b", [COMPLETED]) as server:
        assert record_migration(server.path, output, force=True).outcome == "completed"
    with Monitor(tmp_path / "c", [COMPLETED]) as server:
        assert "cannot write" in refusal(server.path, tmp_path / "none" / "run.json").what
    with Monitor(tmp_path / "d", [RUNNING]) as server:
        assert "writing failed after 0 replies" in refusal(server.path, "/dev/full", force=True).what


@pytest.mark.parametrize(
    ("text", "value"), [("50", 50 * ms), ("50ms", 50 * ms), ("0.5s", 500 * ms), (" 1 s", s)]
)
def test_intervals(text, value):
    assert interval_ns(text) == value


@pytest.mark.parametrize("text", ["", "0", "-1", "fast", "1e9", "0.5", "61s", "1h", "nan"])
def test_intervals_that_are_none(text):
    with pytest.raises(argparse.ArgumentTypeError, match="from 1 ms to 1 min"):
        interval_ns(text)


@pytest.mark.parametrize(
    ("number", "status", "replies"),
    [(signal.SIGINT, 130, RUNNING), (signal.SIGTERM, 130, RUNNING), (signal.SIGINT, 130, ...)],
)
def test_a_signal_ends_it_cleanly_even_while_qemu_is_silent(tmp_path, number, status, replies):
    output = tmp_path / "run.json"
    with Monitor(tmp_path / "qmp", [RUNNING, replies]) as server:
        process = command(server.path, output)
        wait_for(lambda: output.exists() and output.read_text().count("\n") >= 2)
        process.send_signal(number)
        assert process.wait(20) == status
    frame, meta = read_qemu(output)
    assert meta.other["end"]["outcome"] == "stopped" and meta.outcome == "unfinished" and len(frame) >= 1
    with process.stderr as said:
        assert "Traceback" not in said.read()


def test_a_recorder_that_is_killed_leaves_a_file_that_reads(tmp_path):
    output = tmp_path / "run.json"
    with Monitor(tmp_path / "qmp", [RUNNING]) as server:
        process = command(server.path, output, "--interval", "5ms")
        wait_for(lambda: output.exists() and output.read_text().count("\n") >= 6)
        process.kill()
        process.wait(20)
        process.stderr.close()
    frame, meta = read_qemu(output)
    assert len(frame) >= 3 and any("recorder was killed" in note for note in meta.notes)


def test_the_command_refuses_in_one_line(tmp_path):
    process = command(tmp_path / "none", tmp_path / "run.json")
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 2
    assert "Traceback" not in said and said.count("\n") == 1 and "-qmp" in said


def test_a_silent_qemu_is_told_of_and_waited_for(record, monkeypatch):
    monkeypatch.setattr(recorder, "PATIENCE_S", 0.05)
    said, plain = [], Monitor.answer

    def slowly(self, command):
        time.sleep(0.2 if command == "query-migrate" else 0)
        return plain(self, command)

    monkeypatch.setattr(Monitor, "answer", slowly)
    outcome, frame, _, _ = record([RUNNING, COMPLETED], say=said.append)
    assert outcome == "completed" and len(frame) == 2
    assert any("not answered for 0.05 s" in line for line in said)
