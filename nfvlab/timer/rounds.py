"""The ways a round of the timer can go, told as counts of stages: what it costs, how often it exits and switches.

Where in the round the timer's point T falls (the deadline less the advance) decides the way: before KVM has armed it,
before the guest runs again, while the guest runs, while it is halted. Sources: Linux arch/x86/kvm/lapic.c
(start_hv_timer, start_sw_tscdeadline, __kvm_wait_lapic_expire), arch/x86/kvm/x86.c (vcpu_block: a halted vCPU is given
an hrtimer before the host polls), arch/x86/kvm/vmx/vmx.c (vmx_set_hv_timer).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from nfvlab.timer.params import Params

HRTIMER, HARDWARE = 0, 1
FIELD_BITS = 32  # of the VMX-preemption timer value
Stages = Counter  # how often each stage of Params runs, by its name without "_cycles"


@dataclass(frozen=True)
class Way:
    """One way a round can go.

    T falls before the round's stages `until` (and `pause_ns` of polling) have ended; None: later. The host's last look
    before the entry comes `to_look` after the round's begin, or after T; the handler's first instruction `to_handler`
    after the look. `host` is all that the host does in the round. `met`: noise may be on when T comes, in "guest" or
    "host".
    """

    name: str
    until: Stages | None
    from_start: bool
    to_look: Stages
    to_handler: Stages
    host: Stages
    exits: int
    switches: int = 0
    hardware: bool = False
    pause_ns: float = 0.0
    met: str = ""

    @property
    def early(self) -> bool:
        """Whether the preemption timer's coarse steps let it come before T."""
        return self.hardware and not self.from_start


def cost_cycles(p: Params, stages: Mapping[str, float]) -> float:
    """Mean cycles of so many stages."""
    return sum(count * getattr(p, f"{name}_cycles") for name, count in stages.items())


def looks(p: Params) -> bool:
    """Whether the host looks at the clock before an entry that injects: an advance is set."""
    return p.advance == "adaptive" or (p.advance == "fixed" and p.advance_ns > 0)


def fits(p: Params) -> bool:
    """Whether the preemption timer can hold the interval: delta >> X must fit 32 bits (vmx_set_hv_timer)."""
    left_ns = p.interval_ns - (p.advance_ns if p.advance == "fixed" else 0.0)
    ticks = left_ns / p.cycle_ns - cost_cycles(p, Counter(["exit", "msr", "hv_arm"]))
    return ticks < 2.0 ** (p.timer_shift + FIELD_BITS)


def refused(p: Params) -> bool:
    """Whether KVM leaves the preemption timer alone: it would run out of its 32 bits in less than 10 s.

    Linux arch/x86/kvm/vmx/vmx.c, hardware_setup: with the timer "off", KVM loads the largest value.
    """
    return int(p.tsc_hz) >> p.timer_shift > (2**FIELD_BITS - 1) // 10


def armed(p: Params, timer: int) -> bool:
    """Whether it is the preemption timer that KVM arms."""
    return timer == HARDWARE and not refused(p) and fits(p)


def until_armed(p: Params, timer: int) -> Stages:
    """From the guest's WRMSR until KVM has armed its timer."""
    return Counter(exit=1, msr=1) + Counter(["hv_arm" if armed(p, timer) else "hrtimer_arm"])


def _write_loop(p: Params, timer: int, *, past: bool) -> Stages:
    """The loop around the deadline's WRMSR, unless on the fast path: wherever KVM may use the preemption timer.

    An interrupt that is due already makes a request without APICv, which ends the fast path (kvm_vcpu_exit_request).
    """
    fast = p.fastpath and timer == HARDWARE and not refused(p) and (p.apicv or not past)
    return Counter() if fast else Counter(loop=1)


def _expiry_loop(p: Params) -> Stages:
    """The loop around the preemption timer's exit, unless on the fast path, which without APICv a request ends."""
    return Counter() if p.fastpath and p.apicv else Counter(loop=1)


def _injection(p: Params) -> Stages:
    """What stands before an entry that injects."""
    return Counter(["sync" if p.apicv else "inject"]) + Counter(wait=int(looks(p)))


def end_of_interrupt(p: Params) -> tuple[Stages, int]:
    """What the end of interrupt costs the host, and its exits."""
    return (Counter(), 0) if p.apicv else (Counter(exit=1, eoi=1, loop=1, entry=1), 1)


