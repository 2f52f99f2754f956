"""A forwarder whose ring's lines live in two places: how far the theory is off, and where it is right."""

import numpy as np
import pytest

from nfvlab.cat import claims
from nfvlab.cat.analytic import analyze
from nfvlab.cat.scenarios import SCENARIOS
from nfvlab.cat.simulation import simulate
from nfvlab.llc.lives import placed

BASE = SCENARIOS["ring larger than the I/O ways"]
RINGS = [(256, 32), (1024, 256), (2048, 32), (2048, 256), (2048, 512), (2048, 1500), (4096, 512)]
SPEEDS = ("references_per_s", "cpi_ratio", "packets_per_s", "unit_ns", "unit_p99_ns")


def host(ring, backlog, mask=0x3FFF0):
    forwarder, *others = BASE.tenants
    forwarder = forwarder.replace(ring_count=ring, backlog_count=backlog, data_mask=mask)
    return BASE.replace(tenants=(forwarder, *others))


@pytest.fixture(scope="module", params=RINGS, ids=lambda ring: f"{ring[0]} buffers, {ring[1]} waiting")
def both(request):
    p = host(*request.param)
    return analyze(p), simulate(p, rng=np.random.default_rng(2), n=1).estimate()


def test_every_output_of_the_forwarder_is_within_its_claim(both):
    theory, seen = both
    for name, (value, claim) in theory.outputs().items():
        if name.endswith("[0]") and np.isfinite(value):
            off = abs(value - seen[name].value)
            assert off <= claim.rel * abs(seen[name].value) + claim.abs, (name, value, seen[name].value)


def test_the_ends_are_right_without_the_slack_of_rings():
    """All lines read in time, or all lost: nothing is left to chance."""
    for ring in ((256, 32), (2048, 32), (4096, 512)):
        p = host(*ring)
        theory, seen = analyze(p), simulate(p, rng=np.random.default_rng(2), n=1).estimate()
        assert theory.miss_frac[0] == pytest.approx(seen["miss_frac[0]"].value, abs=0.01)
        for name in SPEEDS:
            assert getattr(theory, name)[0] == pytest.approx(seen[f"{name}[0]"].value, rel=0.03), name


def test_between_the_ends_the_theory_says_that_it_doubts():
    theory = analyze(host(2048, 1500))
    assert claims.ring_slack(theory, 0)[0] == claims.RING_FRAC
    assert any("partly in the device's ways" in doubt for doubt in theory.doubts())
    assert claims.ring_slack(theory, 1) == (0.0, 0.0, 0.0)  # the stream has no ring
    assert claims.ring_slack(analyze(host(256, 16)), 0)[0] < claims.RING_FRAC


def test_a_line_that_is_lost_from_both_comes_into_both():
    """Always lost: fetched into the core's ways and written into the device's, once each in every turn."""
    assert placed(1.0, 0.0, 0.0) == (0.0, 1.0, 0.0, 1.0)
    assert placed(0.0, 0.5, 1.0) == (0.0, 0.0, 1.0, 0.0)  # never lost from the device's ways
    assert placed(1.0, 1.0, 0.0) == (1.0, 0.0, 0.0, 0.0)  # kept by the core
    core, fetched, home, lost = placed(0.6, 0.5, 0.25)
    assert core + fetched == pytest.approx(0.6) and home + lost == pytest.approx(1 - 0.3)
