"""Curves and parts for the tests of the optimiser, and all allocations of small parts tried one by one."""

import itertools

import numpy as np
from hypothesis import strategies as st

from nfvlab.cat.parts import Capability


def part(ways=8, **fields):
    return Capability(cbm_len=ways, **({"cdp_capable": True} | fields))


@st.composite
def small(draw, classes=4, ways=8, falling=False):
    """(costs float[classes, ways + 1] of whole numbers, part): few enough to try everything."""
    n = draw(st.integers(1, classes))
    row = st.lists(st.integers(-4, 9), min_size=ways + 1, max_size=ways + 1)
    costs = np.array(draw(st.lists(row, min_size=n, max_size=n)), dtype=float)
    if falling:
        costs = -np.sort(-costs, axis=1)
    least = draw(st.integers(1, 2))
    return costs, part(ways, min_cbm_bits=least)


def every_split(classes, capability, most=None):
    least = max(1, capability.min_cbm_bits)
    tops = [capability.cbm_len] * classes if most is None else most
    ranges = [range(least, top + 1) for top in tops]
    return [w for w in itertools.product(*ranges) if sum(w) <= capability.cbm_len]


def each(costs, ways):
    return [float(costs[k, w]) for k, w in enumerate(ways)]


def assert_valid(masks, capability, available=None):
    """Disjoint, inside the available ways, long enough, and without holes unless the part takes them."""
    available = capability.full_mask if available is None else available
    union = 0
    for mask in masks:
        assert mask and not mask & ~available and not mask & union
        assert mask.bit_count() >= capability.min_cbm_bits
        lowest = mask & -mask
        assert capability.sparse_masks or not mask & (mask + lowest), f"{mask:b} has a hole"
        union |= mask
