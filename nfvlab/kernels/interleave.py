"""All orders in which small step machines can run, breadth first: a counterexample is the shortest there is.

A *machine* is a function of the shared state that yields its possible steps, as pairs of what it does and
the state after; a step is atomic. States are immutable and hashable (a NamedTuple of tuples, say).
`explore` visits every state that any interleaving of the machines can reach. What it reports as holding,
holds for every one of these runs: it is a proof for the machines as written, and says nothing about
larger ones.

Two counters that read and then write, and so may lose a count:

>>> def counter(which):
...     def machine(state):
...         value, phase, seen = state
...         if phase[which] == "read":
...             yield f"reads {value}", (value, swap(phase, which, "write"), swap(seen, which, value))
...         elif phase[which] == "write":
...             more = seen[which] + 1
...             yield f"writes {more}", (more, swap(phase, which, "done"), seen)
...     return machine
>>> def swap(pair, which, new):
...     return tuple(new if k == which else old for k, old in enumerate(pair))
>>> machines = {"left": counter(0), "right": counter(1)}
>>> verdict = explore((0, ("read", "read"), (0, 0)), machines, final=lambda state: state[0] == 2)
>>> print(verdict)
refuted: 13 states, the end is wrong after 4 steps
  1  left   reads 0
  2  right  reads 0
  3  left   writes 1
  4  right  writes 1
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

State = Hashable
Machine = Callable[[Any], Iterable[tuple[str, Any]]]
Check = Callable[[Any], Any]  # True or None: holds; False or a sentence: does not


class TooManyStates(RuntimeError):
    """The machines reach more states than the caller allowed: nothing is proved, nothing refuted."""


@dataclass(frozen=True)
class Step:
    """One step of a run: which machine, what it does, and the state after it."""

    machine: str
    action: str
    state: Any


@dataclass(frozen=True)
class Verdict:
    """What `explore` found; `trace` is a shortest run to the fault, empty if there is none."""

    holds: bool
    reason: str
    states: int
    transitions: int
    ends: int
    depth: int
    trace: tuple[Step, ...] = ()

    def lines(self) -> list[str]:
        """The trace, one numbered line a step."""
        wide = max((len(step.machine) for step in self.trace), default=0)
        digits = len(str(len(self.trace)))
        return [
            f"{number:{digits}}  {step.machine:{wide}}  {step.action}"
            for number, step in enumerate(self.trace, 1)
        ]

    def __str__(self) -> str:
        if self.holds:
            return f"proved: {self.states} states, {self.transitions} steps between them, {self.ends} ends"
        steps = f"after {len(self.trace)} step" + "s" * (len(self.trace) != 1)
        return "\n".join(
            [
                f"refuted: {self.states} states, {self.reason} {steps}",
                *(f"  {line}" for line in self.lines()),
            ]
        )


def explore(
    initial: State | Iterable[State],
    machines: Mapping[str, Machine],
    *,
    always: Check | None = None,
    final: Check | None = None,
    done: Callable[[Any], bool] | None = None,
    limit: int = 2_000_000,
) -> Verdict:
    """Run every interleaving of `machines` from `initial` (a list or set holds several starting states).

    `always` must hold in every state, `final` where no machine can step; a check returns True or None, or
    else False or a sentence that says what is wrong. `done` tells a proper end from a deadlock. Breadth
    first: the trace of the first fault has the fewest steps; among equals the machine named first goes
    first. Raises `TooManyStates` beyond `limit`. A property of ends that no run reaches is refuted, not
    proved.
    """
    starts = list(initial) if isinstance(initial, list | set | frozenset) else [initial]
    came_from: dict[Any, tuple[Any, str, str] | None] = dict.fromkeys(starts)
    layer, transitions, ends, depth = list(came_from), 0, 0, 0

    def verdict(fault: str = "", state: Any = None) -> Verdict:
        trace = _trace(came_from, state) if fault else ()
        return Verdict(not fault, fault, len(came_from), transitions, ends, depth, trace)

    while layer:
        found = []
        for state in layer:
            if fault := _fault(always, state, "the rule is broken"):
                return verdict(fault, state)
            stuck = True
            for name, machine in machines.items():
                for action, after in machine(state):
                    stuck = False
                    transitions += 1
                    if after not in came_from:
                        came_from[after] = (state, name, action)
                        found.append(after)
            if stuck:
                ends += 1
                if done is not None and not done(state):
                    return verdict("nothing can move", state)
                if fault := _fault(final, state, "the end is wrong"):
                    return verdict(fault, state)
            if len(came_from) > limit:
                raise TooManyStates(f"more than {limit} states; make the machines smaller or raise the limit")
        layer = found
        depth += bool(found)
    if final is not None and not ends:
        return verdict("no run ever ends", starts[0])
    return verdict()


def _fault(check: Check | None, state: Any, otherwise: str) -> str:
    """What is wrong with a state, or nothing."""
    if check is None:
        return ""
    answer = check(state)
    if answer is None or answer is True:
        return ""
    return answer if isinstance(answer, str) and answer else otherwise


def _trace(came_from: Mapping[Any, tuple[Any, str, str] | None], state: Any) -> tuple[Step, ...]:
    """The way from a starting state to this one."""
    steps = []
    while (origin := came_from[state]) is not None:
        before, machine, action = origin
        steps.append(Step(machine, action, state))
        state = before
    return tuple(reversed(steps))
