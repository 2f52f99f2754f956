"""Masks changed on a running host: nothing moves at the change, and lines leave only where the new owner fills."""

import numpy as np
import pytest
from cat.tenants_for_tests import FORWARDER, PLAIN, SMALL, STREAM

from nfvlab.cat import reprogram
from nfvlab.cat.params import Params
from nfvlab.llc.params import LINE_BYTES
from nfvlab.units import MiB, ms

LOW, HIGH = 0x00F, 0xFF0  # ways 0 to 3, and 4 to 11
WAYS = np.arange(12)
STAGE_NS = 2 * ms


def host(*masks: int, tenants=(PLAIN, STREAM), **fields) -> Params:
    pairs = zip(tenants, masks, strict=True)
    return Params(**{**SMALL, **fields}, tenants=tuple(t.replace(data_mask=m, code_mask=m) for t, m in pairs))


def course(*stages: Params, seed: int = 7, **options) -> reprogram.Course:
    return reprogram.reprogram(
        stages, stage_ns=STAGE_NS, rng=np.random.default_rng(seed), **{"snapshots": 40} | options
    )


BEFORE, AFTER = host(LOW, HIGH), host(HIGH, LOW)


@pytest.fixture(scope="module")
def swapped():
    return course(BEFORE, AFTER)


def test_times_and_shapes(swapped):
    assert swapped.stages == (BEFORE, AFTER) and swapped.changed_ns == (STAGE_NS,)
    assert swapped.t_ns.shape == (80,) and swapped.occupancy_bytes.shape == (80, 2)
    assert swapped.by_way_bytes.shape == (2, 2, 12)
    assert (np.diff(swapped.t_ns) > 0).all() and swapped.t_ns[-1] <= 2 * STAGE_NS


def test_before_the_change_each_is_in_its_own_ways(swapped):
    first, second = swapped.by_way_bytes[0]
    assert not first[4:].any() and not second[:4].any()
    full = SMALL["cache_sets"] * LINE_BYTES
    assert (first[:4] == full).all() and (second[4:] == full).all()


def test_a_change_moves_nothing(swapped):
    """The moment after the change the bytes by way are those before it: a stage too short for a single reference."""
    still = reprogram.Engine(BEFORE, BEFORE.tenants, np.random.default_rng(7))
    still.run(STAGE_NS)
    held = [still.held_by_way(k) * LINE_BYTES for k in range(2)]
    assert (held == swapped.by_way_bytes[0]).all()
    still.set_masks(AFTER.tenants)
    assert ([still.held_by_way(k) * LINE_BYTES for k in range(2)] == swapped.by_way_bytes[0]).all()
    still.run(STAGE_NS + 1.0)  # one nanosecond
    moved = np.abs([still.held_by_way(k) * LINE_BYTES for k in range(2)] - swapped.by_way_bytes[0])
    assert moved.sum() <= 4 * LINE_BYTES


def test_the_occupancy_goes_on_from_where_it_was():
    """The first snapshot after the change, 2 µs later: each has moved no more lines than it can fetch in that time."""
    made = course(BEFORE, AFTER, snapshots=1000)
    after = int(np.searchsorted(made.t_ns, STAGE_NS, side="right"))
    elapsed_ns = made.t_ns[after] - STAGE_NS
    fastest_ns = STREAM.work_ns + (BEFORE.hit_ns + BEFORE.memory_ns) / STREAM.parallelism_ratio
    most = (elapsed_ns / fastest_ns + 2) * LINE_BYTES * 2  # what one fetches, and what the other one does
    assert (np.abs(made.occupancy_bytes[after] - made.by_way_bytes[0].sum(axis=1)) <= most).all()


def test_without_a_change_a_course_is_one_run():
    """Stages with the same masks are one run in two parts, to the bit."""
    whole = reprogram.Engine(BEFORE, BEFORE.tenants, np.random.default_rng(3))
    whole.run(2 * STAGE_NS)
    parts = course(BEFORE, BEFORE, seed=3)
    assert (parts.by_way_bytes[1] == [whole.held_by_way(k) * LINE_BYTES for k in range(2)]).all()


