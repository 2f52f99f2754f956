"""Damaged pqos output gives every row that is in it or a `ReaderError`, never anything else."""

import pqos_samples as samples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvlab.readers import ReaderError
from nfvlab.readers.pqos import read_pqos
from nfvlab.readers.pqos_config import read_pqos_config

RUNS = samples.samples(2)
TEXTS = {
    "text": samples.text(RUNS),
    "terminal": samples.text(RUNS, tty=True),
    "2017": samples.text_2017(RUNS),
    "csv": samples.csv(RUNS),
    "csv, misses last": samples.csv(samples.samples(2, events=("ipc", "misses")), ("ipc", "misses")),
    "processes": samples.csv(samples.samples(3, cores=("1,2", "3"), pid="12"), pids=True),
    "xml": samples.xml(RUNS),
}
ROWS = 6
SMALL = samples.samples(2, cores=("0", "1-3"), events=("ipc", "llc"))
CUT = {
    "text": samples.text(SMALL, ("ipc", "llc")),
    "terminal": samples.text(SMALL, ("ipc", "llc"), tty=True),
    "2017": samples.text_2017(samples.samples(1), ("llc",)),
    "csv": samples.csv(SMALL, ("ipc", "llc")),
    "csv, misses last": samples.csv(samples.samples(1, events=("ipc", "misses")), ("ipc", "misses")),
    "processes": samples.csv(samples.samples(1, cores=("1,2", "3"), pid="12"), pids=True),
}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("corrupt") / "out"


def outcome(path, data: bytes, reader=read_pqos):
    """What reading gives: ("refused", error) or ("read", frame, meta)."""
    path.write_bytes(data)
    try:
        frame, meta = reader(path)
    except ReaderError as error:
        assert str(error).isprintable() and error.what and error.remedy
        return "refused", error
    return "read", frame, meta


def rows_in(text: str) -> int:
    """Whole rows of a text: each has a decimal point and, at its end, all its digits."""
    return sum("." in line and not line.startswith(("TIME", "\x1b")) for line in text.split("\n"))


@pytest.mark.parametrize("name", CUT)
def test_cut_anywhere_it_keeps_whole_rows_only(scratch, name):
    text = CUT[name]
    rows = [line for line in text.replace("\x1b", "\n\x1b").split("\n") if "." in line]
    assert len(rows) >= 2
    for cut in range(len(text)):
        said, *rest = outcome(scratch, text[:cut].encode())
        if said == "read":
            whole = [row for row in rows if row in text[:cut]]
            left = text[:cut].replace("\x1b", "\n\x1b").rstrip("\n").rsplit("\n", 1)[-1]
            assert len(rest[0]) == len(whole), cut
            assert left in rows or "." not in left, cut


def test_cut_xml_is_refused_and_says_how_to_close_it(scratch):
    text = TEXTS["xml"]
    for cut in range(0, len(text) - 1, 3):
        said, error, *_ = outcome(scratch, text[:cut].encode())
        assert said == "refused", cut
    assert "</records>" in error.remedy


@settings(max_examples=400)
@given(st.data())
def test_any_character_changed_added_or_lost_drops_no_row(scratch, data):
    name = data.draw(st.sampled_from(sorted(TEXTS)))
    text = TEXTS[name]
    at = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(st.text('0123456789 \n\tk.,-x"<>/TCM\x1b[;#:é\x00', max_size=2))
    text = text[:at] + new + text[at + data.draw(st.integers(0, 2)) :]
    said, *rest = outcome(scratch, text.encode())
    if said == "read":
        assert len(rest[0]) == ROWS


@settings(max_examples=200)
@given(st.data())
def test_any_line_lost_or_doubled(scratch, data):
    name = data.draw(st.sampled_from(["text", "2017", "csv"]))
    lines = TEXTS[name].split("\n")[:-1]
    at = data.draw(st.integers(0, len(lines) - 1))
    times = data.draw(st.sampled_from([0, 2]))
    lines[at : at + 1] = [lines[at]] * times
    text = "\n".join(lines) + "\n"
    said, *rest = outcome(scratch, text.encode())
    if said == "read":
        assert len(rest[0]) == rows_in(text)


