"""Sums on a lattice against exact fractions: every error that is claimed holds, every kernel is its plain form."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvlab.kernels import lattice


def tails_of(draws) -> np.ndarray:
    """Tails of a law with masses over many orders of magnitude, the last beyond the grid."""
    mass = np.array([weight * 10.0**-exponent for weight, exponent in draws])
    tails = np.minimum(np.cumsum(mass[::-1])[::-1] / mass.sum(), 1.0)
    return np.append(1.0, np.minimum.accumulate(tails)[1:])


weights = st.tuples(st.integers(0, 9), st.integers(0, 25))
laws = st.lists(weights, min_size=9, max_size=9).filter(lambda draws: any(w for w, _ in draws)).map(tails_of)
several = st.lists(laws, min_size=1, max_size=4)


def exact_sum(all_tails) -> list[Fraction]:
    """P(sum of indices >= k) for k = 0 … n, with the last tail as "n or more"."""
    n = all_tails[0].size - 1
    made = {0: Fraction(1)}
    for tails in all_tails:
        exact = [Fraction(t) for t in tails.tolist()]
        mass = [exact[k] - exact[k + 1] for k in range(n)] + [exact[n]]
        found: dict[int, Fraction] = {}
        for a, p in made.items():
            for b, q in enumerate(mass):
                found[min(a + b, n)] = found.get(min(a + b, n), Fraction(0)) + p * q
        made = found
    return [sum((p for k, p in made.items() if k >= least), Fraction(0)) for least in range(n + 1)]


@settings(max_examples=40)
@given(several)
def test_the_direct_sum_is_right_to_its_relative_error(all_tails):
    tails, error = lattice.sum_direct(all_tails)
    for found, exact in zip(tails.tolist(), exact_sum(all_tails), strict=True):
        assert abs(Fraction(found) - exact) <= Fraction(error) * exact + Fraction(1e-140)
    assert error < 1e-13


@settings(max_examples=40)
@given(several, st.floats(0, lattice.LARGEST_EXPONENT / 8))
def test_the_tilted_sum_is_right_to_its_absolute_error(all_tails, tilt):
    tails, error = lattice.sum_tilted(all_tails, tilt)
    for found, wrong, exact in zip(tails.tolist(), error.tolist(), exact_sum(all_tails), strict=True):
        assert abs(Fraction(found) - exact) <= Fraction(wrong)


@settings(max_examples=40)
@given(several)
def test_the_sum_conserves_mass(all_tails):
    tails, _ = lattice.sum_direct(all_tails)
    assert tails[0] == pytest.approx(1, rel=1e-14)
    assert (np.diff(tails) <= 1e-15).all()


def exponential(mean_cells: float, n: int) -> np.ndarray:
    return np.exp(-np.arange(n + 1) / mean_cells)


def test_without_a_tilt_the_far_tail_is_lost_and_with_it_it_is_not():
    """Five stages, 2**13 cells: at 1e-16 a plain FFT is off by percents, and says nothing; its bound shows it."""
    n = 1 << 13
    all_tails = [exponential(mean, n) for mean in (20.0, 35.0, 50.0, 80.0, 130.0)]
    direct, direct_error = lattice.sum_direct(all_tails)
    spectrum = np.prod([np.fft.rfft(lattice.masses(tails), 8 * n) for tails in all_tails], axis=0)
    plain = np.cumsum(np.fft.irfft(spectrum)[::-1])[::-1][: n + 1]
    flat, flat_error = lattice.sum_tilted(all_tails, 0.0)
    far = int(np.argmax(direct < 1e-16))
    tilted, error = lattice.sum_tilted(all_tails, 0.9 / 130.0)
    assert abs(plain[far] / direct[far] - 1) > 0.01
    assert flat_error[far] > 0.1 * direct[far] and abs(flat[far] - direct[far]) <= flat_error[far]
    assert error[far] < 1e-4 * direct[far]
    assert (np.abs(tilted - direct) <= error + direct_error * direct).all()


@settings(max_examples=40)
@given(several, st.integers(0, 3))
def test_the_error_of_a_convolution_by_fft_holds(all_tails, scale):
    a, b = (lattice.masses(tails) * 10.0 ** (3 * scale) for tails in (all_tails[0], all_tails[-1]))
    made, error = lattice.convolve_fft(a, b, 16)
    exact = [sum(Fraction(a[i]) * Fraction(b[k - i]) for i in range(8) if 0 <= k - i < 8) for k in range(15)]
    off = [Fraction(found) - right for found, right in zip(made.tolist(), exact, strict=False)]
    assert sum(x * x for x in off) <= Fraction(error) ** 2


def exact_renewal(mass, source) -> list[Fraction]:
    z: list[Fraction] = []
    for k in range(len(source)):
        known = sum((Fraction(mass[j]) * z[k - j] for j in range(1, k + 1)), Fraction(0))
        z.append((known + Fraction(source[k])) / (1 - Fraction(mass[0])))
    return z


@given(laws, st.floats(0.01, 0.99))
def test_the_renewal_equation_is_solved_both_ways(tails, load):
    mass, source = load * lattice.masses(tails), load * tails[1:]
    exact = exact_renewal(mass.tolist(), source.tolist())
    serial = lattice.renewal(mass, source)
    assert serial.tolist() == lattice.renewal.py_func(mass, source).tolist()
    bound = Fraction(lattice.gamma((mass.size + 6) ** 2 / 2))
    assert all(
        abs(Fraction(z) - right) <= bound * right for z, right in zip(serial.tolist(), exact, strict=True)
    )
    tilt = 0.0
    while mass @ np.exp((tilt + 0.05) * np.arange(mass.size)) < 0.9 + 0.1 * load and tilt < 3:
        tilt += 0.05
    z, error = lattice.renewal_tilted(mass, source, tilt)
    for found, wrong, right in zip(z.tolist(), error.tolist(), exact, strict=True):
        assert abs(Fraction(found) - right) <= Fraction(wrong)


def test_both_solutions_agree_on_a_long_grid():
    n = 6000
    ladder = 0.8 * exponential(40.0, n)
    serial = lattice.renewal(lattice.masses(ladder), ladder[1:])
    tilt = 0.18 / 40
    z, error = lattice.renewal_tilted(lattice.masses(ladder), ladder[1:], tilt)
    assert (np.abs(z - serial) <= error + 1e-8 * serial).all()
    far = int(np.argmax(serial < 1e-12))
    assert error[far] < 1e-5 * serial[far]


def test_a_tilt_past_the_pole_is_refused():
    ladder = 0.8 * exponential(4.0, 100)
    with pytest.raises(ValueError, match="tilt = 0.2: the tilted masses sum to .* smaller tilt"):
        lattice.renewal_tilted(lattice.masses(ladder), ladder[1:], 0.2)


@given(laws, st.floats(1e-6, 5))
def test_a_poisson_sum_is_the_series_of_its_powers(tails, rate):
    mass = lattice.masses(tails)
    none = float(np.exp(-rate * (1 - mass[0])))
    made = lattice.compound_poisson(rate, mass, none)
    assert made.tolist() == lattice.compound_poisson.py_func(rate, mass, none).tolist()
    expected, power, chance = np.zeros(mass.size), np.eye(1, mass.size)[0], np.exp(-rate)
    for hits in range(1, 60):
        expected += chance * power
        power, chance = np.convolve(power, mass)[: mass.size], chance * rate / hits
    assert made == pytest.approx(expected, rel=1e-12, abs=1e-200)
