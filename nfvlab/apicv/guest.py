"""The guest and its vCPU thread: application, handlers, halts and preemptions, in a world of events."""

import math
from collections import deque

from nfvlab.apicv.params import Params
from nfvlab.apicv.vapic import Kind, Outcome
from nfvlab.apicv.world import World, is_exit

IDLE_TPR, RAISED_TPR = 0x00, 0x10
LOCAL_TIMER_VECTOR = 0xEC  # the host's tick: Linux arch/x86/include/asm/irq_vectors.h
_EPS = 1e-6  # cycles: what is left of a piece that has been run is rounding


class Guest:
    """Runs in a `World`. `latency` holds cycles from arrival to handler by number of the arrival, once delivered.

    `refill`: each delivery is followed by a new request of its vector, as if H were infinitely fast.
    """

    def __init__(
        self, p: Params, world: World, arrived: list[float], latency: list[float], *, refill: bool = False
    ):
        self.p, self.world, self.ledger, self.refill = p, world, world.ledger, refill
        self.arrived, self.latency = arrived, latency
        self.delivered = self.merged = 0  # interrupts delivered; arrivals that went with another one
        self.pieces: deque[list] = deque()
        hz = p.tsc_hz / 1e9
        self.handler, self.poll = p.handler_ns * hz, p.halt_poll_ns * hz
        self.away, self.masked = p.away_ns * hz, p.masked_ns * hz
        self.sections = not p.halting and p.masked_frac > 0
        self.open = self.masked * (1 - p.masked_frac) / p.masked_frac if self.sections else 0.0
        self.preempted = p.away_frac > 0
        self.between = self.away * (1 - p.away_frac) / p.away_frac if self.preempted else float("inf")
        self.to_preemption = self._until_preemption()
        self.left_of_section = self.open * self.ledger.exponential() if self.sections else float("inf")

    def start(self) -> None:
        """The first entry."""
        self._entered(self.world.enter())

    def step(self) -> None:
        """The next thing that happens to the guest."""
        if self.world.deferred:
            self._message()
        elif self.pieces:
            self._handle()
        elif self.p.halting:
            self._halt()
        else:
            self._apply()

    # Interrupts

    def _entered(self, outcome: Outcome, injected: bool = False) -> None:
        """After a VM entry: in a handler, at an interrupt window, or where the guest was."""
        if is_exit(outcome):
            self._window(outcome)
        elif outcome.kind is Kind.DELIVERED or outcome.vector is not None:
            self._deliver(outcome.vector)
        else:
            self.world.where = "guest"

    def _window(self, outcome: Outcome) -> None:
        self.world.left(outcome)
        self._entered(self.world.enter())

    def _deliver(self, vector: int) -> None:
        """Through the IDT to the handler's first instruction."""
        world = self.world
        world.where = "entering"
        taken = world.delivery.taken(vector)
        world.spend("deliver")
        for number in taken:
            self.latency[number] = world.now - self.arrived[number]
        self.delivered += 1
        self.merged += len(taken) - 1
        self.pieces.extend(self._handler())
        if self.refill:
            self._request(vector)
        world.where = "guest"

    def _request(self, vector: int) -> None:
        """The next interrupt of the same vector is there at once."""
        self.arrived.append(self.world.now)
        self.latency.append(math.nan)
        self.world.posting_at = self.world.now
        self.world.delivery.post(self.world, vector, len(self.arrived) - 1)

    def _handler(self) -> list[list]:
        whole = int(self.p.tpr_writes_ratio)
        writes = whole + (self.ledger.rng.random() < self.p.tpr_writes_ratio - whole)
        part = self.ledger.varied(self.handler) / (writes + 1)
        pieces: list[list] = [["work", part]]
        for k in range(writes):
            pieces += [["tpr", RAISED_TPR if k % 2 == 0 else IDLE_TPR], ["work", part]]
        if writes % 2:
            pieces[-2][1] = IDLE_TPR
        return [*pieces, ["eoi", 0], ["return", 0.0], ["iret", 0]]

    def _handle(self) -> None:
        piece, world = self.pieces[0], self.world
        if piece[0] == "work":
            piece[1] -= self._run(piece[1])
            if piece[1] <= _EPS:
                self.pieces.popleft()
            return
        self.pieces.popleft()
        if piece[0] == "tpr":
            self._after_write(world.write_tpr(piece[1]), eoi=False)
        elif piece[0] == "eoi":
            exits = self.ledger.rng.random() < self.p.eoi_exit_frac
            self._after_write(world.end_of_interrupt(exits), eoi=True)
        elif piece[0] == "return":
            world.where = "entering"
            world.spend("return")
            world.where = "guest"
        else:
            world.vapic.iret(True)
            self._boundary()

    def _after_write(self, outcome: Outcome, *, eoi: bool) -> None:
        if not is_exit(outcome):
            return
        if eoi:
            self.world.delivery.end_of_interrupt(self.world)
        self.world.left(outcome, "eoi")
        self._entered(self.world.enter())

    def _boundary(self) -> None:
        outcome = self.world.vapic.boundary()
        if is_exit(outcome):
            self._window(outcome)
        elif outcome.kind is Kind.DELIVERED:
            self._deliver(outcome.vector)

    def _message(self) -> None:
        outcome = self.world.take_message()
        if is_exit(outcome):
            self.world.left(outcome, "irq")
            self._entered(self.world.enter())
            return
        self.world.where = "entering"
        self.world.spend("notify")
        if outcome.kind is Kind.DELIVERED:
            self._deliver(outcome.vector)
        self.world.where = "guest"

    # Application and thread

    def _run(self, length: float) -> float:
        """Run guest code, at most so long; how much of it was done. A preemption may follow."""
        ran = self.world.run_guest(min(length, self.to_preemption))
        self.to_preemption -= ran
        if self.to_preemption <= _EPS and not self.world.deferred:
            self._preempt()
        return ran

    def _apply(self) -> None:
        self.left_of_section -= self._run(self.left_of_section)
        if self.left_of_section > _EPS or not self.sections:
            return
        vapic = self.world.vapic
        if vapic.state.if_flag:
            vapic.cli()
            self.left_of_section = self.masked * self.ledger.exponential()
        else:
            vapic.sti()
            vapic.other_instruction()
            self.left_of_section = self.open * self.ledger.exponential()
            self._boundary()

    def _until_preemption(self) -> float:
        return self.between * self.ledger.exponential() if self.preempted else float("inf")

    def _preempt(self) -> None:
        """Others get the CPU for a while; nothing of it is the price of delivering."""
        world = self.world
        world.vapic.external_interrupt(LOCAL_TIMER_VECTOR)
        world.host("exit", counted=False)
        world.delivery.put(world, blocking=False)
        world.host("switch", counted=False)
        world.where = "away"
        back = world.now + self.away * self.ledger.exponential()
        world.absorb(back)
        world.now = back
        world.host("switch", counted=False)
        world.delivery.load(world)
        world.host("loop", counted=False)
        self.to_preemption = self._until_preemption()
        self._entered(world.enter(counted=False))

    def _halt(self) -> None:
        world = self.world
        outcome = world.vapic.hlt()
        if not is_exit(outcome):
            raise AssertionError("HLT exiting is 1 in every mode")
        self.ledger.halts += 1
        world.host("exit", "halt")
        if not world.delivery.pending(world) and not self._polled():
            self._block()
        world.host("loop")
        self._entered(world.enter())

    def _polled(self) -> bool:
        return self.poll > 0 and self.world.idle(self.world.now + self.poll)

    def _block(self) -> None:
        """The thread sleeps until something is posted."""
        world = self.world
        at_once = world.delivery.put(world, blocking=True)
        world.where = "blocked"
        world.spend("switch")
        if not at_once:
            world.sleep()
        world.host("idle exit", *(("irq", "wake") if world.delivery.by_device else ()), "switch")
        world.delivery.load(world)
