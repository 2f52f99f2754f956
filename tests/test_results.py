import math
from dataclasses import dataclass

import numpy as np
import pytest
import toy

from nfvlab import __version__, results, stats
from nfvlab.results import Claim, approx, exact, lower, output, provenance, upper, with_error

P = toy.Params()


@dataclass(frozen=True, kw_only=True)
class Curve(results.Theory):
    """A theory with an array and a claim that depends on the scenario."""

    total_time_ns: float = output("how long", exact())
    sent_bytes: float = output("how much", lower())
    curve: np.ndarray

    def claim(self, name):
        return upper(where="no stalls") if self.params.stall_rate_per_s == 0 else super().claim(name)


def curve(p=P, total=1e9, shape=(1.0, 2.0)):
    return Curve(params=p, total_time_ns=np.float64(total), sent_bytes=5, curve=np.array(shape))


def samples(seed=3):
    return toy.simulate(P, rng=np.random.default_rng(seed), n=40)


# --- claims


def test_claims_in_words():
    assert [str(claim) for claim in (exact(), lower(), upper())] == ["exact", "lower bound", "upper bound"]
    claim = approx(rel=0.05, abs=2e6, where="tests/here.py")
    assert claim.words("downtime_ns") == "within 5 % + 2 ms"
    assert str(approx(rel=0.0, abs=0.25, where="there")) == "within 0.25"
    assert claim == Claim("approx", 0.05, 2e6, "tests/here.py")


@pytest.mark.parametrize(("rel", "abs_"), [(-0.1, 0), (0, 0), (math.nan, 0), (0.1, math.inf), (0.1, -1)])
def test_a_tolerance_is_finite_and_above_zero(rel, abs_):
    with pytest.raises(ValueError, match="finite and above zero"):
        approx(rel=rel, abs=abs_, where="there")


def test_a_tolerance_says_where_it_was_measured():
    with pytest.raises(ValueError, match="say where"):
        approx(rel=0.1, where="")


# --- theory


@dataclass(frozen=True, kw_only=True)
class Shares(results.Theory):
    """A theory with one value a tenant."""

    miss_frac: tuple[float, ...] = output("misses per reference", approx(rel=0.1, where="here"))
    busy_frac: float = output("busy", exact())

    def claim(self, name):
        return exact() if name == "miss_frac[1]" else super().claim(name)


def test_an_output_that_holds_a_tuple_is_one_output_a_tenant():
    theory = Shares(params=P, miss_frac=(0.25, 0.5), busy_frac=1.0)
    assert {name: value for name, (value, _) in theory.outputs().items()} == {
        "miss_frac[0]": 0.25,
        "miss_frac[1]": 0.5,
        "busy_frac": 1.0,
    }
    assert [claim.kind for _, claim in theory.outputs().values()] == ["approx", "exact", "exact"]
    assert list(theory.to_frame()["doc"]) == ["misses per reference"] * 2 + ["busy"]
    assert "miss_frac[1] 50 %" in repr(theory) and "miss_frac[1]" in theory._repr_html_()
    assert results.field_of("miss_frac[1]") == "miss_frac" and results.field_of("busy_frac") == "busy_frac"


def test_outputs_are_floats_with_claims_and_leave_curves_out():
    assert curve().outputs() == {"total_time_ns": (1e9, exact()), "sent_bytes": (5.0, lower())}
    assert all(type(value) is float for value, _ in curve().outputs().values())


def test_a_claim_may_depend_on_the_scenario():
    still = curve(P.replace(stall_rate_per_s=0))
    assert {claim.kind for _, claim in still.outputs().values()} == {"upper"}
    assert still.to_frame()["where"].tolist() == ["no stalls"] * 2


def test_theory_as_a_frame():
    frame = curve().to_frame()
    assert frame.columns.tolist() == ["output", "value", "claim", "where", "doc"]
    assert frame.values.tolist() == [
        ["total_time_ns", 1e9, "exact", "", "how long"],
        ["sent_bytes", 5.0, "lower bound", "", "how much"],
    ]