@settings(max_examples=200)
@given(st.sampled_from(sorted(TEXTS)), st.data())
def test_any_bytes_overwritten(scratch, name, data):
    raw = bytearray(TEXTS[name].encode())
    at = data.draw(st.integers(0, len(raw) - 1))
    junk = data.draw(st.binary(min_size=1, max_size=3))
    raw[at : at + len(junk)] = junk
    said, *rest = outcome(scratch, bytes(raw))
    if said == "read":
        assert len(rest[0]) == ROWS


HEAD = "Time,Core,IPC,LLC[KB]\n"
LINE = '2026-03-01 12:00:00,"0",1.00,5.0\n'
WRONG = {
    HEAD: (None, "no row"),
    HEAD + LINE.replace("5.0", "-5.0"): (2, "below 0"),
    HEAD + LINE.replace("5.0", "nan"): (2, "number belongs"),
    HEAD + LINE.replace("5.0", "inf"): (2, "number belongs"),
    HEAD + LINE.replace("5.0", "1e5"): (2, "number belongs"),
    HEAD + LINE.replace("5.0", "9" * 19): (2, "wrapped"),
    HEAD + LINE.replace("5.0", "٣"): (2, "number belongs"),
    HEAD + LINE.replace("5.0", '"5,0"'): (2, "decimal comma"),
    HEAD + LINE.replace(",5.0", ""): (2, "3 cells, not 4"),
    HEAD + LINE.replace("5.0", "5.0,6.0"): (2, "5 cells, not 4"),
    HEAD + LINE.replace('"0"', '"0'): (2, "not CSV"),
    HEAD + LINE.replace('"0"', '"zero"'): (2, "list such as"),
    HEAD + LINE.replace('"0"', '""'): (2, "list such as"),
    HEAD + LINE.replace("12:00:00", "25:00:00"): (2, "not YYYY-MM-DD"),
    HEAD + LINE.replace("-03-", "-02-").replace("-01 ", "-30 "): (2, "not YYYY-MM-DD"),
    HEAD.replace("IPC", "IPC,IPC") + LINE: (1, "twice"),
    HEAD.replace("IPC", "IPS") + LINE: (1, "not known; known"),
    LINE + HEAD + LINE: (1, "before the header"),
    HEAD + LINE + "whatever\n": (3, "1 cells"),
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[-60:])
def test_a_rule_that_is_broken_is_named_with_its_line(scratch, text):
    line, says = WRONG[text]
    said, error, *_ = outcome(scratch, text.encode())
    assert said == "refused" and error.line == line and says in error.what, error


TABLE = (
    "TIME 2026-03-01 12:00:00\n    CORE         IPC      MISSES     LLC[KB]\n"
    "       0        1.00         12k         5.0\n"
)
WRONG_TEXT = {
    TABLE.replace("12k", " 12"): (3, "thousands"),
    TABLE.replace("         5.0\n", ""): (3, "truncated"),
    TABLE.replace("1.00 ", ""): (3, "3 values"),
    TABLE.replace("LLC[KB]", "LLC[GB]"): (2, "not known"),
    TABLE.replace("    CORE", "CORE CORE"): (2, "twice"),
    TABLE.replace("2026", "year"): (3, "not YYYY"),
    TABLE.split("\n", 1)[1]: (1, "no output of pqos"),
    TABLE.split("\n", 1)[1] + TABLE: (1, "before the first TIME"),
    TABLE.split("\n", 2)[2] + TABLE: (1, "before the first TIME"),
    TABLE + "Segmentation fault\n": (4, "values"),
    TABLE + "TIME 2026-03-01 12:00:01\n": (5, "ends after a line TIME"),
    TABLE + "       1      1.00\n": (4, "2 values"),
}


@pytest.mark.parametrize("text", WRONG_TEXT, ids=lambda text: repr(text[-50:]))
def test_a_table_that_breaks_a_rule_is_refused(scratch, text):
    line, says = WRONG_TEXT[text]
    said, error, *_ = outcome(scratch, text.encode())
    assert said == "refused" and any(word in error.what for word in says.split("|")), error
    assert error.line == line


