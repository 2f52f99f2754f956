"""KVM's choice of a timer, tried in situations, and its two known defects, step by step: tables."""

from nfvlab import units
from nfvlab.glossary import Table
from nfvlab.timer.kvm import BROKEN, Host, Refused, set_hv_timer, update_hv_timer
from nfvlab.timer.kvm_defects import after_far_deadline, after_pause
from nfvlab.timer.kvm_rules import rule_named
from nfvlab.timer.lapic import LapicTimer
from nfvlab.timer.lapic_step import Step
from nfvlab.timer.scaling import GuestClock
from nfvlab.units import ms, s, us

HOST_KHZ = 2_500_000
FAR_NS = 60 * s
AT_ONCE_CYCLES = 1000  # events this close follow each other without the guest running between


def choices(host_khz: int = HOST_KHZ) -> Table:
    """Which timer KVM takes in a handful of situations, with what value of the field, and why."""
    same, plain = GuestClock(host_khz=host_khz), Host(shift=5)
    slow_guest = GuestClock(host_khz=host_khz, guest_khz=1_000_000)
    asked = (
        ("in 100 µs", 100 * us, same, plain),
        ("in 100 µs, X = 7", 100 * us, same, Host(shift=7)),
        ("past when it is written", 0.0, same, plain),
        ("in 60 s", FAR_NS, same, plain),
        ("in 60 s, X = 7", FAR_NS, same, Host(shift=7)),
        ("in 100 µs, X = 0", 100 * us, same, Host(shift=0)),
        ("in 100 µs, the guest may use MWAIT", 100 * us, same, Host(shift=5, mwait_in_guest=True)),
        (
            "in 100 µs, a housekeeping CPU posts timers, HLT does not exit",
            100 * us,
            same,
            Host(shift=5, hlt_in_guest=True, pi_inject_timer=True),
        ),
        ("in 100 µs, guest's TSC scaled to 1 GHz", 100 * us, slow_guest, plain),
        ("in 100 µs, a part whose timer counts wrong", 100 * us, same, Host(shift=5, signature=min(BROKEN))),
    )
    rows = [_choice(*row) for row in asked]
    rows += [_blocked(plain, same, woken=False), _blocked(plain, same, woken=True)]
    return Table("KVM's choice", rows)


def _choice(what: str, distance_ns: float, clock: GuestClock, host: Host) -> dict[str, str]:
    now = clock.host_tsc(10**9)
    deadline = clock.guest_tsc(now) + round(distance_ns * clock.virtual_tsc_khz / 1e6)
    armed = set_hv_timer(deadline, now, clock, host)
    if isinstance(armed, Refused):
        return _row(what, "hrtimer", "–", armed.why)
    if armed.expired:
        return _row(what, "none", "–", "the deadline is past: the interrupt is injected at once")
    field = update_hv_timer(armed.deadline, now, host)
    return _row(what, "VMX-preemption timer", str(field.value), field.why)


def _blocked(host: Host, clock: GuestClock, *, woken: bool) -> dict[str, str]:
    timer = LapicTimer(clock, host)
    timer.write_tscdeadline(1, clock.nsec_to_cycles(int(ms)))
    timer.enter(2)
    step = timer.block(3)
    what, why = (
        "in 1 ms, the guest halts",
        "the hardware timer counts in non-root mode only; the thread sleeps",
    )
    if woken:
        what, why = "the same guest, woken before", "back to the hardware timer"
        step = timer.unblock(clock.host_tsc(int(100 * us)))
        timer.enter(timer.tsc)
    return _row(what, step.in_use, "–" if timer.field is None else str(timer.field), why)


def _row(what: str, timer: str, field: str, why: str) -> dict[str, str]:
    return {"deadline": what, "timer": timer, "field": field, "why": why}


def defects(pauses_ns: tuple[float, ...], *, period_ns: float = 1 * ms, callback_ns: float = 100.0) -> Table:
    """After a pause and after a far deadline: what the two defects do, beside a sound rule.

    For each pause: how long host interrupts are off for the hrtimer's callbacks in one go.
    """
    rows = []
    for rule in ("sound", "negative delta", "stuck on hrtimer", "2022"):
        found = [
            after_pause(rule, pause_ns=int(x), period_ns=int(period_ns), callback_ns=int(callback_ns))
            for x in pauses_ns
        ]
        row = {"rule": rule if rule != "2022" else "both (Linux 5.17)"}
        for pause, one in zip(pauses_ns, found, strict=True):
            off = units.human("off_ns", one.off_ns) if one.off_ns else "not at all"
            row[f"interrupts off after {units.human('pause_ns', pause)}"] = off
        last = found[-1]
        row["later periods on the hardware timer"] = f"{last.hardware_count} of {last.periods_count}"
        row["far deadline, then a halt"] = after_far_deadline(rule)[1]
        rows.append(row)
    return Table("KVM's two defects", rows)


def pause_trace(rule: str, *, pause_ns: float = 5.5 * ms, period_ns: float = 1 * ms) -> list[Step]:
    """A busy guest with a periodic timer is stopped after two periods, and goes on: each operation of its timer."""
    clock = GuestClock(host_khz=HOST_KHZ)
    timer = LapicTimer(clock, Host(shift=5), mode="periodic", rule=rule_named(rule))
    steps = [timer.write_tmict(0, int(period_ns)), timer.enter(0)]
    for _ in range(2):
        _, at = timer.next_event()
        steps += [timer.expire(at), timer.enter(at)]
    steps.append(timer.exit(timer.tsc, "stopped"))
    timer.preempt(timer.tsc + clock.host_tsc(int(pause_ns)))
    while True:
        steps.append(timer.enter(timer.tsc))
        if timer.next_event()[1] > timer.tsc + AT_ONCE_CYCLES:
            return steps
        steps += _at_once(timer)


def _at_once(timer: LapicTimer) -> list[Step]:
    """What follows without the guest: one VM exit, or all of the hrtimer's callbacks that are due."""
    steps = []
    while timer.in_guest or timer.hrtimer_tsc() is not None:
        op, at = timer.next_event()
        if at > timer.tsc + AT_ONCE_CYCLES:
            break
        steps.append(getattr(timer, op)(at))
        if op == "expire":
            break
    return steps


_WORDS = {
    "write_tmict": "the guest sets its period",
    "enter": "VM entry",
    "expire": "VM exit by the VMX-preemption timer",
    "hrtimer": "the hrtimer's callback",
    "exit": "the guest is stopped",
}


def trace_table(rule: str) -> Table:
    """`pause_trace` in words."""
    rows = []
    for step in pause_trace(rule):
        left = None if step.deadline_tsc is None else step.deadline_tsc - step.tsc
        rows.append(
            {
                "time": _human(step.tsc),
                "operation": _WORDS[step.op],
                "timer": step.in_use,
                "next deadline": "–" if left is None else _distance(left),
                "delivers": "yes" if step.delivers else "",
                "why": "; ".join(step.why),
            }
        )
    return Table(f"A pause of a guest with a periodic timer, rule: {rule}", rows)


def _distance(cycles: int) -> str:
    if not cycles:
        return "now"
    return f"in {_human(cycles)}" if cycles > 0 else f"{_human(-cycles)} ago"


def _human(cycles: int) -> str:
    return units.human("t_ns", cycles * 1e6 / HOST_KHZ)


__all__ = ["choices", "defects", "pause_trace", "trace_table"]
