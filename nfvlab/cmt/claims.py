"""What the theory of monitoring claims of a scenario, and where it cannot know better.

The tolerances were measured on random scenarios of one to four tenants of all workloads, see HERE. What limits them:
lines that a walk keeps or loses as a whole near the capacity, masks that overlap in part, caches that the warm-up does
not bring to their steady state, shares of a memory channel that is nearly full; for the error of a reading, that the
bursts of a neighbour are not counted in it.
"""

import math
from typing import Any

from nfvlab.cmt.wraps import turn_bytes
from nfvlab.llc.params import LINE_BYTES, cache_bytes
from nfvlab.results import Claim, approx, exact, lower, upper

HERE = "tests/cmt/test_twins.py, random scenarios"
CLOSE = "too close to call: what is never evicted comes near the threshold"
_CLOSE_FRAC = 0.6  # of the threshold
_FULL_FRAC = 0.85  # of the memory channel, busy


def claim(theory: Any, name: str) -> Claim:
    """The claim of one output, "occupancy_bytes[0]" or "stale_bytes", of an `analytic.Theory`."""
    field, _, index = name.rstrip("]").partition("[")
    if index:
        return _TENANT[field](theory, int(index))
    return exact() if field == "longest_interval_ns" else _limbo(theory, field)


def settled(theory: Any) -> bool:
    """Whether the warm-up is long enough for all tenants to fill and refill what they hold."""
    return all(theory.settled)


def close_call(theory: Any) -> bool:
    """Whether what is never evicted is so near the threshold that chance or the masks' approximation decide."""
    limit = theory.params.threshold_bytes // theory.params.upscale_bytes * theory.params.upscale_bytes
    return limit > 0 and abs(theory.residue_bytes - limit) < _CLOSE_FRAC * limit


def _simple(theory: Any) -> bool:
    """One mask for all."""
    p = theory.params
    return len({m for t in p.tenants for m in ((t.data_mask, t.code_mask) if p.cdp else (t.data_mask,))}) == 1


def _occupancy(theory: Any, k: int) -> Claim:
    rel, share = (0.05, 0.015) if _simple(theory) else (0.08, 0.03)
    if not settled(theory):
        rel, share = 0.1, 0.08
    return approx(rel=rel, abs=share * cache_bytes(theory.params), where=HERE)


def _reading(theory: Any, k: int) -> Claim:
    held = _occupancy(theory, k)
    return approx(rel=held.rel, abs=held.abs + theory.params.upscale_bytes, where=HERE)


def miss_slack(theory: Any, k: int) -> float:
    """How far the misses of a tenant may be off, as a share of its references."""
    t = theory.params.tenants[k]
    m = min(theory.bandwidth_bytes_per_s[k] / most_bytes_per_s(theory, k), 1.0)
    walks = t.workload not in ("zipf", "packets") or t.code_frac > 0
    slack = 0.04 + 0.6 * m * (1 - m) if walks else 0.02 if _simple(theory) else 0.04
    return slack if settled(theory) else 2 * slack + 0.03


def most_bytes_per_s(theory: Any, k: int) -> float:
    """Traffic of a tenant that misses always, every written line written back."""
    return max(theory.references_per_s[k] * LINE_BYTES * (1 + theory.params.tenants[k].write_frac), 1e-9)


def _bandwidth(theory: Any, k: int) -> Claim:
    rel = 0.01 + _crowded(theory)
    return approx(rel=rel, abs=miss_slack(theory, k) * most_bytes_per_s(theory, k), where=HERE)


def _crowded(theory: Any) -> float:
    """How far shares of a nearly full memory channel may be off: a light tenant's wait behind a heavy one's."""
    return 0.3 if theory.memory_busy_frac > _FULL_FRAC else 0.0


def _counted(theory: Any, k: int) -> Claim:
    """A reading's mean: as the traffic, and a whole turn where that decides whether the counter goes round."""
    p, slack = theory.params, miss_slack(theory, k) * most_bytes_per_s(theory, k)
    turn_per_s = turn_bytes(p.counter_bits, p.upscale_bytes) / p.sample_ns * 1e9
    turns = (theory.bandwidth_bytes_per_s[k] + slack) / turn_per_s
    unit_per_s = p.upscale_bytes / p.measured_ns * 1e9  # one unit more or less over all readings
    return approx(
        rel=0.02 + _crowded(theory), abs=slack + unit_per_s + (turn_per_s if turns > 0.8 else 0.0), where=HERE
    )


def _rate_error(theory: Any, k: int) -> Claim:
    p = theory.params
    others = [t.workload for n, t in enumerate(p.tenants) if n != k]
    disturbed = (
        not settled(theory)
        or "phases" in others
        or "wakeups" in others
        or theory.memory_busy_frac > _FULL_FRAC
    )
    passed = max(theory.bandwidth_bytes_per_s[k] * p.sample_ns / 1e9, 1.0)
    rough = miss_slack(theory, k) * most_bytes_per_s(theory, k) / max(theory.bandwidth_bytes_per_s[k], 1.0)
    whole = p.upscale_bytes / passed / math.sqrt(6)
    error = theory.rate_error_frac[k]
    slack = 0.5 * whole + (min(rough, 1.0) * error if math.isfinite(error) else 0.0)
    return approx(rel=0.9 if disturbed else 0.6, abs=slack, where=HERE)


def _limbo(theory: Any, field: str) -> Claim:
    """Outputs of the first tenant's end, and of the groups that come and go."""
    p, clean = theory.params, theory.clean_ns
    if close_call(theory):
        return (upper if math.isinf(clean) else lower)(CLOSE)
    if math.isinf(clean):
        return exact()
    part = clean / (clean + p.check_ns / 2)  # of the wait that the decay makes
    if field == "clean_wait_ns":
        return approx(rel=0.02 + 0.2 * part, abs=0.02 * p.check_ns, where=HERE)
    if field == "stale_bytes":
        return approx(
            rel=0.3, abs=0.25 * min(p.threshold_bytes, theory.occupancy_bytes[0]) + LINE_BYTES, where=HERE
        )
    few = 0.01 if p.rmid_count >= 8 else 0.08
    if field == "refused_frac":
        return approx(rel=0.2, abs=few + 0.2 * part, where=HERE)
    return approx(rel=0.08 + 0.2 * part, abs=few * p.rmid_count * min(1.0, _ends(theory)), where=HERE)


def _ends(theory: Any) -> float:
    """Groups that end between two checks, were none refused."""
    return theory.params.starts_per_s * theory.params.check_ns / 1e9


_TENANT = {
    "occupancy_bytes": _occupancy,
    "reading_bytes": _reading,
    "bandwidth_bytes_per_s": _bandwidth,
    "total_bytes_per_s": _counted,
    "local_bytes_per_s": _counted,
    "rate_error_frac": _rate_error,
}
__all__ = ["HERE", "claim", "close_call", "miss_slack", "most_bytes_per_s", "settled"]