def test_lines_leave_foreign_ways_only_by_the_new_owners_fills():
    """The stream gives up ways that nobody else may fill: its lines stay there for ever.

    Where the other one fills, they go, line by line, and what the one loses there the other has.
    """
    narrow, given = 0x00F, 0x0F0
    first = host(0xF00, 0x0FF)
    left = course(first, host(0xF00, narrow))
    nobody = [way for way in WAYS if given >> way & 1]
    assert (left.by_way_bytes[1, 1, nobody] == left.by_way_bytes[0, 1, nobody]).all()
    assert not left.by_way_bytes[1, 0, nobody].any()
    taken = course(first, host(0xFF0, narrow))
    lost = taken.by_way_bytes[0, 1] - taken.by_way_bytes[1, 1]
    gained = taken.by_way_bytes[1, 0] - taken.by_way_bytes[0, 0]
    assert (lost[nobody] > 0).all() and (lost[nobody] == gained[nobody]).all()


def test_a_hit_does_not_bring_a_line_home():
    """All the data of a tenant is in ways that it loses to nobody: it goes on hitting there, and fills nothing."""
    small = PLAIN.replace(data_bytes=MiB / 64)  # 16 KiB: one line a set, of 256 sets; 4 ways have room for it
    p = host(0xFF0, 0x00F, tenants=(small, STREAM))
    made = course(p, host(0x00F, 0x00F, tenants=(small, STREAM)))
    assert (made.by_way_bytes[0, 0] == made.by_way_bytes[1, 0]).all()
    assert made.by_way_bytes[0, 0].sum() == pytest.approx(MiB / 64, rel=0.02)


def test_code_and_data_have_masks_of_their_own_in_every_stage():
    p = host(LOW, HIGH, tenants=(FORWARDER, STREAM), cdp=True)
    task = p.tenants[0].replace(data_mask=0x003, code_mask=0x00C)
    made = course(p, p.replace(tenants=(task, p.tenants[1])))
    assert made.stages[1].tenants[0].code_mask == 0x00C and (made.by_way_bytes[1, 0, :4] > 0).all()


@pytest.mark.parametrize(
    "later",
    [
        AFTER.replace(memory_ns=90.0),
        AFTER.replace(tenants=(AFTER.tenants[0].replace(data_bytes=MiB), AFTER.tenants[1])),
        AFTER.replace(tenants=AFTER.tenants[:1]),
    ],
    ids=["memory", "a tenant's data", "a tenant less"],
)
def test_stages_that_differ_in_more_than_masks_are_refused(later):
    with pytest.raises(ValueError, match="stages differ in more than masks"):
        course(BEFORE, later)


def test_the_same_generator_gives_the_same_course(swapped):
    again = course(BEFORE, AFTER)
    assert (again.occupancy_bytes == swapped.occupancy_bytes).all()


# -- mutants -------------------------------------------------------------------------------------------------------


class Flushes(reprogram.Engine):
    """A new mask throws out what lies outside it."""

    def set_masks(self, tenants):
        super().set_masks(tenants)
        for k in range(self.count):
            outside = [way for way in WAYS if not self.masks[k, 0] >> way & 1]
            gone = self.cache.owner[:, outside] == k
            self.cache.occupancy[k] -= gone.sum()
            self.cache.owner[:, outside] = np.where(gone, -1, self.cache.owner[:, outside])


class Keeps(reprogram.Engine):
    """A new mask is noted, and not used."""

    def set_masks(self, tenants):
        if not hasattr(self, "masks"):
            super().set_masks(tenants)


@pytest.mark.parametrize("mutant", [Flushes, Keeps])
def test_wrong_engines_are_found_out(mutant, monkeypatch):
    monkeypatch.setattr(reprogram, "Engine", mutant)
    with pytest.raises(AssertionError):
        test_lines_leave_foreign_ways_only_by_the_new_owners_fills()
