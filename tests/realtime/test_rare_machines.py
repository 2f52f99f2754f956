"""Machines split: busy periods against closed forms at 1e-6 and 1e-9, the virtual APIC against a linear system."""

import math

import numpy as np
import pytest
import tail_references as exact

from nfvlab.apicv.vapic import X2APIC, Kind, MemoryDescriptor, VapicState, VirtualApic
from nfvlab.realtime.rare_laws import constant, exponential, hyperexponential
from nfvlab.realtime.rare_machines import busy_period, of_objects
from nfvlab.realtime.rare_splitting import reach


def rng(seed=1):
    return np.random.default_rng(seed)


LOAD = 0.5
H2 = ((0.8, 0.2), (0.75, 2.0))  # of mean 1


def mm1_passes(x):
    """(1 - load) e / (1 - load e), e = exp(-(1 - load) x)."""
    tail = math.exp(-(1 - LOAD) * x)
    return (1 - LOAD) * tail / (1 - LOAD * tail)


def md1_passes(x):
    """P(W + 1 > x) is P(W > x - 1)."""
    wait = exact.md1_tail(LOAD, x)
    return (exact.md1_tail(LOAD, x - 1) - wait) / (1 - wait)


def mh2_passes(x, h=1e-4):
    """The density of the wait over load times its distribution: by a difference, to h**2."""
    low, high = (exact.mh2_tail(LOAD, *H2, at) for at in (x - h, x + h))
    return (low - high) / (2 * h) / LOAD / (1 - exact.mh2_tail(LOAD, *H2, x))


