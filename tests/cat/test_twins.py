"""Theory against mechanism: every scenario, scenarios at random, and mechanisms that are wrong on purpose."""

import dataclasses
from functools import cache

import numpy as np
import pytest
from cat.tenants_for_tests import FORWARDER, PLAIN, SMALL, STREAM
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from strategies import typical

from nfvlab import cat, twin
from nfvlab.cat import simulation
from nfvlab.cat.params import Params
from nfvlab.cat.scenarios import SCENARIOS
from nfvlab.kernels import contend
from nfvlab.llc.engine import Engine
from nfvlab.llc.params import Tenant
from nfvlab.units import GB, KiB, MiB, ms

SEED = 20160825


def compared(p: Params, n: int, seed: int = SEED) -> twin.Comparison:
    return twin.compare(cat, p, rng=np.random.default_rng(seed), n=n)


@pytest.mark.parametrize("name", SCENARIOS)
def test_theory_meets_mechanism(name):
    found = compared(SCENARIOS[name], n=4)
    assert found.ok, "\n".join(str(row.words()) for row in found.failures)


def test_every_tenant_has_every_output():
    fields = {row.field for row in compared(MIXED, n=2).rows}
    assert len(fields) == len(cat.params.PER_TENANT) * len(MIXED.tenants) + 2


# -- scenarios drawn from the declarations -------------------------------------------------------------------------

WINDOW = {
    "cache_sets": 256,
    "cache_ways": 12,
    "hashed": True,
    "io_sticky": False,
    "sparse_masks": True,
    "min_cbm_ways": 1,
    "warmup_ns": 3 * ms,
    "measured_ns": 3 * ms,
}


def on_small_data(t: Tenant, mask: int) -> Tenant:
    """The tenant, with data and code in proportion to a cache of 192 KiB, and phases that it goes through often."""
    return t.replace(
        data_bytes=max(16 * KiB, t.data_bytes / 64),
        code_bytes=max(4 * KiB, t.code_bytes / 64),
        phase_references_count=max(500, t.phase_references_count // 200),
        work_ns=min(t.work_ns, 100.0),
        ring_count=min(t.ring_count, 256),
        backlog_count=min(t.backlog_count, t.ring_count - 1, 100),
        interval_ns=min(t.interval_ns, 0.4 * ms),  # several in the measured time
        data_mask=mask,
        code_mask=mask,
    )


@st.composite
def hosts(draw) -> Params:
    """Tenants with ways of their own, or all with all ways, from the declarations of both sets of parameters.

    Two at least: a tenant alone never waits for the channel, of which the theory says a tenth of a nanosecond.
    """
    tenants = draw(st.lists(typical(Tenant), min_size=2, max_size=3))
    together = draw(st.booleans())
    masks = [0xFFF] * 3 if together else [0x00F, 0x0F0, 0x300]
    made = tuple(on_small_data(t, mask) for t, mask in zip(tenants, masks, strict=False))
    return draw(typical(Params, tenants=made, io_mask=0xC00, **WINDOW))


@settings(max_examples=8, phases=[Phase.generate])
@given(hosts())
def test_theory_meets_mechanism_anywhere(p):
    found = compared(p, n=4)
    assert found.ok, p.to_json() + "\n" + "\n".join(str(row.words()) for row in found.failures)


# -- mutants: the twins must find every one of them ----------------------------------------------------------------

_RING = {"ring_count": 256, "backlog_count": 64, "frame_bytes": 512, "header_lines": 6}
MIXED = Params(
    **SMALL | {"cache_sets": 512},
    cdp=True,
    tenants=(
        FORWARDER.replace(data_mask=0x00F, code_mask=0x010, code_bytes=MiB / 32, data_bytes=MiB / 4, **_RING),
        PLAIN.replace(
            data_mask=0x1E0, code_mask=0x1E0, write_frac=0.5, data_bytes=MiB / 2, skew_exponent=0.4
        ),
        STREAM.replace(data_mask=0x200, code_mask=0x200, write_frac=0.5, parallelism_ratio=2.0),
    ),
)


ONE_WAY = MIXED.replace(tenants=(MIXED.tenants[0].replace(data_mask=0x001), *MIXED.tenants[1:]))
NARROW = MIXED.replace(memory_bytes_per_s=12 * GB)  # half busy: waits are known to half of themselves


class OneWayLess(Engine):
    """Each mask without its lowest way, where it has more."""

    def set_masks(self, tenants):
        super().set_masks(tenants)
        less = self.masks & (self.masks - np.uint32(1))
        self.masks = np.where(less > 0, less, self.masks)


class AnyVictim(Engine):
    """The least recently used line of the set goes, whoever may fill its way."""

    def set_masks(self, tenants):
        super().set_masks(tenants)
        self.masks = np.full_like(self.masks, (1 << self.p.cache_ways) - 1)


class Swapped(Engine):
    """Data by the masks of code, and code by those of data."""

    def set_masks(self, tenants):
        super().set_masks(tenants)
        self.masks = np.ascontiguousarray(self.masks[:, ::-1])


class NoDirt(Engine):
    """Lines that were written are dropped, not written back."""

    def run(self, *args, **options):
        window = super().run(*args, **options)
        self.cache.dirty[:] = 0
        return dataclasses.replace(window, write_backs=np.zeros_like(window.write_backs))


class NoChannel(Engine):
    """Memory answers as many at a time as are asked for."""

    def __init__(self, p, *args, **options):
        super().__init__(p, *args, **options)
        self.channel = contend.channel(p.hit_ns + p.memory_ns, 1e-9)


class DeviceAnywhere(Engine):
    """Devices fill the ways of the core's own mask."""

    def set_masks(self, tenants):
        super().set_masks(tenants)
        self.masks[self.count] = self.masks[0]
        self.masks[2 * self.count + 1] = self.masks[0]


class Serial(Engine):
    """A core waits for each miss in full."""

    def _agents(self):
        made = super()._agents()
        made.parallelism[:] = 1.0
        return made


MUTANTS = {
    "masks a way less": (OneWayLess, MIXED, "miss_frac[1]"),
    "any victim": (AnyVictim, MIXED, "miss_frac[1]"),
    "code and data swapped": (Swapped, MIXED, "code_miss_frac[0]"),
    "nothing written back": (NoDirt, MIXED, "bandwidth_bytes_per_s[2]"),
    "no channel": (NoChannel, NARROW, "memory_busy_frac"),
    "devices anywhere": (DeviceAnywhere, ONE_WAY, "data_miss_frac[0]"),
    "every miss alone": (Serial, MIXED, "references_per_s[2]"),
}


@cache
def honest(p: Params) -> twin.Comparison:
    return compared(p, n=4)


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_found_out(name, monkeypatch):
    mutant, p, output = MUTANTS[name]
    assert honest(p).ok, honest(p)
    monkeypatch.setattr(simulation, "Engine", mutant)
    found = compared(p, n=4)
    assert output in [row.field for row in found.failures], found
