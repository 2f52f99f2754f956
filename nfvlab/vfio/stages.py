"""Each path of a device's interrupt as stages and mixtures: what runs in parallel, what one after the other.

A `Mode` is a path from one state of the vCPU's CPU V at t = 0. `flight` runs beside the threads of V: the message's
way, interrupts held off, work on another CPU. `serial` then needs V, piece by piece, up to the handler's first
instruction. Where a job of the competing load is on V at t = 0, what is left of it is uniform (a renewal process seen
at random), and the vCPU may have to wait for its end.
"""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from nfvlab.realtime.laws import Constant, Exponential, Law, Uniform
from nfvlab.vfio.params import PATHS, Params

ENTER = ("loop", "sync", "entry")
RUN = ("switch", *ENTER, "deliver")
POST = ("irqfd", "post")


@dataclass(frozen=True, kw_only=True)
class Mode:
    """One way through a path, taken with probability `frac`.

    `held` is what else the flight takes, `work` a work item's wait on V, `extra` what else holds V. A job of the load
    that runs at t = 0 has up to `left_ns` to go (uniform; 0: none runs); the serial part `waits` for its end or
    preempts it. `late` is more work, at most, if that job ends within the flight, or if none ran and one comes in it;
    `early` the serial work that is saved, at most, if a job starts within it. `foreign` stages of the serial part would
    come without the interrupt, too: a preempted vCPU's way back. `queues`: new jobs of the load may come before the
    vCPU, one at most with `once`; `preempts`: also when it runs. `followed`: a job that comes in the flight surely goes
    first; `after`: the flight ends with the job at t = 0, so that none comes in it.
    """

    frac: float
    flight: tuple[str, ...]
    serial: tuple[str, ...]
    held: tuple[Law, ...] = ()
    work: tuple[Law, ...] = ()
    extra: tuple[Law, ...] = ()
    left_ns: float = 0.0
    waits: bool = False
    late: tuple[str, ...] = ()
    early: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    queues: bool = False
    once: bool = False
    preempts: bool = False
    followed: bool = False
    after: bool = False


def cost(p: Params, name: str) -> float:
    """The mean cost of a stage, in cycles."""
    return getattr(p, f"{name}_cycles")


def laws(p: Params, names: tuple[str, ...]) -> tuple[Law, ...]:
    """A stage of mean c lasts (1 - spread) c and an exponential time of mean spread c."""
    return tuple(_law(cost(p, name) * p.cycle_ns, p.spread_frac) for name in names)


@functools.lru_cache(maxsize=512)
def _law(mean_ns: float, spread_frac: float) -> Law:
    """A stage of this mean; kept, as all paths have some in common."""
    excess_ns = spread_frac * mean_ns
    if excess_ns > 0:
        return Exponential(excess_ns=excess_ns, min_ns=(1 - spread_frac) * mean_ns)
    return Constant(value_ns=mean_ns)


def think_ns(p: Params) -> float:
    """Mean time from the end of one job of the load to its next request; infinite without load."""
    return p.load_ns * (1 - p.load_frac) / p.load_frac if p.load_frac else math.inf


def over_vcpu(p: Params) -> bool:
    """Whether the load preempts the vCPU thread."""
    return p.load_frac > 0 and p.load_priority_level > p.vcpu_priority_level


def beside_vcpu(p: Params) -> bool:
    """Whether a job of the load that runs is waited for by the vCPU thread: of equal priority, or above."""
    return p.load_frac > 0 and p.load_priority_level >= p.vcpu_priority_level


def over_irq(p: Params) -> bool:
    """Whether a job of the load that runs is waited for by the IRQ thread."""
    return p.load_frac > 0 and p.load_priority_level >= p.irq_priority_level


def never_ends(p: Params, path: str) -> bool:
    """Whether the path starves: a thread below, or beside, a busy vCPU on its CPU never runs."""
    if path not in PATHS[:3] or not p.same_cpu or p.halting:
        return False
    return not p.atomic or (path == "threaded" and p.vcpu_priority_level >= p.irq_priority_level)


