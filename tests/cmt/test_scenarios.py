"""Every scenario's theory against its simulation, and mechanisms that are wrong on purpose."""

import dataclasses
import math
from functools import cache

import numpy as np
import pytest

from nfvlab import cmt, twin
from nfvlab.cmt import counters, simulation, watching
from nfvlab.cmt.scenarios import SCENARIOS
from nfvlab.cmt.simulation import RmidAllocator
from nfvlab.llc.engine import Engine
from nfvlab.units import KiB, ms

SEED, N = 20161129, 3
THREE = SCENARIOS["three tenants"].replace(
    measured_ns=4 * ms, sample_ns=0.5 * ms, upscale_bytes=4 * KiB, threshold_bytes=8 * KiB
)
# The neighbour's counter goes round: 8 bits of 4 KiB are a MiB, half a turn and more between two readings.
ROUND = THREE.replace(counter_bits=8, sample_ns=0.25 * ms)
MISCOUNTS = THREE.replace(part_cores=22, first_rmid_count=160)
LOST = SCENARIOS["idle host: limbo lasts"].replace(measured_ns=4 * ms, sample_ns=1 * ms)


@cache
def honest(p):
    return twin.compare(cmt, p, rng=np.random.default_rng(SEED), n=N)


@pytest.mark.parametrize("name", SCENARIOS)
def test_theory_meets_mechanism(name):
    assert honest(SCENARIOS[name]).ok, honest(SCENARIOS[name])


@pytest.mark.parametrize("p", [THREE, ROUND, MISCOUNTS, LOST], ids=["three", "round", "miscounts", "lost"])
def test_the_hosts_of_the_mutants_are_honest(p):
    assert honest(p).ok, honest(p)


# -- mutants: the twins must find every one of them ----------------------------------------------------------------


def shorter_counter(monkeypatch):
    """A difference of 24 bits, whatever the counter's width."""
    monkeypatch.setattr(
        counters, "overflow_count", lambda previous, current, width: current - previous & 0xFFFFFF
    )


def no_write_backs(monkeypatch):
    """Bandwidth counts what is filled only."""
    watch = watching.watch

    def filled(p, engine):
        run = engine.run

        def without(until_ns, **more):
            window = run(until_ns, **more)
            window.write_backs[:] = 0
            return window

        engine.run = without
        return watch(p, engine)

    monkeypatch.setattr(simulation, "watch", filled)


def corrected_from_the_threshold_down(monkeypatch):
    """The correction is taken for RMIDs up to the threshold, and not for those above it."""
    applies = counters.Correction.applies

    def corrected(self, rmid, units):
        fixed = int((1 << counters.FACTOR_SHIFT) * self.factor + 0.5)
        return units if applies(self, rmid) else units * fixed >> counters.FACTOR_SHIFT

    monkeypatch.setattr(counters.Correction, "corrected", corrected)


def read_off_by_one(monkeypatch):
    """llc_occupancy is that of the next RMID."""
    read = watching.read

    def shifted(p, seen, rng):
        return read(p, dataclasses.replace(seen, lines=np.roll(seen.lines, -1, axis=1)), rng)

    monkeypatch.setattr(simulation, "read", shifted)


def dead_are_hit(monkeypatch):
    """The tenant that ends goes on: its lines are never old."""
    monkeypatch.setattr(Engine, "stop", lambda self, tenant: None)


def clean_at_once(monkeypatch):
    """Limbo is left at the first check, whatever the reading."""
    depart = simulation.depart

    def gone(engine, tenant):
        made = depart(engine, tenant)
        object.__setattr__(made, "level_bytes", np.zeros_like(made.level_bytes))
        return made

    monkeypatch.setattr(simulation, "depart", gone)


def nothing_is_refused(monkeypatch):
    """There are ten times the RMIDs."""

    class Many(RmidAllocator):
        def __init__(self, rmid_count, **more):
            super().__init__(10 * rmid_count, **more)

    monkeypatch.setattr(simulation, "RmidAllocator", Many)


MUTANTS = [
    (shorter_counter, ROUND, "total_bytes_per_s[1]"),
    (no_write_backs, THREE, "bandwidth_bytes_per_s[1]"),
    (corrected_from_the_threshold_down, MISCOUNTS, "total_bytes_per_s[1]"),
    (read_off_by_one, THREE, "reading_bytes[0]"),
    (dead_are_hit, THREE, "clean_wait_ns"),
    (clean_at_once, LOST, "clean_wait_ns"),
    (nothing_is_refused, SCENARIOS["RMIDs run out"].replace(measured_ns=4 * ms), "refused_frac"),
]


@pytest.mark.parametrize(("mutant", "p", "output"), MUTANTS, ids=lambda value: getattr(value, "__name__", ""))
def test_mutants_are_found_out(mutant, p, output, monkeypatch):
    mutant(monkeypatch)
    found = twin.compare(cmt, p, rng=np.random.default_rng(SEED), n=N)
    assert output in [row.field for row in found.failures], found


def test_the_twins_of_an_idle_host_agree_that_no_rmid_comes_back():
    rows = {row.field: row for row in honest(LOST).rows}
    assert math.isinf(rows["clean_wait_ns"].theory) and math.isinf(rows["clean_wait_ns"].monte_carlo)
    assert rows["refused_frac"].theory == rows["refused_frac"].monte_carlo == 1
