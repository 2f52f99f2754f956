"""`nfvlab measure compression`: sizes are the libraries' own, the sample is fair, holes stay unread."""

import os
import signal
import zlib

import numpy as np
import pytest
from compression_samples import PAGE, elf, random_page, text_page
from scipy import stats

from nfvlab.cli import main
from nfvlab.commands import measure as command
from nfvlab.measure import compression, measure_compression, memory, methods
from nfvlab.measure.memory import Runs
from nfvlab.readers import ReaderError
from nfvlab.readers.compression import read_compression

ZERO = bytes(PAGE)
ALL = methods.available()
PLAIN = {name: method for name, method in ALL.items() if name.startswith("deflate")}


def raw_deflate(data, level, strategy=zlib.Z_DEFAULT_STRATEGY):
    stream = zlib.compressobj(level, wbits=-15, strategy=strategy)
    return len(stream.compress(data) + stream.flush())


@pytest.fixture
def measure(tmp_path):
    """Write some bytes and measure them: (frame, meta)."""

    def run(data, **options):
        path, output = tmp_path / "dump", tmp_path / "table.csv"
        path.write_bytes(data if isinstance(data, bytes) else b"".join(data))
        options = {"methods": PLAIN, "pages": 1000, "seed": 1, "repeats": 1, "force": True} | options
        measure_compression(path, output, **options)
        return read_compression(output)

    return run


def test_sizes_are_the_library_s_own(measure):
    pages = [text_page(0), random_page(1), text_page(2)]
    frame, meta = measure(pages)
    assert frame["page"].tolist() == [0, 1, 2] and meta.methods == tuple(PLAIN)
    for name, level, strategy in (
        ("deflate1", 1, zlib.Z_DEFAULT_STRATEGY),
        ("deflate1_fixed", 1, zlib.Z_FIXED),
        ("deflate6", 6, zlib.Z_DEFAULT_STRATEGY),
        ("deflate9", 9, zlib.Z_DEFAULT_STRATEGY),
    ):
        assert frame[f"{name}_bytes"].tolist() == [raw_deflate(page, level, strategy) for page in pages], name
    assert (frame["deflate1_fixed_bytes"] > frame["deflate1_bytes"]).tolist() == [True, False, True]


