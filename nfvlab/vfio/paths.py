"""The six paths as programs: steps that CPUs, threads and messages on their way take, for the scheduler to run.

Two CPUs: V, on which the vCPU thread is pinned, and H, a housekeeping CPU that is always awake. The device's interrupt
goes to V or to H; VT-d delivers to V. Who runs what:

device, IOMMU   the message on its way: travel, remapping, posting; then a notification or wake-up vector
interrupt       vfio_msihandler, or the primary handler of a threaded interrupt, or the wake-up handler
IRQ thread      vfio_msihandler in a thread, SCHED_FIFO, affine to the receiving CPU (kernel/irq/manage.c)
worker          irqfd_inject from a work queue of the receiving CPU, SCHED_OTHER, behind other work of its kind
load            the competing load on V
vCPU            vcpu_run: loop, PIR sync, VM entry, guest
"""

from typing import NamedTuple

import numpy as np

from nfvlab.kernels import sched_tables as tables
from nfvlab.kernels.sched_tables import ALWAYS, NEVER, OWED
from nfvlab.vfio.params import PATHS, Params

MAINLINE, THREADED, NO_THREAD, RUNNING, BLOCKED, PREEMPTED = range(len(PATHS))
THREADS = ("vCPU", "load", "IRQ thread", "worker", "burst")
WHO = (*THREADS, "interrupt", "device", "firmware")
CPU_NAMES = ("V", "H")
BURST_PRIORITY = 100  # above SCHED_FIFO


class Program(NamedTuple):
    """A path ready to run: the scheduler's tables, and the stage that each row is."""

    machine: np.record  # of sched_tables.MACHINE
    stages: tuple[str, ...]


class Steps:
    """Rows of steps, written one after the other."""

    def __init__(self, p: Params):
        self.p = p
        self.rows: list[tuple[int, int, int, float, float, int]] = []
        self.stages: list[str] = []

    def add(self, op, stage="", *, fixed_ns=0.0, mean_ns=0.0, billed=NEVER, arg=0, cpu=0) -> int:
        """Write a step; its row."""
        self.rows.append((op, arg, cpu, fixed_ns, mean_ns, billed))
        self.stages.append(stage)
        return len(self.rows) - 1

    def spend(self, stage: str, cycles: float, billed: int = ALWAYS) -> int:
        """A stage of the cost table: (1 - spread) of it fixed, the rest exponential."""
        mean_ns = self.p.spread_frac * cycles * self.p.cycle_ns
        return self.add(
            tables.SPEND, stage, fixed_ns=cycles * self.p.cycle_ns - mean_ns, mean_ns=mean_ns, billed=billed
        )

    def machine(self) -> np.record:
        """The rows in a record of the scheduler's, in which the rest is still empty."""
        machine = tables.blank(tables.MACHINE)
        columns = (
            machine.op,
            machine.arg,
            machine.on_cpu,
            machine.fixed_ns,
            machine.mean_ns,
            machine.billed,
        )
        for column, values in zip(columns, zip(*self.rows, strict=True), strict=True):
            column[: len(values)] = values
        return machine


def receiving_cpu(p: Params) -> int:
    """The CPU that takes the device's interrupt on the first three paths."""
    return tables.RECEIVING_CPU if p.same_cpu else tables.OTHER_CPU


def think_ns(p: Params) -> float:
    """Mean time between the end of a job of the load and its next request; infinite without load."""
    return p.load_ns * (1 - p.load_frac) / p.load_frac if p.load_frac else np.inf


def program(p: Params, path: int) -> Program:
    """A path as programs of steps."""
    steps = Steps(p)
    _own(steps)
    first = {tables.RECEIVER: tables.LOOP, tables.LOAD: _load(steps)}
    first[tables.BURST] = steps.add(tables.SPEND, "burst", fixed_ns=p.away_ns)
    steps.add(tables.END)
    if path in (RUNNING, PREEMPTED):
        message = _posted(steps)
    elif path == BLOCKED:
        message = _woken(steps)
    else:
        message = _signalled(steps, path, first)
    machine = steps.machine()
    _place(p, machine)
    machine.first[:] = [first.get(t, 0) for t in range(tables.THREADS)]
    machine.message = message
    machine.held_frac, machine.held_ns = (p.irqoff_frac if path == MAINLINE else 0.0), p.irqoff_ns
    machine.stop_every_ns = 1e9 / p.smi_per_s if p.smi_per_s and p.smi_ns else np.inf
    machine.stop_ns = p.smi_ns
    return Program(machine, tuple(steps.stages))


def _place(p: Params, machine: np.record) -> None:
    """CPU and priority of each thread; SCHED_OTHER is 0, below SCHED_FIFO."""
    v, r = tables.RECEIVING_CPU, receiving_cpu(p)
    machine.cpu[:] = [v, v, r, r, v]
    priorities = (p.vcpu_priority_level, p.load_priority_level, p.irq_priority_level, 0, BURST_PRIORITY)
    machine.priority[:] = priorities


