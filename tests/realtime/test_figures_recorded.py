"""The picture of a recording shows its band, where its samples end, and a model beside it."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from nfvlab.realtime.figures_recorded import recorded_tail, table
from nfvlab.realtime.recorded import Recorded


def drawn(n, seed=1, most=math.inf):
    samples = np.minimum(np.random.default_rng(seed).exponential(1e4, n), most)
    low, count = np.unique(np.floor(samples / 1e3), return_counts=True)
    return Recorded(low * 1e3, np.where(low * 1e3 >= most, math.inf, (low + 1) * 1e3), count)


X = np.geomspace(1e2, 1e6, 200)
THEORY = SimpleNamespace(
    curve_ns=X,
    curve_low=np.array([np.exp(-X / 1e4), np.exp(-X / 3e3)]),
    curve_high=np.array([np.exp(-X / 1e4), np.exp(-X / 2.5e3)]),
)


@pytest.mark.parametrize("record", [drawn(3000), drawn(40, most=2e4)], ids=["closed", "open"])
def test_the_band_is_what_the_samples_say_at_every_latency(record):
    axes = recorded_tail({"a": record}).axes[0]
    (path,) = axes.collections[0].get_paths()
    ends = np.unique(np.concatenate([record.low_ns, record.high_ns]))
    middle = [x for x in (ends[1:] + ends[:-1]) / 2 if x < ends[np.isfinite(ends)].max()]
    for x in middle[:: max(len(middle) // 12, 1)]:
        low, high = record.above(x)
        assert path.contains_point((x, 0.5 * (low + high)))
        assert path.contains_point((x, high * 0.999)) and not path.contains_point((x, high * 1.001))
        assert low == 0 or not path.contains_point((x, low * 0.999))
    line = axes.lines[0]
    assert line.get_ydata()[0] == 1 and np.all(np.diff(line.get_ydata()) <= 0)


def test_many_buckets_are_thinned_and_the_band_stays_true():
    record = Recorded(np.arange(20_000.0) + 1, np.arange(20_000.0) + 2, np.full(20_000, 3))
    (path,) = recorded_tail({"a": record}).axes[0].collections[0].get_paths()
    assert len(path.vertices) < 5000
    for x in (100.5, 5000.5, 19_000.5):
        assert path.contains_point((x, 1 - x / 20_001))


def test_the_words_say_medians_and_where_the_samples_end():
    made = recorded_tail({"host": drawn(3000), "guest": drawn(300, 2)}, title="Wake-up latency")
    assert made.alt.startswith("Wake-up latency: the share that takes longer")
    assert "host: median 6 µs to 8 µs" in made.alt  # ln 2 x 10 µs = 6.9 µs
    # 3 of 3000: 1 - 0.05^(1/3000) is 1 in 1002
    assert "nothing is known beyond 1 in 1\u2009002" in made.alt and "1 in 101" in made.alt
    (note,) = made.axes[0].texts
    assert note.get_text() == "nothing is known beyond: 1 in 1\u2009002 (3/n)"
    lines = [line.get_ydata()[0] for line in made.axes[0].lines if line.get_linestyle() == ":"]
    assert lines == pytest.approx([1 / 1002, 1 / 101], rel=0.01)


def test_a_models_curves_stand_beside_by_their_names():
    made = recorded_tail({"host": drawn(3000)}, THEORY, ("slow", "fast"))
    labels = [text.get_text() for legend in made.legends for text in legend.get_texts()]
    assert labels == ["host: 3\u2009000 samples", "theory: slow", "theory: fast"]
    curves = [line for line in made.axes[0].lines if len(line.get_xdata()) == len(X)]
    assert len(curves) == 3  # the bounds of "fast" are two lines
    assert "theory of slow: 99 % by 4" in made.alt  # ln 100 x 10 µs = 46 µs


def test_an_empty_name_leaves_a_curve_out():
    made = recorded_tail({"host": drawn(300)}, THEORY, ("", "fast"))
    labels = [text.get_text() for legend in made.legends for text in legend.get_texts()]
    assert labels == ["host: 300 samples", "theory: fast"]


@pytest.mark.parametrize(
    ("records", "theory", "names", "what"),
    [
        ({}, None, (), "give one at least"),
        ({"a": drawn(10)}, None, ("slow",), "1 of them, but the theory has 0"),
        ({"a": drawn(10)}, THEORY, ("a", "b", "c"), "3 of them, but the theory has 2"),
    ],
)
def test_nothing_to_draw_is_refused(records, theory, names, what):
    with pytest.raises(ValueError, match=what):
        recorded_tail(records, theory, names)


def test_the_table_has_bounds_in_words():
    made = table({"host": drawn(3000)}, levels=(0.5, 0.9999))
    assert made.loc[("host", "50 %"), "at least"] == "6 µs"
    assert made.loc[("host", "50 %"), "at most"] == "8 µs"
    assert made.loc[("host", "99.99 %"), "at most"] == "too few samples"