def modes(p: Params, path: str) -> tuple[Mode, ...]:
    """The ways through a path; fractions sum to 1. Empty if it never ends.

    ValueError for a path that is not one of PATHS.
    """
    if path not in PATHS:
        raise ValueError(f"path = {path!r}: must be one of {', '.join(PATHS)}")
    if never_ends(p, path):
        return ()
    held = _Held(p, path)
    found = {"VT-d running": _running, "VT-d blocked": _woken, "VT-d preempted": _preempted}.get(path, _host)(
        p, path
    )
    return tuple(mode for base in found for mode in held.split(base) if mode.frac > 0)


def _host(p: Params, path: str) -> Iterator[Mode]:
    """The first three paths."""
    if p.halting:
        return (_blocked_here if p.same_cpu else _blocked_there)(p, path)
    return (_busy_here if p.same_cpu else _busy_there)(p, path)


def _states(p: Params, loaded: bool) -> tuple[float, float]:
    """Probability of no job, and of a job, of the load on V."""
    return (1 - p.load_frac, p.load_frac) if loaded else (1.0, 0.0)


def handler(p: Params, path: str) -> tuple[str, ...]:
    """From the interrupt's acceptance to the posted vector."""
    first = ("irq", "primary", "wake", "switch", "msi") if path == "threaded" else ("irq", "msi")
    return (*first, *POST) if p.atomic else (*first, "wake", "switch", *POST)


def _work(p: Params) -> tuple[Law, ...]:
    """A work item's wait for other work."""
    return () if p.atomic or not p.work_ns else (Exponential(excess_ns=p.work_ns),)


def _back(p: Params, path: str) -> tuple[str, ...]:
    """The switch from the IRQ thread to whoever it preempted."""
    return ("switch",) if path == "threaded" else ()


def _busy_here(p: Params, path: str) -> Iterator[Mode]:
    """The interrupt takes the vCPU out of the guest, or a job of the load off its work."""
    free, taken = _states(p, over_vcpu(p))
    work, flight = handler(p, path), ("ipi",)
    new = {"queues": over_vcpu(p), "preempts": over_vcpu(p)}
    running = ("exit", *work, *_back(p, path), *ENTER, "deliver")
    yield Mode(frac=free, flight=flight, serial=running, early=("exit", *ENTER, *_back(p, path)), **new)
    resumed = _back(p, path) if not over_irq(p) else ()
    yield Mode(
        frac=taken,
        flight=flight,
        serial=(*work, *resumed, *RUN),
        left_ns=p.load_ns,
        waits=True,
        late=("exit", *_back(p, path), *ENTER),
        early=(*resumed, "switch", *ENTER),
        foreign=ENTER if path == "threaded" and over_irq(p) else ("switch", *ENTER),
        **new,
    )


def _busy_there(p: Params, path: str) -> Iterator[Mode]:
    """A housekeeping CPU handles the interrupt and notifies the vCPU where it runs."""
    free, taken = _states(p, over_vcpu(p))
    flight = ("ipi", *handler(p, path), "ipi")
    new = {"queues": over_vcpu(p), "preempts": over_vcpu(p)}
    yield Mode(
        frac=free, flight=flight, held=_work(p), serial=("notify", "deliver"), early=("notify",), **new
    )
    yield Mode(
        frac=taken,
        flight=flight,
        held=_work(p),
        serial=RUN,
        left_ns=p.load_ns,
        waits=True,
        late=("notify",),
        early=RUN[:-1],
        foreign=RUN[:-1],
        **new,
    )


def _blocked_here(p: Params, path: str) -> Iterator[Mode]:
    """The interrupt comes to a CPU on which the vCPU is blocked; its handler wakes it there."""
    work = (*handler(p, path), "wake")
    worker = not p.atomic and p.load_frac > 0
    threaded = path == "threaded"
    return _wake(
        p,
        ("ipi",),
        work,
        work_item=_work(p),
        queues=beside_vcpu(p) or worker or (threaded and over_irq(p)),
        back=() if over_irq(p) else _back(p, path),
        first=worker or (threaded and over_irq(p)),
    )


