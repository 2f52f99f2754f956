"""The checker against runs that can be counted by hand, and against faults that are there to be found."""

import doctest
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.kernels import interleave
from nfvlab.kernels.interleave import TooManyStates, explore


def ticks(name, which, n):
    """A machine that moves its own counter from 0 to n."""

    def machine(state):
        if state[which] < n:
            yield f"{name} {state[which] + 1}", (*state[:which], state[which] + 1, *state[which + 1 :])

    return machine


def test_the_example_in_the_docstring():
    assert doctest.testmod(interleave).failed == 0


@pytest.mark.parametrize("a, b", [(0, 0), (1, 1), (2, 3), (5, 4)])
def test_counts_of_two_independent_machines(a, b):
    verdict = explore((0, 0), {"a": ticks("a", 0, a), "b": ticks("b", 1, b)}, final=lambda s: s == (a, b))
    assert verdict.holds and verdict.trace == ()
    assert verdict.states == (a + 1) * (b + 1)  # a lattice of points
    assert verdict.transitions == a * (b + 1) + b * (a + 1)  # and its edges
    assert verdict.ends == 1 and verdict.depth == a + b


def test_every_interleaving_is_visited():
    """Machines that write down their names: all C(5, 2) orders of aa and bbb must appear as ends."""

    def writes(letter, n):
        def machine(word):
            if word.count(letter) < n:
                yield letter, word + letter

        return machine

    words = set()
    explore("", {"a": writes("a", 2), "b": writes("b", 3)}, final=lambda w: words.add(w))
    assert len(words) == comb(5, 2) and all(sorted(w) == list("aabbb") for w in words)


def peterson(order):
    """Peterson's lock; it must raise the flag before it gives way, and the mutant does so after."""

    def process(me):
        def machine(state):
            phase, flag, turn, line = state
            at = line[me]
            if at < 2:
                if order[at] == "flag":
                    after = (phase, put(flag, me, 1), turn, put(line, me, at + 1))
                else:
                    after = (phase, flag, 1 - me, put(line, me, at + 1))
                yield order[at], after
            elif at == 2 and (not flag[1 - me] or turn == me):
                yield "enters", (put(phase, me, "in"), flag, turn, put(line, me, 3))
            elif at == 3:
                yield "leaves", (put(phase, me, "out"), put(flag, me, 0), turn, put(line, me, 4))

        return machine

    start = (("out", "out"), (0, 0), 0, (0, 0))
    alone = lambda s: s[0] != ("in", "in") or "both are in"  # noqa: E731
    return explore(start, {"p": process(0), "q": process(1)}, always=alone, done=lambda s: s[3] == (4, 4))


def put(pair, which, new):
    return tuple(new if k == which else old for k, old in enumerate(pair))


def test_a_known_theorem_and_its_known_mutant():
    assert peterson(["flag", "turn"]).holds
    verdict = peterson(["turn", "flag"])
    assert not verdict.holds and verdict.reason == "both are in"
    # the classic: p gives way, q gives way, raises its flag and enters, p raises its flag and enters
    assert [(s.machine, s.action) for s in verdict.trace] == [
        ("p", "turn"),
        ("q", "turn"),
        ("q", "flag"),
        ("q", "enters"),
        ("p", "flag"),
        ("p", "enters"),
    ]
    assert verdict.trace[-1].state[0] == ("in", "in")


@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 14))
def test_the_trace_is_the_shortest(a, b, bad):
    """Two counters; the rule breaks when their sum passes `bad`: every shortest trace has bad + 1 steps."""
    verdict = explore((0, 0), {"a": ticks("a", 0, a), "b": ticks("b", 1, b)}, always=lambda s: sum(s) <= bad)
    assert verdict.holds == (a + b <= bad)
    assert len(verdict.trace) == (0 if verdict.holds else bad + 1)


def test_a_deadlock_is_told_from_an_end():
    """Two machines that take two locks in opposite orders."""

    def locker(me, first, second):
        def machine(state):
            at, owner = state
            want = (first, second)
            if at[me] < 2 and owner[want[at[me]]] is None:
                yield f"takes {want[at[me]]}", (put(at, me, at[me] + 1), put(owner, want[at[me]], me))
            elif at[me] == 2:
                yield "gives both", (put(at, me, 3), (None, None))

        return machine

    machines = {"p": locker(0, 0, 1), "q": locker(1, 1, 0)}
    verdict = explore(((0, 0), (None, None)), machines, done=lambda s: s[0] == (3, 3))
    assert not verdict.holds and verdict.reason == "nothing can move"
    assert [s.action for s in verdict.trace] == ["takes 0", "takes 1"]
    same = {"p": locker(0, 0, 1), "q": locker(1, 0, 1)}
    assert explore(((0, 0), (None, None)), same, done=lambda s: s[0] == (3, 3)).holds


def test_several_starts_and_the_fault_at_one_of_them():
    verdict = explore([(0, 0), (3, 0)], {"a": ticks("a", 0, 4)}, always=lambda s: s[0] != 4 or "four")
    assert not verdict.holds and len(verdict.trace) == 1 and verdict.states == 5
    at_once = explore({(4, 0)}, {"a": ticks("a", 0, 4)}, always=lambda s: s[0] != 4)
    assert not at_once.holds and at_once.trace == () and "after 0 steps" in str(at_once)


def test_too_many_states_is_neither_proof_nor_refutation():
    with pytest.raises(TooManyStates, match="more than 100 states"):
        explore((0, 0), {"a": ticks("a", 0, 50), "b": ticks("b", 1, 50)}, final=lambda s: True, limit=100)


def test_a_property_of_ends_needs_an_end():
    def spin(state):
        yield "round", (state + 1) % 3

    verdict = explore(0, {"spin": spin}, final=lambda s: True)
    assert not verdict.holds and verdict.reason == "no run ever ends"
    assert explore(0, {"spin": spin}, always=lambda s: s < 3).holds


def test_the_verdict_reads_as_lines():
    verdict = explore((0, 0), {"left": ticks("to", 0, 1), "r": ticks("to", 1, 9)}, always=lambda s: s[1] < 9)
    lines = str(verdict).splitlines()
    assert lines[0] == "refuted: 20 states, the rule is broken after 9 steps" and len(lines) == 10
    assert lines[1] == "  1  r  to 1"
    assert str(explore((0,), {"a": ticks("a", 0, 1)})) == "proved: 2 states, 1 steps between them, 1 ends"
