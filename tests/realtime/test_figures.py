"""The picture that the three real-time features share."""

import types

import numpy as np
import pytest

from nfvlab.realtime.figures import Ways
from nfvlab.stats import Estimate


class Two(Ways):
    """Two ways."""

    names = ("short", "long")
    bars = (("exits_ratio", "Exits"), ("latency_ns", "Latency"))

    def headline(self, p, theory, samples=None):
        return {
            name: self.way(k, theory, samples, ("latency_ns", "exits_ratio"))
            for k, name in enumerate(self.names)
        }


def theory(long_ns=1e5, low=None):
    x = np.geomspace(100.0, 1e6, 50)
    tails = np.exp(-x[None, :] / np.array([[1e3], [long_ns if np.isfinite(long_ns) else 1e9]]))
    made = {
        "exits_ratio": (0.0, 2.0),
        "latency_ns": (1e3, long_ns),
        "curve_ns": x,
        "curve_low": tails if low is None else low * tails,
        "curve_high": tails,
    }
    return types.SimpleNamespace(**made)


class Samples:
    latency_ns_each = np.random.default_rng(1).exponential([[[1e3], [1e5]]], (4, 2, 500))

    def estimate(self):
        values = {"exits_ratio[0]": 0.0, "exits_ratio[1]": 2.0, "latency_ns[0]": 1e3, "latency_ns[1]": 1e5}
        return {name: Estimate(value, 0.01 * value, "", 4) for name, value in values.items()}

    def source_line(self):
        return "made up"


def test_bars_are_as_long_as_theory_says_and_dots_where_the_simulation_is():
    picture = Two(None)
    picture.draw(None, theory(), Samples())
    made, dots, never = picture.boxes[0]
    assert [bar.get_width() for bar in made] == [0.0, 2.0]
    assert list(dots.get_xdata()) == [0.0, 2.0] and list(dots.get_ydata()) == [0, 1]
    assert all(not text.get_text() for text in never)


def test_what_never_ends_is_said():
    picture = Two(None)
    picture.draw(None, theory(long_ns=np.inf))
    made, _, never = picture.boxes[1]
    assert made[1].get_width() == 0.0 and never[1].get_text() == " never"
    assert picture.headline(None, theory(long_ns=np.inf))["long"].startswith("never")


def test_the_tail_shows_all_that_is_rarer_than_all_and_not_beyond_its_foot():
    picture = Two(None)
    picture.draw(None, theory(), Samples())
    low, high = picture.tail.get_xlim()
    assert low <= 100.0 and high >= 1e6
    before = picture.tail.get_xlim()
    picture.draw(None, theory(long_ns=9e4), Samples())
    assert picture.tail.get_xlim() == before  # limits stay while they serve


@pytest.mark.parametrize(("low", "drawn"), [(None, 0), (0.5, 50)])
def test_bounds_are_a_second_line_only_where_they_differ(low, drawn):
    picture = Two(None)
    picture.draw(None, theory(low=low))
    assert len(picture.low[0].get_xdata()) == drawn


def test_simulated_steps_end_at_the_rarest_sample():
    picture = Two(None)
    picture.draw(None, theory(), Samples())
    x, y = picture.seen[0].get_data()
    assert x[-1] == Samples.latency_ns_each[:, 0].max()
    assert y[-1] == pytest.approx(0.5 / 2000)
    assert (np.diff(y) <= 0).all() and (np.diff(x) >= 0).all()
