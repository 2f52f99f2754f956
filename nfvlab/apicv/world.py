"""One vCPU on its physical CPU V, the host CPU H that takes the devices' interrupts, and time in cycles.

The guest's side is the virtual APIC's state machine (`vapic`); who is told of an interrupt and how is `delivery`'s.
Here is the order of events: what V does takes time, and meanwhile requests arrive. A message to V interrupts a guest
that runs; one that comes while V is in the host is an interrupt of the host's; one that comes between the last look at
the requests and the guest's first instruction waits for that instruction, interrupts being off.
"""

import heapq
from collections.abc import Iterator

from nfvlab.apicv.delivery import EOI_EXITS, Emulated
from nfvlab.apicv.ledger import Ledger
from nfvlab.apicv.vapic import Kind, Outcome, VirtualApic

POST, MESSAGE, WAKE, REACH = "post", "message", "wake", "reach"


class Ended(Exception):
    """Nothing more will ever happen."""


class World:
    """Clocks, events and the two CPUs. `arrivals` yields (time in cycles, vector, number), in order of time.

    `where` V is: "guest", "entering" (interrupts off before the guest's first instruction, or the processor delivers),
    "host", "blocked", "away" (others have the CPU).
    """

    def __init__(self, delivery: Emulated, ledger: Ledger, arrivals: Iterator[tuple[float, int, int]]):
        self.delivery, self.ledger = delivery, ledger
        self.vapic = VirtualApic(delivery.controls)
        self.vapic.state.non_root = False
        self.now, self.where, self.h_free = 0.0, "host", 0.0
        self.deferred: list[int] = []
        self.host_interrupts = 0
        self.woken = self.waking = False  # a wake-up is under way; it has reached V
        self.trace: list[tuple[float, float, str, str]] | None = None
        self._events: list[tuple[float, int, str, tuple]] = []
        self._order, self._arrivals = 0, arrivals
        self._next_arrival()

    # Events

    def push(self, time: float, kind: str, *what: object) -> None:
        """Something that happens at a time."""
        self._order += 1
        heapq.heappush(self._events, (time, self._order, kind, what))

    def _next_arrival(self) -> None:
        found = next(self._arrivals, None)
        if found is not None:
            time, vector, number = found
            self.push(time + self.ledger.draw("travel"), REACH, vector, number)

    def absorb(self, until: float) -> None:
        """Let happen what happens up to a time, V being busy."""
        while self._events and self._events[0][0] <= until:
            self._happen(*heapq.heappop(self._events))

    def _happen(self, time: float, _: int, kind: str, what: tuple) -> None:
        if kind == REACH:
            self._next_arrival()
            if self.delivery.by_device:
                self._posted(time, *what)
            else:
                self._at_h(time, *what)
        elif kind == POST:
            self._posted(time, *what)
        elif kind == MESSAGE:
            self._message(*what)
        else:
            self.waking = True

    def _at_h(self, time: float, vector: int, number: int) -> None:
        """H takes interrupts one after the other."""
        begin = max(time, self.h_free)
        self.h_free = begin + self._others("irq") + self._others("post")
        self._note(begin, self.h_free, "H", "irq, post")
        self.push(self.h_free, POST, vector, number)

    def _others(self, stage: str) -> float:
        length = self.ledger.draw(stage)
        self.ledger.others[stage] += length
        return length

    def _posted(self, time: float, vector: int, number: int) -> None:
        self.posting_at = time
        self.delivery.post(self, vector, number)

    def _message(self, vector: int) -> None:
        if self.where in ("guest", "entering"):
            self.deferred.append(vector)
        else:
            self.host_interrupts += 1

    def send(self, vector: int, *, travel: bool = True) -> None:
        """An IPI or a notification to V, from what posts now."""
        self.ledger.notifications += 1
        self.push(self.posting_at + (self.ledger.draw("travel") if travel else 0.0), MESSAGE, vector)

    def wake(self) -> None:
        """Wake the blocked thread: by H, which sends V an IPI, or by the device's own wake-up vector."""
        if self.woken:
            return
        self.woken = True
        self.ledger.notifications += 1
        if self.delivery.by_device:
            self.push(self.posting_at, WAKE)
            return
        begin = max(self.posting_at, self.h_free)
        self.h_free = begin + self._others("wake")
        self._note(begin, self.h_free, "H", "wake")
        self.push(self.h_free + self.ledger.draw("travel"), WAKE)

    # What takes V's time

    def spend(self, *stages: str, counted: bool = True) -> None:
        """Stages that nothing interrupts."""
        for stage in stages:
            begin, length = self.now, self.ledger.draw(stage)
            if counted:
                self.ledger.vcpu_cpu[stage] += length
            self.now += length
            self._note(begin, self.now, "V", stage)
            self.absorb(self.now)

    def host(self, *stages: str, counted: bool = True) -> None:
        """Stages in the host; interrupts that came meanwhile are taken after them."""
        self.where = "host"
        self.spend(*stages, counted=counted)
        while self.host_interrupts:
            self.host_interrupts -= 1
            self.spend("irq")

    def run_guest(self, length: float) -> float:
        """Let the guest run until a message comes, at most so long; how long it ran."""
        begin, end = self.now, self.now + length
        self.where = "guest"
        while not self.deferred and self._events and self._events[0][0] <= end:
            event = heapq.heappop(self._events)
            self.now = max(self.now, event[0])
            self._happen(*event)
        if not self.deferred:
            if end == float("inf"):
                raise Ended
            self.now = end
        return self.now - begin

    def idle(self, until: float) -> bool:
        """V waits for a request, at most so long; whether there is one."""
        while not self.delivery.pending(self):
            if not self._events or self._events[0][0] > until:
                if until == float("inf"):
                    raise Ended
                self.now = until
                return False
            event = heapq.heappop(self._events)
            self.now = max(self.now, event[0])
            self._happen(*event)
        return True

    def sleep(self) -> None:
        """V sleeps until it is woken."""
        while not self.waking:
            if not self._events:
                raise Ended
            event = heapq.heappop(self._events)
            self.now = max(self.now, event[0])
            self._happen(*event)
        self.woken = self.waking = False

    # Into the guest and out of it

    def enter(self, counted: bool = True) -> Outcome:
        """Prepare and enter; the outcome of VM entry."""
        self.where = "entering"
        injection = self.delivery.prepare(self, counted)
        self.spend("entry", counted=counted)
        return self.vapic.vm_entry(injection)

    def take_message(self) -> Outcome:
        """The first of the messages that wait for the running guest."""
        vector = self.deferred.pop(0)
        notified = getattr(self.delivery, "notified", None)
        return notified(self, vector) if notified else self.vapic.external_interrupt(vector)

    def left(self, outcome: Outcome, *stages: str) -> None:
        """A VM exit of delivering, and what the host does then."""
        self.ledger.exits[outcome.exit_name or ""] += 1
        self.host("exit", *stages, "loop")

    def end_of_interrupt(self, exits: bool) -> Outcome:
        """The guest writes its EOI register; with `exits` its vector is in the EOI-exit bitmap."""
        kind = type(self.delivery)
        present = self.vapic.controls
        if exits and kind in EOI_EXITS:
            self.vapic.controls = EOI_EXITS[kind]
        outcome = self.vapic.wrmsr(0x80B, 0)
        self.vapic.controls = present
        return outcome

    def write_tpr(self, value: int) -> Outcome:
        """The guest writes its TPR."""
        return self.vapic.wrmsr(0x808, value)

    def _note(self, begin: float, end: float, cpu: str, stage: str) -> None:
        if self.trace is not None:
            self.trace.append((begin, end, cpu, stage))


def is_exit(outcome: Outcome) -> bool:
    """Whether an operation ended in a VM exit."""
    return outcome.kind is Kind.VM_EXIT
