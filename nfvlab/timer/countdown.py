"""The VMX-preemption timer as the processor counts it, on an integer TSC.

While the timer is active in VMX non-root operation it counts down by 1 each time bit X of the TSC changes because the
TSC was incremented; X is IA32_VMX_MISC[4:0]. Bit X is the lowest bit of TSC >> X, so it changes exactly when TSC >> X
grows by 1: once every 2**X ticks, at multiples of 2**X. The phase of the TSC at VM entry therefore counts: the first
decrement comes after 1 to 2**X ticks, and a timer loaded with v > 0 expires at ((TSC >> X) + v) << X, between
(v - 1) * 2**X + 1 and v * 2**X ticks after the entry. It is the host's TSC: the guest's offset and scale do not enter.

Rules (Intel SDM vol. 3C; the sections are numbered 26.5.1, 27.7.4 … in later editions):
- 25.5.1: 32 bits, unsigned. At zero it stops, and a VM exit occurs. It operates in C0, C1 and C2, and brings the
  processor from C1 or C2 to C0; in deeper C-states it is neither decremented nor causes VM exits. It counts across
  SMIs and SMM, but its VM exit waits for RSM.
- 26.6.4: VM entry loads it from the VMCS field. If the field is 0, the VM exit comes before any instruction, but after
  event injection and after pending debug exceptions.
- 25.2: the VM exit has its place in a list of priorities, and wakes the processor from HLT, shutdown and MWAIT, as an
  NMI would; not from wait-for-SIPI.
- 27.3.4: "save VMX-preemption timer value" writes the counted-down value to the field, 0 upon expiry. Without it the
  field keeps what it was, and the next entry starts from there. 26.2.1.2: it needs "activate VMX-preemption timer".
"""

from typing import NamedTuple

MAX_VALUE = (1 << 32) - 1
MAX_SHIFT = 31
DEEPEST_C_STATE = 2  # the deepest C-state in which the timer operates
WAKES = ("active", "hlt", "shutdown", "mwait")  # activity in which its VM exit can occur
BLOCKED = ("wait-for-SIPI",)
PRIORITY = (  # SDM 26.6.3 to 26.6.8, 25.2: the highest first
    "TPR below threshold",
    "SMI",
    "INIT",
    "monitor trap flag",
    "debug trap",
    "VMX-preemption timer",
    "NMI window",
    "NMI",
    "interrupt window",
    "external interrupt",
)


def first_event(*events: str) -> str:
    """Which of several simultaneous events comes first; a ValueError names one that the list does not have."""
    for event in events:
        if event not in PRIORITY:
            raise ValueError(f"event {event!r}: known are {', '.join(PRIORITY)}")
    if not events:
        raise ValueError("no event: give one or more of " + ", ".join(PRIORITY))
    return min(events, key=PRIORITY.index)


def changes(tsc_from: int, tsc_to: int, shift: int) -> int:
    """How often bit `shift` changes while the TSC counts from one value up to another."""
    return (tsc_to >> shift) - (tsc_from >> shift)


def value_at(tsc_at_entry: int, value: int, shift: int, tsc: int) -> int:
    """What the timer holds at a TSC, having been loaded with `value` at the entry and counted ever since."""
    _check(tsc_at_entry, value, shift)
    if tsc < tsc_at_entry:
        raise ValueError(f"TSC {tsc} is before the VM entry at {tsc_at_entry}")
    return max(value - changes(tsc_at_entry, tsc, shift), 0)


def fires_at(tsc_at_entry: int, value: int, shift: int) -> int:
    """The TSC at which the timer expires; the entry's own for value 0, whose VM exit precedes any instruction."""
    _check(tsc_at_entry, value, shift)
    return ((tsc_at_entry >> shift) + value) << shift if value else tsc_at_entry


def _check(tsc: int, value: int, shift: int) -> None:
    if not 0 <= shift <= MAX_SHIFT:
        raise ValueError(f"shift = {shift}: X of IA32_VMX_MISC[4:0] is 0 to {MAX_SHIFT}")
    if not 0 <= value <= MAX_VALUE:
        raise ValueError(f"value = {value}: the VMCS field has 32 bits, 0 to {MAX_VALUE}")
    if tsc < 0:
        raise ValueError(f"TSC = {tsc}: must not be negative")


class Count(NamedTuple):
    """What one step of a `Countdown` did: the TSC, timer and field after it, what happened in order, and why it ended.

    `value` is None outside VMX non-root operation; `left_ticks` are ticks asked for after a VM exit.
    """

    tsc: int
    value: int | None
    field: int
    steps: tuple[str, ...]
    exited: bool = False
    left_ticks: int = 0


