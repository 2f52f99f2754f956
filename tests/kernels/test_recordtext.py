"""Lines of accesses, byte by byte: what is read, what is refused and where, and the uncompiled form."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.kernels import recordtext
from nfvlab.kernels.recordtext import BAD_ADDRESS, BAD_SIZE, DONE, NOT_A_RECORD, PAST_THE_END

RECORD = re.compile(rb"(?:(I)  | ([LSM]) )([0-9a-fA-F]{1,16}),([0-9]{1,5})\r?")
REMARK = re.compile(rb"(==|--|\*\*)\d+\1.*", re.DOTALL)


def parse(text: bytes, form=recordtext.parse):
    columns = [np.zeros(len(text) // 6 + 1, dtype=kind) for kind in (np.uint64, np.int64, np.uint8)]
    status, lines, records, at = form(np.frombuffer(text, dtype=np.uint8), *columns)
    return status, lines, at, list(zip(*(column[:records].tolist() for column in columns), strict=True))


def by_pattern(text: bytes):
    """The same with regular expressions: (lines read, records), up to the first line that is wrong."""
    records, lines = [], text.split(b"\n")[:-1]
    for number, line in enumerate(lines):
        if REMARK.fullmatch(line):
            continue
        found = RECORD.fullmatch(line)
        if not found or not 1 <= int(found[4]) <= 65536 or int(found[3], 16) + int(found[4]) > 2**64:
            return number, records
        kind = b"ILSM".index(found[1] or found[2])
        records.append((int(found[3], 16), int(found[4]), kind))
    return len(lines), records


def test_the_four_records_and_remarks_by_hand():
    text = b"==12== Lackey\nI  04001000,3\n L 1ffe,8\n S FFFFFFFFFFFFFFFF,1\r\n--12-- note\n M 0,65536\n**9** x\n L 1"
    status, lines, at, records = parse(text)
    assert (status, lines, text[at:]) == (DONE, 7, b" L 1")
    assert records == [(0x4001000, 3, 0), (0x1FFE, 8, 1), (2**64 - 1, 1, 2), (0, 65536, 3)]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"", NOT_A_RECORD),
        (b"hello", NOT_A_RECORD),
        (b"I 04001000,3", NOT_A_RECORD),
        (b"L  04001000,3", NOT_A_RECORD),
        (b"  L 4001000,3", NOT_A_RECORD),
        (b" X 4001000,3", NOT_A_RECORD),
        (b" I 4001000,3", NOT_A_RECORD),
        (b"=12= x", NOT_A_RECORD),
        (b"==12-- x", NOT_A_RECORD),
        (b"==== x", NOT_A_RECORD),
        (b"==12", NOT_A_RECORD),
        (b"SB 04001000", NOT_A_RECORD),
        (b" L ,3", BAD_ADDRESS),
        (b" L 40010g0,3", BAD_ADDRESS),
        (b" L 0x4001,3", BAD_ADDRESS),
        (b" L -4001,3", BAD_ADDRESS),
        (b" L 4001", BAD_ADDRESS),
        (b" L 10000000000000000,3", BAD_ADDRESS),
        (b" L 4001,", BAD_SIZE),
        (b" L 4001,0", BAD_SIZE),
        (b" L 4001,-3", BAD_SIZE),
        (b" L 4001,3 ", BAD_SIZE),
        (b" L 4001,3,4", BAD_SIZE),
        (b" L 4001,65537", BAD_SIZE),
        (b" L 4001,99999999999999999999999", BAD_SIZE),
        (b" L ffffffffffffffff,2", PAST_THE_END),
    ],
)
def test_a_wrong_line_is_told_and_where_it_begins(line, status):
    good = b"I  04001000,3\n==1== x\n"
    found = parse(good + line + b"\n L 1,1\n")
    assert found == (status, 2, len(good), [(0x4001000, 3, 0)])


pieces = st.sampled_from(
    [
        b"I  ",
        b" L ",
        b" S ",
        b" M ",
        b"=",
        b"==7==",
        b",",
        b"0",
        b"f",
        b"8",
        b"65536",
        b"\n",
        b"\r\n",
        b"x",
        b" ",
    ]
)


@given(st.lists(pieces, max_size=40).map(b"".join) | st.binary(max_size=60))
def test_any_bytes_are_read_as_the_patterns_read_them_compiled_or_not(text):
    found = parse(text)
    assert found == parse(text, recordtext.parse.py_func)
    lines, records = by_pattern(text)
    assert (found[1], found[3]) == (lines, records)
    assert (found[0] == DONE) == (lines == text.count(b"\n"))
    assert text[: found[2]].count(b"\n") == lines and (found[2] == 0 or text[found[2] - 1 :][:1] == b"\n")
