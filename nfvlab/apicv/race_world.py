"""Posters, physical CPUs and one vCPU, small enough to try all orders of their steps (`kernels/interleave.py`).

One interrupt or two are posted, each by one of four posters, while the vCPU thread exits, halts, is preempted, and is
scheduled in again on either of two physical CPUs (`race_vcpu`). A step is one atomic access: what a poster does in
two accesses is two steps, and a notification that is sent arrives later, wherever the vCPU has gone by then.
Memory is sequentially consistent: KVM's barriers and x86's locked instructions make it so at these accesses.

Steps follow `descriptor_producers` and `descriptor_consumer`, and use their operations.
"""

from collections.abc import Iterator
from itertools import combinations_with_replacement, product
from typing import NamedTuple

from nfvlab.apicv.descriptor import (
    POSTED_INTR_VECTOR,
    POSTED_INTR_WAKEUP_VECTOR,
    Descriptor,
    pi_test_and_set_on,
    pi_test_and_set_pir,
    process_posted_interrupts,
)
from nfvlab.apicv.descriptor_producers import notify_by_ipi_virtualization, post_by_vtd

KINDS = ("VT-d", "VT-d urgent", "IPI virtualization", "KVM")
CPUS = (0, 1)
ACTIVE, WAKEUP = POSTED_INTR_VECTOR, POSTED_INTR_WAKEUP_VECTOR
NAMES = {ACTIVE: "active", WAKEUP: "wake-up"}


class Poster(NamedTuple):
    """One interrupt to be posted: by whom, its vector, how far it is, and what is about to be sent where."""

    kind: str
    vector: int
    phase: str = "start"
    message: tuple[int, int] | None = None  # (physical vector, pCPU)


class World(NamedTuple):
    """Everything that the machines share."""

    posters: tuple[Poster, ...]  # those that are not done yet
    d: Descriptor = Descriptor()
    irr: int = 0  # IRR of the virtual-APIC page
    owed: int = 0  # vectors posted whose handler has not started since
    pending: tuple[frozenset[int], ...] = (frozenset(), frozenset())  # physical vectors, by pCPU
    pc: str = "guest"  # the vCPU thread's place in its program
    load: str = ""  # its place in vmx_vcpu_pi_load, if it is there
    cpu: int = 0  # the pCPU that it runs on, or ran on last
    on_cpu: bool = True
    asleep: bool = False  # off the run queue, until it is woken
    waiting: bool = False  # task state TASK_INTERRUPTIBLE
    in_guest_mode: bool = True  # vcpu->mode
    halted: bool = False  # the guest executed HLT
    listed: int = -1  # the pCPU whose wake-up list it is on
    exits: int = 0  # how often it may still exit, halt, be preempted
    halts: int = 0
    preemptions: int = 0


Steps = Iterator[tuple[str, World]]


def beginnings(
    exits: int = 1, halts: int = 1, preemptions: int = 1, kinds: tuple[str, ...] = KINDS
) -> list[World]:
    """All worlds to start from: one poster or any two, on one vector or two, and a vCPU that runs its guest."""
    alone = [(Poster(kind, 0),) for kind in kinds]
    pairs = combinations_with_replacement(kinds, 2)
    both = [(Poster(first, 0), Poster(second, v)) for first, second in pairs for v in (0, 1)]
    lives = product(range(exits + 1), range(halts + 1), range(preemptions + 1))
    return [
        World(posters, exits=e, halts=h, preemptions=p) for e, h, p in lives for posters in (*alone, *both)
    ]


def lost(w: World) -> str:
    """What is wrong where nothing can move any more: an interrupt that nobody will look for."""
    left = [str(v) for v in (0, 1) if (w.d.pir | w.irr | w.owed) >> v & 1]
    if not left:
        return ""
    what = f"vector {left[0]} is" if len(left) == 1 else f"vectors {' and '.join(left)} are"
    where = "sleeps" if w.asleep else "runs its guest"
    return f"{what} lost: the vCPU {where} and nobody will look"


def woken(w: World) -> World:
    """`kvm_vcpu_wake_up`: a task that waits becomes runnable; nothing happens to one that runs."""
    return w._replace(waiting=False, asleep=False) if w.waiting else w


