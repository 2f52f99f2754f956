"""KVM's rule for the LAPIC timer as it stood at four times, and its two known defects one by one, by name.

- "2016" (ce7a058a2117, 64672c95ea4c, June 2016): the hardware timer serves the TSC-deadline mode only, without the
  advance; a deadline already past is armed all the same, as 0, and costs a VM exit at once. Without a deadline the
  timer is switched off, not left to run from its largest value.
- "2022" (98c25ead5eda, Linux 5.17): all three modes, with the advance; a past deadline is injected without that exit.
  With both defects.
- "2025" (18ab3fc8e880, November 2025; CVE-2025-71104): the first defect mended.
- "sound": both mended.

"negative delta" (d8f2f498d9ed to 18ab3fc8e880): a periodic timer that expires is advanced by one period. The hardware
timer stands still while the vCPU does not run, so after a long pause the result is still in the past. Its negative
distance from now, taken as an unsigned number of ns, becomes a TSC deadline in the far future; it does not fit the
hardware timer, and KVM falls back on the hrtimer, which fires for each missed period in one go, interrupts off.

"stuck on hrtimer" (since 98c25ead5eda): after a block KVM returns to the hardware timer only if it was in use before
the block. A vCPU that was on the hrtimer stays there until the guest writes its timer again, and a periodic guest
does that once at boot. Before, every block ended with an attempt to use the hardware timer. Here "sound" attempts it
whenever a timer is armed.

Source: Linux arch/x86/kvm/lapic.c, x86.c (`vcpu_block`), vmx/vmx.c; the defects are described in fuqiang wang,
"KVM: x86: Fix VM hard lockup after prolonged suspend with periodic HV timer", v5, kvm@vger, 7 November 2025.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Rule:
    """What differs between the forms of KVM's rule."""

    deadline_only: bool = False  # the hardware timer serves the TSC-deadline mode only
    advances_hardware: bool = True  # the hardware timer is set early by the advance, too
    expires_at_arming: bool = True  # a deadline that is past is injected at once, not armed as 0
    soft_disables: bool = True  # an unused timer stays active, with the largest value (804939ea200d, 2019)
    clamps_periods: bool = True  # an advanced periodic expiration in the past becomes now
    returns_to_hardware: bool = (
        True  # after a block the hardware timer is tried even if the hrtimer was armed before
    )


SOUND = Rule()
RULES = {
    "sound": SOUND,
    "negative delta": replace(SOUND, clamps_periods=False),
    "stuck on hrtimer": replace(SOUND, returns_to_hardware=False),
    "2016": Rule(deadline_only=True, advances_hardware=False, expires_at_arming=False, soft_disables=False),
    "2022": replace(SOUND, clamps_periods=False, returns_to_hardware=False),
    "2025": replace(SOUND, returns_to_hardware=False),
}


def rule_named(name: str) -> Rule:
    """A rule by its name; a ValueError names those that there are."""
    if name not in RULES:
        raise ValueError(f"rule {name!r}: one of {', '.join(map(repr, RULES))}")
    return RULES[name]
