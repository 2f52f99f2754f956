"""The vCPU thread of `race_world`: guest, exit, block, preemption, load, entry, in KVM's order of steps.

    guest - exited - root - (halted: wait, check, put, asleep, load) - entry - guest

Each method is a place in the thread's program and yields its one next step (with the guest: what it may do).
The wrong versions are switches of the class (`MUTANTS` in `race` says what they mean).
"""

from nfvlab.apicv.descriptor import take_pir
from nfvlab.apicv.descriptor_consumer import pi_clear_on, pi_load_control, pi_set_sn
from nfvlab.apicv.race_world import ACTIVE, CPUS, NAMES, WAKEUP, Steps, World, arrived

IRQS_OFF = {"exited", "entry", "mode last", "join", "put", "undo", "post"}
IRQS_OFF_LOADING = {"list", "control"}
PREEMPTIBLE = {"root", "wait", "check", "checked", "early"}


def place(pc: str) -> str:
    """A place in the program without its part: "check" of "check: take"."""
    return pc.partition(": ")[0]


def irqs_off(w: World) -> bool:
    """Whether the thread has the interrupts of its CPU off."""
    if w.load:
        return w.load.split()[0] in IRQS_OFF_LOADING
    return place(w.pc) in IRQS_OFF


class Vcpu:
    """The thread, as KVM has it, or with one of the `switches` that make it wrong.

    `pre_block`: as Linux had it until 5.16, the wake-up vector is set before the block loop, not in put.
    """

    def __init__(self, *switches: str, pre_block: bool = False):
        self.wrong = frozenset(switches)
        self.pre_block = pre_block
        self.places = {
            "guest": self.guest,
            "exited": self.exited,
            "root": self.root,
            "wait": self.wait,
            "checked": self.checked,
            "join": self.join,
            "put": self.put,
            "undo": self.undo,
            "post": self.undo,
            "slept": self.slept,
            "early": self.early,
            "entry": self.entry,
            "mode last": self.mode_last,
        }

    def __call__(self, w: World) -> Steps:
        """The possible next steps."""
        if not w.on_cpu:
            if not w.asleep:
                yield from self.scheduled_in(w)
        elif w.load:
            yield from self.loading(w)
        else:
            if w.preemptions and place(w.pc) in PREEMPTIBLE:
                after = w._replace(preemptions=w.preemptions - 1, on_cpu=False, d=pi_set_sn(w.d))
                yield "is preempted: sets SN", after
            at, _, part = w.pc.partition(": ")
            yield from self.sync(w, at, part) if part else self.places[at](w)

    def guest(self, w: World) -> Steps:
        """Non-root mode: a requested interrupt is delivered; the guest may exit or halt."""
        if w.irr:
            bit = 1 << w.irr.bit_length() - 1
            after = w._replace(irr=w.irr & ~bit, owed=w.owed & ~bit)
            yield f"the guest takes vector {w.irr.bit_length() - 1}", after
        if w.exits:
            yield "exits", w._replace(pc="exited", exits=w.exits - 1)
        if w.halts and not w.irr:
            yield "exits for HLT", w._replace(pc="exited", halts=w.halts - 1, halted=True)

    def exited(self, w: World) -> Steps:
        """Behind the exit, interrupts still off and vcpu->mode still IN_GUEST_MODE."""
        yield "OUTSIDE_GUEST_MODE, interrupts on", w._replace(pc="root", in_guest_mode=False)

    def root(self, w: World) -> Steps:
        """KVM's loop: block if the guest halted, else enter it."""
        if w.halted and self.pre_block and w.listed < 0:
            yield "goes to block, interrupts off", w._replace(pc="join")
        elif w.halted and "checks before it waits" in self.wrong:
            yield from self.sync(w, "check", "sync")
        elif w.halted:
            yield from self.wait(w)
        elif self.pre_block and w.listed >= 0:
            yield "turns interrupts off", w._replace(pc="post")
        elif "harvests with interrupts on" in self.wrong:
            yield from self.sync(w, "early", "sync")
        elif "sets the mode last" in self.wrong:
            yield "interrupts off", w._replace(pc="entry: sync")
        else:
            yield "interrupts off, IN_GUEST_MODE", w._replace(pc="entry: sync", in_guest_mode=True)

    def wait(self, w: World) -> Steps:
        """The task state, before the check (`set_current_state`)."""
        waits = w._replace(waiting=True, pc="check: sync")
        late = "checks before it waits" in self.wrong
        yield "sets TASK_INTERRUPTIBLE", self.schedule(waits) if late else waits

    def sync(self, w: World, at: str, part: str) -> Steps:
        """`vmx_sync_pir_to_irr` for the check before it sleeps, or for the entry."""
        after = {"check": "checked", "entry": "entry", "early": "early"}[at]
        swapped = "takes PIR before it clears ON" in self.wrong
        if part == "sync":
            if not w.d.on:
                yield "sees ON = 0", w._replace(pc=after)
            elif swapped:
                yield from self.take(w, f"{at}: clear")
            else:
                yield "clears ON", w._replace(pc=f"{at}: take", d=pi_clear_on(w.d))
        elif part == "clear":
            yield "clears ON", w._replace(pc=after, d=pi_clear_on(w.d))
        elif part == "zero":
            yield "writes PIR = 0", w._replace(pc=after, d=w.d._replace(pir=0))
        elif "reads PIR, then zeroes it" in self.wrong:
            after = w._replace(pc=f"{at}: zero", irr=w.irr | w.d.pir)
            yield "reads PIR", after
        else:
            yield from self.take(w, after)

    def take(self, w: World, following: str) -> Steps:
        """PIR into IRR, in one exchange."""
        d, pir = take_pir(w.d)
        told = f"takes PIR: {', '.join(str(v) for v in (0, 1) if pir >> v & 1) or 'empty'}"
        yield told, w._replace(pc=following, d=d, irr=w.irr | pir)

    def checked(self, w: World) -> Steps:
        """Behind the check: run on if there is an interrupt, else sleep unless woken meanwhile."""
        if w.irr:
            yield "has an interrupt, runs on", w._replace(pc="root", waiting=False, halted=False)
        elif "checks before it waits" in self.wrong and not w.waiting:
            yield from self.wait(w)
        else:
            after = self.schedule(w)
            yield ("is awake, looks again" if after.pc == "root" else "schedules away"), after

    def schedule(self, w: World) -> World:
        """`schedule`: a task that was woken runs on, one that waits leaves the run queue."""
        if not w.waiting:
            return w._replace(pc="root")
        if self.pre_block:
            return w._replace(pc="slept", asleep=True, on_cpu=False)
        return w._replace(pc="join", asleep=True)

    def join(self, w: World) -> Steps:
        """The wake-up list of this CPU."""
        if "sleeps as if preempted" in self.wrong:
            yield "is put: sets SN", w._replace(pc="slept", on_cpu=False, d=pi_set_sn(w.d))
        else:
            yield f"joins the wake-up list of pCPU {w.cpu}", w._replace(pc="put", listed=w.cpu)

    def put(self, w: World) -> Steps:
        """`pi_enable_wakeup_handler`: NV in one exchange, which also reads ON."""
        d = w.d._replace(nv=WAKEUP)
        careless = "ignores ON when it blocks" in self.wrong
        if self.pre_block:
            d = d._replace(ndst=w.cpu)
            told, following = ("sees ON", "undo") if d.on and not careless else ("may block", "wait")
            yield f"NV = wake-up, {told}", w._replace(d=d, pc=following)
            return
        after = w._replace(d=d, pc="slept", on_cpu=False)
        if d.on and not careless:
            after = after._replace(pending=arrived(w.pending, WAKEUP, w.cpu))
            yield "NV = wake-up, sees ON: sends itself the wake-up vector", after
        else:
            yield "NV = wake-up, is off its CPU", after

    def undo(self, w: World) -> Steps:
        """`__pi_post_block`, interrupts off: NV and NDST back, off the list."""
        after = w._replace(d=w.d._replace(nv=ACTIVE, ndst=w.cpu), listed=-1, pc="root")
        yield "NV = active, off the list, interrupts on", after

    def slept(self, w: World) -> Steps:
        """Back in the block loop after the sleep."""
        yield "is back in the block loop", w._replace(pc="wait" if self.pre_block else "root", waiting=False)

    def entry(self, w: World) -> Steps:
        """The last step into the guest."""
        if "sets the mode last" in self.wrong:
            yield "IN_GUEST_MODE", w._replace(pc="mode last", in_guest_mode=True)
        else:
            yield "enters the guest", w._replace(pc="guest")

    def mode_last(self, w: World) -> Steps:
        """As `entry`."""
        yield "enters the guest", w._replace(pc="guest")

    def early(self, w: World) -> Steps:
        """Interrupts off only now, and no further look."""
        yield "interrupts off, IN_GUEST_MODE", w._replace(pc="entry", in_guest_mode=True)

    def scheduled_in(self, w: World) -> Steps:
        """The scheduler picks a CPU."""
        for cpu in CPUS:
            first = "list" if w.listed >= 0 and not self.pre_block else "control"
            load = f"{first} moved" if cpu != w.cpu else first
            yield f"is scheduled in on pCPU {cpu}", w._replace(on_cpu=True, cpu=cpu, load=load)

    def loading(self, w: World) -> Steps:
        """`vmx_vcpu_pi_load`, part by part."""
        part, _, moved = w.load.partition(" ")
        if part == "list":
            yield "leaves the wake-up list", w._replace(listed=-1, load=f"control {moved}".strip())
        elif part == "control" and "reads PIR before it clears SN" in self.wrong:
            read = w.d.pir != 0 and (bool(w.d.sn) or bool(moved))
            yield (
                f"reads PIR: {'requests' if read else 'empty'}",
                w._replace(load=f"late{read:d} {moved}".strip()),
            )
        elif part == "control":
            yield self.controlled(w, bool(moved), "on")
        elif part.startswith("late"):
            yield self.controlled(w, bool(moved), "set" if part == "late1" else "")
        elif part == "on":
            read = w.d.pir != 0
            yield f"reads PIR: {'requests' if read else 'empty'}", w._replace(load="set" if read else "")
        else:
            yield "sets ON", w._replace(d=w.d._replace(on=True), load="")

    def controlled(self, w: World, moved: bool, following: str) -> tuple[str, World]:
        """`pi_load_control`; the second half is left out where nothing had to change."""
        if self.pre_block and w.d.nv == WAKEUP:
            d, waited = w.d._replace(sn=False), False
        else:
            d, waited = pi_load_control(w.d, ndst=w.cpu, moved=moved)
        changed = waited or moved or w.d.sn
        if "keeps SN when loaded" in self.wrong:
            d = d._replace(sn=w.d.sn)
        if "keeps NDST when it moves" in self.wrong:
            d = d._replace(ndst=w.d.ndst)
        if "keeps NV when loaded" in self.wrong:
            d = d._replace(nv=w.d.nv)
        skip = not changed or "does not set ON when loaded" in self.wrong
        told = f"NV = {NAMES[d.nv]}, NDST = {d.ndst}, SN = {d.sn:d}"
        return told, w._replace(d=d, load="" if skip else following)