def _own(steps: Steps) -> None:
    """The rows that every table has: the scheduler's and the vCPU thread's."""
    p = steps.p
    steps.spend("context switch", p.switch_cycles)
    steps.spend("VM exit", p.exit_cycles)
    steps.spend("idle exit", p.idle_exit_cycles)
    steps.add(tables.SPEND, "SMI")
    steps.add(tables.SPEND, "not preemptible")
    steps.spend("vcpu_run", p.loop_cycles, OWED)
    steps.spend("PIR sync", p.sync_cycles, OWED)
    steps.spend("VM entry", p.entry_cycles, OWED)
    steps.add(tables.ENTER, "guest")
    steps.spend("notification", p.notify_cycles, NEVER)
    steps.spend("delivery", p.deliver_cycles, NEVER)
    steps.add(tables.DONE)


def _load(steps: Steps) -> int:
    """The competing load: a job, and a sleep until the next request."""
    job = steps.add(tables.SPEND, "job", fixed_ns=steps.p.load_ns)
    think = think_ns(steps.p)
    steps.add(tables.NAP, mean_ns=think if think < np.inf else 0.0, arg=job)
    return job


def _travel(steps: Steps, op: int) -> int:
    """A vector on its way to V, and what it does there."""
    first = steps.spend("travel", steps.p.ipi_cycles, NEVER)
    steps.add(op, arg=tables.RECEIVER)
    steps.add(tables.END)
    return first


def _posted(steps: Steps) -> int:
    """VT-d posts into the descriptor; while SN is set, the vCPU thread being off its CPU, it does not notify."""
    silent = steps.add(tables.END)
    first = steps.spend("remapping", steps.p.remap_cycles, NEVER)
    steps.add(tables.POST)
    steps.add(tables.IF_OFF, arg=silent)
    _travel(steps, tables.NOTIFY)
    return first


def _woken(steps: Steps) -> int:
    """VT-d posts; the notification vector is the wake-up vector, whose handler wakes the vCPU thread."""
    p = steps.p
    handler = steps.spend("interrupt", p.irq_cycles)
    _wake(steps, tables.RECEIVER)
    first = steps.spend("remapping", p.remap_cycles, NEVER)
    steps.add(tables.POST)
    _raise(steps, handler, tables.RECEIVING_CPU)
    return first


def _signalled(steps: Steps, path: int, first: dict[int, int]) -> int:
    """The host's handler signals the eventfd, in the interrupt or a thread; the irqfd posts, there or in a worker."""
    p = steps.p
    tails = _tails(steps)
    if not p.atomic:
        first[tables.WORKER] = steps.add(tables.SPEND, "other work", mean_ns=p.work_ns)
        _inject(steps, *tails)
    if path == THREADED:
        first[tables.SERVER] = _handler(steps, tails)
        handler = steps.spend("interrupt", p.irq_cycles)
        steps.spend("primary handler", p.primary_cycles)
        _wake(steps, tables.SERVER)
    else:
        handler = steps.spend("interrupt", p.irq_cycles)
        _handler(steps, tails)
    message = len(steps.rows)
    _raise(steps, handler, receiving_cpu(p))
    return message


def _raise(steps: Steps, handler: int, cpu: int) -> None:
    """A vector travels to a CPU, waits while interrupts are off there, and runs its handler."""
    steps.spend("travel", steps.p.ipi_cycles, NEVER)
    steps.add(tables.HOLD, "interrupts off")
    steps.add(tables.RAISE, arg=handler, cpu=cpu)
    steps.add(tables.END)


def _wake(steps: Steps, thread: int) -> int:
    """try_to_wake_up of a thread on the same CPU, and no more to do."""
    first = steps.spend("wake-up", steps.p.wake_cycles)
    steps.add(tables.WAKE, arg=thread)
    steps.add(tables.END)
    return first


def _handler(steps: Steps, tails: tuple[int, int]) -> int:
    """vfio_msihandler: eventfd_signal, and the irqfd at once or by a work item."""
    first = steps.spend("vfio_msihandler", steps.p.msi_cycles)
    if steps.p.atomic:
        _inject(steps, *tails)
    else:
        _wake(steps, tables.WORKER)
    return first


def _inject(steps: Steps, if_asleep: int, if_inside: int) -> None:
    """The irqfd finds the route and posts; then the vCPU is woken, notified, or sees it before its next entry."""
    steps.spend("irqfd", steps.p.irqfd_cycles)
    steps.spend("post", steps.p.post_cycles)
    steps.add(tables.POST)
    steps.add(tables.IF_ASLEEP, arg=if_asleep)
    steps.add(tables.IF_INSIDE, arg=if_inside)
    steps.add(tables.END)


def _tails(steps: Steps) -> tuple[int, int]:
    """What a post leads to: rows that wake the vCPU thread, and rows that notify the guest."""
    rescheduling, notification = _travel(steps, tables.WAKE), _travel(steps, tables.NOTIFY)
    if steps.p.same_cpu:
        asleep = _wake(steps, tables.RECEIVER)
    else:
        asleep = steps.spend("wake-up", steps.p.wake_cycles)
        steps.add(tables.SEND, arg=rescheduling)
        steps.add(tables.END)
    inside = steps.add(tables.SEND, arg=notification)
    steps.add(tables.END)
    return asleep, inside


__all__ = ["CPU_NAMES", "PATHS", "THREADS", "WHO", "Program", "program", "receiving_cpu", "think_ns"]
