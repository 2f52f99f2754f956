"""APICv's worth to one timer interrupt comes out of the state machine, not out of a list."""

import numpy as np
import pytest

from nfvlab import paths
from nfvlab.apicv import delivery as dl
from nfvlab.apicv.params import Params
from nfvlab.apicv.worth import one_timer_interrupt, worth
from nfvlab.readers.hosts import read_host
from nfvlab.readers.published import read_published

SKYLAKE = ("hosts", "skylake-sp.toml")
RUNS = ("timer-fast", "timer-fast3", "timer-fast4")  # one test, published three times


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


def test_with_the_skylake_host_s_costs_the_path_is_worth_the_published_difference():
    """1812 cycles, to what the side "with" differs by from one publication to the next; no sum of it is in the fit."""
    rows, _ = read_published(paths.data_file("published.csv"))
    published = rows.loc["timer-apicv-off", "without"] - rows.loc["timer-apicv-off", "with"]
    error = np.std([rows.loc[name, "without"] for name in RUNS], ddof=1)
    constants, _ = read_host(paths.data_file(*SKYLAKE))
    p = Params.specs()
    host = Params(**{name: cost for name, cost in constants.items() if name in p})
    saved = worth(host).loc["sum", "saved_cycles"]
    assert round(published) == 1812
    assert error < 0.04 * published
    assert abs(saved - published) < error


def test_a_kernel_that_forgets_the_exit_of_the_eoi_saves_nothing_but_the_injection():
    class Free(dl.Emulated):
        controls = dl.VirtualDelivery.controls
        windowed = controls

    p = Params()
    right, wrong = one_timer_interrupt(p, dl.Emulated), one_timer_interrupt(p, Free)
    assert right.cost - wrong.cost == p.exit_cycles + p.loop_cycles + p.eoi_cycles + p.entry_cycles
