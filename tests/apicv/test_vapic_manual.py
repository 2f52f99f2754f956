"""The virtual APIC against a second one, written literally from the manual over bytes and bits."""

import random
from collections import Counter

import pytest
from apicv import vapic_compare as compare
from hypothesis import given, settings
from hypothesis import strategies as st

KINDS = {"vm_exit", "virtualised", "delivered", "held", "nothing", "entered", "entry_failed", "gp_fault"}


@settings(max_examples=150)
@given(st.randoms(use_true_random=False))
def test_it_does_what_the_manual_says(rng):
    assert compare.first_difference(rng) is None


@pytest.mark.parametrize("block", range(4))
def test_it_does_what_the_manual_says_on_many_states(block):
    for seed in range(800 * block, 800 * (block + 1)):
        assert compare.first_difference(random.Random(seed)) is None, seed


def test_the_comparison_meets_every_kind_of_outcome_and_every_exit():
    kinds, reasons, steps = Counter(), Counter(), Counter()
    for seed in range(1000):
        rng = random.Random(seed)
        for outcome in outcomes(rng, *compare.twins(rng)):
            kinds[str(outcome.kind)] += 1
            reasons[outcome.exit_reason] += 1
            steps.update(outcome.steps)
    assert set(kinds) == KINDS | {"passed_through"}
    assert set(reasons) >= {None, 1, 7, 28, 31, 32, 43, 44, 45, 56, 33 | 1 << 31}
    assert set(steps) >= {"IPI virtualization", "notification", "self-IPI virtualization", "PIR to VIRR"}


def outcomes(rng, apic, manual):
    """What the package's machine says of the same operations."""
    kept = []
    record = apic._outcome
    apic._outcome = lambda *args, **kwargs: kept.append(record(*args, **kwargs)) or kept[-1]
    for _ in range(12):
        compare.step(rng, apic, manual)
    return kept
