"""APICv's worth to one timer interrupt comes out of the state machine, not out of a list."""

import pytest

from nfvlab import paths
from nfvlab.apicv import delivery as dl
from nfvlab.apicv.params import Params
from nfvlab.apicv.worth import one_timer_interrupt, worth
from nfvlab.readers.published import read_published

ROUGHLY = 0.15  # the default costs are rounded; data/hosts/ will have solved ones


def test_what_happens_without_apicv_and_with_it():
    frame = worth(Params())
    happened = {stage: (int(row["without"]), int(row["with"])) for stage, row in frame.iterrows()}
    assert happened == {
        "exit": (1, 0),  # the EOI's
        "entry": (2, 1),
        "loop": (1, 0),
        "sync": (0, 1),
        "inject": (1, 0),
        "eoi": (1, 0),
        "deliver": (1, 1),
        "return": (1, 1),
        "sum": (8, 4),
    }


def test_the_sum_is_that_of_its_stages():
    p = Params(
        exit_cycles=1.0,
        entry_cycles=10.0,
        loop_cycles=100.0,
        eoi_cycles=1e3,
        inject_cycles=1e4,
        sync_cycles=1e5,
    )
    assert worth(p).loc["sum", "saved_cycles"] == pytest.approx(1 + 10 + 100 + 1e3 + 1e4 - 1e5)


def test_it_comes_near_the_published_difference():
    rows, _ = read_published(paths.data_file("published.csv"))
    row = rows.loc["timer-apicv-off"]
    saved = worth(Params()).loc["sum", "saved_cycles"]
    assert saved == pytest.approx(row["without"] - row["with"], rel=ROUGHLY)


def test_a_kernel_that_forgets_the_exit_of_the_eoi_saves_nothing_but_the_injection():
    class Free(dl.Emulated):
        controls = dl.VirtualDelivery.controls
        windowed = controls

    p = Params()
    right, wrong = one_timer_interrupt(p, dl.Emulated), one_timer_interrupt(p, Free)
    assert right.cost - wrong.cost == p.exit_cycles + p.loop_cycles + p.eoi_cycles + p.entry_cycles
