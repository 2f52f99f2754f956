"""Bounds on sums of stages: they hold against exact laws, are tight, and narrow; wrong versions do not hold."""

import math
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaincc, pdtrc
from tail_references import hypoexponential_tail, sum_tail

from nfvlab.kernels import lattice as kernel
from nfvlab.realtime import lattice
from nfvlab.realtime.bounded import Bounded
from nfvlab.realtime.composed import Bursts, Discrete, Histogram, Mixture, rare
from nfvlab.realtime.lattice import bound, convolve, discretise, on_lattice, short_step
from nfvlab.realtime.laws import Constant, Exponential, Gamma, Lognormal, Uniform

PATH = (
    Constant(value_ns=400.0),
    Gamma(excess_ns=300.0, cv=0.5, min_ns=200.0),
    Exponential(excess_ns=250.0, min_ns=100.0),
    Lognormal(excess_ns=500.0, cv=0.6, min_ns=300.0),
    Uniform(width_ns=1000.0),
    Gamma(excess_ns=800.0, cv=1.2, min_ns=700.0),
    rare(1e-6, Uniform(width_ns=50e3, min_ns=100e3)),
    Exponential(excess_ns=90.0),
)
MEANS = (100.0, 170.0, 230.0, 310.0, 70.0, 20.0, 400.0)
STAGES = tuple(Exponential(excess_ns=mean, min_ns=3.0) for mean in MEANS)  # origins add to 21

pairs = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 10**6)), min_size=1, max_size=4)


def discrete(draw, unit: float) -> tuple[Discrete, dict[Fraction, Fraction]]:
    """A law of multiples of `unit`, and the same exactly (its weights are powers of two over their sum)."""
    total = sum(weight for _, weight in draw)
    law = Discrete(values_ns=tuple(v * unit for v, _ in draw), fracs=tuple(w / total for _, w in draw))
    exact: dict[Fraction, Fraction] = {}
    for value, weight in draw:
        at = Fraction(value * unit)
        exact[at] = exact.get(at, Fraction(0)) + Fraction(weight, total)
    return law, exact


@given(st.lists(pairs, min_size=1, max_size=4))
@settings(max_examples=60)
def test_on_a_lattice_of_its_own_a_sum_is_exact(draws):
    laws, exact = zip(*(discrete(draw, 1.0) for draw in draws), strict=True)
    made = on_lattice(laws, 1.0, 64)
    for x in range(-1, 50):
        low, high = made.sf(float(x))
        truth = float(sum_tail(exact, x))
        assert low <= truth * (1 + 1e-15) and truth <= high * (1 + 1e-15)
        assert high - low <= 1e-12 * truth + 1e-50


@given(st.lists(pairs, min_size=1, max_size=3), st.sampled_from([0.3, 1 / 3, 0.7, 2.9]), st.integers(3, 90))
@settings(max_examples=60)
def test_off_the_lattice_and_cut_short_the_bounds_hold(draws, unit, points):
    laws, exact = zip(*(discrete(draw, unit) for draw in draws), strict=True)
    made = on_lattice(laws, 0.5, points)
    for x in np.arange(0.0, 40 * unit, unit / 4):
        low, high = made.sf(x)
        truth = sum_tail(exact, x)
        assert Fraction(float(low)) <= truth * (1 + Fraction(1, 10**15))
        assert truth <= Fraction(float(high)) * (1 + Fraction(1, 10**15))


@pytest.mark.parametrize("points", [256, 4096, 20_000])
def test_sums_of_exponentials_lie_within(points):
    made = bound(STAGES, 1e-14, points=points)
    for x in np.linspace(0.0, 15_000.0, 151):
        low, high = made.sf(x + 21.0)
        truth = hypoexponential_tail(MEANS, x)
        assert low <= truth * (1 + 1e-12) and truth <= high * (1 + 1e-12)
        if truth > 1e-14 and points > 4096:
            assert high / low - 1 < 0.03


@given(st.integers(1, 6), st.sampled_from([0.25, 0.5, 1.0, 2.0]), st.floats(0.05, 1e5))
@settings(max_examples=25)
def test_sums_of_equal_gammas_are_gammas(count, cv, mean):
    made = bound([Gamma(excess_ns=mean, cv=cv)] * count, 1e-9, points=700)
    x = mean * count * np.geomspace(0.01, 30, 60)
    low, high = made.sf(x)
    truth = gammaincc(count / cv**2, x / (mean * cv**2))
    assert (low <= truth * (1 + 1e-9)).all() and (truth <= high * (1 + 1e-9) + 1e-60).all()


@pytest.mark.parametrize("tail", [1e-2, 1e-5, 1e-9, 1e-12])
def test_a_path_of_seven_stages_is_bounded_as_closely_as_asked(tail):
    for rel in (1e-2, 1e-3, 2e-4 if tail == 1e-9 else 5e-4):
        made = bound(PATH, tail, rel=rel)
        low, high = made.quantile_ns(tail)
        assert 0 < low <= high <= low * (1 + rel)
        assert made.rel_width(tail) == pytest.approx(high / low - 1)
        assert made.sf(low - 1e-6)[1] >= tail >= made.sf(high)[0]


