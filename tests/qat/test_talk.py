"""The talk's figures and the multi-thread rows beside the theory: what is given, what is found, what is missing."""

import csv

import numpy as np
import pytest

from nfvlab import paths
from nfvlab.precopy.textbook import clark
from nfvlab.qat import published, talk
from nfvlab.qat.slices import slice_ns
from nfvlab.units import Gbps, GiB, MiB

FIXED, DYNAMIC = talk.READINGS


@pytest.fixture(scope="module")
def figures():
    return talk.compare()


@pytest.fixture(scope="module")
def rows():
    return published.compare()


def of(figures, row, reading):
    return next(figure for figure in figures if (figure.row, figure.reading) == (row, reading))


# -- the talk ------------------------------------------------------------------------------------------------------


def test_the_table_decides_between_the_readings():
    with open(paths.data_file("compression", "calgary_4kib.csv"), encoding="utf-8") as lines:
        pages = list(csv.DictReader(lines))
    for reading, column in ((FIXED, "deflate1_fixed_bytes"), (DYNAMIC, "deflate1_bytes")):
        mean = np.mean([int(page[column]) for page in pages])
        assert talk.page_frac(reading) == pytest.approx(mean / 4096 - 1)
    assert abs(talk.page_frac(FIXED) + 0.45) < 0.005 < 0.1 < abs(talk.page_frac(DYNAMIC) + 0.45)


def favours_fixed(figures):
    """Time and traffic are within five points under fixed codes, none under dynamic ones; CPU is nearly so."""
    assert talk.favoured(figures) == FIXED
    for row in ("qat-total", "qat-traffic"):
        assert of(figures, row, FIXED).ok, row
        assert not of(figures, row, DYNAMIC).ok, row
    cpu, worse = (of(figures, "qat-cpu", reading) for reading in talk.READINGS)
    assert 0.1 < cpu.computed_frac < 0.16 < worse.computed_frac and cpu.missing


def test_the_evidence_favours_fixed_codes(figures):
    favours_fixed(figures)


def test_the_downtime_is_left_to_chance_and_the_effect_is_named(figures):
    """Under fixed codes no rate of rewriting gives 70 %; the textbook's rounds do. Under dynamic ones they do not."""
    fixed, dynamic = (of(figures, "qat-downtime", reading) for reading in talk.READINGS)
    assert not fixed.ok and "rewritten" in fixed.missing
    assert fixed.high_frac - fixed.low_frac > 0.2 and dynamic.high_frac - dynamic.low_frac > 0.2
    for figure in (fixed, dynamic):
        assert figure.textbook_frac == pytest.approx((1 + talk.page_frac(figure.reading)) ** 2 - 1)
    assert abs(fixed.textbook_frac + 0.7) < 0.05 < abs(dynamic.textbook_frac + 0.7)
    assert fixed.low_frac > -0.7


def test_the_square_is_the_textbooks():
    """Clark's recursion at two bandwidths whose ratio is c; 0.7 GiB rewritten at 210 MB/s in either first pass."""
    ratio, volume, bandwidth = 1 + talk.page_frac(FIXED), 7.5e9, 1.1e9

    def dirtied(seconds):
        return min(2.1e8 * seconds, 0.7 * GiB)

    runs = [clark(volume, dirtied, speed, 3e8) for speed in (bandwidth, bandwidth / ratio)]
    assert [run.rounds for run in runs] == [2, 2]
    assert runs[1].downtime_ns / runs[0].downtime_ns == pytest.approx(ratio**2)
    assert talk.same_rounds_frac(FIXED) == pytest.approx(ratio**2 - 1)


def test_all_figures_are_in_the_table(figures):
    shown = talk.table(figures)
    assert len(shown) == len(talk.ROWS) * len(talk.READINGS)
    assert list(shown["published"].unique()) == ["-40 %", "-70 %", "-45 %", "10 %"]


