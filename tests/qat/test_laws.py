"""What a page becomes, by content and method: the per-page table's means and spreads, and whether it shrinks."""

import csv

import numpy as np
import pytest
from qat.guests import FULL, QAT

from nfvlab import paths
from nfvlab.qat.analytic import analyze
from nfvlab.qat.laws import law
from nfvlab.qat.params import Params
from nfvlab.units import GiB


def column(name):
    with open(paths.data_file("compression", "calgary_4kib.csv"), encoding="utf-8") as lines:
        return [int(row[name]) for row in csv.DictReader(lines)]


def test_the_two_readings_of_the_talk_by_the_table():
    p = Params()
    sizes = {name: np.mean(column(f"deflate1{name}_bytes")) / 4096 for name in ("", "_fixed")}
    assert law(p, "calgary", "1 fixed").mean_bytes / 4096 == pytest.approx(sizes["_fixed"])
    assert law(p, "calgary", "1 dynamic").mean_bytes / 4096 == pytest.approx(sizes[""])
    assert 100 * (sizes["_fixed"] - 1) == pytest.approx(-45.4, abs=0.05)
    assert 100 * (sizes[""] - 1) == pytest.approx(-56.4, abs=0.05)


def test_own_pages_keep_the_methods_proportions():
    p = Params(own_ratio=0.3)
    ratio = law(p, "own", "1 fixed").mean_bytes / law(p, "own", "1").mean_bytes
    assert ratio == pytest.approx(np.mean(column("deflate1_fixed_bytes")) / np.mean(column("deflate1_bytes")))
    assert law(p, "own", "1").mean_bytes == pytest.approx(0.3 * 4096)


def test_pages_spread_as_the_tables_do_not_all_shrink():
    """A mean just below a page: half of the pages are larger, and go as they are."""
    found = law(Params(own_ratio=0.99, own_cv_frac=0.3), "own", "1")
    assert found.mean_bytes == pytest.approx(0.99 * 4096) and found.cv_frac == pytest.approx(0.3)
    assert 0.3 < found.raw_frac < 0.8 and found.least_bytes < 0.95 * found.mean_bytes
    assert law(Params(own_ratio=0.5, own_cv_frac=0.0), "own", "1").raw_frac == 0


def stored(law):
    """Random bytes: a stored block is five bytes more, and the page is sent as it is."""
    found = law(Params(), "random", "1 fixed")
    assert (found.mean_bytes, found.least_bytes, found.raw_frac) == (4101, 4096, 1)


def streamed(law):
    """With pages before it as history a Calgary page is smaller; random and system pages are not."""
    p = Params(stream_ratio=0.5)
    for content, share in (("calgary", 0.5), ("random", 1.0), ("system", 1.0)):
        alone = law(p, content, "1").mean_bytes
        assert law(p, content, "1", streamed=True).mean_bytes == pytest.approx(share * alone)


@pytest.mark.parametrize("oracle", [stored, streamed], ids=lambda one: one.__name__)
def test_laws(oracle):
    oracle(law)


@pytest.mark.parametrize("method", ["1 fixed", "1 dynamic", "6"])
def test_traffic_of_a_full_guest_is_the_tables_mean(method):
    """The bulk alone: two guests that differ in a GiB touched differ by its pages, header and length."""
    p = FULL.replace(engine_deflate=method, wait_when_full=True)
    more = p.replace(touched_bytes=7 * GiB, wss_bytes=0.0)
    less = p.replace(touched_bytes=6 * GiB, wss_bytes=0.0)
    gained = analyze(more).wire_bytes[QAT] - analyze(less).wire_bytes[QAT]
    name = {"1 fixed": "deflate1_fixed_bytes", "1 dynamic": "deflate1_bytes", "6": "deflate6_bytes"}[method]
    pages = 1 * GiB / 4096
    assert gained == pytest.approx(pages * (np.mean(column(name)) - p.zero_compressed_bytes), rel=1e-9)


def mutant_stored_block(monkeypatch):
    """Random pages grow and are sent grown."""
    stored(lambda *args: law(*args)._replace(least_bytes=4101.0, raw_frac=0.0))


def mutant_history(monkeypatch):
    """All pages have a history, system pages too."""
    streamed(
        lambda p, content, method, streamed=False: law(p, content, method)._replace(
            mean_bytes=law(p, content, method).mean_bytes * (p.stream_ratio if streamed else 1)
        )
    )


@pytest.mark.parametrize("mutant", [mutant_stored_block, mutant_history], ids=lambda one: one.__name__)
def test_wrong_versions_are_found(mutant, monkeypatch):
    with pytest.raises(AssertionError):
        mutant(monkeypatch)
