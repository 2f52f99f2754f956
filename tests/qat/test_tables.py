"""Tables of the reader's own pages as scenarios: sizes, spread, zero pages, speeds; what they do not tell is absent."""

import zlib

import numpy as np
import pytest
from compression_samples import HEAD, LIBRARIES, PAGE, ROWS, SPEEDS, TABLE, random_page, text_page

from nfvlab.measure import measure_compression, methods
from nfvlab.paths import data_file
from nfvlab.qat import sizes
from nfvlab.qat.params import Params
from nfvlab.qat.simulation import migrate
from nfvlab.qat.tables import from_compression
from nfvlab.readers import ReaderError
from nfvlab.readers import compression_lines as lines
from nfvlab.readers.compression import read_compression
from nfvlab.units import MiB

ALONE = ("deflate1", "deflate1_fixed", "deflate6", "deflate9")


@pytest.fixture
def read(tmp_path):
    def write_and_read(text):
        path = tmp_path / "table.csv"
        path.write_text(text)
        return read_compression(path)

    return write_and_read


@pytest.fixture
def measured(tmp_path):
    def write_and_measure(pages, **options):
        path, output = tmp_path / "memory", tmp_path / "memory.csv"
        path.write_bytes(b"".join(pages))
        chosen = {name: method for name, method in methods.available().items() if name in ALONE}
        options = {"methods": chosen, "pages": 10**4, "seed": 1, "repeats": 1} | options
        measure_compression(path, output, **options)
        return read_compression(output)

    return write_and_measure


def test_calgary_gives_its_mean_and_spread_and_no_speeds():
    path = data_file("compression", "calgary_4kib.csv")
    column = np.loadtxt(path, delimiter=",", skiprows=1)[:, 1]
    found = from_compression(*read_compression(path))
    assert set(found) == {"content", "own_ratio", "own_cv_frac"} and found["content"] == "own"
    assert found["own_ratio"] == pytest.approx(column.mean() / PAGE)
    assert found["own_cv_frac"] == pytest.approx(column.std() / column.mean())


def test_the_declared_spread_is_calgarys():
    found = from_compression(*read_compression(data_file("compression", "calgary_4kib.csv")))
    assert Params.specs()["own_cv_frac"].default == pytest.approx(found["own_cv_frac"], abs=0.02)


def test_a_scenario_of_calgarys_table_sends_what_calgary_sends():
    """As own pages, of Calgary's mean and spread, in place of its pages themselves: bytes within one percent."""
    base = Params(ram_bytes=256 * MiB, touched_bytes=128 * MiB, cpu_method="threads zlib")
    found = from_compression(*read_compression(data_file("compression", "calgary_4kib.csv")))
    sent = [
        migrate(p, "CPU threads", np.random.default_rng(1)).spent.wire_bytes
        for p in (base, base.replace(**found))
    ]
    assert sent[1] == pytest.approx(sent[0], rel=0.01)


def test_a_measured_file_gives_sizes_zero_pages_and_this_cores_speeds(measured):
    pages = [text_page(k) for k in range(48)] + [bytes(PAGE)] * 16
    frame, meta = measured(pages)
    found = from_compression(frame, meta)
    squeezed = [zlib.compressobj(1, zlib.DEFLATED, -15) for _ in range(48)]
    made = [len(z.compress(page) + z.flush()) for z, page in zip(squeezed, pages, strict=False)]
    assert found["own_ratio"] == pytest.approx(np.mean(made) / PAGE)
    assert found["own_cv_frac"] == pytest.approx(np.std(made) / np.mean(made))
    assert found["zero_mix_frac"] == pytest.approx(16 / 64)
    assert found["zlib_bytes_per_s"] == meta.speeds["deflate1"].compress_bytes_per_s
    assert found["zlib6_bytes_per_s"] == meta.speeds["deflate6"].compress_bytes_per_s
    assert found["zlib9_bytes_per_s"] == meta.speeds["deflate9"].compress_bytes_per_s
    assert found["inflate_bytes_per_s"] == meta.speeds["deflate1"].decompress_bytes_per_s
    assert not {name for name in found if "zstd" in name or "random" in name}
    assert Params().replace(**found).own_ratio == found["own_ratio"]


def test_pages_that_do_not_shrink_are_random_ones(measured):
    frame, meta = measured([random_page(k) for k in range(16)])
    found = from_compression(frame, meta)
    assert found["content"] == "random" and "own_ratio" not in found and "inflate_bytes_per_s" not in found
    assert found["zlib_random_bytes_per_s"] == meta.speeds["deflate1"].compress_bytes_per_s
    assert "zlib_bytes_per_s" not in found
    assert Params().replace(**found).content == "random"


def test_holes_count_as_zero_pages(read):
    found = from_compression(*read(TABLE))
    assert found["zero_mix_frac"] == pytest.approx(0.5 + 0.5 * 2 / 5)
    assert found["zlib_bytes_per_s"] == 80e6 and found["inflate_bytes_per_s"] == 300e6
    assert found["own_ratio"] == pytest.approx(np.mean([row[1] for row in ROWS]) / PAGE)


def zstd_alone():
    rows, library = [[row[0], row[1]] for row in ROWS], {"zstd1": "zstd 1.5.7"}
    speeds = {"zstd1": SPEEDS["deflate1"]}
    head = lines.head_line(**(HEAD | {"libraries": library}))
    return (
        head + lines.columns_line(library) + lines.rows_text(rows) + lines.end_line("complete", 5, 2, speeds)
    )


def test_another_methods_sizes_are_turned_into_level_1s(read):
    found = from_compression(*read(zstd_alone()))
    mean = np.mean([row[1] for row in ROWS])
    assert found["own_ratio"] * sizes.factor(sizes.ZSTD) == pytest.approx(mean / PAGE)
    assert found["zstd_bytes_per_s"] == 80e6 and found["unzstd_bytes_per_s"] == 300e6
    assert "zlib_bytes_per_s" not in found and "inflate_bytes_per_s" not in found


def test_larger_buffers_say_nothing_of_a_page(measured):
    with pytest.raises(ReaderError, match="16384 bytes at a time"):
        from_compression(*measured([text_page(k) for k in range(8)], buffer_bytes=4 * PAGE))


def test_a_method_that_no_way_uses_is_refused(read):
    rows = lines.rows_text([row[0], row[2]] for row in ROWS)
    library = {"lz4": LIBRARIES["lz4"]}
    text = lines.head_line(**(HEAD | {"libraries": library})) + lines.columns_line(library) + rows
    with pytest.raises(ReaderError, match="it has lz4, none of deflate1"):
        from_compression(*read(text))
