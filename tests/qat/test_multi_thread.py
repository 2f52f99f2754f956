"""The published multi-thread rows against simulated runs: what is given is met, the others are predicted or named."""

import numpy as np
import pytest

from nfvlab.precopy.params import ram_pages
from nfvlab.qat import multi_thread as mt
from nfvlab.units import GiB, KiB

SEED = 2015


@pytest.fixture(scope="module")
def figures():
    return mt.reproduce(rng=np.random.default_rng(SEED), n=2, working_sets_bytes=(1 * GiB,))


@pytest.fixture(scope="module")
def runs():
    return mt.Runs(np.random.default_rng(SEED), 12)


def test_every_number_has_a_figure(figures):
    assert len(figures) == len(mt.numbers()) == 12
    assert {(f.row, f.side): f.published for f in figures} == mt.numbers()
    assert mt.rows().items() <= mt.numbers().items()


def test_what_is_given_is_met_and_the_rest_is_not_given(figures):
    given = [f for f in figures if f.given]
    assert {(f.row, f.side) for f in given} == {
        (f"mt-{guest}-bytes", side) for guest in ("idle", "busy") for side in mt.SIDES
    }
    assert all(abs(f.error_frac) < 0.01 for f in given)


def total_times_agree(figures):
    """Within 15 percent, none of them given."""
    totals = [f for f in figures if f.row.endswith("total")]
    assert totals and all(f.ok and not f.given for f in totals)


def test_total_times_agree(figures):
    total_times_agree(figures)


def test_downtimes_of_the_busy_guest_are_near(figures):
    without, compressed = (f for f in figures if f.row == "mt-busy-downtime")
    assert all(abs(f.error_frac) < 0.25 and not f.given for f in (without, compressed))
    assert compressed.simulated < 0.8 * without.simulated


def test_every_miss_is_explained(figures):
    missed = [f for f in figures if not f.ok]
    assert all(f.missing in mt.MISSING.values() for f in missed)
    assert not any(f.missing for f in figures if f.ok)


def test_blocks_are_those_of_the_document():
    assert ram_pages(mt.idle()) * 4096 == 4211524 * KiB


def downtimes_are_within_chance(runs, p):
    """The published downtimes of the idle guest are among those of twelve runs, widened by their step."""
    for side in mt.SIDES:
        found = runs.values(p, side, "downtime_ns")
        published = mt.rows()["mt-idle-downtime", side]
        assert found.min() * 0.95 < published < found.max() * 1.05, (side, found.min(), found.max())


def test_idle_downtimes_are_within_chance(runs):
    downtimes_are_within_chance(runs, mt.idle())


def test_numbers_that_do_not_shrink_would_not_have_saved_the_bytes(runs):
    p = mt.writing(runs, mt.idle(), 1 * GiB)
    sent = runs.values(p.replace(content="random"), "with", "transferred_bytes", 1)[0]
    assert sent > 2 * mt.rows()["mt-busy-bytes", "with"]


def test_the_table_has_all_of_it(monkeypatch, figures):
    monkeypatch.setattr(mt, "reproduce", lambda **_: figures)
    table = mt.compare(rng=np.random.default_rng(1), n=1)
    row = table.loc["mt-idle-total", "with", "idle"]
    assert (
        row["within"]
        and not row["missing"]
        and row["error_frac"] == pytest.approx(row["simulated"] / row["published"] - 1)
    )
    assert len(table) == len(figures) and (table["low"] <= table["high"]).all()


# -- wrong versions -------------------------------------------------------------------------------------------------


def test_without_the_displays_memory_the_downtime_would_be_too_long(runs):
    with pytest.raises(AssertionError):
        downtimes_are_within_chance(runs, mt.idle().replace(rom_pages=130))


@pytest.mark.parametrize(
    "change", [{"compress_threads_count": 2}, {"link_share_frac": 0.75}], ids=("two threads", "slow link")
)
def test_wrong_hosts_are_found(change):
    few = mt.Runs(np.random.default_rng(SEED), 3)
    wrong = list(mt.figures_of(few, mt.idle().replace(**change), "idle", "idle"))
    with pytest.raises(AssertionError):
        total_times_agree(wrong)
