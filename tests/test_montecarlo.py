"""The Monte Carlo in pieces: the same to the bit however it is run, and nothing lost in joining."""

from dataclasses import dataclass

import numpy as np
import pytest
import toy
from hypothesis import given
from hypothesis import strategies as st

from nfvlab import montecarlo, results

P = toy.SCENARIOS["a bad link"]


@given(st.integers(0, 2**64), st.integers(1, 500))
def test_pieces_add_up_and_differ(seed, n):
    parts = montecarlo.pieces(seed, n)
    sizes = [size for _, size in parts]
    assert sum(sizes) == n and min(sizes) >= 1 and len(sizes) == min(n, montecarlo.PIECES)
    assert max(sizes) - min(sizes) <= 1
    assert len({rng.integers(2**63) for rng, _ in parts}) == len(parts)


def test_whatever_the_order_of_the_pieces_the_result_is_the_same():
    whole = montecarlo.monte_carlo(toy, P, seed=5, n=33)
    work = list(montecarlo.steps(toy, P, seed=5, n=33))
    backwards = [step() for step in reversed(work)][::-1]
    assert montecarlo.pool(backwards, 5) == whole
    assert montecarlo.monte_carlo(toy, P, seed=6, n=33) != whole


def test_the_joined_samples_hold_every_row_and_say_where_they_came_from():
    parts = [toy.simulate(P, rng=rng, n=size) for rng, size in montecarlo.pieces(5, 33)]
    whole = montecarlo.pool(parts, 5)
    assert (whole.n, whole.entropy, whole.params) == (33, 5, P)
    assert np.array_equal(whole.total_time_ns, np.concatenate([part.total_time_ns for part in parts]))
    assert whole.source_line().endswith("seed 5 · n=33")


def test_the_bar_changes_nothing(capsys):
    assert montecarlo.monte_carlo(toy, P, seed=5, n=8, progress=True) == montecarlo.monte_carlo(
        toy, P, seed=5, n=8
    )
    assert "Monte Carlo" in capsys.readouterr().err


@pytest.mark.parametrize("n", [0, -3])
def test_no_replications_are_refused(n):
    with pytest.raises(ValueError, match=f"n = {n}"):
        montecarlo.pieces(1, n)


def test_an_array_that_is_not_a_row_a_replication_is_refused():
    @dataclass(frozen=True, kw_only=True)
    class Odd(results.Samples):
        curve: np.ndarray

    part = Odd(params=P, entropy=1, n=3, curve=np.zeros(7))
    with pytest.raises(ValueError, match=r"Odd\.curve: neither one row a replication nor the same"):
        montecarlo.pool([part, part], 1)


def test_tuples_of_rows_are_joined_and_what_is_common_is_kept():
    @dataclass(frozen=True, kw_only=True)
    class Tales(results.Samples):
        runs: tuple[str, ...]
        common: tuple[int, ...]

    parts = [
        Tales(params=P, entropy=0, n=2, runs=pair, common=(1, 2, 3)) for pair in (("a", "b"), ("c", "d"))
    ]
    whole = montecarlo.pool(parts, 9)
    assert (whole.runs, whole.common, whole.n, whole.entropy) == (("a", "b", "c", "d"), (1, 2, 3), 4, 9)
    with pytest.raises(ValueError, match=r"Tales\.common"):
        montecarlo.pool([parts[0], Tales(params=P, entropy=0, n=2, runs=("c", "d"), common=(4, 5, 6))], 9)
