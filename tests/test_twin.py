import math
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import toy
from hypothesis import given
from hypothesis import strategies as st

from nfvlab import results, stats, twin
from nfvlab.results import approx, exact, lower, output, upper

P = toy.Params()
NAN, INF = math.nan, math.inf
CLAIMS = {
    "exact": exact(),
    "lower": lower(),
    "upper": upper(),
    "approx": approx(rel=0.1, abs=1.0, where="a measurement"),
}


@dataclass(frozen=True, kw_only=True)
class Theory(results.Theory):
    delay_ns: float = output("a delay", exact())
    chosen: results.Claim = exact()

    def claim(self, name):
        return self.chosen


@dataclass(frozen=True, kw_only=True)
class Samples(results.Samples):
    seen: dict

    def estimate(self):
        return self.seen


def row(claim, theory, seen, stderr, dof=math.inf):
    samples = Samples(
        params=P, entropy=1, n=9, seen={"delay_ns": stats.Estimate(seen, stderr, "given", 9, dof)}
    )
    (only,) = twin.judge(Theory(params=P, delay_ns=theory, chosen=CLAIMS[claim]), samples).rows
    return only


@pytest.mark.parametrize(
    ("claim", "theory", "seen", "stderr", "verdict"),
    [
        ("exact", 103.9, 100, 1, "holds"),
        ("exact", 104.1, 100, 1, "fails"),
        ("exact", 95.9, 100, 1, "fails"),
        ("exact", 100, 100, 0, "holds"),
        ("exact", 100 * (1 + 5e-10), 100, 0, "holds"),  # rounding
        ("exact", 100 * (1 + 5e-9), 100, 0, "fails"),
        ("exact", 0, 0, 0, "holds"),
        ("exact", 1e-300, 0, 0, "fails"),
        ("lower", 50, 100, 1, "holds"),
        ("lower", 103.9, 100, 1, "holds"),
        ("lower", 104.1, 100, 1, "fails"),
        ("upper", 200, 100, 1, "holds"),
        ("upper", 96.1, 100, 1, "holds"),
        ("upper", 95.9, 100, 1, "fails"),
        ("approx", 114.9, 100, 1, "holds"),  # 10 % of 100, plus 1, plus four sigma
        ("approx", 115.1, 100, 1, "fails"),
        ("approx", 84.9, 100, 1, "fails"),
        ("approx", 111, 100, 0, "holds"),
        ("approx", 111.1, 100, 0, "fails"),
        ("exact", INF, 100, 1, "fails"),
        ("approx", INF, 100, 1, "fails"),
        ("approx", 100, INF, 1, "fails"),
        ("lower", INF, 100, 1, "fails"),
        ("upper", INF, 100, 1, "holds"),
        ("exact", INF, INF, 0, "holds"),
        ("exact", NAN, NAN, NAN, "holds"),  # both say that there is no such value
        ("exact", NAN, 100, 1, "fails"),
        ("lower", 50, NAN, NAN, "fails"),
        ("lower", 50, 100, NAN, "no error bar"),
        ("exact", 100, 100, NAN, "no error bar"),
    ],
)
def test_verdicts(claim, theory, seen, stderr, verdict):
    found = row(claim, theory, seen, stderr)
    assert found.verdict == verdict
    assert found.ok == (verdict == "holds")


@given(st.sampled_from(sorted(CLAIMS)), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0, 1e3))
def test_a_claim_holds_less_often_the_stronger_it_is(claim, theory, seen, stderr):
    """What is exact satisfies every claim, and what satisfies both bounds is exact."""
    held = {kind: row(kind, theory, seen, stderr).ok for kind in CLAIMS}
    assert held["exact"] == (held["lower"] and held["upper"])
    assert held["exact"] <= held[claim]


def test_z_is_measured_in_standard_errors():
    assert row("exact", 103, 100, 1).z == pytest.approx(3)
    assert row("exact", 97, 100, 1).z == pytest.approx(-3)
    assert row("exact", 5, 5, 0).z == 0
    assert row("exact", 6, 5, 0).z == INF


def test_few_replications_are_given_the_room_of_students_t():
    """Four sigma of 3 observations is 125.6 standard errors (2 degrees of freedom), and z says so."""
    assert row("exact", 225, 100, 1, dof=2).ok
    assert not row("exact", 226, 100, 1, dof=2).ok
    assert row("exact", 225.64, 100, 1, dof=2).z == pytest.approx(4, rel=1e-3)


def test_a_name_on_one_side_only_is_refused_and_named():
    estimate = stats.mean([1.0, 2.0])
    samples = Samples(params=P, entropy=1, n=2, seen={"delay_n": estimate, "pause_ns": estimate})
    with pytest.raises(
        ValueError, match="only the theory has delay_ns; only the simulation has delay_n, pause_ns"
    ):
        twin.judge(Theory(params=P, delay_ns=1.0), samples)


# --- on a feature


@pytest.mark.parametrize("scenario", toy.SCENARIOS)
def test_a_right_theory_passes(scenario):
    comparison = twin.compare(toy, toy.SCENARIOS[scenario], rng=np.random.default_rng(8), n=300)
    assert comparison.ok, comparison


def forgets_the_stalls(p, *, rng, n):
    return toy.simulate(p.replace(stalls_on=False), rng=rng, n=n)


def doubles_the_stalls(p, *, rng, n):
    return toy.simulate(p.replace(stall_ns=2 * p.stall_ns), rng=rng, n=n)


@pytest.mark.parametrize("mutant", [forgets_the_stalls, doubles_the_stalls])
def test_a_wrong_simulation_fails(mutant):
    feature = SimpleNamespace(analyze=toy.analyze, simulate=mutant)
    comparison = twin.compare(feature, P, rng=np.random.default_rng(8), n=300)
    assert not comparison.ok
    assert "total_time_ns" in [row.field for row in comparison.failures]


def test_the_table_in_three_forms():
    comparison = twin.compare(toy, P, rng=np.random.default_rng(8), n=300)
    frame = comparison.to_frame()
    assert frame.columns.tolist() == ["field", "claim", "theory", "monte_carlo", "stderr", "z", "verdict"]
    assert frame["field"].tolist() == list(toy.OUTPUTS)
    assert frame["theory"].tolist() == [value for value, _ in toy.analyze(P).outputs().values()]
    text = str(comparison)
    assert "seed 8 · n=300" in text
    assert len(text.splitlines()) == 2 + len(toy.OUTPUTS)
    html = comparison._repr_html_()
    assert "5 of 5 claims hold" in html
    assert "within 5 % + 0.2 % (tests/toy.py)" in html
    assert "<td>1.99 s</td>" in html
