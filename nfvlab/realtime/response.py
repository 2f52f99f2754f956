"""Worst cases: response times of threads under fixed priorities, as SCHED_FIFO has them, and of a path of stages.

M. Joseph and P. Pandya, Computer Journal 29, 1986; N. Audsley et al., Software Engineering Journal 8, 1993 (jitter and
blocking); K. Tindell, A. Burns and A. Wellings, Real-Time Systems 6, 1994 (jobs that last beyond the next release).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from nfvlab.realtime.laws import Law, check

_MOST_JOBS = 10_000


@dataclass(frozen=True, kw_only=True)
class Thread:
    """A thread on one CPU: released at most once every `period_ns`, each time for at most `cost_ns`.

    A larger priority wins, as sched(7) has it. The release may be up to `jitter_ns` late; something of less priority
    may hold the CPU for up to `blocking_ns` (interrupts or preemption off, a lock).
    """

    name: str
    priority: int
    period_ns: float
    cost_ns: float
    jitter_ns: float = 0.0
    blocking_ns: float = 0.0

    def __post_init__(self):
        check(f"{self.name}: period_ns", self.period_ns, positive=True)
        check(f"{self.name}: cost_ns", self.cost_ns, positive=True)
        check(f"{self.name}: jitter_ns", self.jitter_ns)
        check(f"{self.name}: blocking_ns", self.blocking_ns)


@dataclass(frozen=True, kw_only=True)
class Response:
    """The longest time from when a thread should have been released to its end; `why` says if there is none."""

    name: str
    response_ns: float
    jobs: int  # of the thread itself in its longest busy period
    why: str = ""


def response_times(threads: Sequence[Thread]) -> tuple[Response, ...]:
    """The worst case of each thread, exact in the costs given; infinite if the fixed point diverges.

    Threads of equal priority run in the order of their release; here each is taken to wait for all of the others, which
    is a bound.
    """
    names = [thread.name for thread in threads]
    if len(set(names)) < len(names):
        raise ValueError(f"threads named {names}: give every thread a name of its own")
    return tuple(
        _response(
            thread, [other for other in threads if other is not thread and other.priority >= thread.priority]
        )
        for thread in threads
    )


def _response(thread: Thread, before: Sequence[Thread]) -> Response:
    """Solve w = blocking + q cost + sum of ceil((w + J) / T) C over threads before, for each job q of a busy spell."""
    others = [(Fraction(o.jitter_ns), Fraction(o.period_ns), Fraction(o.cost_ns)) for o in before]
    cost, period = Fraction(thread.cost_ns), Fraction(thread.period_ns)
    load = sum(c / t for _, t, c in others)
    if load >= 1 or load + cost / period > 1:
        return _unbounded(
            thread, f"threads of its priority and above ask for {float(load + cost / period):.3g} CPUs"
        )
    jitter, ends, worst = Fraction(thread.jitter_ns), Fraction(0), Fraction(0)
    for jobs in range(1, _MOST_JOBS + 1):
        ends = _fixed_point(ends, Fraction(thread.blocking_ns) + jobs * cost, others)
        worst = max(worst, ends - (jobs - 1) * period + jitter)
        if ends + jitter <= jobs * period:
            return Response(name=thread.name, response_ns=_rounded_up(worst), jobs=jobs)
    return _unbounded(thread, f"its busy period goes on after {_MOST_JOBS} jobs")


def _fixed_point(start: Fraction, own: Fraction, others) -> Fraction:
    """The smallest w above `start` with w = own + what others ask for within w; they ask for less than a CPU."""
    now, after = Fraction(-1), max(start, own + sum(c for *_, c in others))
    while after > now:
        now = after
        after = own + sum(math.ceil((now + j) / t) * c for j, t, c in others)
    return now


def _unbounded(thread: Thread, why: str) -> Response:
    return Response(name=thread.name, response_ns=math.inf, jobs=0, why=f"no bound: {why}")


def _rounded_up(exact: Fraction) -> float:
    """The next number that is not smaller."""
    made = float(exact)
    return made if Fraction(made) >= exact else math.nextafter(made, math.inf)


def path_worst_case_ns(laws: Sequence[Law]) -> float:
    """The sum of the largest values of all stages: infinity if any has none, as any law with a tail has."""
    ends = [law.max_ns for law in laws]
    return _rounded_up(sum(map(Fraction, ends))) if all(map(math.isfinite, ends)) else math.inf