def test_a_path_is_bounded_in_time():
    """Below 0.5 s on a loaded machine (20 ms on an idle one), coarse below 0.1 s (4 ms); the best of five counts."""
    for arguments, limit_s in (({"rel": 1e-3}, 0.5), ({"points": 512}, 0.1)):
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            bound(PATH, 1e-9, **arguments)
            seconds.append(time.perf_counter() - start)
        assert min(seconds) < limit_s


def test_a_finer_lattice_narrows_the_bounds_everywhere():
    x = np.linspace(0.0, 12_000.0, 400)
    before = None
    for points in (256, 512, 1024, 2048, 8192):
        low, high = on_lattice(PATH, 16_384.0 / points, points).sf(x)
        assert (low <= high).all()
        if before is not None:
            assert (low >= before[0] * (1 - 1e-8) - 1e-14).all() and (
                high <= before[1] * (1 + 1e-8) + 1e-14
            ).all()
        before = low, high


def test_a_constant_shifts_the_sum_and_adds_no_width():
    plain, shifted = (on_lattice([*STAGES, *more], 8.0, 1000) for more in ((), (Constant(value_ns=512.0),)))
    assert np.subtract(shifted.quantile_ns(1e-6), plain.quantile_ns(1e-6)) == pytest.approx([512.0, 512.0])
    alone = bound([Constant(value_ns=512.0), Constant(value_ns=0.1)])
    assert alone.quantile_ns(1e-9) == (512.1, 512.1) or alone.rel_width(1e-9) < 1e-15


def test_a_rare_mode_is_seen_where_it_matters_and_only_there():
    """1e-6 of 100 us on an exponential: P(> x) = (1 - p) exp(-x) + p exp(-(x - 100)), exactly."""
    made = bound([Exponential(excess_ns=1.0), rare(1e-6, Constant(value_ns=100.0))], 1e-9, rel=1e-3)
    for x in (1.0, 10.0, 13.0, 20.0, 99.0, 101.0, 106.0):
        truth = (1 - 1e-6) * math.exp(-x) + 1e-6 * min(1.0, math.exp(100.0 - x))
        low, high = made.sf(x)
        assert low <= truth * (1 + 1e-12) and truth <= high * (1 + 1e-12) and high < 1.3 * low
    low, high = made.quantile_ns(1e-9)
    assert low <= 100 + math.log(1e3) <= high


@pytest.mark.parametrize("hits", [1e-4, 0.5, 20.0])
def test_bursts_of_equal_hits_are_poisson(hits):
    made = on_lattice([Bursts(hits=hits, hit=Constant(value_ns=10.0)), Constant(value_ns=5.0)], 10.0, 100)
    for count in range(80):
        low, high = made.sf(5.0 + 10.0 * count)
        truth = pdtrc(count, hits)
        assert low <= truth * (1 + 1e-11) + 1e-60 and truth <= high * (1 + 1e-11)
        if truth > 1e-25:
            assert high - low <= 1e-9 * truth


def test_bursts_of_spread_hits_lie_within_on_a_fine_grid():
    """A Poisson number of exponentials: the series of Erlang tails."""
    hits, mean = 0.3, 50.0
    made = bound([Bursts(hits=hits, hit=Exponential(excess_ns=mean))], 1e-9, points=9000)
    for x in (10.0, 100.0, 500.0, 1000.0):
        terms = (math.exp(-hits) * hits**n / math.factorial(n) * gammaincc(n, x / mean) for n in range(1, 60))
        truth = sum(terms)
        low, high = made.sf(x)
        assert low <= truth <= high < 1.05 * low


@pytest.mark.parametrize("count", [1, 2, 7])
def test_bounded_stages_have_a_bounded_end(count):
    """Stages that end leave no mass beyond the grid: even the rarest quantile is bounded, near the sum of ends."""
    laws = [Uniform(width_ns=100.0 * (k + 1), min_ns=5.0) for k in range(count)]
    end = sum(law.max_ns for law in laws)
    for arguments in ({"points": 100}, {"rel": 1e-2}):
        low, high = bound(laws, 1e-20, **arguments).quantile_ns(1e-20)
        assert 0.9 * end < high < end * (1 + 0.02 * count) and low < high
    assert bound(laws, 1e-20).sf(1.1 * end)[1] < 1e-22


def test_an_open_bucket_is_charged_to_infinity():
    law = Histogram(low_ns=(0.0, 1000.0, 2000.0), high_ns=(1000.0, 2000.0, math.inf), counts=(10**6, 999, 1))
    made = bound([law, *STAGES[:2]], 1e-5)
    assert made.quantile_ns(1e-5)[1] < 5000
    low, high = bound([law, *STAGES[:2]], 1e-9).quantile_ns(1e-9)
    assert low > 2000 and high == math.inf
    assert made.sf(1e12) == (0.0, pytest.approx(1e-6, rel=0.01))


