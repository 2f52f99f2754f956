"""Traces: a real one in full, accesses that cross lines, raw addresses, and every damage refused with its place."""

import gzip
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.kernels.setassoc import CODE, WRITE
from nfvlab.paths import data_file
from nfvlab.readers import ReaderError, trace
from nfvlab.readers.trace import read_trace

REAL = data_file("traces", "true.lackey.gz")
SMALL = b"""==7== Lackey, an example Valgrind tool
==7== Command: ./a
I  04001000,3
 S 1ffeffe7e0,8
I  0400103e,5
 L 0000107c,200
 M 00002000,4
==7== Exit code:       0
"""


@pytest.fixture
def put(tmp_path):
    def write(content, name="trace.lackey"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def refusal(path, **options) -> ReaderError:
    with pytest.raises(ReaderError) as caught:
        read_trace(path, **options)
    error = caught.value
    assert error.what and error.remedy and str(path) in str(error)
    return error


def test_a_real_trace_has_what_the_tool_counted_itself():
    text = gzip.decompress(REAL.read_bytes()).decode()
    found, meta = read_trace(REAL)
    (counted,) = (line for line in text.splitlines() if "guest instrs:" in line)
    assert meta["fetches"] == int(counted.split()[-1].replace(",", ""))
    for name, mark in {"fetches": "I ", "loads": " L", "stores": " S", "modifies": " M"}.items():
        assert meta[name] == sum(line.startswith(mark) for line in text.splitlines())
    assert meta["records"] == sum(meta[name] for name in ("fetches", "loads", "stores", "modifies"))
    # every access but the split ones is one reference; none of this program's is longer than a line, so those are two
    assert found.address.size == found.kind.size == meta["records"] + meta["split"]
    records = [line for line in text.splitlines() if line[0] in "I "]
    crossing = 0
    for line in records:
        address, size = line[3:].split(",")
        crossing += (int(address, 16) % 64) + int(size) > 64
    assert meta["split"] == crossing > 0


def test_accesses_that_cross_lines_go_to_each(put):
    found, meta = read_trace(put(SMALL))
    # 0x103e and 5 bytes: lines 0x1000 and 0x1040; 0x107c and 200 bytes: up to 0x1143, lines 0x1040 … 0x1140
    touched = [0x4001000, 0x1FFEFFE7E0, 0x400103E, 0x4001040]
    touched += [0x107C, 0x1080, 0x10C0, 0x1100, 0x1140, 0x2000]
    assert found.address.tolist() == touched
    assert found.kind.tolist() == [CODE, WRITE, CODE, CODE, 0, 0, 0, 0, 0, WRITE]
    assert meta == {
        "format": "lackey", "records": 5, "split": 2, "fetches": 2, "loads": 1, "stores": 1, "modifies": 1
    }  # fmt: skip
    assert found.lines().tolist() == [address // 64 for address in touched]


@pytest.mark.parametrize(("line_bytes", "count"), [(1, 220), (32, 13), (128, 7), (4096, 5)])
def test_lines_of_other_sizes(put, line_bytes, count):
    # 1: 3 + 8 + 5 + 200 + 4 bytes; 32: 1 + 1 + 2 + 8 (0x1060 to 0x1140) + 1; 128: 1 + 1 + 1 + 3 + 1; 4096: one each
    found, _ = read_trace(put(SMALL), line_bytes=line_bytes)
    expected = []
    for address, size in [(0x4001000, 3), (0x1FFEFFE7E0, 8), (0x400103E, 5), (0x107C, 200), (0x2000, 4)]:
        expected += sorted({byte // line_bytes for byte in range(address, address + size)})
    assert found.lines(line_bytes).tolist() == expected
    assert len(expected) == count


def test_an_access_may_end_with_the_last_byte(put):
    assert read_trace(put(b" L ffffffffffffffbf,65\n"))[0].address.tolist() == [2**64 - 65, 2**64 - 64]


def test_packed_is_as_unpacked_in_any_piece(put, monkeypatch):
    content = gzip.decompress(REAL.read_bytes())[:40_000].rsplit(b"\n", 1)[0] + b"\n"
    plain = read_trace(put(content))
    monkeypatch.setattr(trace, "_BLOCK", 100)
    for name, pack in {"pieces": bytes, "pieces.gz": gzip.compress}.items():
        pieces = read_trace(put(pack(content), name))
        for one, other in zip(plain[0], pieces[0], strict=True):
            assert np.array_equal(one, other)
        assert plain[1] == pieces[1]


def test_raw_addresses(put):
    address = np.random.default_rng(1).integers(0, 2**64, 1000, dtype=np.uint64)
    for content, name in [(address.tobytes(), "a.bin"), (gzip.compress(address.tobytes()), "a.gz")]:
        found, meta = read_trace(put(content, name))
        assert np.array_equal(found.address, address) and not found.kind.any()
        assert meta == {"format": "raw", "records": 1000}
    with pytest.raises(ValueError, match="read-only"):
        found.address[0] = 1


def test_raw_addresses_that_look_like_something_else(put):
    as_text = put(b"ABCDEFGH" * 4)
    assert "not lackey's" in refusal(as_text).what
    assert (
        read_trace(as_text, format="raw")[0].address.tolist() == [int.from_bytes(b"ABCDEFGH", "little")] * 4
    )
    as_gzip = put(b"\x1f\x8b\x08\x00\x00\x00\x00\x00" * 2, "a.bin")
    assert "gzip" in refusal(as_gzip).what
    assert read_trace(as_gzip, format="raw")[0].address.tolist() == [0x88B1F] * 2


def test_a_large_raw_trace_is_mapped_not_read(tmp_path):
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.write(b"\xff" * 8)
        file.truncate(1 << 33)  # sparse: 8 GiB
    found = np.memmap(path, dtype="<u8", mode="r")
    assert found.size == 1 << 30
    made, meta = read_trace(path)
    assert meta["records"] == 1 << 30 and made.address[[0, -1]].tolist() == [2**64 - 1, 0]


@pytest.mark.parametrize("size", [1, 7, 9, 4095])
def test_raw_addresses_cut_off(put, size):
    error = refusal(put(bytes(size)))
    assert f"{size} bytes" in error.what


WRONG = {  # what is put in place of the store in line 4: what is said of it
    b" S 1ffeffe7e0": "hexadecimal digits and a comma",
    b" S 1ffeffe7e0,": "number of bytes",
    b" S 1ffeffe7e0,0": "number of bytes",
    b" S 1ffeffe7e0,70000": "number of bytes",
    b" S xyz,8": "hexadecimal digits",
    b" S ffffffffffffffff,8": "past the last address",
    b" T 1ffeffe7e0,8": "neither an access",
    b"S 1ffeffe7e0,8": "neither an access",
    b"hello world": "neither an access",
    b"": "neither an access",
    b" S 1ffe\x00fe7e0,8": "hexadecimal digits",
    b"\xff\xfe": "neither an access",
}


@pytest.mark.parametrize("line", WRONG)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_wrong_line_is_refused_with_its_number(put, line, pack):
    error = refusal(put(pack(SMALL.replace(b" S 1ffeffe7e0,8", line))))
    assert error.line == 4 and WRONG[line] in error.what
    assert str(error).isprintable()


def test_a_wrong_line_far_down_has_its_number(put, monkeypatch):
    monkeypatch.setattr(trace, "_BLOCK", 1000)
    assert refusal(put(b"I  04001000,3\n" * 5000 + b"oops\n")).line == 5001


def test_a_file_cut_anywhere_is_refused_unless_at_the_end_of_a_line(put):
    for size in range(len(SMALL)):
        path = put(SMALL[:size])
        whole_lines = SMALL[:size].endswith(b"\n") and b"I  " in SMALL[:size]
        if whole_lines:
            read_trace(path)
        else:
            refusal(path)


def test_a_packed_file_cut_or_damaged_is_refused(put):
    packed = REAL.read_bytes()
    for content in (
        packed[:-1],
        packed[: len(packed) // 2],
        packed[:12],
        packed[:-6] + b"abcdef",
        packed + b"xyz",
    ):
        assert "gzip" in refusal(put(content, "x.gz")).what
    damaged = bytearray(packed)
    damaged[len(packed) // 2] ^= 0x10
    refusal(put(bytes(damaged), "x.gz"))


def test_what_is_too_large_is_refused(put):
    assert "100 bytes" in refusal(put(SMALL), max_bytes=100).what
    assert "10000 bytes" in refusal(put(gzip.compress(bytes(10**6)), "bomb.gz"), max_bytes=10_000).what
    assert (
        "10000 bytes"
        in refusal(put(gzip.compress(b"I  04001000,3\n" * 10**5), "bomb.gz"), max_bytes=10_000).what
    )
    assert len(read_trace(put(SMALL), max_bytes=len(SMALL))[0].address) == 10


@pytest.mark.parametrize("content", [b"", gzip.compress(b"", mtime=0)])
@pytest.mark.parametrize("format", [None, "raw", "lackey"])
def test_nothing(put, content, format):
    assert "empty" in refusal(put(content, "x.gz"), format=format).what


def test_remarks_alone_are_no_trace(put):
    error = refusal(put(b"==7== Lackey\n==7== Exit code: 0\n"))
    assert "no access" in error.what and "--trace-mem" in error.remedy


def test_a_line_without_end_is_refused(put, monkeypatch):
    monkeypatch.setattr(trace, "_BLOCK", 10_000)
    error = refusal(put(b"I  04001000,3\n==7== " + b"x" * 200_000))
    assert error.line == 2


def test_places_that_are_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, says in [
        (tmp_path, "directory"),
        (tmp_path / "none", "no such file"),
        (tmp_path / "pipe", "not a regular file"),
        ("/dev/zero", "not a regular file"),
    ]:
        assert says in refusal(path).what


@pytest.mark.parametrize("options", [{"format": "text"}, {"line_bytes": 0}, {"line_bytes": 48}])
def test_options_that_are_none(put, options):
    with pytest.raises(ValueError, match=next(iter(options))) as caught:
        read_trace(put(SMALL), **options)
    assert not isinstance(caught.value, ReaderError)


@given(
    st.binary(max_size=200)
    | st.integers(0, len(SMALL) - 1).map(lambda k: SMALL[:k] + b"\xf1" + SMALL[k + 1 :])
)
@pytest.mark.parametrize("format", [None, "lackey"])
def test_any_bytes_give_a_trace_or_a_reader_error(tmp_path_factory, format, content):
    path = tmp_path_factory.getbasetemp() / "any.trace"
    path.write_bytes(content)
    try:
        found, meta = read_trace(path, format=format)
    except ReaderError as error:
        assert str(error).isprintable()
    else:
        assert found.address.size >= meta["records"] > 0


accesses = st.tuples(st.sampled_from("ILSM"), st.integers(0, 2**48), st.integers(1, 300))


@given(st.lists(accesses, min_size=1, max_size=30), st.sampled_from(["\n", "\r\n"]))
def test_what_is_written_is_read(tmp_path_factory, made, end):
    path = tmp_path_factory.getbasetemp() / "made.lackey"
    text = "".join(f"{'I ' if kind == 'I' else ' ' + kind} {a:08x},{size}{end}" for kind, a, size in made)
    path.write_bytes(text.encode())
    found, meta = read_trace(path)
    expected = [
        (line, {"I": CODE, "L": 0}.get(kind, WRITE))
        for kind, a, size in made
        for line in range(a // 64, (a + size - 1) // 64 + 1)
    ]
    assert list(zip(found.lines().tolist(), found.kind.tolist(), strict=True)) == expected
    assert meta["records"] == len(made)


def test_the_bits_are_those_of_the_cache():
    assert (trace.CODE, trace.WRITE) == (CODE, WRITE)
