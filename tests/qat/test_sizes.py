"""Tables of compressed sizes: Calgary as measured, means as declared, random pages stored."""

import zlib

import numpy as np
import pytest

from nfvlab.precopy.params import PAGE_BYTES
from nfvlab.qat import sizes
from nfvlab.qat.params import Params
from nfvlab.units import GiB


def test_the_corpus_has_its_793_pages_by_method():
    table = sizes.calgary()
    assert {column.size for column in table.values()} == {793}
    assert table["deflate1_fixed_bytes"].mean() / PAGE_BYTES == pytest.approx(
        1 - 0.454, abs=0.001
    )  # the issue's -45.4 %
    assert table["deflate1_bytes"].mean() / PAGE_BYTES == pytest.approx(1 - 0.564, abs=0.001)


def test_random_pages_are_stored_as_zlib_stores_them():
    page = np.random.default_rng(1).bytes(PAGE_BYTES)
    alone = zlib.compressobj(1, zlib.DEFLATED, -15)
    assert len(alone.compress(page) + alone.flush()) == sizes.random_bytes("deflate1_bytes", False) == 4101
    stream, made = zlib.compressobj(1, zlib.DEFLATED, -15), 0
    for k in range(128):
        made += len(stream.compress(np.random.default_rng(k).bytes(PAGE_BYTES)))
    made += len(stream.flush(zlib.Z_SYNC_FLUSH))
    assert made / 128 == pytest.approx(sizes.random_bytes("deflate1_bytes", True), abs=0.5)


def test_a_zero_page_is_as_small_as_fixed_codes_make_it():
    squeezed = zlib.compressobj(1, zlib.DEFLATED, -15, 8, zlib.Z_FIXED)
    made = len(squeezed.compress(bytes(PAGE_BYTES)) + squeezed.flush())
    assert (
        29 <= made <= Params().zero_compressed_bytes
    )  # one literal, 15 longest matches and a rest take 29 bytes


@pytest.mark.parametrize("column", ["deflate1_bytes", "deflate1_fixed_bytes", "zstd1_bytes"])
def test_pages_of_a_ratio_have_it_on_average(column):
    p = Params(content="own", own_ratio=0.4, own_cv_frac=0.3, system_ratio=0.3)
    system, touched, written = sizes.tables(p, column).mean(axis=1) / PAGE_BYTES
    assert touched == written == pytest.approx(0.4 * sizes.factor(column), rel=0.005)
    assert system == pytest.approx(0.3 * sizes.factor(column), rel=0.005)


def test_history_makes_pages_smaller_but_not_random_ones():
    p = Params(stream_ratio=0.5, written_content="random")
    alone, stream = (sizes.tables(p, "deflate1_bytes", stream=on) for on in (False, True))
    assert stream[sizes.TOUCHED] == pytest.approx(alone[sizes.TOUCHED] / 2)
    assert (stream[sizes.WRITTEN] > PAGE_BYTES).all() and (stream[sizes.SYSTEM] == alone[sizes.SYSTEM]).all()


def test_bounds_follow_the_layout_of_the_guest():
    first, end, start, stop = sizes.bounds(Params(touched_bytes=1 * GiB, wss_bytes=0.5 * GiB))
    assert (end - first) * PAGE_BYTES == 1 * GiB and (stop - start) * PAGE_BYTES == 0.5 * GiB and start == end
