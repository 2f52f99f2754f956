"""A damaged recording gives a `ReaderError` or what is honestly still in it, never anything else."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qemu_samples import COMPLETED, RECORDINGS, RUNNING

from nfvlab.readers import ReaderError
from nfvlab.readers.qemu import read_qemu

SMALL = min(RECORDINGS, key=lambda path: path.stat().st_size)
XBZRLE = next(path for path in RECORDINGS if "xbzrle" in path.stem)
LINES = [
    {"schema": "nfvlab-qemu-polls/1", "query-version": {"qemu": {"major": 7, "minor": 2, "micro": 22}}},
    {"t_ms": 1.5, "return": RUNNING},
    {"t_ms": 51.5, "return": RUNNING},
    {"t_ms": 60.25, "event": "STOP", "data": {}},
    {"t_ms": 101.5, "return": COMPLETED},
    {"end": {"outcome": "completed", "t_ms": 101.5, "replies": 3}},
]
OTHERS = [None, True, -1, 1.5, "seven", "NaN", [], {}, [[1]], {"a": {"b": 1}}, 2**63, 10**30, -(10**30), ""]


def trimmed(path) -> dict:
    """A recording with a short timeline, so that a damage is likely to hit something that matters."""
    raw = json.loads(path.read_text())
    for key in ("timeline", "wire_timeline"):
        raw[key] = raw[key][:2] + raw[key][-1:]
    raw["guest"]["serial"] = raw["guest"]["serial"][:2]
    return raw


def places(value, at=()):
    yield at
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*at, key))


def holder(value, at):
    for key in at[:-1]:
        value = value[key]
    return value


def outcome(path):
    """What reading gives: ("refused", error) or ("read", frame, meta)."""
    try:
        frame, meta = read_qemu(path)
    except ReaderError as error:
        assert str(error).isprintable() and error.what and error.remedy
        return "refused", error
    return "read", frame, meta


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("corrupt") / "run.json"


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_truncated_recording_is_refused(scratch, path):
    data = path.read_bytes().rstrip()
    for cut in {*range(0, len(data), len(data) // 23), len(data) - 1}:
        scratch.write_bytes(data[:cut])
        said, error, *_ = outcome(scratch)
        assert said == "refused", cut
        assert "truncated" in error.what or "empty" in error.what


def test_a_recorders_file_truncated_anywhere_keeps_its_whole_lines(scratch):
    text = "".join(json.dumps(line) + "\n" for line in LINES)
    whole = [i + 1 for i, c in enumerate(text) if c == "\n"]
    near = {end + step for end in whole for step in (-2, -1, 0, 1)}
    for cut in sorted({0, *near, *range(1, len(text), 9)} - {len(text) + 1}):
        scratch.write_text(text[:cut])
        lines = sum(end - 1 <= cut for end in whole)
        polls = max(0, min(lines - 1, 2)) + (lines >= 5)
        said, *rest = outcome(scratch)
        if polls == 0:
            assert said == "refused", cut
            continue
        frame, meta = rest
        assert len(frame) == polls
        assert any("cut off" in note for note in meta.notes) == (
            cut not in {0, *whole, *(w - 1 for w in whole)}
        )
        assert any("no end line" in note for note in meta.notes) == (lines < 6)
        assert meta.outcome == ("completed" if lines >= 5 else "unfinished")


@settings(max_examples=400)
@given(st.data())
def test_any_value_replaced_or_removed(scratch, data):
    raw = trimmed(data.draw(st.sampled_from([SMALL, XBZRLE])))
    at = data.draw(st.sampled_from([place for place in places(raw) if place]))
    new = data.draw(st.sampled_from([*OTHERS, "remove"]))
    if new == "remove":
        del holder(raw, at)[at[-1]]
    else:
        holder(raw, at)[at[-1]] = new
    scratch.write_text(json.dumps(raw))
    said, *rest = outcome(scratch)
    if said == "read" and at[0] not in ("timeline", "final"):
        assert len(rest[0]) == 4
        assert rest[1].final["total_time_ns"] == raw["final"]["total-time"] * 1e6


@settings(max_examples=200)
@given(st.data())
def test_any_key_renamed_or_value_nested_in_polls(scratch, data):
    lines = copy.deepcopy(LINES)
    at = data.draw(st.sampled_from([place for place in places(lines) if place]))
    here = holder(lines, at)
    if isinstance(here, dict) and data.draw(st.booleans()):
        here[data.draw(st.text(max_size=5))] = here.pop(at[-1])
    else:
        here[at[-1]] = data.draw(st.sampled_from([[here[at[-1]]], {"return": here[at[-1]]}]))
    scratch.write_text("\n".join(map(json.dumps, lines)))
    outcome(scratch)


NUMBERS = [
    ("scenario", "ram_mib"),
    ("scenario", "downtime_limit_ms"),
    ("scenario", "max_bandwidth_Bps"),
    ("scenario", "workload", "rate_pps"),
    ("measured", "stop_to_resume_ms"),
    ("measured", "src_thread_cpu_s", "live_migration"),
    ("guest", "mem_at_ready", "free_kib"),
    ("timeline", 1, "t_ms"),
    ("timeline", 1, "transferred"),
    ("timeline", 1, "mbps"),
    ("final", "total-time"),
    ("final", "downtime"),
    ("final", "ram", "dirty-sync-count"),
    ("wire_bytes",),
    ("events", 0, 0),
]


KNOBS = [
    *((key,) for key in ("name", "outcome", "scenario", "timeline", "final")),
    *(("scenario", key) for key in ("ram_mib", "vcpus", "free_page_hint", "workload", "max_bandwidth_Bps")),
    *(("scenario", key) for key in ("link_Bps", "downtime_limit_ms", "capabilities", "parameters")),
    *(("scenario", "workload", key) for key in ("touch_mib", "touch_content", "freed", "wss_mib")),
    *(("scenario", "workload", key) for key in ("rate_pps", "pattern", "dirty_content")),
]


@pytest.mark.parametrize("at", NUMBERS, ids=lambda at: ".".join(map(str, at)))
@pytest.mark.parametrize("bad", ["12", True, [1], {}, float("nan"), float("inf"), 1e300, 10**40])
def test_no_number_is_taken_that_is_none(scratch, at, bad):
    raw = trimmed(XBZRLE)
    holder(raw, at)[at[-1]] = bad
    scratch.write_text(json.dumps(raw, indent=1))
    said, error, *_ = outcome(scratch)
    assert said == "refused"
    assert error.line is not None


@pytest.mark.parametrize("at", NUMBERS[:-1], ids=lambda at: ".".join(map(str, at)))
def test_no_negative_number_is_taken(scratch, at):
    raw = trimmed(XBZRLE)
    holder(raw, at)[at[-1]] = -1e-9 if at[-1] in ("t_ms", "mbps", "downtime") else -1000
    scratch.write_text(json.dumps(raw))
    said, error, *_ = outcome(scratch)
    assert said == "refused"
    assert str(at[-1]) in error.what and "below" in error.what


@pytest.mark.parametrize("at", KNOBS, ids=lambda at: ".".join(at))
def test_no_knob_gets_a_silent_default(scratch, at):
    raw = trimmed(SMALL)
    del holder(raw, at)[at[-1]]
    scratch.write_text(json.dumps(raw))
    said, error, *_ = outcome(scratch)
    assert said == "refused"
    assert error.what == ".".join(at) + " is missing"


@settings(max_examples=150)
@given(st.integers(0, SMALL.stat().st_size - 1), st.binary(min_size=1, max_size=3))
def test_any_bytes_overwritten(scratch, at, junk):
    data = bytearray(SMALL.read_bytes())
    data[at : at + len(junk)] = junk
    scratch.write_bytes(data)
    outcome(scratch)


def test_a_very_long_recording_is_read_and_one_above_the_limit_refused(scratch):
    raw = trimmed(SMALL)
    raw["timeline"] = raw["timeline"][:1] * 20_000
    scratch.write_text(json.dumps(raw))
    assert len(read_qemu(scratch)[0]) == 20_001
    with pytest.raises(ReaderError, match="above the limit"):
        read_qemu(scratch, max_bytes=1 << 20)