class Producer:
    """All posters of one kind. `heeds_sn`: KVM stops at SN = 1, read "before" or "after" it sets the PIR bit."""

    def __init__(self, kind: str, *, heeds_sn: str = ""):
        self.kind = kind
        self.heeds_sn = heeds_sn
        self.step = {"IPI virtualization": self.ipi, "KVM": self.kvm}.get(kind, self.vtd)

    def __call__(self, w: World) -> Steps:
        """The possible next steps."""
        for k, poster in enumerate(w.posters):
            if poster.kind != self.kind:
                continue
            if poster.phase == "send":
                vector, cpu = poster.message
                after = self.advance(w, k, "done")
                after = after._replace(pending=arrived(w.pending, vector, cpu))
                yield f"the {NAMES[vector]} notification arrives at pCPU {cpu}", after
            else:
                yield from self.step(w, k, poster)

    def vtd(self, w: World, k: int, poster: Poster) -> Steps:
        """One access; the notification is a message of its own."""
        d, posting = post_by_vtd(w.d, poster.vector, urgent=poster.kind == "VT-d urgent")
        w = owe(w, poster.vector)._replace(d=d)
        if posting.notification is None:
            yield f"posts vector {poster.vector}, no notification", self.advance(w, k, "done")
        else:
            sent = posting.notification.vector, posting.notification.apic_id
            yield f"posts vector {poster.vector}, sets ON", self.advance(w, k, "send", sent)

    def ipi(self, w: World, k: int, poster: Poster) -> Steps:
        """Two accesses: PIR, then ON."""
        if poster.phase == "start":
            d, _ = pi_test_and_set_pir(w.d, poster.vector)
            yield (
                f"posts vector {poster.vector}",
                self.advance(owe(w, poster.vector)._replace(d=d), k, "notify"),
            )
            return
        d, notify = notify_by_ipi_virtualization(w.d)
        if notify:
            yield "sets ON", self.advance(w._replace(d=d), k, "send", (d.nv, d.ndst))
        else:
            yield "sees ON or SN set", self.advance(w, k, "done")

    def kvm(self, w: World, k: int, poster: Poster) -> Steps:
        """PIR, ON, vcpu->mode, one after the other."""
        if poster.phase == "start" and self.heeds_sn == "before":
            yield f"reads SN = {w.d.sn:d}", self.advance(w, k, "post, stop" if w.d.sn else "post")
        elif poster.phase in ("start", "post", "post, stop"):
            d, merged = pi_test_and_set_pir(w.d, poster.vector)
            told = f"posts vector {poster.vector}" + ", its bit was set" * merged
            stop = merged or poster.phase == "post, stop"
            following = "done" if stop else "read SN" if self.heeds_sn == "after" else "notify"
            yield told, self.advance(owe(w, poster.vector)._replace(d=d), k, following)
        elif poster.phase == "read SN":
            yield f"reads SN = {w.d.sn:d}", self.advance(w, k, "done" if w.d.sn else "notify")
        elif poster.phase == "notify":
            d, outstanding = pi_test_and_set_on(w.d)
            told = "sees ON set" if outstanding else "sets ON"
            yield told, self.advance(w._replace(d=d), k, "done" if outstanding else "mode")
        elif poster.phase == "mode" and w.in_guest_mode:
            yield "reads IN_GUEST_MODE", self.advance(w, k, "send", (ACTIVE, w.cpu))
        elif poster.phase == "mode":
            yield "reads OUTSIDE_GUEST_MODE", self.advance(w, k, "wake")
        else:
            told = "wakes the vCPU" if w.waiting else "has nobody to wake"
            yield told, woken(self.advance(w, k, "done"))

    @staticmethod
    def advance(w: World, k: int, phase: str, message: tuple[int, int] | None = None) -> World:
        """The world with its k-th poster in another phase; one that is done is forgotten."""
        moved = () if phase == "done" else (w.posters[k]._replace(phase=phase, message=message),)
        return w._replace(posters=(*w.posters[:k], *moved, *w.posters[k + 1 :]))


def owe(w: World, vector: int) -> World:
    """The guest must run this vector's handler from now on."""
    return w._replace(owed=w.owed | 1 << vector)


def arrived(pending: tuple[frozenset[int], ...], vector: int, cpu: int) -> tuple[frozenset[int], ...]:
    """The pending physical interrupts with one more."""
    return tuple(vectors | {vector} if c == cpu else vectors for c, vectors in enumerate(pending))


class PhysicalCpu:
    """A physical CPU takes its pending interrupts when it may.

    Two ways to be wrong: `handler_clears_on`, the host's handler of the notification clears ON; `wakes_by`
    "PIR", the wake-up handler looks at PIR instead of ON.
    """

    def __init__(self, cpu: int, irqs_off, *, handler_clears_on: bool = False, wakes_by: str = "ON"):
        self.cpu = cpu
        self.irqs_off = irqs_off  # whether the vCPU thread has this CPU's interrupts off
        self.handler_clears_on = handler_clears_on
        self.wakes_by = wakes_by

    def __call__(self, w: World) -> Steps:
        """The possible next steps."""
        here = w.on_cpu and w.cpu == self.cpu
        for vector in sorted(w.pending[self.cpu]):
            rest = tuple(v - {vector} if c == self.cpu else v for c, v in enumerate(w.pending))
            taken = w._replace(pending=rest)
            if here and w.pc == "guest" and not w.load:
                if vector == ACTIVE:
                    d, irr, _ = process_posted_interrupts(w.d, w.irr, 0)
                    yield "processes posted interrupts", taken._replace(d=d, irr=irr)
                else:
                    yield "leaves the guest for the wake-up vector", w._replace(pc="exited")
            elif here and self.irqs_off(w):
                continue
            elif vector == ACTIVE:
                d = w.d._replace(on=False) if self.handler_clears_on else w.d
                did = "clears ON" if self.handler_clears_on else "nothing to do"
                yield f"takes the active vector in the host: {did}", taken._replace(d=d)
            else:
                yield from self.wakeup_handler(taken)

    def wakeup_handler(self, w: World) -> Steps:
        """`pi_wakeup_handler`, under the lock of this CPU's list."""
        if w.listed == self.cpu and (w.d.on if self.wakes_by == "ON" else w.d.pir):
            yield "wake-up handler: wakes the vCPU", woken(w)
        else:
            yield "wake-up handler: nobody to wake", w