CASES = {
    "M/M/1": (exponential(1.0), mm1_passes),
    "M/D/1": (constant(1.0), md1_passes),
    "M/H2/1": (hyperexponential(*H2), mh2_passes),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("tail_frac", [1e-2, 1e-6, 1e-9])
def test_the_work_of_a_busy_period_passes_a_level_as_rarely_as_takacs_says(name, tail_frac):
    service, passes = CASES[name]
    count = max(1, round(-math.log(tail_frac) / 1.5))
    levels = [level(name, tail_frac ** (k / count)) for k in range(1, count + 1)]  # passed alike
    made = reach(busy_period(service, exponential(1 / LOAD)), levels, rng=rng(2), effort=1000)
    assert abs(made.value - passes(levels[-1])) < made.reach()
    # the long jobs of M/H2/1 jump over levels, and few of them decide
    assert name == "M/H2/1" or made.trusted and made.relative_error < 0.12


def test_jumps_over_levels_are_given_away_by_the_largest_share():
    late = level("M/H2/1", 1e-6)
    machine = busy_period(hyperexponential(*H2), exponential(1 / LOAD))
    made = reach(machine, late * np.arange(1, 10) / 9, rng=rng(2), effort=300)
    even = reach(
        busy_period(constant(1.0), exponential(1 / LOAD)),
        level("M/D/1", 1e-6) * np.arange(1, 10) / 9,
        rng=rng(2),
        effort=300,
    )
    assert made.relative_error > 2 * even.relative_error and made.largest_frac > 2 * even.largest_frac


def level(name, tail_frac):
    """Where a busy period's work goes as rarely as that; for M/D/1, whose series takes long, to a thousandth."""
    passes, high = CASES[name][1], 30.0 if name == "M/D/1" else 400.0
    low = 1.0 if name == "M/D/1" else 0.01
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (middle, high) if passes(middle) > tail_frac else (low, middle)
    return high


def test_a_service_of_stages_is_drawn_as_their_sum():
    # two constants of a half are a constant of one
    both = [
        reach(busy_period(services, exponential(2.0)), [2.0, 4.0], rng=rng(3), effort=500).value
        for services in (constant(1.0), [constant(0.5), constant(0.5)])
    ]
    assert both[0] == both[1]


CLASSES, ARRIVAL_FRAC = 6, 0.35
VECTORS = tuple(0x31 + 0x10 * k for k in range(CLASSES))
CONTROLS = X2APIC.replace(
    external_interrupt_exiting=True, acknowledge_interrupt_on_exit=True, interrupt_gates=False
)
X2APIC_EOI = 0x80B


def post(state, g):
    """A posted interrupt of any vector arrives: the notification finds the guest running."""
    apic = VirtualApic(CONTROLS, state)
    descriptor = MemoryDescriptor(pir=1 << VECTORS[g.integers(CLASSES)], on=True)
    done = apic.external_interrupt(CONTROLS.notification_vector, descriptor)
    assert done.kind in (Kind.DELIVERED, Kind.VIRTUALISED)
    return state


def interrupted(state, g):
    """One step of the guest: an interrupt arrives, or the handler that runs writes EOI."""
    state = state.copy()
    if g.random() < ARRIVAL_FRAC:
        return post(state, g)
    apic = VirtualApic(CONTROLS, state)
    assert apic.wrmsr(X2APIC_EOI, 0).kind is Kind.VIRTUALISED
    apic.boundary()
    return state


def from_below(state):
    """Classes in service without a gap from the lowest on: what is missing below the top cannot come any more."""
    classes = sum(1 << k for k, vector in enumerate(VECTORS) if state.visr >> vector & 1)
    return (classes ^ classes + 1).bit_length() - 1


def nested(step=interrupted, importance=from_below):
    """Handlers that nest: the event is one of every class in service at once."""
    return of_objects(lambda g: post(VapicState(), g), step, importance, lambda s: not s.visr | s.virr)


LEVELS = range(1, CLASSES + 1)


def top(mask):
    return mask.bit_length() - 1


def chain():
    """P(all classes in service before none), by bit masks of requested and in-service classes and a linear system."""

    def delivered(virr, visr):
        return (virr ^ 1 << top(virr), visr | 1 << top(virr)) if top(virr) > top(visr) else (virr, visr)

    def after(virr, visr):
        yield 1 - ARRIVAL_FRAC, delivered(virr, visr ^ 1 << top(visr))
        for k in range(CLASSES):
            yield ARRIVAL_FRAC / CLASSES, delivered(virr | 1 << k, visr)

    full, first = (1 << CLASSES) - 1, [(0, 1 << k) for k in range(CLASSES)]
    number, rows, waiting = {s: k for k, s in enumerate(first)}, [], list(first)
    while waiting:
        virr, visr = waiting.pop()
        for chance, state in after(virr, visr):
            if state[1] not in (0, full) and state not in number:
                number[state] = len(number)
                waiting.append(state)
            rows.append((number[virr, visr], state, chance))
    matrix, there = np.eye(len(number)), np.zeros(len(number))
    for row, state, chance in rows:
        if state[1] == full:
            there[row] += chance
        elif state[1]:
            matrix[row, number[state]] -= chance
    return np.linalg.solve(matrix, there)[:CLASSES].mean()


@pytest.fixture(scope="module")
def split():
    return reach(nested(), LEVELS, rng=rng(4), effort=100)


def test_interrupts_of_the_virtual_apic_nest_as_rarely_as_a_linear_system_says(split):
    truth = chain()
    assert truth < 1e-5
    assert abs(split.value - truth) < split.reach()
    assert split.trusted and split.relative_error < 0.2


def test_handlers_that_are_only_counted_show_the_way_badly_but_without_bias(split):
    made = reach(nested(importance=lambda s: s.visr.bit_count()), LEVELS[1:], rng=rng(4), effort=60)
    assert abs(made.value - chain()) < made.reach() and made.relative_error > 2 * split.relative_error


def test_a_step_that_changes_the_state_it_was_given_is_found():
    """Paths that start from one state would all go on from where the last of them went."""

    def in_place(state, g):
        after = interrupted(state, g)
        for name in ("virr", "visr", "rvi", "svi", "vppr", "recognized"):
            setattr(state, name, getattr(after, name))
        return state

    made = reach(nested(in_place), LEVELS, rng=rng(4), effort=60)
    assert made.value == 0 or abs(made.value - chain()) > made.reach()


def test_states_may_be_tuples():
    coin = of_objects(
        lambda g: (0, "new"),
        lambda s, g: (s[0] + int(g.integers(0, 2)), "old"),
        lambda s: s[0],
        lambda s: s[1] == "old",
    )
    made = reach(coin, [1], rng=rng(5), effort=500)
    assert abs(made.value - 0.5) < made.reach()
