"""Waits of M/G/1 against exact references, with vacations and setup against closed forms and a queue played out."""

import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tail_references import md1_tail, mh2_tail, mm1_tail, quantile

from nfvlab.realtime import waits
from nfvlab.realtime.composed import Discrete, Histogram, Largest, Mixture, hyperexponential
from nfvlab.realtime.lattice import discretise
from nfvlab.realtime.laws import Constant, Exponential, Gamma, Lognormal, Uniform
from nfvlab.realtime.waits import sojourn, wait

TAILS = (1e-2, 1e-4, 1e-6, 1e-9)
H2 = ((0.9, 0.1), (0.5, 5.5))  # mean 1, squared coefficient of variation 5.5
MD1, MM1, MH2 = "M/D/1", "M/M/1", "M/H2/1"
SERVICES = {
    MM1: (Exponential(excess_ns=1000.0), mm1_tail),
    MD1: (Constant(value_ns=1000.0), md1_tail),
    MH2: (
        hyperexponential(H2[0], [1000 * mean for mean in H2[1]]),
        lambda load, x: mh2_tail(load, *H2, x),
    ),
}


@functools.cache
def reference(name: str, load: float) -> list[float]:
    """Exact quantiles at TAILS, in mean services."""
    _, tail = SERVICES[name]
    return [quantile(lambda x: tail(load, x), p, 25 / (1 - load) if name == MD1 else 1e4) for p in TAILS]


def within(made, tail, scale_ns=1000.0, tails=TAILS, high=1e5) -> bool:
    """Whether the exact quantiles lie within the bounds (the reference has times of mean service 1)."""
    return encloses(made, [quantile(tail, p, high) if tail(0.0) > p else 0.0 for p in tails], scale_ns, tails)


def encloses(made, exact, scale_ns=1000.0, tails=TAILS) -> bool:
    """Whether quantiles in mean services lie within the bounds."""
    exact = [scale_ns * x for x in exact]
    ends = [made.quantile_ns(p) for p in tails]
    return all(
        low <= x * (1 + 1e-9) and x <= high * (1 + 1e-9) for x, (low, high) in zip(exact, ends, strict=True)
    )


