"""Curves of a trace by four roads, against each other, and what is shown of them."""

import numpy as np
import pytest

from nfvlab import cli
from nfvlab.kernels import setassoc
from nfvlab.llc import figures_trace, tracecurves
from nfvlab.paths import data_file
from nfvlab.readers.recognise import recognise
from nfvlab.readers.trace import read_trace

TRUE = ("traces", "true.lackey.gz")


@pytest.fixture(scope="module")
def lines():
    return read_trace(data_file(*TRUE))[0].lines()


def curves(lines, **how):
    return tracecurves.curves(lines, **{"ways": 8, "rate": 0.2, "rng": np.random.default_rng(1)} | how)


def test_sizes_go_from_one_line_to_all(lines):
    sizes = tracecurves.sizes_of(lines)
    assert sizes[0] == 1 and sizes[-1] == np.unique(lines).size and (np.diff(sizes) > 0).all()


def test_with_all_lines_only_first_accesses_miss(lines):
    frame = curves(lines)
    cold = np.unique(lines).size / lines.size
    assert frame["exact"].iloc[-1] == pytest.approx(cold, rel=1e-12)
    assert (np.diff(frame["exact"]) <= 1e-12).all()


def test_a_sample_of_all_lines_is_the_count(lines):
    frame = curves(lines, rate=1.0)
    np.testing.assert_allclose(frame["shards"], frame["exact"], rtol=1e-12)


def test_set_by_set_is_what_a_cache_with_hashed_sets_misses(lines):
    """Smith's conversion is exact for random sets; one hash of a real trace scatters around it."""
    for sets in (8, 32, 128):
        frame = curves(lines, sizes=[8 * sets])
        cache = setassoc.empty(sets, 8, 1, hashed=True)
        kinds = np.zeros(lines.size, np.uint8)
        full = np.array([[255, 255]], np.uint32)
        counts = setassoc.access(cache, lines * np.uint64(64), kinds, kinds, full, np.zeros(1, np.int32))
        assert frame["associative"].iloc[0] == pytest.approx(counts.misses.sum() / lines.size, abs=0.004)


def test_one_set_is_the_fully_associative_cache(lines):
    frame = curves(lines, sizes=[32], ways=32)
    assert frame["associative"].iloc[0] == pytest.approx(frame["exact"].iloc[0], rel=1e-9)


def test_the_picture_says_how_far_each_is_off(lines):
    frame = curves(lines)
    drawn = figures_trace.trace_curves(frame, "/bin/true")
    assert "/bin/true" in drawn.alt and drawn.alt.count("%") == 3
    table = figures_trace.table(frame)
    assert list(table.columns) == list(tracecurves.MEASURES) and table.index[0] == "64 B"


def test_read_shows_a_trace(capsys):
    path = str(data_file(*TRUE))
    assert recognise(path) == "trace"
    assert cli.main(["read", path]) == 0
    said = capsys.readouterr().out
    assert "127,771 fetches" in said and "misses of an LRU cache of" in said and "150 KiB" in said