def _woken(p: Params) -> tuple[Stages, int]:
    """The host's timer interrupt until the vCPU's interrupt is pending, and its context switches; the vCPU runs."""
    switches = 2 if p.softirq else 0
    return Counter(hrtimer_irq=1, switch=switches), switches


def ways(p: Params, timer: int) -> tuple[Way, ...]:
    """All ways of a round, in the order of T."""
    end, more = end_of_interrupt(p)
    set_up, seen = until_armed(p, timer), _injection(p)
    loop = _write_loop(p, timer, past=False)
    back = set_up + loop + Counter(entry=1)
    irq, switches = _woken(p)
    entered = Counter(entry=1, deliver=1)
    hardware = armed(p, timer)

    def way(name, until, path, before=None, *, exits, **more_of_it) -> Way:
        """`before`: the round so far where T falls into it; else the path is counted from T."""
        so_far = back if before is None else before
        host = so_far + path + Counter(entry=1) + end
        look = path if before is None else before + path
        return Way(name, until, before is not None, look, entered, host, exits=exits + more, **more_of_it)

    written = Counter(exit=1, msr=1)  # KVM reads the clock then; an hrtimer that would be past is not started
    so_far = set_up if hardware else written
    past = way("past", written, _write_loop(p, timer, past=True) + seen, so_far, exits=1)
    if hardware:
        expiry = Counter(exit=1, hv_expire=1) + _expiry_loop(p) + seen
        entering = [way("entering", back, expiry, back, exits=2, hardware=True)]
    else:
        within = set_up + loop
        entering = [
            way("arming", within, irq + seen, within, exits=1, switches=switches),
            way(
                "entering",
                back,
                Counter(exit=1) + irq + Counter(loop=1) + seen,
                back,
                exits=2,
                switches=switches,
            ),
        ]
    if p.halting:
        return (past, *entering, *_halted(p, hardware, back, seen, way))
    if hardware:
        last = way("running", None, expiry, exits=2, hardware=True, met="guest")
    else:
        path = Counter(exit=1) + irq + Counter(loop=1) + seen
        last = way("running", None, path, exits=2, switches=switches, met="guest")
    return (past, *entering, last)


def _halted(p: Params, hardware: bool, back: Stages, seen: Stages, way) -> list[Way]:
    """The ways of a guest that halts as soon as it runs again; it has an hrtimer in any case."""
    irq, switches = _woken(p)
    halted = Counter(exit=1, halt=1)
    halt = halted + Counter(hrtimer_arm=int(hardware))
    asleep, resumed = back + halt, Counter(loop=1) + seen
    wake = Counter(hrtimer_irq=1, wake=1, switch=2 if p.softirq else 1)
    slept = 2 + p.softirq  # to idle; to the softirq's thread; to the vCPU's
    woken = {"exits": 2, "switches": switches}
    if hardware:  # the clock is read before the hrtimer is started
        found = [
            way("halting", back + halted, resumed, back + halted, exits=2),
            way("switching", asleep, irq + resumed, asleep, **woken),
        ]
    else:
        found = [way("halting", asleep, irq + resumed, asleep, **woken)]
    if p.halt_poll_ns > 0:
        polled = way(
            "polling", asleep, irq + resumed, exits=2, switches=switches, pause_ns=p.halt_poll_ns, met="host"
        )
        found.append(_with(polled, halt))
    dozing = asleep + Counter(switch=1)
    pause = {"pause_ns": p.halt_poll_ns}
    found.append(way("dozing", dozing, wake + resumed, dozing, exits=2, switches=slept, **pause))
    sleeping = way(
        "sleeping", None, Counter(idle_exit=1) + wake + resumed, exits=2, switches=slept, met="host"
    )
    found.append(_with(sleeping, halt + Counter(switch=1)))
    return found


def _with(way: Way, stages: Stages) -> Way:
    """The way, with stages that the host goes through between the guest's arming and T."""
    return Way(**(vars(way) | {"host": way.host + stages}))


__all__ = [
    "FIELD_BITS",
    "HARDWARE",
    "HRTIMER",
    "Stages",
    "Way",
    "armed",
    "cost_cycles",
    "end_of_interrupt",
    "fits",
    "looks",
    "refused",
    "until_armed",
    "ways",
]
