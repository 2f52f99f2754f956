"""Every claim of the theory on random scenarios, held to the simulation; and wrong theories, which must not hold."""

import numpy as np
import pytest

from nfvlab import twin
from nfvlab.cat import claims, simulation
from nfvlab.cat.analytic import analyze, theory
from nfvlab.cat.params import Params
from nfvlab.llc.equilibrium import solve
from nfvlab.llc.params import WORKLOADS, Tenant
from nfvlab.units import MiB, ms

WINDOW = {"cache_sets": 512, "warmup_ns": 4 * ms, "measured_ns": 4 * ms}


def between(rng, low: float, high: float) -> float:
    """Evenly in the logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def block(rng, ways: int) -> int:
    size = int(rng.integers(1, ways + 1))
    return ((1 << size) - 1) << int(rng.integers(0, ways - size + 1))


def tenant(rng, ways: int, apart: int | None) -> Tenant:
    """Any workload on data of 1/16 to 4 MiB; `apart`: the mask, else any block of ways."""
    frame, ring = int(rng.integers(64, 1519)), int(between(rng, 64, 2048))
    return Tenant(
        workload=str(rng.choice(WORKLOADS)),
        data_bytes=between(rng, MiB / 16, 4 * MiB),
        skew_exponent=rng.uniform(0, 1.2),
        code_bytes=between(rng, 16_384, MiB / 2),
        code_frac=float(rng.choice([0.0, rng.uniform(0.02, 0.5)])),
        write_frac=rng.uniform(0, 1),
        work_ns=between(rng, 2, 200),
        parallelism_ratio=between(rng, 1, 10),
        phases_count=int(rng.integers(1, 5)),
        phase_references_count=int(between(rng, 2e3, 2e4)),
        offered_packets_per_s=between(rng, 1e5, 1e7),
        frame_bytes=frame,
        ring_count=ring,
        backlog_count=int(min(ring - 1, rng.integers(0, 256))),
        header_lines=int(min(rng.integers(0, 4), -(-frame // 64))),
        lookups_count=int(rng.integers(0, 8)),
        interval_ns=between(rng, 0.1 * ms, 1 * ms),
        data_mask=apart or block(rng, ways),
        code_mask=apart or block(rng, ways),
    )


def scenario(seed: int) -> Params:
    rng = np.random.default_rng([seed, 77])
    ways = int(rng.choice([8, 12, 16, 20]))
    every = (1 << ways) - 1 if rng.random() < 0.5 else None
    return Params(
        **WINDOW,
        cache_ways=ways,
        io_mask=0b11 << (ways - 2),
        cdp=bool(rng.random() < 0.3),
        hashed=bool(rng.random() < 0.7),
        memory_bytes_per_s=between(rng, 4e9, 2e11),
        tenants=tuple(tenant(rng, ways, every) for _ in range(int(rng.integers(1, 5)))),
    )


def broken(values: dict[str, float], right, seen) -> list[str]:
    """Outputs that stray by more than the right theory's claims and four standard errors.

    `twin.judge` allows for the errors' own error, which of few replications is large; here they are taken as they are.
    """
    found = []
    for name, estimate in seen.estimate().items():
        value, claim = values[name], right.claim(name)
        if np.isnan(value) and np.isnan(estimate.value):
            continue
        slack = claim.rel * abs(estimate.value) + claim.abs + 4 * np.nan_to_num(estimate.stderr)
        if not abs(value - estimate.value) <= slack:
            found.append(f"{name}: {value:.6g} for {estimate.value:.6g} ± {estimate.stderr:.2g}, {claim}")
    return found


@pytest.mark.parametrize("seed", range(14))
def test_every_claim_holds_on_random_scenarios(seed):
    p = scenario(seed)
    right, seen = analyze(p), simulation.simulate(p, rng=np.random.default_rng(seed), n=2)
    assert set(right.outputs()) == set(seen.estimate())
    bad = broken({name: right.value(name) for name in right.outputs()}, right, seen)
    assert not bad, bad


BESIDE = Params(
    **WINDOW,
    tenants=(
        Tenant(workload="packets", data_bytes=1 * MiB, skew_exponent=0.4, data_mask=0x003FF, code_frac=0.2),
        Tenant(workload="scan", data_bytes=4 * MiB, data_mask=0xFFC00, parallelism_ratio=6.0),
        Tenant(data_bytes=1 * MiB, skew_exponent=0.7, data_mask=0x003FF),
    ),
)


@pytest.fixture(scope="module")
def seen():
    return simulation.simulate(BESIDE, rng=np.random.default_rng(5), n=3)


def judged(of: Params, seen) -> list[str]:
    """The outputs of another scenario's theory, with the claims of the right one, beside the simulation of BESIDE."""
    right, wrong = analyze(BESIDE), theory(BESIDE, solve(of, of.tenants))
    return broken({name: wrong.value(name) for name in right.outputs()}, right, seen)


def changed(k: int, **fields) -> Params:
    tenants = list(BESIDE.tenants)
    tenants[k] = tenants[k].replace(**fields)
    return BESIDE.replace(tenants=tuple(tenants))


def test_the_right_theory_holds_where_the_wrong_ones_are_tried(seen):
    assert not judged(BESIDE, seen)
    assert twin.judge(analyze(BESIDE), seen).ok


@pytest.mark.parametrize(
    "wrong",
    [
        BESIDE.replace(tenants=tuple(t.replace(data_mask=0xFFFFF) for t in BESIDE.tenants)),
        BESIDE.replace(tenants=tuple(t.replace(data_mask=t.data_mask & 0xFF9FF) for t in BESIDE.tenants)),
        changed(2, skew_exponent=0.6),
        changed(1, parallelism_ratio=5.5),
        changed(0, code_frac=0.0),
        changed(2, write_frac=0.3),
        BESIDE.replace(cache_sets=640),
        BESIDE.replace(memory_ns=85.0),
    ],
    ids=["no masks", "a way less", "skew", "parallelism", "no code", "writes", "sets", "memory"],
)
def test_wrong_theories_do_not_hold(wrong, seen):
    assert judged(wrong, seen)


def test_tolerances_are_tight_where_masks_are_apart_and_wide_where_they_overlap():
    tight = analyze(BESIDE).claim("data_miss_frac[2]").abs
    wide = analyze(changed(2, data_mask=0x00FFF)).claim("data_miss_frac[2]").abs
    assert claims.FRAC <= tight < 0.02 < wide < 0.2
    assert claims.overlapping(BESIDE) == (0, 1)  # the scan overlaps the ways that the device fills
