"""What the theory of a shared cache claims of each output, and where it is known to be poor.

The one thing that the theory does not know is which way of its set a line stands in. So a tolerance is what a few ways
more or less would change, besides a floor: how many was measured, by kind of scenario, and so were the floors.
"""

from typing import TYPE_CHECKING

from nfvlab.cat.params import OUTPUTS, Params
from nfvlab.llc.equilibrium import references
from nfvlab.llc.overlap import islands
from nfvlab.llc.params import LINE_BYTES
from nfvlab.llc.sharing import fed_masks
from nfvlab.results import Claim, approx, field_of

if TYPE_CHECKING:
    from nfvlab.cat.analytic import Theory

HERE = "tests/cat/test_analytic.py, random scenarios"
APART_WAYS, TURNS_WAYS, PLAIN_WAYS, OVERLAP_WAYS = 0.2, 0.5, 1.0, 2.5
FRAC = 0.006
REL = 0.01
CROWDED_FRAC, CROWDED_REL = 0.5, 0.15  # busy share of the channel from which on speeds are less certain
WAIT_REL = 0.5

KINDS = {name: approx(rel=REL, abs=0.0, where=HERE) for name in OUTPUTS}
KINDS |= {name: approx(rel=0, abs=FRAC, where=HERE) for name in OUTPUTS if name.endswith("_frac")}


def overlapping(p: Params) -> tuple[int, ...]:
    """Tenants who fill ways by a mask that others overlap with a different one."""
    masks = fed_masks(p, p.tenants)
    distinct = tuple(dict.fromkeys(mask for _, mask in masks))
    shared = {distinct[c] for island in islands(distinct) if len(island) > 1 for c in island}
    return tuple(sorted({k for k, mask in masks if mask in shared}))


def reach_ways(p: Params) -> float:
    """How many ways the theory may be wrong by in this scenario."""
    if overlapping(p):
        return OVERLAP_WAYS
    if not p.hashed:
        return PLAIN_WAYS
    return TURNS_WAYS if any(t.workload in ("phases", "wakeups") for t in p.tenants) else APART_WAYS


def claim(theory: "Theory", name: str) -> Claim:
    """The claim of one output in this scenario; "miss_frac[1]" is tenant 1's."""
    field, here, busy = field_of(name), theory.value(name), theory.memory_busy_frac
    moved = max(abs(near.value(name) - here) for near in theory.near)
    moved = moved if moved == moved else 0.0  # NaN: there is no such value
    crowded = CROWDED_REL if busy > CROWDED_FRAC else 0.0
    if field == "memory_wait_ns":
        service_ns = LINE_BYTES / theory.params.memory_bytes_per_s * 1e9
        return approx(rel=WAIT_REL, abs=moved + service_ns * (0.6 * busy + 1e-3), where=HERE)
    if field.endswith("_frac"):
        return approx(rel=crowded if field == "memory_busy_frac" else 0, abs=moved + FRAC, where=HERE)
    return approx(rel=REL + crowded, abs=moved + _grain(theory, field, int(name.split("[")[1][:-1])), where=HERE)


def _grain(theory: "Theory", field: str, k: int) -> float:
    """The least step of an output of tenant k: one wake-up more in the time, one miss more among its packets."""
    p, t = theory.params, theory.params.tenants[k]
    if field == "bandwidth_bytes_per_s":
        return 2 * FRAC * LINE_BYTES * theory.references_per_s[k]
    if field == "references_per_s" and t.workload in ("packets", "wakeups"):
        return sum(references(t)) / p.measured_ns * 1e9
    if field in ("unit_ns", "unit_p99_ns") and t.workload == "wakeups":
        late = max(theory.equilibrium.busy_ns(k) - t.interval_ns, 0)
        return late if field == "unit_p99_ns" else 0.5 * late
    if field == "unit_p99_ns" and t.workload == "packets":
        work = theory.unit(k)
        return work.miss_ns + work.reference_ns
    return 0.0


def doubts(theory: "Theory") -> tuple[str, ...]:
    """Where this theory is known to be poor for this scenario, in sentences."""
    return ()
