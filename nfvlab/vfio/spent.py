"""What an interrupt costs the host: VM exits, context switches, and cycles of all its CPUs."""

from collections.abc import Iterable
from dataclasses import dataclass

from nfvlab.vfio.params import Params
from nfvlab.vfio.stages import ENTER, Mode, cost, laws, modes, over_vcpu, think_ns

_HARDWARE = ("ipi", "remap", "notify", "deliver")


@dataclass(frozen=True)
class Spent:
    """Means over interrupts, by the state at t = 0; `changed_frac` bounds how often that state changes on the way."""

    exits_ratio: float
    switches_ratio: float
    cycles: float
    changed_frac: float


def spent(p: Params, path: str) -> Spent:
    """What is spent on a path; up to where it starves, if it never ends. ValueError for no path of PATHS."""
    found = modes(p, path)
    if found:
        return _sum(p, [(mode.frac, _names(p, path, mode)) for mode in found], _changed_frac(p, found))
    taken = p.load_frac if over_vcpu(p) else 0.0
    work = _starved(p, path)
    changed = taken and _share(p, sum(law.mean_ns for law in laws(p, ("ipi", "exit", *work))))
    return _sum(p, [(1 - taken, ("exit", *work, *ENTER)), (taken, work)], changed)


def _sum(p: Params, parts: Iterable[tuple[float, tuple[str, ...]]], changed_frac: float) -> Spent:
    """Stages by state, counted."""
    exits = switches = cycles = 0.0
    for frac, names in parts:
        exits += frac * names.count("exit")
        switches += frac * names.count("switch")
        cycles += frac * sum(cost(p, name) for name in names)
    return Spent(exits, switches, cycles, changed_frac)


def _names(p: Params, path: str, mode: Mode) -> tuple[str, ...]:
    """The stages of a mode that the host spends on the interrupt."""
    names = [name for name in (*mode.flight, *mode.serial) if name not in _HARDWARE]
    for name in mode.foreign:
        names.remove(name)
    if path == "threaded" and not p.same_cpu:
        names.append("switch")  # off the IRQ thread, on the housekeeping CPU
    return tuple(names)


def _starved(p: Params, path: str) -> tuple[str, ...]:
    """The stages of a path up to where a thread waits for ever."""
    if path != "threaded":
        return ("irq", "msi", "wake")
    woken = ("irq", "primary", "wake")
    if p.vcpu_priority_level >= p.irq_priority_level:
        return woken
    return (*woken, "switch", "msi", "wake", "switch")


def _changed_frac(p: Params, found: tuple[Mode, ...]) -> float:
    """A bound of how often a job of the load begins or ends before the vCPU is reached."""
    if not p.load_frac or not any(mode.left_ns or mode.queues for mode in found):
        return 0.0
    ways = [(*laws(p, (*mode.flight, *mode.serial)), *mode.held, *mode.work, *mode.extra) for mode in found]
    return _share(p, max(sum(law.mean_ns for law in way) for way in ways) + p.smi_per_s * p.smi_ns**2 * 1e-9)


def _share(p: Params, mean_ns: float) -> float:
    """How often the load begins or ends a job within a time of this mean, at most."""
    return min(1.0, mean_ns * (1 / think_ns(p) + 1 / p.load_ns))


__all__ = ["Spent", "spent"]
