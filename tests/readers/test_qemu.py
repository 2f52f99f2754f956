"""Every recording reads, in our words and units; so does every form and version of a reply; traps are met."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from qemu_samples import COMPLETED, FAILED, RECORDINGS, RUNNING, reply

from nfvlab.readers import ReaderError
from nfvlab.readers.qemu import RECORDING, read_qemu, require_completed, to_query_migrate
from nfvlab.readers.qemu_words import FIELDS, without_hosts
from nfvlab.units import KiB, MiB, dimension, ms, s


@pytest.fixture
def read(tmp_path):
    def write_and_read(value, text=None):
        path = tmp_path / "run.json"
        path.write_text(json.dumps(value) if text is None else text)
        return read_qemu(path)

    return write_and_read


def refusal(read, *args, **kwargs) -> ReaderError:
    with pytest.raises(ReaderError) as caught:
        read(*args, **kwargs)
    return caught.value


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_every_recording_reads_and_nothing_in_it_is_lost(path):
    raw = json.loads(path.read_text())
    frame, meta = read_qemu(path)
    assert (meta.schema, meta.name, meta.repeat) == (RECORDING, raw["name"], raw["repeat"])
    assert meta.outcome == "completed" and meta.error is None and meta.qemu_version == (7, 2, 22)
    assert len(frame) == len(raw["timeline"]) + 1
    assert list(frame["poll"]) == ["timeline"] * len(raw["timeline"]) + ["final"]
    assert np.allclose(frame["t_ns"][:-1], [row["t_ms"] * ms for row in raw["timeline"]])
    for mine, theirs in [("transferred_bytes", "transferred"), ("normal_pages", "normal")]:
        assert frame[mine].tolist() == [row[theirs] for row in raw["timeline"]] + [
            raw["final"]["ram"][theirs]
        ]
    assert meta.final["total_time_ns"] == raw["final"]["total-time"] * ms
    assert meta.final["downtime_ns"] == raw["final"]["downtime"] * ms
    assert meta.final["throughput_bytes_per_s"] == pytest.approx(raw["final"]["ram"]["mbps"] * 1e6 / 8)
    assert meta.measured["pause_ns"] == pytest.approx(raw["measured"]["stop_to_resume_ms"] * ms)
    work = raw["scenario"]["workload"]
    assert meta.scenario["ram_bytes"] == raw["scenario"]["ram_mib"] * MiB
    assert meta.scenario["wss_bytes"] == work["wss_mib"] * MiB
    assert meta.scenario["write_rate_per_s"] == work["rate_pps"]
    assert meta.scenario["link_bytes_per_s"] == raw["scenario"]["link_Bps"]
    assert meta.scenario["downtime_limit_ns"] == raw["scenario"]["downtime_limit_ms"] * ms
    assert meta.wire_bytes == raw["wire_bytes"] and len(meta.wire) == len(raw["wire_timeline"])
    assert len(meta.events) == len(raw["events"]) and meta.events["t_ns"].is_monotonic_increasing
    assert meta.guest["memory_bytes"] == raw["guest"]["mem_at_ready"]["total_kib"] * KiB
    assert len(meta.guest["serial"]) == len(raw["guest"]["serial"])
    require_completed(
        meta, "total_time_ns", "downtime_ns", "pause_ns", "transferred_bytes", "dirty_sync_count"
    )


def test_every_word_carries_a_unit_and_no_two_fields_share_one():
    for field in FIELDS:
        dimension(field.word)
    assert len({field.word for field in FIELDS}) == len(FIELDS)


def test_words_of_the_recorder_become_ours():
    by_name = {path.stem: read_qemu(path)[1].scenario for path in RECORDINGS}
    scenario = by_name["c-txt-zlib-link100.r1"]
    assert (scenario["touched_content"], scenario["dirty_content"]) == ("text", "text")
    assert scenario["capabilities"] == ("multifd",)
    assert scenario["parameters"] == {"multifd-channels": 2, "multifd-compression": "zlib"}
    assert by_name["c-inc-none-link100.r1"]["dirty_content"] == "increment"
    assert by_name["a08-kept1g-zero512-bw100.r1"]["touched_content"] == "zero"
    assert by_name["a05-idle2g-bw200-fph-initalloc.r1"]["guest_init_on_alloc"] is True
    assert {scenario["pattern"] for scenario in by_name.values()} == {"uniform"}


def test_notes_say_what_is_known_of_a_recording():
    notes = {path.stem: read_qemu(path)[1].notes for path in RECORDINGS}
    assert "wire_bytes is what crossed the link" in notes["c-rnd-zlib-link100.r1"][0]
    assert not any("multifd" in note for note in notes["c-rnd-mfd-link100.r1"])  # it compresses nothing
    assert "a compiler ran" in notes["a12-used2g-rnd1536-bw200-fph.r1"][0]
    assert "crashed" in notes["b-wss256-r8000-bw400.r1"][0]
    assert notes["a01-idle512-bw100.r1"] == ()


@pytest.mark.parametrize("wrap", [lambda r: r, lambda r: {"return": r}, lambda r: {"return": r, "id": "x-1"}])
@pytest.mark.parametrize("many", ["one", "list", "lines", "pretty"])
def test_replies_read_in_every_form_people_keep_them(read, wrap, many):
    replies = [COMPLETED] if many == "one" else [RUNNING, COMPLETED]
    wrapped = [wrap(r) for r in replies]
    text = {
        "one": json.dumps(wrapped[0]),
        "list": json.dumps(wrapped),
        "lines": "\n".join(map(json.dumps, wrapped)),
        "pretty": "\n".join(json.dumps(r, indent=4) for r in wrapped) + "\n",
    }[many]
    frame, meta = read(None, text)
    assert len(frame) == len(replies) and frame["t_ns"].isna().all()
    assert meta.outcome == "completed" and meta.notes == ()
    assert meta.final["total_time_ns"] == 12345 * ms
    assert meta.final["downtime_ns"] == 67 * ms
    assert meta.final["setup_time_ns"] == 2 * ms
    assert meta.final["transferred_bytes"] == 123456
    assert meta.final["throughput_bytes_per_s"] == 100e6
    if many != "one":
        assert frame["expected_downtime_ns"][0] == 300 * ms and math.isnan(frame["expected_downtime_ns"][1])
        assert frame["throttle_frac"][0] == pytest.approx(0.2)
        assert list(frame["status"]) == ["active", "completed"]


def test_a_qmp_transcript_reads_with_its_greeting_and_events(read):
    greeting = {
        "QMP": {"version": {"qemu": {"major": 9, "minor": 2, "micro": 1}, "package": ""}, "capabilities": []}
    }
    event = {"event": "STOP", "timestamp": {"seconds": 5, "microseconds": 1}}
    lines = [greeting, {"return": {}}, {"return": RUNNING}, event, {"return": COMPLETED}]
    frame, meta = read(None, "\r\n".join(map(json.dumps, lines)))
    assert meta.qemu_version == (9, 2, 1)
    assert list(frame["status"]) == ["none", "active", "completed"]
    assert list(meta.events["event"]) == ["STOP"] and meta.events["t_ns"].isna().all()


def test_fields_of_newer_and_older_versions(read):
    newest = reply(
        "active",
        ram={"postcopy-requests": 3, "a-field-of-2040": [1, {"x": 2}]},
        remaining=5000,
        vfio={"transferred": 4096},
        **{
            "dirty-limit-throttle-time-per-round": 7,
            "dirty-limit-ring-full-time": 9,
            "postcopy-latency": 1500,
            "postcopy-latency-dist": [0, 3, 1],
            "postcopy-blocktime": 4,
        },
    )
    del newest["ram"]["skipped"]  # since 9.1
    frame, meta = read([newest, newest])
    assert meta.final["dirty_limit_throttle_ns"] == 7e3 and meta.final["dirty_limit_ring_full_ns"] == 9e3
    assert meta.final["postcopy_latency_ns"] == 1500 and meta.final["postcopy_blocktime_ns"] == 4 * ms
    assert meta.final["all_remaining_bytes"] == 5000 and meta.final["remaining_bytes"] == 654321
    assert meta.final["vfio_bytes"] == 4096 and "skipped_pages" not in frame
    assert meta.other["poll/ram/a-field-of-2040"] == ((1, {"x": 2}),) * 2
    assert meta.other["poll/postcopy-latency-dist"] == ((0, 3, 1),) * 2
    old = reply("active", disk={"transferred": 1, "remaining": 2, "total": 3})  # block migration, before 9.1
    for key in ("page-size", "multifd-bytes", "precopy-bytes", "downtime-bytes", "pages-per-second"):
        del old["ram"][key]
    frame, meta = read(old)
    assert (meta.final["disk_transferred_bytes"], meta.final["disk_bytes"]) == (1, 3)
    assert "page_bytes" not in meta.final


def test_a_status_of_the_future_is_a_migration_under_way(read):
    _, meta = read([RUNNING, reply("teleporting")])
    assert meta.outcome == "unfinished" and "'teleporting' is not known" in meta.notes[0]
    assert read(reply("device"))[1].notes == ()


def test_compression_counters_become_ratios_of_compressed_to_original(read):
    frame, meta = read(
        [
            reply("active", compression={"pages": 0, "compressed-size": 0, "compression-rate": 0}),
            reply("active", compression={"pages": 10, "compressed-size": 9000, "compression-rate": 2.5}),
        ]
    )
    assert math.isnan(frame["compression_ratio"][0]) and meta.final["compression_ratio"] == 0.4
    assert meta.final["compressed_bytes"] == 9000 and meta.final["compressed_pages"] == 10


def test_what_qemu_has_not_measured_is_not_a_number(read):
    frame, meta = read([reply("active", ram={"mbps": -1, "pages-per-second": 2**64 - 1}), RUNNING])
    assert math.isnan(frame["throughput_bytes_per_s"][0]) and frame["throughput_bytes_per_s"][1] == 100e6
    assert math.isnan(frame["pages_per_s"][0])


def test_totals_that_read_zero_right_after_completed_come_from_the_last_that_do_not(read):
    early = reply("completed", ram={"transferred": 0, "normal": 0}, **{"total-time": 0, "downtime": 0})
    frame, meta = read([RUNNING, early])
    assert frame["transferred_bytes"].tolist() == [123456, 0]  # the row stays as it came
    assert meta.final["transferred_bytes"] == 123456 and meta.final["normal_pages"] == 30
    assert meta.final["total_time_ns"] == RUNNING["total-time"] * ms
    assert "downtime_ns" not in meta.final  # 0 was no measurement
    assert len(meta.notes) == 3 and all("the last reply (completed)" in note for note in meta.notes)
    with pytest.raises(ReaderError, match="no downtime_ns"):
        require_completed(meta, "transferred_bytes", "downtime_ns")
    bare = {"status": "completed", "total-time": 7, "downtime": 1}
    _, meta = read([RUNNING, bare])
    assert meta.final["transferred_bytes"] == 123456 and "row 0" in meta.notes[0]
    assert meta.final["downtime_ns"] == 1 * ms


def test_totals_are_never_those_of_an_earlier_migration(read):
    frame, meta = read([RUNNING, COMPLETED, {"status": "setup"}, FAILED])
    assert len(frame) == 4 and meta.outcome == "failed"
    assert meta.final == {} and "2 migrations" in meta.notes[0] and "row 2" in meta.notes[0]
    assert read([RUNNING, FAILED, RUNNING, COMPLETED])[1].error is None


def test_a_flattened_reply_that_lacks_a_field_keeps_the_others(read):
    flat = {"status": "active", **RUNNING["ram"]}
    del flat["transferred"]
    _, meta = read(flat)
    assert meta.final["remaining_bytes"] == 654321 and "transferred_bytes" not in meta.final
    assert "all_remaining_bytes" not in meta.final


def test_downtime_counts_only_when_completed(read):
    _, meta = read(reply("active", downtime=5))
    assert "downtime_ns" not in meta.final and meta.other["poll/downtime_ns"] == (5 * ms,)
    assert "downtime" in meta.notes[0]


def test_multifd_before_8_1_is_noted_where_the_settings_are_unknown(read):
    compressed = reply("completed", ram={"multifd-bytes": 4096})
    assert "before 8.1" in read(compressed)[1].notes[0]
    new = {"QMP": {"version": {"qemu": {"major": 10, "minor": 0, "micro": 2}, "package": ""}}}
    assert read([new, compressed])[1].notes == ()


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_migrations_that_failed_read_fine_and_are_refused_where_one_must_complete(read, status):
    frame, meta = read([RUNNING, {**FAILED, "status": status}])
    assert meta.outcome == status
    assert meta.final["transferred_bytes"] == 123456 and "no totals yet" in meta.notes[0]
    assert meta.error == "Unable to write to socket: Broken pipe"
    with pytest.raises(ReaderError, match=f"outcome is {status}.*Broken pipe") as caught:
        require_completed(meta)
    assert caught.value.remedy


def test_no_migration_at_all(read):
    _, meta = read({"return": {}})
    assert meta.outcome == "none"
    with pytest.raises(ReaderError, match="outcome is none"):
        require_completed(meta)


def test_a_recording_that_was_given_up(read):
    raw = json.loads(RECORDINGS[0].read_text())
    raw["outcome"] = "not_converged"
    raw["final"] = raw["timeline"].pop()
    for status in ("cancelled", "active"):
        raw["final"]["status"] = status
        _, meta = read(raw)
        assert meta.outcome == "not_converged" and meta.notes == ()
        with pytest.raises(ReaderError, match="not_converged"):
            require_completed(meta)
    raw["outcome"] = "completed"
    _, meta = read(raw)
    assert meta.outcome == "completed" and "the last status active" in meta.notes[0]
    raw["final"]["status"] = "failed"
    assert read(raw)[1].outcome == "failed"


def test_host_names_and_addresses_are_dropped(read):
    failed = {
        "status": "failed",
        "error-desc": "Failed to connect to 'lab7.example.org:4444': No route to host (10.0.0.7, [fe80::1])",
        "socket-address": [{"type": "inet", "host": "lab7.example.org", "port": "4444"}],
    }
    _, meta = read(failed)
    assert "lab7" not in repr(meta) + repr(meta.other) and "10.0.0.7" not in repr(meta)
    assert "fe80" not in meta.error and "No route to host" in meta.error
    assert meta.other["poll/socket-address"] == (({"type": "inet", "port": "4444"},),)
    raw = json.loads(RECORDINGS[0].read_text())
    raw["host"]["hostname"] = raw["qemu"]["nodename"] = "lab7"
    raw["scenario"]["parameters"] = {"tls-hostname": "lab7"}
    _, meta = read(raw)
    assert "lab7" not in repr(meta) + repr(meta.other)
    assert without_hosts("at 12:34:56, 7.2.22, 1.5.2.9.9") == "at 12:34:56, 7.2.22, 1.5.2.9.9"


@pytest.mark.parametrize(
    ("change", "says", "line"),
    [
        (lambda r: r["ram"].update(normal=-1), "ram.normal is -1, below 0", 3),
        (lambda r: r["ram"].update(normal="7"), "ram.normal is '7' where a number belongs", 3),
        (lambda r: r["ram"].update(normal=True), "ram.normal is true where a number belongs", 3),
        (lambda r: r["ram"].update(normal=None), "ram.normal is null where a number belongs", 3),
        (lambda r: r["ram"].update(normal=[7]), "ram.normal is a list where a number belongs", 3),
        (lambda r: r["ram"].update(normal=7.5), "ram.normal is 7.5 where a whole number belongs", 3),
        (lambda r: r["ram"].update(remaining=2**64 - 4096), "(wrapped?)", 3),
        (lambda r: r["ram"].update(remaining=10**400), "about 401 digits", 3),
        (lambda r: r.update({"total-time": "12 s"}), "total-time is '12 s' where a number belongs", 3),
        (lambda r: r.update({"cpu-throttle-percentage": 101}), "is 101, above 100", 3),
        (lambda r: r.update(ram=[]), "ram is a list where an object belongs", 3),
        (lambda r: r.update(status=5), "status is 5 where text belongs", 3),
        (lambda r: r.pop("status"), "status is missing", 3),
    ],
)
def test_a_broken_value_is_named_with_its_place(read, change, says, line):
    broken = reply("active")
    change(broken)
    lines = [{"return": RUNNING}, {"return": RUNNING}, {"return": broken}, {"return": COMPLETED}]
    error = refusal(read, None, "\n".join(map(json.dumps, lines)))
    assert says in error.what and error.line == line and error.remedy


def test_all_broken_values_are_named_at_once(read):
    raw = json.loads(RECORDINGS[0].read_text())
    raw["scenario"]["workload"]["pattern"] = "wavy"
    del raw["scenario"]["vcpus"]
    raw["timeline"][3]["transferred"] = -5
    raw["final"]["ram"]["mbps"] = "fast"
    error = refusal(read, None, json.dumps(raw, indent=1))
    for said in ("pattern is 'wavy'; known: uni, seq, hot, zipf", "scenario.vcpus is missing",
                 "timeline[3].transferred is -5", "final.ram.mbps is 'fast'"):  # fmt: skip
        assert said in error.what
    assert error.line > 1


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([], "no query-migrate reply"),
        (7, "where a query-migrate reply belongs"),
        ([RUNNING, "x"], "[1] is 'x' where"),
        ({"hello": 1}, "no query-migrate reply"),
        ({"return": []}, "return is a list"),
        ({"error": {"class": "CommandNotFound", "desc": "no"}}, "an error of QMP, not a reply: no"),
        ({"schema": "nfvlab-qemu-migration/2"}, "schema is 'nfvlab-qemu-migration/2'"),
        ({"schema": 5}, "schema is 5"),
        ({"schema": RECORDING}, "scenario is missing"),
        ({"schema": "nfvlab-qemu-polls/1"}, "no query-migrate reply"),
    ],
)
def test_what_is_no_migration_is_refused(read, value, says):
    assert says in refusal(read, value).what


def test_a_recorders_file_that_was_cut_off_is_read_and_said_so(read):
    lines = [
        {"schema": "nfvlab-qemu-polls/1", "query-version": {"qemu": {"major": 8, "minor": 2, "micro": 0}}},
        {"t_ms": None, "return": {"status": "setup"}},
        {"t_ms": 12.5, "return": RUNNING},
        {"t_ms": 62.5, "return": RUNNING},
    ]
    frame, meta = read(None, "\n".join(map(json.dumps, lines))[:-9])
    assert len(frame) == 2 and frame["t_ns"][1] == 12.5 * ms and math.isnan(frame["t_ns"][0])
    assert meta.outcome == "unfinished" and meta.qemu_version == (8, 2, 0)
    assert "line 4, the last, is cut off" in " ".join(meta.notes) and "no end line" in " ".join(meta.notes)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_totals_go_back_to_qemus_words_and_return(read, path):
    _, meta = read_qemu(path)
    back = to_query_migrate({"status": "completed", **meta.final, "pause_ns": meta.measured["pause_ns"]})
    raw = json.loads(path.read_text())["final"]
    flat = {key: value for key, value in raw.items() if key != "ram"} | raw["ram"]
    assert back.pop("pause_ms") == pytest.approx(meta.measured["pause_ns"] / ms)
    for section in ("compression", "xbzrle-cache"):
        for key, value in flat.pop(section, {}).items():
            assert back.get(section, {}).get(key, 0) == pytest.approx(value)
        back.pop(section, None)
    assert back == pytest.approx(flat)
    _, again = read(to_query_migrate({"status": "completed", **meta.final}))
    assert again.final == pytest.approx(meta.final)
    assert replace(again, path="", final={}) == replace(again, path="", final={})


def test_predictions_in_qemus_words():
    said = to_query_migrate(
        {
            "total_time_ns": 1.5 * s,
            "downtime_ns": math.nan,
            "expected_downtime_ns": None,
            "setup_time_ns": math.inf,
            "normal_pages": 12.4,
            "throttle_frac": 0.07,
            "pause_ns": 4.25 * ms,
            "throughput_bytes_per_s": 125e6,
            "converged": True,
        }
    )
    assert said == {
        "total-time": 1500,
        "normal": 12,
        "cpu-throttle-percentage": 7,
        "pause_ms": 4.25,
        "mbps": 1000,
        "converged": True,
    }
    for word in ("rounds", "all_remaining_bytes"):
        with pytest.raises(ValueError, match=word):
            to_query_migrate({word: 1})
