"""The two published figures of monitoring come out of the code, and no other number does."""

import pytest

from nfvlab.cmt import counters, published
from nfvlab.cmt.limbo import default_threshold
from nfvlab.paths import data_file
from nfvlab.readers.mbm_correction import correction_rows
from nfvlab.readers.published import read_published
from nfvlab.units import KiB, MiB


def test_every_row_of_the_feature_is_reproduced_to_its_last_digit():
    rows = read_published(data_file("published.csv"))[0]
    found = {figure.row: figure for figure in published.reproduce()}
    assert set(found) == set(rows.index[rows["feature"] == "cmt"]) == set(published.TOLERANCES)
    assert all(figure.ok for figure in found.values()), published.table()


def test_the_threshold_is_an_equal_share_in_whole_units():
    # 35 MiB / 56 = 640 KiB, ten units of 64 KiB; 1 / 56 = 1.786 %, which the driver's comment calls 1.8 %
    assert default_threshold(35 * MiB, 56, 64 * KiB) == 640 * KiB
    assert published.threshold_frac() == pytest.approx(1 / 56)


def test_the_factor_is_what_the_kernel_s_arithmetic_makes_of_it():
    # 1.454334 * 2^20 = 1524979.9, held as 1524980: 1.45433426
    assert published.correction_ratio() == pytest.approx(1524980 / 2**20, rel=1e-9)


def test_it_is_called_the_worst_but_eleven_cores_have_a_larger_one():
    rows = {row.core_count: row.correction_factor for row in correction_rows(data_file("mbm_correction.csv"))}
    assert max(rows, key=rows.get) == 11 and sorted(rows, key=rows.get)[-2] == 22


@pytest.mark.parametrize(
    ("row", "name", "other"), [("rmid-threshold", "RMIDS", 40), ("mbm-correction-worst", "CORES", 25)]
)
def test_another_part_does_not_reproduce_it(row, name, other, monkeypatch):
    monkeypatch.setattr(published, name, other)
    assert {figure.row: figure.ok for figure in published.reproduce()}[row] is False


def test_the_first_rmid_above_the_threshold_is_the_first_that_is_miscounted():
    part = counters.correction_of(published.CORES)
    assert part.applies(published.FIRST_MISCOUNTED) and not part.applies(published.FIRST_MISCOUNTED - 1)
