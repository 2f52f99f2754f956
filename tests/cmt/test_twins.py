"""Theory against simulation on random tenants: where the tolerances of `cmt.claims` were measured."""

import math

import numpy as np
import pytest

from nfvlab import twin
from nfvlab.cmt import claims
from nfvlab.cmt.analytic import analyze
from nfvlab.cmt.params import Params, Tenant
from nfvlab.cmt.simulation import simulate
from nfvlab.params import ParamError
from nfvlab.units import KiB, MiB, ms

SEED = 20261129
RUNS = 4


def spread(rng: np.random.Generator, n: int) -> list[Params]:
    """Scenarios of one to four tenants of all workloads on a small cache, three in ten with a mask of their own."""
    found = []
    while len(found) < n:
        try:
            found.append(_draw(rng))
        except ParamError:
            continue
    return found


def _draw(rng):
    ways, sets = int(rng.choice([8, 12, 16, 20])), int(2 ** rng.integers(8, 12))
    cache, measured = sets * ways * 64, 4 * ms
    return Params(
        cache_sets=sets,
        cache_ways=ways,
        hashed=bool(rng.random() < 0.7),
        io_mask=3 << (ways - 2),
        memory_bytes_per_s=float(10 ** rng.uniform(9.5, 10.8)),
        warmup_ns=10 * ms,
        measured_ns=measured,
        tenants=tuple(_tenant(rng, cache, ways) for _ in range(rng.integers(1, 5))),
        upscale_bytes=int(rng.choice([1, 4, 16])) * KiB,
        counter_bits=int(rng.choice([24, 24, 32, 10])),
        sample_ns=float(measured / rng.integers(4, 20)),
        part_cores=int(rng.choice([0, 0, 7, 11])),
        first_rmid_count=int(rng.choice([1, 60, 100])),
        corrected=bool(rng.random() < 0.6),
        threshold_bytes=float(cache / rng.choice([16, 32, 64, 128])),
        check_ns=float(10 ** rng.uniform(5.5, 8.5)),
        starts_per_s=float(10 ** rng.uniform(-1, 1.5)),
        lifetime_ns=float(10 ** rng.uniform(8.5, 10.8)),
        rmid_count=int(rng.choice([8, 32, 64, 128])),
    )


def _tenant(rng, cache, ways):
    workload = str(rng.choice(["zipf", "scan", "chase", "phases", "packets", "wakeups"]))
    mask = (1 << ways) - 1
    if rng.random() < 0.3:
        low = int(rng.integers(0, ways - 2))
        mask = (1 << int(rng.integers(low + 1, ways)) + 1) - (1 << low)
    return Tenant(
        workload=workload,
        data_bytes=float(
            cache * 10 ** (rng.uniform(-2, -0.5) if workload == "wakeups" else rng.uniform(-1, 0.7))
        ),
        skew_exponent=float(rng.choice([0, 0.4, 0.8, 1.0])),
        code_frac=float(rng.choice([0, 0, 0.2])),
        code_bytes=float(cache * 10 ** rng.uniform(-2, -0.7)),
        write_frac=float(rng.choice([0, 0.2, 0.5])),
        work_ns=float(10 ** rng.uniform(0.3, 2)),
        parallelism_ratio=float(rng.choice([1, 1, 4, 8])),
        remote_frac=float(rng.choice([0, 0, 0.3])),
        phases_count=int(rng.integers(2, 6)),
        phase_references_count=int(10 ** rng.uniform(3.5, 5)),
        offered_packets_per_s=float(10 ** rng.uniform(5.5, 6.8)),
        lookups_count=int(rng.integers(0, 6)),
        header_lines=int(rng.integers(0, 2)),
        interval_ns=float(10 ** rng.uniform(5, 6)),
        data_mask=mask,
        code_mask=mask,
    )


def judged(p, rng):
    """The rows of one scenario that the theory stands by, with the theory.

    Left out: errors of rates of next to nothing (a share of misses below 1 % is not known to be above none), bytes left
    behind if it is too close to call whether they ever are, and what the simulation has no error bar of: a wait that is
    infinite in some replications.
    """
    theory = analyze(p)
    rows = []
    for row in twin.judge(theory, simulate(p, rng=rng, n=RUNS)).rows:
        field, _, index = row.field.rstrip("]").partition("[")
        if field == "rate_error_frac":
            k = int(index)
            if theory.bandwidth_bytes_per_s[k] < 0.01 * claims.most_bytes_per_s(theory, k):
                continue
        if field == "stale_bytes" and (claims.close_call(theory) or math.isnan(row.stderr)):
            continue
        if row.verdict != "no error bar":
            rows.append(row)
    return theory, rows


def test_random_scenarios():
    """Of 150 scenarios like these (seeds 4 and 6) 2 of 2800 rows broke their claims; here one in 200 may."""
    rng = np.random.default_rng(SEED)
    rows, errors = [], {}
    for p in spread(rng, 6):
        theory, found = judged(p, rng)
        rows += found
        for row in found:
            field, _, index = row.field.rstrip("]").partition("[")
            off = abs(row.theory - row.monte_carlo)
            if field == "bandwidth_bytes_per_s":
                errors.setdefault("misses", []).append(off / claims.most_bytes_per_s(theory, int(index)))
            elif math.isfinite(off) and row.monte_carlo > 0:
                errors.setdefault(field, []).append(off / row.monte_carlo)
    broken = [row for row in rows if not row.ok]
    assert len(broken) <= 0.005 * len(rows) + 1, broken
    # medians over 80 scenarios (seed 4): 0.5 % of occupancies, 3 % of waits (and 13 % of the errors of a reading, with
    # too wide a spread to hold six scenarios to); of misses, per reference, over 230 other tenants: 0.2 %
    assert np.median(errors["occupancy_bytes"]) < 0.02
    assert np.median(errors["misses"]) < 0.01
    assert np.median(errors.get("clean_wait_ns", [0])) < 0.1


BESIDE = Params(
    cache_sets=1024,
    upscale_bytes=1 * KiB,
    threshold_bytes=20 * KiB,
    warmup_ns=4 * ms,
    measured_ns=8 * ms,
    sample_ns=0.7 * ms,
    check_ns=0.3 * ms,
    tenants=(
        Tenant(workload="zipf", data_bytes=2 * MiB),
        Tenant(workload="scan", data_bytes=16 * MiB, parallelism_ratio=8.0, remote_frac=0.3),
    ),
)


@pytest.fixture(scope="module")
def beside():
    return simulate(BESIDE, rng=np.random.default_rng(SEED), n=8).estimate()


@pytest.mark.parametrize(
    ("name", "rel"),
    [
        ("occupancy_bytes[0]", 0.01),
        ("occupancy_bytes[1]", 0.01),
        ("bandwidth_bytes_per_s[0]", 0.01),
        ("bandwidth_bytes_per_s[1]", 0.01),
        ("total_bytes_per_s[1]", 0.01),
        ("local_bytes_per_s[1]", 0.01),
        ("rate_error_frac[0]", 0.15),
        ("clean_wait_ns", 0.03),
        ("stale_bytes", 0.25),
    ],
)
def test_a_working_set_beside_a_scan_is_told_closely(beside, name, rel):
    """Far inside the tolerances: no walk near the capacity, one mask, a cache that is full and settled."""
    value, seen = analyze(BESIDE).outputs()[name][0], beside[name]
    assert value == pytest.approx(seen.value, rel=rel, abs=4 * seen.stderr)