def test_a_random_page_is_stored_five_bytes_longer(measure):
    frame, _ = measure([random_page(k) for k in range(8)])
    stored = 3 + 5 + 16 + 16  # RFC 1951: 3 header bits, to the byte's end, LEN, NLEN
    assert (frame.drop(columns="page") == PAGE + stored // 8).all(axis=None)


@pytest.mark.parametrize("name", ALL)
def test_a_method_gives_back_what_it_took(name):
    for data in (b"", text_page(1), random_page(1), ZERO, text_page(3) * 16):
        assert ALL[name].decompress(ALL[name].compress(data), len(data)) == data
    assert len(ALL[name].compress(text_page(1))) < PAGE < len(ALL[name].compress(random_page(1)))
    assert ALL[name].library.split()[-1][0].isdigit()


def test_isal_agrees_with_zlib_on_the_format():
    pytest.importorskip("isal")
    assert zlib.decompress(ALL["isal1"].compress(text_page(1)), -15) == text_page(1)


def test_zero_pages_are_counted_apart(measure):
    almost = bytes(PAGE - 1) + b"\1"
    frame, meta = measure([ZERO, text_page(1), ZERO, almost, ZERO])
    assert frame["page"].tolist() == [1, 3] and (meta.drawn_pages, meta.zero_pages) == (5, 3)
    assert meta.zero_frac == pytest.approx(0.6)


def test_a_page_that_is_not_whole_is_left_out(measure):
    frame, meta = measure(text_page(0) + b"rest")
    assert len(frame) == 1 and meta.file_pages == 1


def test_speeds_are_of_cpu_time_and_of_pages(measure):
    _, meta = measure([text_page(k) for k in range(64)], repeats=3)
    one = meta.speeds["deflate1"]
    assert 1e6 < one.compress_bytes_per_s < one.decompress_bytes_per_s < 1e11 and one.setup_ns > 0


def test_the_median_of_repeats_is_summed_over_batches(monkeypatch):
    ticks = iter(np.cumsum([0, 5, 0, 100, 0, 7]))
    monkeypatch.setattr(compression.time, "thread_time_ns", lambda: int(next(ticks)))
    results, spent_ns = compression._timed(bytes.upper, 3, [b"a", b"b"])
    assert (results, spent_ns) == ([b"A", b"B"], 7)
    monkeypatch.undo()
    clocks = {"deflate1": compression._Clock(compress_ns=2e9, decompress_ns=5e8)}
    said = compression._speeds(clocks, ALL, 1000)["deflate1"]
    assert (said["compress_bytes_per_s"], said["decompress_bytes_per_s"]) == (500, 2000)


def test_a_buffer_is_compressed_whole_and_shared_by_its_pages(measure):
    pages = [text_page(k) for k in range(16)] + [text_page(40), ZERO, random_page(7)]
    frame, meta = measure(pages, buffer_bytes=16 * PAGE)
    assert meta.buffer_bytes == 16 * PAGE and frame["page"].tolist() == [*range(16), 16, 18]
    size = frame["deflate1_bytes"]
    assert size[:16].sum() == raw_deflate(b"".join(pages[:16]), 1) and size[:16].max() - size[:16].min() <= 1
    assert size[16:].sum() == raw_deflate(pages[16] + pages[18], 1)  # the zero page between them is not in it
    assert compression.shares(7, 3) == [3, 2, 2]


def sparse(path, pages, data):
    """A file of so many pages with data at some, holes elsewhere; skipped where the file system has no holes."""
    with open(path, "wb") as file:
        file.truncate(pages * PAGE)
        for number, page in data.items():
            file.seek(number * PAGE)
            file.write(page)
    if path.stat().st_blocks * 512 > path.stat().st_size // 2:
        pytest.skip("this file system stores holes")
    return path


def test_holes_are_not_read_and_count_as_zero(tmp_path, monkeypatch):
    pages = 1 << 24  # 64 GiB
    there = {0: text_page(0), 5_000_000: text_page(1), pages - 1: text_page(2)}
    path, read, pread = sparse(tmp_path / "dump", pages, there), [], os.pread

    def reading(fd, count, at):
        read.append(count)
        return pread(fd, count, at)

    monkeypatch.setattr(memory.os, "pread", reading)
    measure_compression(path, tmp_path / "t", methods=PLAIN, pages=10**5, seed=1, repeats=1)
    frame, meta = read_compression(tmp_path / "t")
    assert frame["page"].tolist() == list(there) and sum(read) < 2**20
    assert meta.file_pages == pages and meta.hole_pages + meta.drawn_pages == pages
    assert meta.zero_frac == pytest.approx(1 - 3 / pages, abs=1e-9)


def test_holes_of_a_core_whose_pages_lie_across_blocks(tmp_path):
    """A segment begins 512 bytes into a block: block 53 of the file is the end of page 50 and most of page 51."""
    path, begin = tmp_path / "dump", 8192 + 512
    core = elf([(1, b"")], offsets=[(begin, 100 * PAGE)])
    with open(path, "wb") as file:
        file.write(core)
        file.truncate(begin + 100 * PAGE)
        file.seek(begin + 51 * PAGE)
        file.write(text_page(1)[:3584])
    measure_compression(path, tmp_path / "t", methods=PLAIN, pages=1000, seed=1, repeats=1)
    frame, meta = read_compression(tmp_path / "t")
    assert frame["page"].tolist() == [51] and meta.file_pages == 100
    assert frame["deflate1_bytes"].tolist() == [raw_deflate(text_page(1)[:3584].ljust(PAGE, b"\0"), 1)]


def test_a_file_that_is_one_hole_is_refused(tmp_path):
    path = sparse(tmp_path / "dump", 100, {})
    with pytest.raises(ReaderError, match="one hole"):
        measure_compression(path, tmp_path / "t", methods=PLAIN, pages=10, seed=1)
    assert not (tmp_path / "t").exists()


CORES = {
    "64 bits": {},
    "32 bits": {"bits": 32},
    "64 bits, big endian": {"order": ">"},
    "32 bits, big endian": {"bits": 32, "order": ">"},
    "segments counted in the section table": {"number": 0xFFFF},
}


@pytest.mark.parametrize("core", CORES)
def test_an_elf_core_is_its_loaded_segments(measure, core):
    segments = [(4, b"notes" * 1000), (1, text_page(1) + text_page(2)), (1, b""), (1, text_page(3) + b"half")]
    frame, meta = measure(elf(segments, **CORES[core]))
    assert meta.format == "ELF core" and meta.file_pages == 3
    assert frame["deflate6_bytes"].tolist() == [raw_deflate(text_page(k), 6) for k in (1, 2, 3)]


def test_bytes_that_two_segments_show_count_once(measure):
    body = text_page(1) + text_page(2) + text_page(3)
    offsets = [(8192, 2 * PAGE), (8192 + PAGE, 2 * PAGE), (8192, PAGE)]
    frame, meta = measure(elf([(1, body), (1, b""), (1, b"")], offsets=offsets))
    assert meta.file_pages == 3 and frame["page"].tolist() == [0, 1, 2]


def test_a_program_is_a_file_like_any_other(measure):
    program = bytearray(elf([(1, text_page(1))]))
    program[16] = 2  # e_type ET_EXEC
    _, meta = measure(bytes(program))
    assert (meta.format, meta.file_pages) == ("raw", 3)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no whole page"),
        (b"x" * 4095, "no whole page"),
        (ZERO * 3, "each of the 3 pages"),
        (b"KDUMP   ".ljust(PAGE), "compressed dump"),
        (b"makedumpfile\0".ljust(PAGE), "flattened"),
        (b"QEVM".ljust(PAGE), "migration stream"),
        (elf([(4, b"notes")]), "no whole page of memory"),
        (elf([(1, text_page(1))])[:-1], "a segment ends at 12288, the file at 12287"),
        (elf([(1, text_page(1))], number=3000), "3000 segments of 56 bytes"),
        (elf([(1, ZERO)], number=0xFFFF)[:4100], "section table"),
        (elf([(1, b"")], offsets=[(2**63, 2**63)]), "a segment ends at"),
    ],
    ids=range(11),
)
def test_what_cannot_be_measured_is_refused(measure, tmp_path, data, words):
    with pytest.raises(ReaderError, match=words):
        measure(data)
    assert not (tmp_path / "table.csv").exists()


