"""What the talk leaves open: a guest that writes in bursts, and the downtime limit."""

import numpy as np
import pytest

from nfvlab.precopy.params import PAGE_BYTES
from nfvlab.qat import talk, unsaid
from nfvlab.qat.unsaid import BurstGuest
from nfvlab.units import GiB, MiB, ms, s

SMALL = {"ram_bytes": 1 * GiB, "touched_bytes": 256 * MiB, "wss_bytes": 64 * MiB}


def guest(on_frac: float, period_ns: float = 1 * s, seed: int = 3) -> BurstGuest:
    p = talk.scenario(**SMALL)
    return BurstGuest(p, np.random.default_rng(seed), period_ns=period_ns, on_frac=on_frac)


@pytest.mark.parametrize("on_frac", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("step_ns", [7 * ms, 130 * ms, 2500 * ms])
def test_bursts_last_their_share_of_any_whole_number_of_periods(on_frac, step_ns):
    """Whatever the steps and the phase: 100 periods hold 100 bursts."""
    writer, left, on_ns = guest(on_frac), 100 * s, 0.0
    while left > 0:
        step = min(step_ns, left)
        on_ns += writer.application_ns(step)
        left -= step
    assert on_ns == pytest.approx(on_frac * 100 * s, rel=1e-9)


def test_a_burst_is_one_stretch_and_then_a_pause():
    """1 ms steps over a period, from its start: writing first, then not."""
    writer = guest(0.25)
    writer.now_ns = 0.0
    on = np.array([writer.application_ns(1 * ms) for _ in range(1000)])
    assert np.flatnonzero(on).tolist() == list(range(250))
    assert on[:250] == pytest.approx(1 * ms)


def test_every_burst_rewrites_the_working_set_once():
    """In address order, so that the dirty log of one period holds all of its pages, and no visit is wasted."""
    p = unsaid.burst_scenario(0.1, 2 * s)
    assert p.write_rate_per_s * 0.1 * 2 == pytest.approx(p.wss_bytes / PAGE_BYTES)
    assert p.pattern == "sequential"


def test_guests_start_at_different_places_of_a_period():
    phases = [guest(0.5, seed=seed).now_ns for seed in range(20)]
    assert min(phases) < 0.3 * s < 0.7 * s < max(phases)


def test_bursts_do_not_explain_the_published_downtime():
    """Under the default limit the rest before the stop is near the limit, with compression and without."""
    frame = unsaid.bursts((2 * s,), (0.1,), seed=11, n=2)
    changes = frame.map(lambda words: float(words.removesuffix(" %")))
    assert list(changes.columns) == ["total", "downtime", "traffic"]
    assert (changes["downtime"] > -65).all()
    assert changes["traffic"].between(-50, -35).all()


def test_a_downtime_limit_that_the_talk_does_not_name_can_give_its_downtime():
    """-70 % lies between the least and the most under 100 ms, and outside them under 1 s; traffic stays."""
    frame = unsaid.limits((100 * ms, 1 * s)).map(lambda words: float(words.removesuffix(" %")))
    assert frame.loc["100 ms", "downtime, from"] < -70 < frame.loc["100 ms", "to"]
    assert not frame.loc["1 s", "downtime, from"] < -70
    assert (frame["traffic"] - frame["traffic"].mean()).abs().max() < 1