XML = TEXTS["xml"]
BAD_XML = {
    XML.replace("<records>", '<!DOCTYPE r [<!ENTITY a "aaaa">]>\n<records>', 1): "document type",
    XML.replace("<core>0<", "<core>&a;<", 1): "entity",
    XML.replace("<record>", '<record a="b">', 1): "writes none",
    XML.replace("<ipc>", "<ipx>").replace("</ipc>", "</ipx>"): "not known",
    XML.replace("\t<ipc>", "\t<core>1</core>\n\t<ipc>", 1): "twice",
    XML.replace("\t<time>", "\t<when>", 1).replace("</time>", "</when>", 1): "<time> is missing",
    XML.replace("<record>", "<record>7", 1): "between the elements",
    XML.replace("1.25", "<b>1.25</b>", 1): "writes none",
    XML + "<records>": "not XML",
}


@pytest.mark.parametrize("text", BAD_XML, ids=lambda text: BAD_XML[text])
def test_hostile_xml_is_refused_before_it_acts(scratch, text):
    said, error, *_ = outcome(scratch, text.encode())
    assert said == "refused" and BAD_XML[text] in error.what, error


BINARY = {
    "empty": b"",
    "blank": b"\n\n \n",
    "NUL": HEAD.encode() + b"\x00",
    "Latin-1": HEAD.encode() + b"\xe9",
}


@pytest.mark.parametrize("data", BINARY.values(), ids=BINARY)
def test_what_is_no_text_is_refused(scratch, data):
    assert outcome(scratch, data)[0] == "refused"
    assert outcome(scratch, data, read_pqos_config)[0] == "refused"


def test_a_file_above_the_limit_is_refused(scratch):
    scratch.write_text(TEXTS["csv"])
    with pytest.raises(ReaderError, match="above the limit"):
        read_pqos(scratch, max_bytes=100)


CONFIGS = {
    "plain": samples.config(os_interface=True),
    "cdp": samples.config(cdp=True, l2=True, mba=" MBps"),
    "old": samples.config(cos="COS", mba=None),
}
#: Classes, cores, lists of processes: 2 sockets of 2 masks and 2 rates; with CDP 2 masks for one, and 4 of L2.
PARTS = {"plain": 8 + 4 + 2, "cdp": 8 + 4 + 4 + 4, "old": 4 + 4}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_cut_within_a_line_is_refused(scratch, name):
    text = CONFIGS[name]
    for cut in range(len(text) // 3, len(text) - 1, 2):
        said, *_ = outcome(scratch, text[:cut].encode(), read_pqos_config)
        assert said == "refused" or text[cut - 1] == "\n", cut


@settings(max_examples=250)
@given(st.data())
def test_a_configuration_with_any_character_changed_drops_no_class(scratch, data):
    name = data.draw(st.sampled_from(sorted(CONFIGS)))
    text = CONFIGS[name]
    at = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(st.text("0123456789 \n,=>xCLOSfR\x1bé", max_size=2))
    text = text[:at] + new + text[at + data.draw(st.integers(0, 1)) :]
    said, *rest = outcome(scratch, text.encode(), read_pqos_config)
    if said == "read":
        frame, meta = rest
        kept = len(frame) + len(meta.cores) + len(meta.tasks) + len(meta.other)
        assert kept == PARTS[name]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("MASK 0x7ff", "MASK 7ff", "no line of pqos"),
        ("CLOS1 => MASK", "CLOS0 => MASK", "stands twice"),
        ("Core 1,", "Core 0,", "stands twice"),
        ("=> 50%", "=> -50%", "no line of pqos"),
        ("CLOS0, RMID0", "CLOSx", "no line of pqos"),
    ],
)
def test_a_configuration_that_breaks_a_rule_is_refused(scratch, old, new, says):
    text = samples.config()
    assert old in text
    said, error, *_ = outcome(scratch, text.replace(old, new, 1).encode(), read_pqos_config)
    assert said == "refused" and says in error.what and error.line
