"""A damaged tree or recording gives a `ReaderError` or what is honestly still in it, never anything else."""

import json
import os

import pytest
import resctrl_samples as samples
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvlab.readers import ReaderError, resctrl_tree
from nfvlab.readers.resctrl import read_resctrl

PLAIN, LINES = samples.plain(), samples.lines()
FILES = [name for name in PLAIN if not name.endswith(("tasks", "/cpus"))]
KNOWN = [name for name in FILES if name not in ("cpus", "info/last_cmd_status")]
OTHERS = [None, True, -1, 1.5, "seven", "NaN", [], {}, [[1]], {"a": {"b": 1}}, 2**63, 10**30, ""]


def outcome(path):
    """What reading gives: ("refused", error) or ("read", frame, meta)."""
    try:
        frame, meta = read_resctrl(path)
    except ReaderError as error:
        assert str(error).isprintable() and error.what and error.remedy
        return "refused", error
    return "read", frame, meta


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Writes the sample with one file changed, reads it, and puts the file back."""
    root = samples.write(tmp_path_factory.mktemp("tree") / "copy", PLAIN)

    def run(name, data: bytes):
        (root / name).write_bytes(data)
        said = outcome(root)
        (root / name).write_text(PLAIN[name])
        return said

    return run


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("corrupt") / "run.json"


@pytest.mark.parametrize("name", KNOWN)
def test_a_file_cut_anywhere_is_refused_by_its_name(tree, name):
    data = PLAIN[name].encode()
    for cut in range(len(data)):
        said, *rest = tree(name, data[:cut])
        if said == "read":  # a whole line of several is left
            assert data[:cut].endswith(b"\n") and name.endswith(("schemata", "size", "mon_features")), cut
        else:
            assert rest[0].path.endswith(name) and rest[0].line


@pytest.mark.parametrize(
    "name", [name for name in KNOWN if "mon_data" in name and name.endswith(("occupancy", "bytes"))]
)
@pytest.mark.parametrize(
    "said", ["-1", "NaN", "inf", "1e9", "0x10", "1.5", "unavailable", "9" * 30, "1 2", "٣"]
)
def test_no_count_is_taken_that_is_none(tree, name, said):
    result, error, *_ = tree(name, f"{said}\n".encode())
    assert result == "refused" and error.path.endswith(name) and error.line == 1


JUNK = [b"\x00\n", b"\xff\xfe\n", b"\x1b[2J\n", b"\xc3\xa9\n", b"ff\x00f\n"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("junk", JUNK, ids=repr)
def test_no_binary_is_taken_for_text(tree, name, junk):
    said, error, *_ = tree(name, junk)
    assert said == "refused" and error.path.endswith(name)


@settings(max_examples=300)
@given(st.data())
def test_any_byte_of_any_file_changed(tree, data):
    name = data.draw(st.sampled_from(sorted(PLAIN)))
    text = bytearray(PLAIN[name].encode())
    at = data.draw(st.integers(0, len(text) - 1))
    text[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    said, *rest = tree(name, bytes(text))
    if said == "read":
        assert len(rest[0]) == 6 and set(rest[1].groups) == {("/", ""), ("web", ""), ("web", "a")}


WRONG = {
    "info/L3/cbm_mask": ["fffffffff\n", "g\n", "1 2\n", "-1\n"],
    "info/L3/sparse_masks": ["2\n", "yes\n"],
    "info/L3/bit_usage": ["0\n", "x=S\n", "0=S;0=X\n"],
    "info/L3_MON/num_rmids": ["-1\n", "1.5\n", "many\n", str(2**63) + "\n"],
    "mode": ["shared\n", "\n"],
    "cpus_list": ["3-1\n", "a\n", "1,1\n", "0-99999999\n", "1-\n"],
    "tasks": ["1\nx\n", "-4\n"],
    "web/schemata": ["L3:0=ff;0=f\n", "L3\n", "L3:0=xyz\n"],
    "web/size": ["L3:0=-5;1=6\n", "L3:0=ff;1=6\n"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in WRONG.items() for text in texts])
def test_a_rule_that_is_broken_is_named(tree, name, text):
    said, error, *_ = tree(name, text.encode())
    assert said == "refused" and error.path.endswith(name) and error.line is not None


def test_what_is_no_tree_is_refused_with_what_to_do(tmp_path):
    for make, says in (
        (lambda: None, "not mounted|is empty"),
        (lambda: (tmp_path / "a").write_text("x"), "no resctrl tree"),
        (lambda: (tmp_path / "info").mkdir(), "no resctrl tree"),
    ):
        make()
        said, error = outcome(tmp_path)
        assert said == "refused" and error.remedy
        assert any(word in error.what for word in says.split("|")), error
    said, error = outcome(tmp_path / "none")
    assert said == "refused" and "no such file" in error.what


def test_two_trees_in_one_directory_are_not_guessed_between(tmp_path):
    for name in ("a", "b"):
        samples.write(tmp_path / name, samples.cdp())
    said, error = outcome(tmp_path)
    assert said == "refused" and "a, b" in error.what


def test_empty_files_are_the_trap_of_tar_and_named_so(tmp_path):
    empty = dict.fromkeys(PLAIN, "")
    for path in (samples.write(tmp_path / "copy", empty), samples.pack(tmp_path / "c.tar", empty)):
        said, error = outcome(path)
        assert said == "refused" and "empty" in error.what and "cp -r" in error.remedy


def test_a_directory_of_pipes_or_without_end_is_refused_or_noted(tmp_path, monkeypatch):
    root = samples.write(tmp_path / "copy", samples.cdp())
    os.mkfifo(root / "mon_data" / "mon_L3_00" / "mbm_total_bytes")
    said, _, meta = outcome(root)
    assert said == "read" and any("no regular file" in note for note in meta.notes)
    monkeypatch.setattr(resctrl_tree, "MAX_FILES", 10)
    said, error = outcome(root)
    assert said == "refused" and "more than 10" in error.what
    monkeypatch.undo()
    monkeypatch.setattr(resctrl_tree, "MAX_FILE_BYTES", 3)
    said, error = outcome(root)
    assert said == "refused" and "above the limit" in error.what


def test_a_recording_cut_anywhere_keeps_its_whole_lines(scratch):
    text = "".join(LINES)
    ends = [i for i, c in enumerate(text) if c == "\n"]
    near = {end + step for end in ends for step in (-2, -1, 0, 1)}
    for cut in sorted({0, *near, *range(1, len(text), 9)} - {len(text) + 1}):
        scratch.write_text(text[:cut])
        lines = sum(end <= cut for end in ends)
        said, *rest = outcome(scratch)
        if lines == 0:
            assert said == "refused", cut
            continue
        frame, meta = rest
        assert len(frame) == 2 * min(lines - 1, 3), cut
        assert any("cut off" in n or "no end line" in n for n in meta.notes) == (lines < 5)


def places(value, at=()):
    yield at
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*at, key))


@settings(max_examples=400)
@given(st.data())
def test_any_value_of_a_recording_replaced_or_removed(scratch, data):
    values = [json.loads(line) for line in LINES]
    at = data.draw(st.sampled_from([place for place in places(values) if len(place) > 1]))
    holder = values
    for key in at[:-1]:
        holder = holder[key]
    new = data.draw(st.sampled_from([*OTHERS, "remove"]))
    if new == "remove":
        del holder[at[-1]]
    else:
        holder[at[-1]] = new
    scratch.write_text("\n".join(map(json.dumps, values)))
    said, *rest = outcome(scratch)
    if said == "read":
        gone = new == "remove" and len(at) == 3 and at[1] == "rows"
        assert len(rest[0]) == 6 - gone


@settings(max_examples=150)
@given(st.integers(0, sum(map(len, LINES)) - 1), st.binary(min_size=1, max_size=3))
def test_any_bytes_of_a_recording_overwritten(scratch, at, junk):
    raw = bytearray("".join(LINES).encode())
    raw[at : at + len(junk)] = junk
    scratch.write_bytes(raw)
    said, *rest = outcome(scratch)
    if said == "read" and not any("cut off" in note for note in rest[1].notes):
        assert len(rest[0]) == 6


SAMPLES = {
    '{"t_ms":1}': "neither rows nor groups",
    '{"t_ms":1,"rows":[["/","",0,null,1,2]]}': "no list of 7",
    '{"t_ms":1,"rows":[["/","",0,null,1,2,3],["/","",0,null,1,2,3]]}': "stands twice",
    '{"t_ms":1,"rows":[["/","",-1,null,1,2,3]]}': "does not begin with",
    '{"t_ms":1,"rows":[["/","",true,null,1,2,3]]}': "does not begin with",
    '{"t_ms":1,"rows":[["/","",0,null,-1,2,3]]}': "below 0",
    '{"t_ms":1,"rows":[["/","",0,null,1.5,2,3]]}': "whole number",
    '{"t_ms":1,"rows":[["/","",0,null,"broken",2,3]]}': "number belongs",
    '{"t_ms":-1,"rows":[]}': "below 0",
    '{"rows":[]}': "t_ms is missing",
    '{"t_ms":9e9,"rows":[]}\n{"t_ms":1,"rows":[]}': "before the line above",
    '{"end":{"outcome":"complete","samples":7}}': "0 samples stand above",
    '{"end":{"outcome":"complete","samples":0}}\n{"t_ms":1,"rows":[]}': "follows the end",
    '{"t_ms":1,"groups":[{"control":"/","mon":""},{"control":"/","mon":""}]}': "twice",
    "7": "where a sample belongs",
}


@pytest.mark.parametrize("line", SAMPLES)
def test_a_line_that_breaks_a_rule_is_refused_with_its_number(scratch, line):
    scratch.write_text(LINES[0] + line + "\n")
    said, error = outcome(scratch)
    assert said == "refused" and SAMPLES[line] in error.what and error.line in (2, 3)
