"""Where may vfio_msihandler run? The lock that eventfd_signal takes decides: every interleaving tried.

eventfd_signal takes the lock of the eventfd's wait queue (fs/eventfd.c: ctx->wqh.lock, a spinlock_t) and calls
irqfd_wakeup under it (virt/kvm/eventfd.c). On mainline a spinlock_t spins, with interrupts off. Under PREEMPT_RT it is
an rt_mutex: who finds it held sleeps, its holder can be interrupted and preempted, and spin_lock_irqsave leaves
interrupts on (Documentation/locking/locktypes.rst). A handler in a thread may sleep. One in hard-interrupt context, as
IRQF_NO_THREAD has it (opnfv/kvmfornfv, kernel/drivers/vfio/pci/vfio_pci_intrs.c: request_irq), must not: there is no
thread to put to sleep but the one it interrupted. It goes well as long as nobody else holds the lock.

Two threads write to the eventfd, one on the CPU that the interrupt comes to, one on another; the handler signals it
once. `demonstrate()` proves the good variants for these machines, and shows the shortest run that ends a bad one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from nfvlab.kernels.interleave import Verdict, explore

WRITERS = ("local writer", "remote writer")
HANDLER = "handler"


class World(NamedTuple):
    """The lock, the eventfd's counter, and how far everybody is."""

    holder: str = ""
    counter: int = 0
    local: str = "begins"  # begins, holds, added, done
    remote: str = "begins"
    handler: str = "not yet"  # not yet, begins, asleep, holds, added, done
    fault: str = ""


@dataclass(frozen=True)
class Variant:
    """A handler's context and a kind of lock: does every run end well?"""

    name: str
    in_thread: bool  # the handler is a thread of higher priority than the writers
    sleeps: bool  # who finds the lock held sleeps; otherwise it spins
    interrupts_off: bool  # who holds the lock has interrupts off on its CPU
    safe: bool

    def check(self, start: World | None = None) -> Verdict:
        """Try every interleaving, from a start at which nobody has begun or from another one."""
        machines = {
            WRITERS[0]: self._local,
            WRITERS[1]: self._remote,
            HANDLER: self._handler,
        }
        return explore(
            start or World(),
            machines,
            always=lambda w: w.fault or None,
            final=lambda w: w.counter == 3 or "a signal is lost",
            done=lambda w: (w.local, w.remote, w.handler) == ("done", "done", "done"),
        )

    def _local(self, w: World) -> Iterator[tuple[str, World]]:
        """The writer on the handler's CPU: it runs when the handler does not."""
        if w.handler in ("not yet", "asleep", "done"):
            yield from _write(w, "local", WRITERS[0])

    def _remote(self, w: World) -> Iterator[tuple[str, World]]:
        """The writer on the other CPU."""
        yield from _write(w, "remote", WRITERS[1])

    def _handler(self, w: World) -> Iterator[tuple[str, World]]:
        """The interrupt comes at any time at which it can; then the handler signals."""
        if w.handler == "not yet":
            if not (self.interrupts_off and w.holder == WRITERS[0]):
                yield "interrupts the local writer's CPU", w._replace(handler="begins")
        elif w.handler == "begins" and w.holder and self.sleeps:
            if self.in_thread:
                yield "sleeps until the lock is free", w._replace(handler="asleep")
            else:
                yield "finds the lock held", w._replace(fault="it must sleep in hard-interrupt context")
        elif w.handler in ("begins", "asleep"):
            if not w.holder:
                yield "takes the lock", w._replace(handler="holds", holder=HANDLER)
        else:
            yield from _under_lock(w, "handler", "signals the eventfd")


def _write(w: World, who: str, name: str) -> Iterator[tuple[str, World]]:
    """A writer's steps; while the lock is held it waits, spinning or asleep."""
    if getattr(w, who) == "begins":
        if not w.holder:
            yield "takes the lock", w._replace(**{who: "holds"}, holder=name)
    else:
        yield from _under_lock(w, who, "adds to the counter")


def _under_lock(w: World, who: str, action: str) -> Iterator[tuple[str, World]]:
    """What everybody does with the lock held."""
    if getattr(w, who) == "holds":
        yield action, w._replace(**{who: "added"}, counter=w.counter + 1)
    elif getattr(w, who) == "added":
        yield "releases the lock", w._replace(**{who: "done"}, holder="")


VARIANTS = (
    Variant("mainline: in the interrupt, spinning lock, interrupts off", False, False, True, True),
    Variant("PREEMPT_RT: in a thread, sleeping lock", True, True, False, True),
    Variant("PREEMPT_RT: IRQF_NO_THREAD, sleeping lock", False, True, False, False),
    Variant("PREEMPT_RT: IRQF_NO_THREAD, raw lock, interrupts off", False, False, True, True),
    Variant("PREEMPT_RT: in a thread, raw lock, interrupts off", True, False, True, True),
    Variant("IRQF_NO_THREAD, raw lock, interrupts left on", False, False, False, False),
)


def demonstrate() -> tuple[tuple[Variant, Verdict], ...]:
    """The verdict on every variant, in the order of VARIANTS."""
    return tuple((variant, variant.check()) for variant in VARIANTS)


__all__ = ["VARIANTS", "Variant", "World", "demonstrate"]
