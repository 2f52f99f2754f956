"""Tables of compressed page sizes: what they say is read, and every damage to them is refused with its line."""

import json
from pathlib import Path

import pytest
from compression_samples import HEAD, LIBRARIES, ROWS, SPEEDS, TABLE

from nfvlab.readers import ReaderError
from nfvlab.readers import compression_lines as lines
from nfvlab.readers.compression import looks_like_compression, read_compression
from nfvlab.readers.recognise import recognise

CALGARY = Path(__file__).resolve().parents[2] / "data" / "compression" / "calgary_4kib.csv"
COLUMNS = lines.columns_line(LIBRARIES)
BODY = COLUMNS + lines.rows_text(ROWS)
FIRST = lines.head_line(**HEAD)
LAST = TABLE.splitlines(keepends=True)[-1]


@pytest.fixture
def read(tmp_path):
    def write_and_read(text):
        path = tmp_path / "table.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_compression(path)

    return write_and_read


def head(**changed):
    return lines.head_line(**{k: v for k, v in (HEAD | changed).items() if v is not ...})


def end(changed=(), speeds=SPEEDS):
    said = {"outcome": "complete", "drawn_pages": 5, "zero_pages": 2} | dict(changed)
    return "# " + json.dumps({"end": said, "speeds": speeds}) + "\n"


def test_a_table_in_our_words(read):
    frame, meta = read(TABLE)
    assert frame.columns.tolist() == ["page", "deflate1_bytes", "lz4_bytes"]
    assert frame.to_numpy().tolist() == sorted(ROWS) and set(map(str, frame.dtypes)) == {"int64"}
    assert meta.speeds["lz4"] == (700e6, 300e6, 2400.5) and meta.libraries == LIBRARIES
    assert (meta.file, meta.format, meta.cpu, meta.outcome) == (
        "guest.elf",
        "ELF core",
        "a processor",
        "complete",
    )
    assert (meta.file_pages, meta.hole_pages, meta.drawn_pages, meta.zero_pages) == (100, 50, 5, 2)
    assert (meta.seed, meta.repeats, meta.buffer_bytes, meta.notes) == (2016, 3, 4096, ())
    assert meta.zero_frac == pytest.approx(0.5 + 0.5 * 2 / 5)  # holes, and of the other half 2 in 5


def test_the_shipped_table_has_sizes_alone():
    frame, meta = read_compression(CALGARY)
    assert len(frame) == 793 and frame["page"].tolist() == list(range(793))
    assert meta.methods == ("deflate1", "deflate1_fixed", "deflate6", "deflate9", "zstd1", "lz4")
    assert meta.speeds == {} and meta.outcome is None and "sizes alone" in meta.notes[0]
    assert meta.zero_frac != meta.zero_frac
    saved = 1 - frame.sum() / (793 * 4096)
    assert saved["deflate1_fixed_bytes"] == pytest.approx(0.454, abs=5e-4)  # issue: -45.4 % and -56 %
    assert saved["deflate1_bytes"] == pytest.approx(0.56, abs=5e-3)


def test_a_table_that_was_cut_off_says_so(read):
    frame, meta = read(FIRST + BODY)
    assert len(frame) == 3 and meta.outcome == "cut off" and meta.speeds == {}
    assert meta.file_pages == 100 and meta.zero_pages is None and "cut off" in meta.notes[0]


def test_other_line_ends_and_a_mark_at_the_beginning(read):
    for text in (TABLE.replace("\n", "\r\n"), "\ufeff" + TABLE):
        frame, meta = read(text)
        assert len(frame) == 3 and meta.outcome == "complete"


def test_a_part_of_the_methods_in_any_order(read):
    frame, _ = read("page,zstd1_bytes,deflate6_bytes\n0,1,2\n")
    assert frame.columns.tolist() == ["page", "zstd1_bytes", "deflate6_bytes"]


@pytest.mark.parametrize("text", [TABLE, BODY], ids=["with a head", "bare"])
def test_it_is_recognised(tmp_path, text):
    path = tmp_path / "a"
    path.write_text(text)
    assert looks_like_compression(text) and recognise(path) == "compression"
    assert not looks_like_compression("page,size\n") and not looks_like_compression("# a remark\n")