def test_the_sample_is_without_replacement_and_seeded(measure):
    pages = [text_page(k) for k in range(300)]
    first, meta = measure(pages, pages=40, seed=7)
    again, _ = measure(pages, pages=40, seed=7)
    other, _ = measure(pages, pages=40, seed=8)
    assert len(set(first["page"])) == 40 == meta.drawn_pages and meta.seed == 7
    assert first.equals(again) and not first.equals(other)


@pytest.mark.parametrize("prefix", [1, 3, 10], ids="first {}".format)
def test_every_page_is_drawn_as_often_as_every_other_from_the_first_on(prefix):
    """Also what a signal leaves, the beginning of the draw, is fair; alpha 1e-4 on a fixed set of seeds."""
    runs = Runs(np.array([2, 10, 90]), np.array([5, 40, 97]))
    units = [*range(2, 5), *range(10, 40), *range(90, 97)]
    drawn = np.concatenate([compression._draw(runs, 10, seed)[:prefix] for seed in range(2000)])
    counted = np.bincount(drawn, minlength=100)
    assert counted.sum() == counted[units].sum()
    assert stats.chisquare(counted[units]).pvalue > 1e-4


def test_runs_of_pages_as_groups():
    runs = Runs(np.array([0, 17, 33, 35]), np.array([1, 18, 34, 70]))
    groups = runs.grouped(16)
    assert groups.at(np.arange(groups.count)).tolist() == [0, 1, 2, 3, 4]


def interrupt(monkeypatch, number, batch):
    """Raise a signal while this batch (from 0) is measured."""
    plain, done = compression._batch, []

    def measuring(*arguments):
        if len(done) == batch:
            os.kill(os.getpid(), number)
        done.append(arguments)
        return plain(*arguments)

    monkeypatch.setattr(compression, "_batch", measuring)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_what_is_measured(tmp_path, monkeypatch, capsys, number):
    path, output = tmp_path / "dump", tmp_path / "t.csv"
    path.write_bytes(b"".join(text_page(k) for k in range(300)))
    interrupt(monkeypatch, number, 1)
    before = signal.getsignal(number)
    status = main(
        ["measure", "compression", str(path), "-o", str(output), "--methods", "deflate1", "--repeats", "1"]
    )
    said = capsys.readouterr()
    assert status == 130 and "stopped: 128 pages" in said.err and "outcome   stopped" in said.out
    frame, meta = read_compression(output)
    drawn = compression._draw(Runs(np.array([0]), np.array([300])), 300, command.SEED)[:128]
    assert meta.outcome == "stopped" and frame["page"].tolist() == sorted(drawn.tolist())
    assert meta.speeds["deflate1"].compress_bytes_per_s > 0
    assert signal.getsignal(number) == before and "Traceback" not in said.err