def test_an_output_without_a_unit_is_refused():
    with pytest.raises(TypeError, match="Wrong.speed.*does not end in a known unit"):

        class Wrong(results.Theory):
            speed: float = output("how fast", exact())


# --- samples


def test_samples_as_a_frame():
    frame = samples().to_frame()
    assert frame.columns.tolist() == ["output", "value", "stderr", "method", "n"]
    row = frame.set_index("output").loc["total_time_ns"]
    assert row["value"] == pytest.approx(samples().total_time_ns.mean())
    assert row["stderr"] == pytest.approx(samples().total_time_ns.std(ddof=1) / math.sqrt(40))


def test_samples_must_estimate():
    with pytest.raises(NotImplementedError, match="define estimate"):
        results.Samples(params=P, entropy=1, n=1).estimate()


# --- where they came from


def test_provenance_names_the_seed_and_the_child():
    assert provenance(np.random.default_rng(2024)) == 2024
    assert provenance(np.random.default_rng(2024).spawn(3)[2]) == "2024/2"
    assert provenance(np.random.default_rng(2024).spawn(3)[2].spawn(2)[1]) == "2024/2/1"
    assert provenance(np.random.default_rng([7, 8])) == "7+8"
    fresh = provenance(np.random.default_rng())
    assert np.random.default_rng(fresh).random() == np.random.default_rng(fresh).random()


def test_provenance_gives_the_generator_again():
    rng = np.random.default_rng()
    seed = provenance(rng)
    assert np.random.default_rng(seed).random(5).tolist() == rng.random(5).tolist()


@pytest.mark.parametrize("rng", [2024, None, np.random])
def test_provenance_wants_a_generator(rng):
    with pytest.raises(TypeError, match=r"default_rng"):
        provenance(rng)


def test_source_lines():
    assert samples().source_line() == f"nfvlab {__version__} · seed 3 · n=40"
    assert curve().source_line() == f"nfvlab {__version__} · theory"


# --- equality, printing


def test_results_compare_by_value_also_with_arrays():
    assert curve() == curve()
    assert hash(curve()) == hash(curve())
    assert curve() != curve(shape=(1.0, 2.5))
    assert curve() != curve(shape=(1.0, 2.0, 3.0))
    assert curve() != curve(total=2e9)
    assert curve() != curve(P.replace(stall_ns=5))
    assert curve(total=math.nan) == curve(total=math.nan)
    assert curve(shape=(1.0, math.nan)) == curve(shape=(1.0, math.nan))
    assert curve() != samples()
    assert samples() == samples()
    assert samples() != samples(seed=4)


def test_printed_forms_are_short_and_in_human_units():
    assert repr(curve()) == "<Curve: total_time_ns 1 s; sent_bytes 5 B>"
    text = repr(samples())
    assert text.startswith("<Samples: total_time_ns ")
    assert " s ± " in text
    assert "array" not in text


def test_html_tables_are_labelled_with_units_and_claims():
    html = toy.analyze(P)._repr_html_()
    assert f"<caption>Theory · nfvlab {__version__} · theory</caption>" in html
    assert '<th scope="col" style="text-align:left">claim</th>' in html
    assert "within 5 % + 0.2 %" in html
    assert "tests/toy.py" in html  # where the tolerance was measured
    html = samples()._repr_html_()
    assert "independent replications" in html
    assert "seed 3 · n=40" in html


def test_with_error():
    assert with_error("downtime_ns", stats.Estimate(3.2e9, 4e7, "given", 5)) == "3.2 s ± 40 ms"
    assert with_error("downtime_ns", stats.Estimate(3.2e9, 0.0, "given", 5)) == "3.2 s"
    assert with_error("downtime_ns", stats.mean([3.2e9])) == "3.2 s"