DAMAGE = {
    "empty": ("", None, "empty"),
    "binary": (b"page\x00", 1, "NUL"),
    "packed": (b"\x1f\x8b\x08", None, "gunzip"),
    "another file": ("a,b\n1,2\n", 1, "not page and then"),
    "no column": ("page\n1\n", 1, "not page and then"),
    "unknown method": ("page,lzma_bytes\n", 1, "no method of ours: lzma_bytes"),
    "column without its unit": ("page,lz4\n", 1, "no method of ours: lz4"),
    "column twice": ("page,lz4_bytes,lz4_bytes\n", 1, "stands twice"),
    "head alone": (FIRST, None, "before its columns"),
    "no row": (COLUMNS, None, "no page"),
    "no row, with an end": (FIRST + COLUMNS + end({"drawn_pages": 2}), None, "no page"),
    "cut in a row": (TABLE[: TABLE.index("2700") + 2], 3, "ends in the middle"),
    "cut in the end": (TABLE[:-9], 6, "ends in the middle"),
    "a cell short": (COLUMNS + "1,2\n", 2, "2 cells, not 3"),
    "a cell more": (COLUMNS + "1,2,3,4\n", 2, "4 cells, not 3"),
    "blank line": (COLUMNS + "\n" + "1,2,3\n", 2, "1 cells, not 3"),
    "word": (COLUMNS + "1,2,x\n", 2, "lz4_bytes is 'x'"),
    "fraction": (COLUMNS + "1,2.5,3\n", 2, "deflate1_bytes is '2.5'"),
    "negative": (COLUMNS + "1,-2,3\n", 2, "'-2'"),
    "Arabic digit": (COLUMNS + "1,2,\u0663\n", 2, "whole number belongs"),
    "nothing": (COLUMNS + "1,0,3\n", 2, "deflate1_bytes is 0"),
    "too large": (COLUMNS + "1,2,8193\n", 2, "above 8192"),
    "page of another world": (COLUMNS + f"{2**53},2,3\n", 2, "above"),
    "page twice": (COLUMNS + "1,2,3\n1,2,3\n", 3, "page 1 stands twice"),
    "page twice under a head": (FIRST + COLUMNS + "1,2,3\n1,2,3\n", 4, "page 1 stands twice"),
    "a remark among rows": (FIRST + COLUMNS + "# {}\n1,2,3\n", 3, "remark among the rows"),
    "an end without a head": (BODY + LAST, 5, "remark among the rows"),
    "head is no JSON": ("# hello\n" + BODY, 1, "not JSON"),
    "head is a list": ("# []\n" + BODY, 1, "not one JSON object"),
    "head is two": ("# {} {}\n" + BODY, 1, "not one JSON object"),
    "head is blank": ("#\n" + BODY, 1, "not one JSON object"),
    "another schema": (FIRST.replace("compression/1", "compression/2") + BODY, 1, "compression/2"),
    "NaN": (FIRST.replace("2016", "NaN") + BODY, 1, "NaN"),
    "key twice": (FIRST.replace('"seed"', '"file"') + BODY, 1, "stands twice"),
    "no seed": (head(seed=...) + BODY, 1, "seed is missing"),
    "odd buffer": (head(buffer_bytes=5000) + BODY, 1, "no multiple of 4096"),
    "huge buffer": (head(buffer_bytes=2**30) + BODY, 1, "above 1048576"),
    "file name is a number": (head(file=3) + BODY, 1, "file is 3 where text belongs"),
    "library without a column": (head(libraries=LIBRARIES | {"isal1": "x"}) + BODY, 1, "isal1 has no column"),
    "column without a library": (head(libraries={"lz4": "x"}) + BODY, 1, "libraries.deflate1 is missing"),
    "more holes than pages": (head(hole_pages=101) + BODY, 1, "101 of 100"),
    "no pages": (head(file_pages=0, hole_pages=0) + BODY, 1, "0 of 0"),
    "page beyond the file": (head(file_pages=99) + BODY, 1, "is 99, and there is a page 99"),
    "end is no JSON": (FIRST + BODY + "# bye\n", 6, "not JSON"),
    "end cut": (FIRST + BODY + LAST[:-9] + "\n", 6, "ends in the middle"),
    "end without speeds": (FIRST + BODY + end(speeds={}), 6, "speeds.deflate1 is missing"),
    "end with an empty speed": (FIRST + BODY + end(speeds=SPEEDS | {"lz4": {}}), 6, "setup_ns is missing"),
    "speed without a column": (FIRST + BODY + end(speeds=SPEEDS | {"x": {}}), 6, "speeds.x has no column"),
    "speed 0": (FIRST + BODY + LAST.replace("300000000.0", "0"), 6, "below 1.0"),
    "another outcome": (FIRST + BODY + end({"outcome": "fine"}), 6, "'fine'"),
    "a row lost": (FIRST + COLUMNS + "3,1,1\n" + LAST, 4, "there are 1 rows"),
    "more zero than drawn": (FIRST + BODY + end({"zero_pages": 9}), 6, "there are 3 rows"),
    "more drawn than there are": (
        FIRST + BODY + end({"drawn_pages": 53, "zero_pages": 50}),
        6,
        "50 pages are no holes",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_table_is_refused(read, damage):
    text, line, words = DAMAGE[damage]
    with pytest.raises(ReaderError, match=words) as refused:
        read(text)
    assert refused.value.line == line and str(refused.value).isprintable()


def test_every_cut_and_every_lost_line_is_refused_or_told(read):
    for at in range(len(TABLE)):
        try:
            frame, meta = read(TABLE[:at])
        except ReaderError:
            continue
        assert meta.outcome == "cut off" and frame.to_numpy().tolist() == sorted(ROWS[: len(frame)])
    kept = TABLE.splitlines(keepends=True)
    for lost in range(1, len(kept) - 1):
        with pytest.raises(ReaderError):
            read("".join(kept[:lost] + kept[lost + 1 :]))


def test_a_hostile_name_cannot_write_to_the_terminal(read):
    _, meta = read(
        head(file="\x1b]0;owned\x07", cpu="\x1b[2J", libraries=dict.fromkeys(LIBRARIES, "\x1b")) + BODY
    )
    assert (meta.file + meta.cpu + meta.libraries["lz4"]).isprintable()