def test_the_worst_case_is_no_worse_until_the_link_outruns_the_engine():
    cases = {(case.link_bytes_per_s, case.wait_when_full): case for case in talk.worst_case()}
    for waits in (False, True):
        assert cases[10 * Gbps, waits].total_frac < 0.01  # of it 1 % is reading the pagemap beforehand
        assert abs(cases[10 * Gbps, waits].wire_frac) < 0.05
    assert cases[40 * Gbps, True].total_frac > 0.4
    assert cases[40 * Gbps, False].total_frac < 0.1  # of it 4 % for the pagemap
    assert all(case.cpu_frac > 0 for case in cases.values())


def test_waiting_takes_the_engines_time():
    p = talk.scenario(
        content="random", wait_when_full=True, link_bytes_per_s=400 * Gbps, write_rate_per_s=0.0
    )
    theory = talk.analyze(p)
    total = theory.total_time_ns[talk.QAT] - theory.preread_ns
    pages = p.ram_bytes / 4096
    assert total == pytest.approx(
        pages * slice_ns(p, p.request_pages) / p.request_pages / p.slices_count, rel=0.03
    )


# -- multi-thread compression of 2015 -------------------------------------------------------------------------------


def test_what_is_given_is_met(rows):
    given = [row for row in rows if row.given]
    assert len(given) == 3 + 2 * len(published.WORKING_SETS_BYTES)
    assert all(abs(row.error_frac) < 0.01 for row in given)


def test_total_times_of_the_busy_guest(rows):
    found = [row for row in rows if row.row == "mt-busy-total"]
    assert len(found) == 2 * len(published.WORKING_SETS_BYTES) and all(row.ok for row in found)


def test_misses_are_explained(rows):
    missed = [row for row in rows if not row.ok]
    assert {row.row for row in missed} == {"mt-idle-downtime", "mt-idle-bytes"}
    assert all(row.missing for row in missed)


def test_an_idle_guest_of_2015_is_smaller_than_the_recordings():
    """(107819 KiB less 9 bytes for each zero page) / pages, less header, length and zlib's own bytes."""
    p = published.idle(True)
    nonzero = (363536 * 1024 - 9 * (4 * GiB / 4096 + p.rom_pages)) / 4095
    size = (107819 * 1024 - 9 * (4 * GiB / 4096 + p.rom_pages - nonzero)) / nonzero - 8 - 4 - 6
    assert p.system_ratio == pytest.approx(size / 4096, rel=0.02)
    assert p.system_ratio < published.idle(False).system_ratio


def test_random_numbers_shrink():
    """Fewer pages, larger; more, smaller: none of the working sets makes them incompressible."""
    ratios = [published.busy(size).own_ratio for size in (512 * MiB, 2 * GiB)]
    assert 0.9 > ratios[0] > ratios[1] > 0.4


# -- wrong versions -------------------------------------------------------------------------------------------------


def exchanged(monkeypatch):
    """The columns of fixed and dynamic codes exchanged."""
    monkeypatch.setattr(talk, "READINGS", {FIXED: "1 dynamic", DYNAMIC: "1 fixed"})


def slow_engine(monkeypatch):
    """Bits taken for bytes: an engine of an eighth of its rate, which is not waited for."""
    right = talk.scenario
    monkeypatch.setattr(
        talk,
        "scenario",
        lambda *args, **changes: right(*args, **({"engine_bits_per_s": 3e9} | changes)),
    )


def bits_on_the_link(monkeypatch):
    """A link of 10 Gbit/s taken for 10 GB/s."""
    right = talk.scenario
    monkeypatch.setattr(
        talk, "scenario", lambda *args, **changes: right(*args, **({"link_bytes_per_s": 1e10} | changes))
    )


@pytest.mark.parametrize("mutant", [exchanged, slow_engine, bits_on_the_link], ids=lambda one: one.__name__)
def test_wrong_versions_are_found(mutant, monkeypatch):
    mutant(monkeypatch)
    with pytest.raises(AssertionError):
        favours_fixed(talk.compare((2e4, 5e4)))