@pytest.mark.parametrize("load", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("name", SERVICES)
def test_exact_references_lie_within(name, load):
    service, _ = SERVICES[name]
    for arguments in ({"points": 1000}, {"points": 9000}, {"rel": 1e-2}):
        made = wait(service, load * 1e6, **arguments)
        assert encloses(made, reference(name, load))
    assert made.rel_width(1e-9) <= 1e-2 and made.rel_width(1e-6) < 0.02


def test_the_bounds_hold_at_high_load_and_far_out():
    service, tail = SERVICES[MM1]
    assert within(wait(service, 0.99e6), lambda x: tail(0.99, x), high=1e5)
    made = wait(service, 0.5e6, tail_frac=1e-15)
    assert within(made, lambda x: tail(0.5, x), tails=(1e-3, 1e-9, 1e-12, 1e-15))
    assert made.rel_width(1e-15) <= 1e-2


def test_tails_lie_within_everywhere():
    for name, (service, tail) in SERVICES.items():
        made = wait(service, 0.6e6, rel=2e-3)
        for x in np.linspace(0.0, 30.0, 61):
            low, high = made.sf(1000 * x)
            assert low <= tail(0.6, x) * (1 + 1e-9) + 1e-15, name
            assert high >= tail(0.6, x) * (1 - 1e-9) - 1e-15, name


@given(st.floats(0.05, 0.95), st.floats(10.0, 1e6), st.sampled_from([300, 5000]))
@settings(max_examples=30)
def test_mm1_lies_within_at_any_scale(load, mean, points):
    made = wait(Exponential(excess_ns=mean), load / mean * 1e9, points=points)
    assert within(made, lambda x: mm1_tail(load, x), scale_ns=mean)


def test_stages_of_one_server_are_served_as_their_sum():
    """Two exponential stages are an Erlang law: the bounds of both ways must overlap, and both be close."""
    stages = wait([Exponential(excess_ns=500.0), Exponential(excess_ns=500.0)], 0.7e6)
    whole = wait(Gamma(excess_ns=1000.0, cv=0.5**0.5), 0.7e6)
    for p in TAILS:
        (low, high), (other_low, other_high) = stages.quantile_ns(p), whole.quantile_ns(p)
        assert max(low, other_low) <= min(high, other_high)
    assert stages.rel_width(1e-9) <= 1e-2
    alone, shifted = (
        wait(service, 0.5e6, points=3000)
        for service in (
            Gamma(excess_ns=700.0, cv=1.0, min_ns=300.0),
            [Constant(value_ns=300.0), Exponential(excess_ns=700.0)],
        )
    )
    x = np.linspace(0.0, 20_000.0, 200)
    assert (alone.sf(x)[0] <= shifted.sf(x)[1]).all() and (shifted.sf(x)[0] <= alone.sf(x)[1]).all()


def test_a_histogram_of_service_times_brackets_what_it_may_hide():
    recorded = Histogram(low_ns=(0.0, 1000.0), high_ns=(1000.0, 3000.0), counts=(9, 1))
    made = wait(recorded, 0.5e6, points=2000)
    for values in ((500.0, 2000.0), (0.0, 3000.0), (1000.0, 1000.0)):
        low, high = wait(Discrete(values_ns=values, fracs=(0.9, 0.1)), 0.5e6, points=2000).quantile_ns(1e-6)
        assert made.quantile_ns(1e-6)[0] <= high and low <= made.quantile_ns(1e-6)[1]


@pytest.mark.parametrize("load", [0.2, 0.8])
def test_the_sojourn_of_mm1_is_exponential(load):
    made = sojourn(Exponential(excess_ns=1000.0), load * 1e6)
    assert within(made, lambda x: math.exp(-(1 - load) * x))
    assert made.rel_width(1e-9) <= 1e-2


def mixed(load: float, pause: float, x: float) -> float:
    """P(W + pause > x), W of M/M/1 with mean service 1 and an exponential pause of another mean than 1 / (1 - load)."""
    rate, other = 1 - load, 1 / pause
    both = (other * math.exp(-rate * x) - rate * math.exp(-other * x)) / (other - rate)
    return (1 - load) * math.exp(-other * x) + load * both


@pytest.mark.parametrize("kind", ["vacation", "setup"])
@pytest.mark.parametrize("pause", [0.3, 4.0])
def test_exponential_pauses_have_no_memory(kind, pause):
    """A residual exponential time is exponential, so that both kinds of pause add the whole of one."""
    made = wait(Exponential(excess_ns=1000.0), 0.6e6, **{kind: Exponential(excess_ns=1000 * pause)})
    assert within(made, lambda x: mixed(0.6, pause, x))
    assert made.rel_width(1e-9) <= 1e-2


def played(rng, service, *, vacation: float = 0.0, setup: float = 0.0, load: float = 0.6, n: int = 400_000):
    """Waits of a queue played out event by event, with constant pauses, mean service 1."""
    arrivals = np.cumsum(rng.exponential(1 / load, n)).tolist()
    services = service(rng, n).tolist()
    found, free = [], 0.0  # when the server has emptied its queue
    for arrival, time in zip(arrivals, services, strict=True):
        start = free
        if arrival >= free:
            start = arrival + setup
            if vacation:
                start = free + vacation * (math.floor((arrival - free) / vacation) + 1)
        found.append(start - arrival)
        free = start + time
    return np.array(found)


def agrees(found, made) -> bool:
    """Whether tails from 0.5 to 1e-3 of 400,000 correlated waits lie within, to a few percent."""
    for share, slack in ((0.5, 0.02), (0.1, 0.03), (1e-2, 0.06), (1e-3, 0.2)):
        x = np.quantile(found, 1 - share)
        low, high = made.sf(1000 * x)
        if not low * (1 - slack) <= np.mean(found > x) <= high * (1 + slack):
            return False
    return True


@pytest.mark.parametrize("pause", [{"vacation": 3.0}, {"setup": 3.0}, {"vacation": 0.5}, {}])
def test_a_queue_played_out_waits_as_long(pause, monkeypatch):
    """The queue knows nothing of decompositions; a pause that adds the whole of itself is rejected."""
    found = played(np.random.default_rng(7), lambda rng, n: rng.uniform(0.5, 1.5, n), **pause)
    service, laws = (
        Uniform(width_ns=1000.0, min_ns=500.0),
        {k: Constant(value_ns=1000 * v) for k, v in pause.items()},
    )
    assert agrees(found, wait(service, 0.6e6, rel=2e-3, **laws))
    monkeypatch.setattr(waits, "_residual", discretise)
    monkeypatch.setattr(waits, "_started", lambda law, rate, step, cells: discretise(law, step, cells))
    assert agrees(found, wait(service, 0.6e6, rel=2e-3, **laws)) == (not pause)


def test_ladder_heights_that_are_whole_services_are_rejected(monkeypatch):
    """The inspection paradox forgotten: residual services taken for whole ones."""
    service, _ = SERVICES[MD1]
    monkeypatch.setattr(waits, "_law_excess", lambda law, x: (1000.0 * (x < 1000.0),) * 2)
    assert not encloses(wait(service, 0.5e6, points=2000), reference(MD1, 0.5))


def test_ladder_heights_rounded_to_the_nearest_cell_are_rejected(monkeypatch):
    service, tail = SERVICES[MM1]
    honest = waits._solve

    def half(ladder):
        return honest((ladder + np.append(ladder[1:], ladder[-1])) / 2)

    monkeypatch.setattr(waits, "_solve", half)
    assert not within(wait(service, 0.6e6, points=500), lambda x: tail(0.6, x))


def test_what_lies_beyond_the_grid_is_infinite():
    """A service of 1 ms once in a million: on a grid that ends before it, its part of the wait has no upper bound."""
    service = Mixture(fracs=(1 - 1e-6, 1e-6), laws=(Exponential(excess_ns=1000.0), Constant(value_ns=1e6)))
    made = wait(service, 0.3e6, tail_frac=1e-2, points=2000)
    assert made.quantile_ns(1e-2)[1] < 1e4 and made.sf(1e9)[1] > 1e-4
    assert wait(service, 0.3e6).quantile_ns(1e-9)[0] > 0.9e6


def test_heavy_tails_are_bounded_too():
    """Lognormal services have no exponential moments; the tail of the wait is then that of the residual service."""
    law = Lognormal(excess_ns=1000.0, cv=2.0)
    made = wait(law, 0.3e6)
    low, high = made.quantile_ns(1e-9)
    residual = law.mean_excess(np.array([low]))[0][0] / 1000.0
    assert high <= 1.01 * low
    assert 0.3 / 0.7 * residual == pytest.approx(1e-9, rel=0.3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: wait(Exponential(excess_ns=1000.0), 1e6), "the load must lie above 0 and below 1"),
        (lambda: wait(Exponential(excess_ns=1000.0), 0.0), "arrivals_per_s = 0.0"),
        (lambda: wait(Exponential(excess_ns=1.0), 1.0, points=3), "points = 3"),
        (lambda: wait(Constant(value_ns=0.0), 1.0), "the load must lie above 0"),
        (lambda: wait(Exponential(excess_ns=1.0), 1.0, tail_frac=1.0), "tail_frac = 1.0"),
        (
            lambda: wait(Histogram(low_ns=(1.0,), high_ns=(math.inf,), counts=(1,)), 1.0),
            "mean service inf ns",
        ),
        (lambda: wait(Largest(laws=(Exponential(excess_ns=1.0),)), 1.0), "has no mean in closed form"),
        (
            lambda: wait(
                Exponential(excess_ns=1.0), 1.0, vacation=Constant(value_ns=1.0), setup=Constant(value_ns=1.0)
            ),
            "either takes vacations or is set up",
        ),
        (
            lambda: wait(Exponential(excess_ns=1.0), 1e6, vacation=Constant(value_ns=0.0)),
            "its mean must be above zero",
        ),
        (lambda: wait(Exponential(excess_ns=1000.0), 0.99999e6), "too close to 1 for the lattice"),
    ],
)
def test_what_makes_no_sense_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
