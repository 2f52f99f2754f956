"""Hostile, damaged and cut archives of a resctrl tree are refused, and nothing is ever unpacked."""

import gzip
import io
import os
import tarfile

import pytest
import resctrl_samples as samples
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvlab.readers import ReaderError, resctrl_tar, resctrl_tree
from nfvlab.readers.resctrl import read_resctrl


def outcome(path):
    """What reading gives: ("refused", error) or ("read", frame, meta)."""
    try:
        frame, meta = read_resctrl(path)
    except ReaderError as error:
        assert str(error).isprintable() and error.what and error.remedy
        return "refused", error
    return "read", frame, meta


def member(name, kind=tarfile.REGTYPE, data=b"", link=""):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, len(data), link
    return info, data


HOSTILE = {
    "leaves by ..": (member("copy/../../etc/passwd", data=b"x"), "leaves the archive"),
    "absolute": (member("/etc/passwd", data=b"x"), "leaves the archive"),
    "device": (member("copy/null", tarfile.CHRTYPE), "no plain file"),
    "block device": (member("copy/sda", tarfile.BLKTYPE), "no plain file"),
    "pipe": (member("copy/pipe", tarfile.FIFOTYPE), "no plain file"),
    "twice": (member("copy/schemata", data=b"L3DATA:0=1\n"), "stands twice"),
    "twice by ./": (member("./copy//schemata", data=b"L3DATA:0=1\n"), "stands twice"),
    "too deep": (member("copy/" + "a/" * 40 + "schemata", data=b"x"), "too deep"),
    "too large": (member("copy/big", data=b"0" * (resctrl_tree.MAX_FILE_BYTES + 1)), "above the limit"),
    "escape": (member("copy/\x1b]0;owned\x07/../../x", data=b"x"), "leaves the archive"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_member_is_refused(tmp_path, name):
    extra, says = HOSTILE[name]
    said, error = outcome(samples.pack(tmp_path / "a.tar", samples.cdp(), extra=[extra]))
    assert said == "refused" and says in error.what
    assert sorted(os.listdir(tmp_path)) == ["a.tar"]


def test_what_unpacks_without_end_is_refused_early(tmp_path, monkeypatch):
    zeros = tmp_path / "zeros.tar.gz"
    big = tarfile.TarInfo("copy/huge")
    big.size = 1 << 40
    data = big.tobuf() + b"\0" * (1 << 20)
    zeros.write_bytes(gzip.compress(data))
    said, error = outcome(zeros)
    assert said == "refused" and "above the limit" in error.what
    monkeypatch.setattr(resctrl_tar, "MAX_UNPACKED_BYTES", 30_000)
    said, error = outcome(samples.pack(tmp_path / "a.tar.xz", samples.plain(), "w:xz"))
    assert said == "refused" and "unpacks to more than 30000" in error.what
    monkeypatch.undo()
    monkeypatch.setattr(resctrl_tar, "MAX_FILES", 3)
    said, error = outcome(tmp_path / "a.tar.xz")
    assert said == "refused" and "more than 3 members" in error.what
    monkeypatch.setattr(resctrl_tar, "MAX_PACKED_BYTES", 3)
    said, error = outcome(tmp_path / "a.tar.xz")
    assert said == "refused" and "above the limit of 3" in error.what


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_cut_anywhere_is_refused(tmp_path, mode):
    path = samples.pack(tmp_path / "a.tar", samples.cdp(), mode)
    data, cut_at = path.read_bytes(), tmp_path / "cut.tar"
    content = len(data.rstrip(b"\0"))  # of a plain archive, whose end mark is zeros
    for cut in {
        0,
        1,
        7,
        300,
        *range(512, content, 512),
        *range(0, content, max(1, content // 17)),
        content - 1,
    }:
        cut_at.write_bytes(data[:cut])
        said, error, *_ = outcome(cut_at)
        assert said == "refused", cut


@settings(max_examples=150)
@given(st.data())
def test_an_archive_with_any_bytes_overwritten(tmp_path_factory, data):
    buffer = io.BytesIO()
    mode = data.draw(st.sampled_from(["w", "w:gz"]))
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, text in samples.cdp().items():
            archive.addfile(*[(info := member("copy/" + name, data=text.encode()))[0], io.BytesIO(info[1])])
    raw = bytearray(buffer.getvalue())
    at = data.draw(st.integers(0, len(raw) - 4))
    raw[at : at + 3] = data.draw(st.binary(min_size=1, max_size=3))
    path = tmp_path_factory.getbasetemp() / "mutant.tar"
    path.write_bytes(raw)
    outcome(path)


def test_compressed_text_is_no_archive_and_says_how_to_unpack(tmp_path):
    path = tmp_path / "r.json.gz"
    path.write_bytes(gzip.compress("".join(samples.lines()).encode()))
    said, error = outcome(path)
    assert said == "refused" and "no readable tar" in error.what and "gunzip" in error.remedy