def _blocked_there(p: Params, path: str) -> Iterator[Mode]:
    """A housekeeping CPU handles the interrupt and wakes the vCPU on its own."""
    flight = ("ipi", *handler(p, path), "wake", "ipi")
    return _wake(p, flight, (), held=_work(p), queues=beside_vcpu(p))


def _woken(p: Params, path: str) -> Iterator[Mode]:
    """The wake-up vector's handler on V."""
    return _wake(p, ("ipi", "remap"), ("irq", "wake"), queues=beside_vcpu(p))


def _wake(p, flight, work, *, queues, held=(), work_item=(), back=(), first=False) -> Iterator[Mode]:
    """V idle, or in a job of the load; `back`: to the load, if the IRQ thread preempted it and the next thread waits.

    `first`: a thread of the path waits for the load's job, whatever the vCPU thread's priority.
    """
    free, taken = _states(p, p.load_frac > 0)
    new = {"queues": queues, "once": queues and not over_vcpu(p) and not first, "preempts": over_vcpu(p)}
    shared = {"flight": flight, "held": held, "work": work_item, **new}
    held_up = (
        () if queues or not p.load_frac else ("switch",)
    )  # to a job that comes in the flight, or away from one
    yield Mode(frac=free, serial=("idle_exit", *work, *RUN), early=("idle_exit",), late=held_up, **shared)
    waits = beside_vcpu(p) or first
    returned = back if waits else ()
    yield Mode(
        frac=taken,
        serial=(*work, *returned, *RUN),
        left_ns=p.load_ns,
        waits=waits,
        late=(*held_up, "idle_exit"),
        early=returned,
        **shared,
    )


def _running(p: Params, path: str) -> Iterator[Mode]:
    """Posted-interrupt processing in the guest, no host in it."""
    new = {"queues": over_vcpu(p), "preempts": over_vcpu(p)}
    yield Mode(frac=1.0, flight=("ipi", "remap"), serial=("notify", "deliver"), early=("notify",), **new)


def _preempted(p: Params, path: str) -> Iterator[Mode]:
    """SN = 1: nothing is heard of it until the vCPU thread comes back.

    Who preempted it goes before everybody; a job of a load above the vCPU, begun before or asked for since, follows.
    """
    free, taken = _states(p, over_vcpu(p))
    away = Uniform(width_ns=p.away_ns)
    new = {"serial": RUN, "queues": over_vcpu(p), "preempts": over_vcpu(p)}
    yield Mode(frac=free, flight=(), held=(away,), foreign=RUN[:-1], followed=over_vcpu(p), **new)
    rest = Uniform(width_ns=p.load_ns)
    foreign = ("switch", *RUN[:-1])
    yield Mode(frac=taken, flight=("switch",), held=(away, rest), foreign=foreign, after=True, **new)


@dataclass(frozen=True)
class _Held:
    """Sections with interrupts, or with preemption, off: each a mode of its own, as they are rare and long."""

    p: Params
    path: str

    def split(self, mode: Mode) -> Iterator[Mode]:
        """With and without a section that holds the interrupt; on a mainline kernel also one that holds the switch."""
        for once in self._with(mode, "held", self.path not in ("VT-d running", "VT-d preempted")):
            yield from self._with(once, "extra", self.path == "mainline" and "switch" in mode.serial)

    def _with(self, mode: Mode, part: str, may: bool) -> Iterator[Mode]:
        q = self.p.irqoff_frac
        if not may or not q:
            yield mode
            return
        yield replace(mode, frac=mode.frac * (1 - q))
        rest = Uniform(width_ns=self.p.irqoff_ns)
        yield replace(mode, frac=mode.frac * q, **{part: (*getattr(mode, part), rest)})


__all__ = [
    "ENTER",
    "RUN",
    "Mode",
    "beside_vcpu",
    "cost",
    "handler",
    "laws",
    "modes",
    "never_ends",
    "over_irq",
    "over_vcpu",
    "think_ns",
]
