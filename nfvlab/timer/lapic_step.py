"""What one operation of the LAPIC timer did: a small record."""

from typing import NamedTuple

HARDWARE, HRTIMER, OFF = "VMX-preemption timer", "hrtimer", "none"
MODES = ("oneshot", "periodic", "tscdeadline")


class Step(NamedTuple):
    """The timer after an operation, in host TSC, and what the operation caused.

    `in_use` is the timer that is armed and `deadline_tsc` its deadline, advance deducted; `field` what the VMCS holds
    for this stay in the guest and `fires_at` when that runs out, both None outside; `injected` counts timer interrupts
    handed to the guest's APIC, of which an entry `delivers` one, several being one bit of IRR; `wait_cycles` is what
    KVM spun before the entry; `why` gives the reasons in order.
    """

    op: str
    tsc: int
    in_use: str
    deadline_tsc: int | None
    field: int | None
    fires_at: int | None
    soft_disabled: bool
    injected: int
    delivers: bool
    wait_cycles: int
    exits: tuple[str, ...]
    why: tuple[str, ...]


def known_mode(mode: str) -> str:
    """A mode of the LVT timer entry, or a ValueError."""
    if mode not in MODES:
        raise ValueError(f"mode {mode!r}: one of {', '.join(MODES)}")
    return mode
