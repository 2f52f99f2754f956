"""Lines of text `XY hex,decimal` read quickly: a letter at one of two places, an address, and a size."""

import numpy as np

from nfvlab.kernels.jit import jit

FETCH, LOAD, STORE, MODIFY = 0, 1, 2, 3
MAX_SIZE = 1 << 16
DONE, NOT_A_RECORD, BAD_ADDRESS, BAD_SIZE, PAST_THE_END = range(5)

_NEWLINE, _RETURN, _SPACE, _COMMA = 10, 13, 32, 44
_LETTERS = np.array([ord(letter) for letter in "ILSM"], dtype=np.uint8)
_MARKS = np.array([ord(mark) for mark in "=-*"], dtype=np.uint8)
_FOUR = np.uint64(4)


@jit
def _digit(byte):
    """Value of a hexadecimal digit, -1 for another byte."""
    if 48 <= byte <= 57:
        return byte - 48
    lower = byte | 32
    return lower - 87 if 97 <= lower <= 102 else -1


@jit
def _record(text, at, end):
    """(status, which of FETCH …, address, size) of the record in text[at:end]."""
    kind = -1
    if end - at > 3 and text[at + 2] == _SPACE:
        if text[at] == _LETTERS[0] and text[at + 1] == _SPACE:
            kind = FETCH
        elif text[at] == _SPACE:
            for k in range(1, 4):
                if text[at + 1] == _LETTERS[k]:
                    kind = k
    address, size = np.uint64(0), 0
    if kind < 0:
        return NOT_A_RECORD, kind, address, size
    k = at + 3
    while k < end and text[k] != _COMMA:
        digit = _digit(np.int64(text[k]))
        if digit < 0 or k - at - 3 >= 16:
            return BAD_ADDRESS, kind, address, size
        address = address << _FOUR | np.uint64(digit)
        k += 1
    if k == at + 3 or k == end:
        return BAD_ADDRESS, kind, address, size
    start = k + 1
    for k in range(start, end):
        digit = np.int64(text[k]) - 48
        if not 0 <= digit <= 9 or size > MAX_SIZE:
            return BAD_SIZE, kind, address, size
        size = size * 10 + digit
    if not 1 <= size <= MAX_SIZE:
        return BAD_SIZE, kind, address, size
    if address + np.uint64(size - 1) < address:
        return PAST_THE_END, kind, address, size
    return DONE, kind, address, size


@jit
def _is_remark(text, at, end):
    """Whether a line is one of the tool's own: ==123== and so on."""
    if end - at < 5:
        return False
    mark = text[at]
    if mark != _MARKS[0] and mark != _MARKS[1] and mark != _MARKS[2] or text[at + 1] != mark:
        return False
    k = at + 2
    while k < end and 48 <= text[k] <= 57:
        k += 1
    return k > at + 2 and k + 1 < end and text[k] == mark and text[k + 1] == mark


@jit
def parse(text, addresses, sizes, kinds):
    """Read the whole lines of text uint8[n] into arrays that have room for n // 6 records.

    Returns (status, lines read, records, bytes read); for a status other than DONE the line after these is wrong.
    """
    at = lines = records = 0
    while True:
        end = at
        while end < text.size and text[end] != _NEWLINE:
            end += 1
        if end == text.size:
            return DONE, lines, records, at
        stop = end - 1 if end > at and text[end - 1] == _RETURN else end
        if not _is_remark(text, at, stop):
            status, kind, address, size = _record(text, at, stop)
            if status != DONE:
                return status, lines, records, at
            addresses[records], sizes[records], kinds[records] = address, size, kind
            records += 1
        lines += 1
        at = end + 1