def test_a_full_disk_is_one_message(tmp_path, capsys):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    path = tmp_path / "dump"
    path.write_bytes(text_page(1))
    assert main(["measure", "compression", str(path), "-o", "/dev/full", "--force"]) == 2
    said = capsys.readouterr().err
    assert "writing failed: No space left" in said and "Traceback" not in said and os.path.exists("/dev/full")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """The command in a folder with a file `dump`: (status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dump").write_bytes(text_page(1) + ZERO + random_page(2))

    def call(*arguments):
        try:
            status = main(["measure", "compression", *arguments, "--repeats", "1"])
        except SystemExit as stopped:
            status = stopped.code
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


def test_the_command_says_what_read_says(run, tmp_path, capsys):
    status, text, said = run("dump")
    assert (
        status == 0
        and "zero      33.3 % of the file" in text
        and "drawn     3 of 3 pages (seed 2016)" in text
    )
    assert "measuring all 3 pages" in said and "complete: 3 pages" in said
    assert main(["read", "dump.compression.csv"]) == 0 and capsys.readouterr().out == text
    assert (tmp_path / "dump.compression.csv").read_text().startswith('# {"schema": "nfvlab-compression/1"')
    assert all(line.isprintable() for line in text.split("\n"))


def test_the_command_takes_its_options(run):
    status, text, said = run(
        "dump", "-o", "t", "--methods", "deflate9,deflate1", "--buffer", "64k", "--seed", "3"
    )
    assert status == 0 and "64 KiB compressed at a time" in text and "seed 3" in text
    assert [line.split()[0] for line in text.split("\n") if line.startswith("  deflate")] == [
        "deflate1",
        "deflate9",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("none",), "no such file"),
        ((".",), "a directory"),
        (("dump", "-o", "dump"), "it is the file to be measured"),
        (("dump", "-o", "dump", "--force"), "it is the file to be measured"),
        (("dump", "-o", "nowhere/t"), "cannot write to it"),
        (("dump", "-o", "there"), "--force"),
        (("dump", "--methods", "lzma"), "'lzma' is no method; known: deflate1"),
        (("dump", "--methods", ""), "is no method"),
        (("dump", "--buffer", "5000"), "no multiple of 4KiB"),
        (("dump", "--buffer", "2MiB"), "no multiple of 4KiB"),
        (("dump", "--pages", "0"), "from 1 to 1048576"),
        (("dump", "--pages", "1e6"), "from 1 to 1048576"),
        (("dump", "--seed", "-1"), "from 0 to"),
    ],
    ids=" ".join,
)
def test_what_the_command_refuses(run, tmp_path, arguments, words):
    (tmp_path / "there").write_text("precious")
    before = (tmp_path / "dump").read_bytes()
    status, text, said = run(*arguments)
    assert (status, text) == (2, "") and words in said and "Traceback" not in said
    assert (tmp_path / "there").read_text() == "precious" and (tmp_path / "dump").read_bytes() == before


def test_a_file_changed_while_it_is_read_leaves_a_table_that_reads(tmp_path, monkeypatch):
    path, output, plain = tmp_path / "dump", tmp_path / "t", compression._batch
    path.write_bytes(b"".join(text_page(k) for k in range(100)))

    def shrinking(*arguments):
        os.truncate(path, PAGE)
        return plain(*arguments)

    monkeypatch.setattr(compression, "_batch", shrinking)
    with pytest.raises(ReaderError, match="ends within"):
        measure_compression(path, output, methods=PLAIN, pages=100, seed=1, repeats=1)
    assert read_compression(output)[1].outcome == "cut off"


def test_without_the_libraries_zlib_is_enough_and_how_to_get_them_is_said(run, monkeypatch):
    plain = methods.importlib.import_module

    def importing(name, *more):
        if name.split(".")[0] in methods.PACKAGES.values():
            raise ImportError(name)
        return plain(name, *more)

    monkeypatch.setattr(methods.importlib, "import_module", importing)
    assert list(methods.available()) == list(PLAIN)
    status, text, said = run("dump")
    assert status == 0 and "deflate9" in text and "zstd1" not in text
    assert "left out: zstd1, lz4, isal1 (zstandard, lz4, isal not installed)" in said
    assert 'pip install "nfvlab[compression]"' in said
    status, _, said = run("dump", "-o", "t", "--methods", "zstd1")
    assert status == 2 and "zstandard is not installed" in said and "pip install" in said


def test_the_extra_brings_every_library():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
    extra = project["project"]["optional-dependencies"]["compression"]
    assert {name.partition(">")[0] for name in extra} == set(methods.PACKAGES.values())