def test_buckets_bracket_whatever_lies_in_them():
    law = Histogram(low_ns=(0.0, 100.0), high_ns=(100.0, 300.0), counts=(99, 1))
    made = bound([law, Exponential(excess_ns=10.0)], 1e-3, points=2000)
    for inside in (0.0, 30.0, 100.0):
        hidden = Mixture(
            fracs=(0.99, 0.01), laws=(Constant(value_ns=inside), Constant(value_ns=2 * inside + 100))
        )
        for x in (5.0, 60.0, 250.0, 320.0):
            low, high = bound([hidden, Exponential(excess_ns=10.0)], 1e-3, points=2000).sf(x)
            assert made.sf(x)[0] <= high and low <= made.sf(x)[1]


def holds(made: Bounded) -> bool:
    """Whether the exact tail of the exponential stages lies within, from the body to 1e-12."""
    x = np.linspace(100.0, 12_500.0, 100)
    truth = np.array([hypoexponential_tail(MEANS, value) for value in x])
    low, high = made.sf(x + 21.0)
    return bool((low <= truth * (1 + 1e-12)).all() and (truth <= high * (1 + 1e-12)).all())


def test_rounding_to_the_nearest_is_rejected(monkeypatch):
    assert holds(on_lattice(STAGES, 16.0, 1000))

    def nearest(law, step_ns, points):
        tails = np.append(1.0, law.beyond(step_ns * (np.arange(points) + 0.5)))
        origins = {"low_origin_ns": law.origin_ns, "high_origin_ns": law.origin_ns}
        return Bounded(step_ns=step_ns, low_tails=tails, high_tails=tails, **origins)

    monkeypatch.setattr(lattice, "discretise", nearest)
    assert not holds(on_lattice(STAGES, 16.0, 1000))


def test_dropping_what_lies_beyond_the_grid_is_rejected(monkeypatch):
    assert holds(on_lattice(STAGES, 8.0, 500))
    masses = kernel.masses

    def dropping(tails):
        return masses(tails) / (1 - tails[-1])

    monkeypatch.setattr(kernel, "masses", dropping)
    monkeypatch.setattr(lattice, "_falling", lambda tails: np.append(1.0, (tails - tails[-1])[1:]))
    assert not holds(on_lattice(STAGES, 8.0, 500))


def test_fft_without_a_tilt_is_rejected_at_1e_15(monkeypatch):
    """With its honest error it says next to nothing at 1e-15; with that error left out it is wrong."""
    step_ns = short_step(2.0)
    assert on_lattice(STAGES, step_ns, 8000, 1e-15).rel_width(1e-15) < 2e-3
    monkeypatch.setattr(lattice, "_tilts", lambda laws, tail_frac: [0.0])
    low, high = on_lattice(STAGES, step_ns, 8000, 1e-15).quantile_ns(1e-15)
    assert high == math.inf or high > 1.01 * low
    honest = kernel.sum_tilted

    def careless(laws, tilt):
        tails, _ = honest(laws, tilt)
        spectrum = np.prod([np.fft.rfft(kernel.masses(law), 1 << 17) for law in laws], axis=0)
        return np.cumsum(np.fft.irfft(spectrum)[::-1])[::-1][: tails.size], np.zeros_like(tails)

    monkeypatch.setattr(kernel, "sum_tilted", careless)
    made = on_lattice(STAGES, step_ns, 8000, 1e-15)
    x = np.linspace(12_000.0, 15_900.0, 40)
    low, high = made.sf(x + 21.0)
    truth = np.array([hypoexponential_tail(MEANS, value) for value in x])
    assert not ((low <= truth).all() and (truth <= high).all())


def test_what_makes_no_sense_is_refused():
    parts = [discretise(STAGES[0], 1.0, 10), discretise(STAGES[1], 2.0, 10)]
    with pytest.raises(ValueError, match="different lattices"):
        convolve(parts)
    with pytest.raises(ValueError, match="laws is empty"):
        bound([])
    with pytest.raises(ValueError, match="points = 15: must be 16 to 131072"):
        bound(STAGES, points=15)
    with pytest.raises(ValueError, match="rel = 0"):
        bound(STAGES, rel=0)
    with pytest.raises(ValueError, match="tail_frac = 1e-31"):
        bound(STAGES, 1e-31)


@given(st.floats(1e-12, 1e12))
def test_a_short_step_has_exact_multiples(step):
    short = short_step(step)
    assert step <= short <= step * (1 + 1e-5)
    assert Fraction(short) * 123_456_789 == Fraction(short * 123_456_789)


@given(st.floats(-1.0, 200.0), st.sampled_from([0.1, 0.3, 1.0]))
def test_cells_are_found_exactly(x, step):
    step = short_step(step)
    made = discretise(Discrete(values_ns=(0.0, 7.0), fracs=(0.5, 0.5)), step, 100)
    for at in (x, math.floor(x / step) * step, math.nextafter(math.ceil(x / step) * step, -1)):
        low, high = made.sf(at)
        assert low <= (1.0 if at < 0 else 0.5 if at < 7 else 0.0) <= high
