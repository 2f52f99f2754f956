"""What the stages cost on two hosts, solved from rows of kvm-unit-tests that were published for them.

`vmexit tscdeadline_immed` writes the present TSC as its deadline, again and again: one iteration is a round of this
model that goes the way "past". `vmexit tscdeadline` writes rdtsc() + 3000 and spins until the interrupt; the
iteration is these 3000 cycles and what comes after them. `vmcall` is an exit, the loop, a trivial handler and an entry
(kvm-unit-tests x86/vmexit.c). Each row is a sum of stages, as `rounds.ways` counts them. A row that a fit should
predict is not in it: with the adaptive advance of 2020 the 3000 cycles are so short that the timer expires while it is
armed, and `published.compare` says what comes of that.

    python -m nfvlab.timer.calibrate        writes the host files and prints what the rows tell
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from nfvlab import paths
from nfvlab.readers.hosts import host_text
from nfvlab.readers.published import read_published
from nfvlab.realtime.solve import Row, Solved, solve
from nfvlab.timer.params import Params
from nfvlab.timer.rounds import HARDWARE, HRTIMER, Stages, Way, end_of_interrupt, ways

DEADLINE_CYCLES = 3000  # kvm-unit-tests x86/vmexit.c, tscdeadline
HYPERCALL = Row("vmcall, with", Counter(exit=1, loop=1, entry=1), 1530.0, 50.0, 150.0)
ROUND_TO_CYCLES = 5
IMMEDIATE = {"think_ns": 0.0, "interval_ns": 10.0}
NEAR = {"think_ns": 0.0, "interval_ns": 1200.0}


@dataclass(frozen=True)
class Test:
    """A published iteration: the way that its rounds go, and by which scenario.

    `after_deadline`: the host spins until the deadline, so that only what follows the look counts, and `late_cycles`.
    """

    row: str
    side: str
    way: str
    settings: Mapping
    error_cycles: float
    timer: int = HARDWARE
    late_cycles: float | None = None

    @property
    def name(self) -> str:
        """Row and side."""
        return f"{self.row}, {self.side}"

    @property
    def scenario(self) -> Params:
        """The test's loop; the hosts' frequency was not published, so times are those at the default one."""
        return Params(**((NEAR if self.way == "running" else IMMEDIATE) | dict(self.settings)))


_APICV, _EMULATED = {"apicv": True}, {"apicv": False}
_FAST, _ADAPTIVE = {"fastpath": True}, {"advance": "adaptive"}
# The advance settles where looks are less than 100 cycles late or early: 0 to 100 cycles late at the end of the spin.
SKYLAKE = (
    Test("timer-apicv-immed", "with", "past", _APICV, 15.0),
    Test("timer-apicv-immed", "without", "past", _EMULATED, 15.0),
    Test("timer-apicv-immed-adv", "with", "past", _APICV | _ADAPTIVE, 15.0),
    Test("timer-apicv-immed-adv", "without", "past", _EMULATED | _ADAPTIVE, 15.0),
    Test("timer-fast-immed", "with", "past", _APICV | _FAST, 15.0),
    Test("timer-fast-immed-adv", "with", "past", _APICV | _FAST | _ADAPTIVE, 15.0),
    Test("timer-fast", "with", "running", _APICV | _FAST, 15.0),
    Test("timer-fast-adv", "with", "running", _APICV | _FAST | _ADAPTIVE, 30.0, late_cycles=50.0),
)
HASWELL = (
    Test("timer-exit", "without", "running", _APICV, 50.0, timer=HRTIMER),
    Test("timer-exit", "with", "running", _APICV, 50.0),
    Test("timer-immediate", "without", "entering", _APICV, 50.0),
    Test("timer-immediate", "with", "past", _APICV, 50.0),
)
PRIOR = {
    "exit": 400.0,
    "entry": 500.0,
    "loop": 450.0,
    "sync": 150.0,
    "inject": 500.0,
    "eoi": 200.0,
    "deliver": 450.0,
    "return": 400.0,
    "msr": 300.0,
    "hv_arm": 150.0,
    "hv_expire": 250.0,
    "wait": 100.0,
    "hrtimer_irq": 1500.0,
}  # cycles; orders of magnitude, trusted to a half


def way_of(test: Test) -> Way:
    """The way that the test's rounds go."""
    return next(way for way in ways(test.scenario, test.timer) if way.name == test.way)


def after_handler(p: Params) -> Stages:
    """From the handler's first instruction until the guest goes on."""
    return Counter({"return": 1}) + end_of_interrupt(p)[0]


def _row(test: Test, cycles: float) -> Row:
    p, way = test.scenario, way_of(test)
    stages, constant = way.to_look + way.to_handler + after_handler(p), 0.0
    if not way.from_start:
        constant = DEADLINE_CYCLES - (2.0**p.timer_shift - 1 if way.early else 0.0)
    if test.late_cycles is not None:
        stages, constant = way.to_handler + after_handler(p), DEADLINE_CYCLES + test.late_cycles
    return Row(test.name, stages, cycles, test.error_cycles, constant)


