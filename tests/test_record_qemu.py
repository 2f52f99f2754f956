"""The recorder against a real QEMU under software emulation that migrates to another."""

import json
import shutil
import socket
import subprocess
import sys
import threading

import pytest
from qmp_monitor import command, refusal, wait_for

from nfvlab.readers import ReaderError
from nfvlab.readers.qemu import read_qemu, require_completed
from nfvlab.recorder import record_migration
from nfvlab.units import MiB, ms

QEMU = shutil.which("qemu-system-x86_64")
pytestmark = pytest.mark.skipif(QEMU is None, reason="qemu-system-x86_64 is not installed")


class Machine:
    """A QEMU under software emulation, with a second monitor for the test's own commands."""

    def __init__(self, folder, name, *more):
        self.qmp, self.own = folder / f"{name}.qmp", folder / f"{name}.own"
        monitors = [f"unix:{path},server=on,wait=off" for path in (self.qmp, self.own)]
        common = ["-machine", "q35", "-accel", "tcg", "-m", "64", "-display", "none", "-nodefaults"]
        arguments = [QEMU, *common, "-qmp", monitors[0], "-qmp", monitors[1], *more]
        self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wait_for(lambda: self.own.exists() and self.qmp.exists())
        self.link = socket.socket(socket.AF_UNIX)
        wait_for(lambda: self.link.connect_ex(str(self.own)) == 0)
        self.lines = self.link.makefile("r")
        assert "QMP" in json.loads(self.lines.readline())
        self("qmp_capabilities")

    def __call__(self, execute, **arguments):
        self.link.sendall(json.dumps({"execute": execute, "arguments": arguments}).encode())
        for line in self.lines:
            answer = json.loads(line)
            if "event" not in answer:
                assert "return" in answer, answer
                return answer["return"]

    def close(self):
        self.process.kill()
        self.process.wait()
        for opened in (self.process.stderr, self.lines, self.link):
            opened.close()


@pytest.fixture
def pair(tmp_path):
    """Source, 12 MiB of its RAM filled, and destination, listening on a unix socket."""
    content = tmp_path / "content.bin"
    content.write_bytes(bytes(range(256)) * (12 * MiB // 256))
    loader = f"loader,file={content},addr=0x1000000,force-raw=on"
    machines = [Machine(tmp_path, "source", "-device", loader)]
    try:
        machines.append(Machine(tmp_path, "destination", "-device", loader, "-incoming", "defer"))
        machines[1]("migrate-incoming", uri=f"unix:{tmp_path}/stream")
        yield *machines, f"unix:{tmp_path}/stream"
    finally:
        for machine in machines:
            machine.close()


def recording(machine, output, **options):
    """The recorder in a thread, waiting for a migration; result() ends it."""
    done, said = [], []

    def run():
        done.append(
            record_migration(str(machine.qmp), output, interval_ns=20 * ms, say=said.append, **options)
        )

    thread = threading.Thread(target=run)
    thread.start()
    wait_for(lambda: any("waiting" in line for line in said))

    def result():
        thread.join(120)
        assert not thread.is_alive()
        return done[0]

    return result


def test_a_real_migration_is_recorded_to_its_end(pair, tmp_path):
    source, _, stream = pair
    source("migrate-set-parameters", **{"max-bandwidth": 8 * MiB, "downtime-limit": 100})
    before = source("query-migrate-parameters"), source("query-migrate-capabilities")
    result = recording(source, tmp_path / "run.json")
    source("migrate", uri=stream)
    assert result().outcome == "completed"
    assert before == (source("query-migrate-parameters"), source("query-migrate-capabilities"))
    final = source("query-migrate")
    frame, meta = read_qemu(tmp_path / "run.json")
    require_completed(
        meta, "total_time_ns", "downtime_ns", "transferred_bytes", "normal_pages", "duplicate_pages"
    )
    assert meta.final["total_time_ns"] == final["total-time"] * ms
    assert meta.final["downtime_ns"] == final["downtime"] * ms
    assert meta.final["transferred_bytes"] == final["ram"]["transferred"]
    assert meta.scenario["ram_bytes"] == 64 * MiB and meta.scenario["vcpus_count"] == 1
    assert meta.scenario["max_bandwidth_bytes_per_s"] == 8 * MiB
    assert meta.scenario["downtime_limit_ns"] == 100 * ms
    assert meta.final["normal_pages"] > 12 * MiB / 4096  # all that was loaded, and the firmware's
    assert len(frame) > 10 and frame["transferred_bytes"].dropna().is_monotonic_increasing
    timed = frame.dropna(subset="total_time_ns")
    assert (timed["t_ns"] - timed["total_time_ns"]).abs()[:-1].median() < 50 * ms
    stop = meta.events.set_index("event")["t_ns"]["STOP"]
    assert 0 < stop < meta.final["total_time_ns"] + 50 * ms


def test_a_real_qemu_killed_in_the_middle_leaves_what_was_recorded(pair, tmp_path):
    source, _, stream = pair
    source("migrate-set-parameters", **{"max-bandwidth": MiB})
    output = tmp_path / "run.json"
    result = recording(source, output)
    source("migrate", uri=stream)
    wait_for(lambda: output.read_text().count("\n") > 12)
    source.process.kill()
    assert result().outcome == "gone"
    frame, meta = read_qemu(output)
    assert meta.outcome == "unfinished" and len(frame) >= 10
    assert frame["transferred_bytes"].iloc[-1] > 0 and meta.final["remaining_bytes"] > 0
    with pytest.raises(ReaderError, match="outcome is unfinished"):
        require_completed(meta)


def test_a_real_migration_that_fails_and_one_that_is_cancelled(pair, tmp_path):
    source, destination, stream = pair
    source("migrate-set-parameters", **{"max-bandwidth": MiB})
    result = recording(source, tmp_path / "cancelled.json")
    source("migrate", uri=stream)
    wait_for(lambda: source("query-migrate").get("status") == "active")
    source("migrate_cancel")
    assert result().outcome == "cancelled"
    _, meta = read_qemu(tmp_path / "cancelled.json")
    assert meta.outcome == "cancelled" and meta.final["transferred_bytes"] > 0
    destination.close()
    result = recording(
        source, tmp_path / "failed.json", next_one=True
    )  # the cancelled one is not recorded again
    source.link.sendall(
        json.dumps({"execute": "migrate", "arguments": {"uri": f"unix:{tmp_path}/none"}}).encode()
    )
    done = result()
    _, meta = read_qemu(tmp_path / "failed.json")
    assert done.outcome == meta.outcome == "failed" and meta.error


def test_the_destination_is_no_place_to_record(pair, tmp_path):
    assert "it is the destination" in refusal(str(pair[1].qmp), tmp_path / "run.json").what


def test_the_command_records_a_real_migration_and_its_status_tells(pair, tmp_path):
    source, _, stream = pair
    output = tmp_path / "run.json"
    process = command(source.qmp, output, "--interval", "10ms")
    wait_for(output.exists)
    source("migrate", uri=stream)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 0, said
    assert "status active" in said and f"nfvlab read {output}" in said
    shown = subprocess.run(
        [sys.executable, "-m", "nfvlab", "read", str(output)], capture_output=True, text=True, check=True
    )
    assert "outcome   completed" in shown.stdout and "ram_bytes  " in shown.stdout