class Countdown:
    """A logical processor with a VMX-preemption timer, to step through: `enter`, `tick`, `exit`."""

    def __init__(
        self, shift: int, *, field: int = 0, tsc: int = 0, activate: bool = True, save_value: bool = False
    ) -> None:
        _check(tsc, field, shift)
        if save_value and not activate:
            raise ValueError(
                "save_value: VM entry fails with the timer's value to be saved, but not activated; set activate"
            )
        self.shift, self.field, self.tsc = shift, field, tsc
        self.activate, self.save_value = activate, save_value
        self.value: int | None = None
        self.activity, self.c_state, self.in_smm = "active", 0, False

    def __repr__(self) -> str:
        state = "not counting" if self.value is None else f"timer {self.value}"
        return f"<TSC {self.bits}, {state}, field {self.field}>"

    @property
    def bits(self) -> str:
        """The TSC in binary, bit X in brackets: one decrement whenever it changes."""
        digits = f"{self.tsc:0{max(self.tsc.bit_length(), self.shift + 4)}b}"
        at = len(digits) - 1 - self.shift
        return f"{digits[:at]}[{digits[at]}]{digits[at + 1 :]}"

    @property
    def expired(self) -> bool:
        """Whether the timer is active and stands at zero: its VM exit is due, or pending where it is blocked."""
        return self.value == 0 and self.activate

    @property
    def blocked(self) -> str:
        """Why a VM exit by the timer cannot occur now; empty if it can."""
        if self.activity in BLOCKED:
            return f"the processor is in {self.activity}"
        if self.in_smm:
            return "the processor is in SMM: the VM exit follows RSM"
        if self.c_state > DEEPEST_C_STATE:
            return f"in C{self.c_state} the timer neither counts nor causes VM exits"
        return ""

    def enter(self, *, injecting: bool = False, debug_trap: bool = False, activity: str = "active") -> Count:
        """VM entry: load the timer, deliver an injected event, then a pending debug exception, then exit at zero."""
        if self.value is not None:
            raise ValueError("enter: already in VMX non-root operation; exit first")
        if activity not in WAKES + BLOCKED:
            raise ValueError(f"activity {activity!r}: one of {', '.join(WAKES + BLOCKED)}")
        if injecting and activity in BLOCKED:
            raise ValueError(f"injecting: VM entry to {activity} fails with an event to inject")
        self.activity, self.value = activity, self.field
        steps = [f"load {self.field}" if self.activate else "the timer is not active"]
        if injecting:
            steps.append("deliver the injected event")
            self.activity = "active"
        if debug_trap:
            steps.append("deliver the pending debug exception")
            self.activity = "active"
        return self._settle(steps)

    def tick(self, ticks: int = 1) -> Count:
        """Count the TSC up by `ticks`, up to the VM exit at most if the timer causes one."""
        if ticks < 0:
            raise ValueError(f"ticks = {ticks}: the TSC counts up")
        left, counting = 0, self.value is not None and self.activate and self.c_state <= DEEPEST_C_STATE
        steps = [f"{ticks} ticks"]
        if counting:
            fire = fires_at(self.tsc, self.value, self.shift)
            if not self.blocked and self.value:
                left = max(self.tsc + ticks - fire, 0)
            seen = changes(self.tsc, self.tsc + ticks - left, self.shift)
            steps = [f"{ticks - left} ticks, bit {self.shift} changed {seen} times"]
            self.value = max(self.value - seen, 0)
        self.tsc += ticks - left
        return self._settle(steps, left)

    def write_tsc(self, tsc: int) -> Count:
        """Software writes the TSC: bits change, but not by an increment, so that nothing is counted."""
        _check(tsc, 0, self.shift)
        self.tsc = tsc
        return self._settle(["the TSC was written: no decrement"])

    def sleep(self, activity: str, c_state: int = 1) -> Count:
        """The guest becomes inactive, at a C-state of the processor."""
        if activity not in WAKES + BLOCKED:
            raise ValueError(f"activity {activity!r}: one of {', '.join(WAKES + BLOCKED)}")
        if c_state < 0:
            raise ValueError(f"c_state = {c_state}: 0 is the shallowest")
        self.activity, self.c_state = activity, c_state
        return self._settle([f"{activity}, C{c_state}"])

    def wake(self) -> Count:
        """Another event brings the processor back to C0 and the active state."""
        self.activity, self.c_state = "active", 0
        return self._settle(["active, C0"])

    def smi(self) -> Count:
        """A system-management interrupt, in its default treatment: the timer counts on, its VM exit waits."""
        self.in_smm = True
        return self._settle(["SMI"])

    def rsm(self) -> Count:
        """Return from system-management mode."""
        self.in_smm = False
        return self._settle(["RSM"])

    def exit(self, reason: str = "another VM exit") -> Count:
        """A VM exit of another cause; the field takes the value only if it is to be saved."""
        if self.value is None:
            raise ValueError("exit: not in VMX non-root operation; enter first")
        return self._leave([f"VM exit: {reason}"])

    def _settle(self, steps: list[str], left: int = 0) -> Count:
        if not self.expired:
            return Count(self.tsc, self.value, self.field, tuple(steps), left_ticks=left)
        if self.blocked:
            return Count(self.tsc, 0, self.field, (*steps, f"at zero, but {self.blocked}"), left_ticks=left)
        return self._leave([*steps, "VM exit: VMX-preemption timer expired"], left)

    def _leave(self, steps: list[str], left: int = 0) -> Count:
        if self.save_value:
            self.field = self.value
            steps = [*steps, f"save {self.value}"]
        self.value, self.activity, self.c_state = None, "active", 0
        return Count(self.tsc, None, self.field, tuple(steps), True, left)