def unit_test_rows(tests: tuple[Test, ...]) -> tuple[Row, ...]:
    """The published iterations as sums of stages."""
    frame, _ = read_published(paths.data_file("published.csv"))
    return tuple(_row(test, float(frame.loc[test.row, test.side])) for test in tests)


def skylake() -> Solved:
    """The costs of the Skylake host of 2020, from its rows."""
    return solve((HYPERCALL, *unit_test_rows(SKYLAKE)), PRIOR)


def haswell() -> Solved:
    """The costs of the Haswell host of 2017; what its rows do not tell is as on the other host."""
    return solve(unit_test_rows(HASWELL), PRIOR | skylake().costs)


@dataclass(frozen=True)
class Host:
    """A host file: what it is called, what its head says, and its costs."""

    file: str
    title: str
    source: str
    head: str
    solved: Solved = field(repr=False)

    @property
    def constants(self) -> dict[str, float]:
        """Costs, rounded, by the names of the parameters."""
        return {
            f"{name}_cycles": float(ROUND_TO_CYCLES * round(cost / ROUND_TO_CYCLES))
            for name, cost in sorted(self.solved.costs.items())
        }

    def text(self) -> str:
        """The file's text."""
        told = "".join(
            f"# {name + '_cycles':<19} {100 * told:3.0f} % told by the rows, ± {self.solved.errors[name]:.0f}\n"
            for name, told in sorted(self.solved.told.items())
        )
        return self.head + told + host_text(self.constants, title=self.title, source=self.source)


_SKYLAKE_HEAD = """\
# Solved from rows of data/published.csv by `python -m nfvlab.timer.calibrate`: {fits}.
# Each row is a sum of stages (nfvlab/timer/calibrate.py). Not in the fit, so predicted: timer-apicv-off and
# timer-apicv-adv, both sides, which are also the sides "without" of timer-fast and timer-fast-adv.
#
# exit, loop, entry      vmcall; the loop alone: timer-apicv-immed less timer-fast-immed
# msr + hv_arm           timer-fast-immed; only their sum is told
# hv_expire              timer-fast
# entry                  timer-fast-adv: what follows the spin
# deliver + return       timer-fast-immed and timer-fast-adv; only their sum is told
# sync, inject, eoi      timer-apicv-immed without less with: inject and eoi against sync; shares are the prior's
# wait                   timer-*-immed-adv less timer-*-immed
#
# The host's frequency was not published: costs are cycles, and tsc_hz is left to the default. What is not here was
# measured on no host and is assumed: hrtimer_irq_cycles is that of haswell-ep.toml.
#
"""
_HASWELL_HEAD = """\
# Solved from rows of data/published.csv by `python -m nfvlab.timer.calibrate`: {fits}.
# The prior is skylake-sp.toml; figures rounded to hundreds are trusted to 50 cycles.
#
# hrtimer_irq            timer-exit: without less with, and hv_expire
# exit + entry + loop    timer-immediate: without (the exit taken) less with; hv_expire is in it too
# all others             their sums only: timer-exit with, timer-immediate with
#
# The host's frequency was not published. hrtimer_arm_cycles, arming a host timer, is in no published row: assumed.
#
"""


def hosts() -> tuple[Host, ...]:
    """The host files."""
    found = []
    for file, title, source, head, tests, solved in (
        (
            "skylake-sp.toml",
            "Skylake-SP server, Linux 5.6 with the timer's fastpath under review, 2020",
            "kvm-unit-tests vmexit.flat; Wanpeng Li, KVM timer fastpath series, kvm list, April 2020",
            _SKYLAKE_HEAD,
            SKYLAKE,
            skylake(),
        ),
        (
            "haswell-ep.toml",
            "Haswell Xeon, Linux 4.13, 2017",
            "kvm-unit-tests vmexit.flat; kvm-unit-tests commit cfbd129ca4c8, 2017-06-29",
            _HASWELL_HEAD,
            HASWELL,
            haswell(),
        ),
    ):
        rows = ", ".join(dict.fromkeys(test.row for test in tests))
        found.append(Host(file, title, source, head.format(fits=rows), solved))
    return tuple(found)


def main() -> None:
    """Write the host files; print costs and residuals."""
    for host in hosts():
        (paths.data_file("hosts") / host.file).write_text(host.text(), encoding="utf-8")
        print(host.title, host.solved.to_frame().round(2), host.solved.residuals().round(1), sep="\n\n")


if __name__ == "__main__":
    main()


__all__ = [
    "HASWELL",
    "PRIOR",
    "SKYLAKE",
    "Host",
    "Test",
    "after_handler",
    "haswell",
    "hosts",
    "skylake",
    "unit_test_rows",
]
