"""The countdown of the VMX-preemption timer step by step: operations on a processor, as a `Stepper` shows them."""

from collections.abc import Iterable

from nfvlab.stepper import Step, Stepper
from nfvlab.timer.countdown import Count, Countdown

Operation = tuple[str, tuple, dict]

OPERATIONS = {
    "enter": "VM entry",
    "tick": "the TSC counts",
    "write_tsc": "software writes the TSC",
    "sleep": "the guest becomes inactive",
    "wake": "another event wakes it",
    "smi": "SMI",
    "rsm": "RSM",
    "exit": "another VM exit",
}

COURSES: dict[str, tuple[str, ...]] = {
    "to zero": ("enter", "tick 3", "tick 8", "tick 8", "tick 20"),
    "another exit on the way": ("enter", "tick 12", "exit", "tick 30", "enter", "tick 40"),
    "zero at the entry": ("enter", "tick 40", "enter", "enter injecting"),
    "asleep": ("enter", "sleep hlt C1", "tick 40"),
    "asleep too deeply": ("enter", "tick 5", "sleep mwait C6", "tick 400", "wake", "tick 40"),
    "in SMM": ("enter", "smi", "tick 400", "rsm"),
}


def course(
    name: str,
    *,
    shift: int = 3,
    field: int = 3,
    tsc: int = 5,
    save_value: bool = False,
    activate: bool = True,
) -> Stepper:
    """A course of COURSES: bit `shift` of the TSC is counted, from `field`; ValueError if there is no such course.

    save_value : "save VMX-preemption timer value" is set, so that the field is counted down too.
    """
    if name not in COURSES:
        raise ValueError(f"course {name!r}: give one of {', '.join(COURSES)}")
    made = Countdown(shift, field=field, tsc=tsc, activate=activate, save_value=save_value)
    saved = "saved at the exit" if save_value else "not saved"
    return walk(f"The countdown: {name}, value {saved}", made, COURSES[name])


def walk(title: str, countdown: Countdown, operations: Iterable[str]) -> Stepper:
    """Run operations, "enter injecting", "tick 40" or "sleep mwait C6", and keep what each one did.

    An operation that the state does not allow, an exit from outside the guest for example, is told as refused.
    ValueError for a word that is no operation of `countdown.Countdown`.
    """
    steps = [Step("the state to begin with", "", "", registers(countdown))]
    for operation in operations:
        name, arguments, options = _parsed(operation)
        before = countdown.field
        try:
            outcome = getattr(countdown, name)(*arguments, **options)
            told = _in_words(outcome), _why(outcome, countdown, before)
        except ValueError as refusal:
            told = "refused", str(refusal)
        steps.append(Step(_called(name, operation), *told, registers(countdown)))
    return Stepper(title, steps)


def registers(countdown: Countdown) -> dict[str, str]:
    """What a reader wants beside an operation, in words."""
    inside = countdown.value is not None
    return {
        "TSC": str(countdown.tsc),
        f"TSC in binary, [bit {countdown.shift}]": countdown.bits,
        "timer": str(countdown.value) if inside and countdown.activate else "does not count",
        "VMCS field": str(countdown.field),
        "mode": "non-root" if inside else "root",
        "activity": countdown.activity,
        "C-state": f"C{countdown.c_state}",
        "SMM": "yes" if countdown.in_smm else "no",
    }


def _parsed(operation: str) -> Operation:
    name, *words = operation.split()
    if name not in OPERATIONS:
        raise ValueError(f"operation {operation!r}: give one of {', '.join(OPERATIONS)}")
    if name == "enter":
        return name, (), dict.fromkeys(words, True)
    if name == "sleep":
        activity, c_state = words
        return name, (activity, int(c_state.removeprefix("C"))), {}
    return name, tuple(map(int, words)), {}


def _called(name: str, operation: str) -> str:
    rest = operation.removeprefix(name).strip()
    return f"{OPERATIONS[name]}: {rest}" if rest else OPERATIONS[name]


def _in_words(outcome: Count) -> str:
    if not outcome.exited:
        return outcome.steps[-1]
    saved = f", {outcome.steps[-1]}" if outcome.steps[-1].startswith("save ") else ""
    return next(step for step in outcome.steps if step.startswith("VM exit")) + saved


def _why(outcome: Count, countdown: Countdown, before: int) -> str:
    said = "; ".join(outcome.steps)
    if outcome.left_ticks:
        said += f"; {outcome.left_ticks} of the ticks are left, in the host"
    if outcome.exited and not countdown.save_value:
        said += f"; the field keeps {before}, and the next entry starts from there"
    return said


__all__ = ["COURSES", "course", "registers", "walk"]
