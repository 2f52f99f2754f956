"""The virtual APIC step by step: operations on a state, as a `Stepper` shows them."""

from collections.abc import Iterable

from nfvlab.apicv.registers import vectors
from nfvlab.apicv.vapic import MemoryDescriptor, Outcome, VirtualApic
from nfvlab.apicv.vapic_outcome import Kind
from nfvlab.stepper import Step, Stepper

_YES = {True: "1", False: "0"}


def walk(title: str, vapic: VirtualApic, operations: Iterable[tuple[str, tuple]]) -> Stepper:
    """Run operations, ("wrmsr", (0x80B, 0)) for example, and keep what each one did.

    ValueError for a name that is no operation of the virtual APIC.
    """
    steps = [Step("the state to begin with", "", "", registers(vapic))]
    for name, arguments in operations:
        operation = getattr(vapic, name, None)
        if name.startswith("_") or not callable(operation):
            raise ValueError(
                f"{name!r} is no operation of the virtual APIC: see nfvlab.apicv.vapic.VirtualApic"
            )
        called = _called(name, arguments)
        outcome = operation(*arguments)
        steps.append(Step(called, _in_words(outcome), outcome.why, registers(vapic)))
    return Stepper(title, steps)


def registers(vapic: VirtualApic) -> dict[str, str]:
    """What a reader wants beside an operation, in words."""
    state = vapic.state
    return {
        "VTPR": f"{state.vtpr:02X}H",
        "VPPR": f"{state.vppr:02X}H",
        "RVI": f"{state.rvi:02X}H",
        "SVI": f"{state.svi:02X}H",
        "VIRR": _listed(state.virr),
        "VISR": _listed(state.visr),
        "recognized": _YES[state.recognized],
        "RFLAGS.IF": _YES[state.if_flag],
        "blocking": " ".join(
            name for name, on in (("STI", state.sti_blocking), ("MOV SS", state.mov_ss_blocking)) if on
        )
        or "none",
        "activity": state.activity,
        "mode": "non-root" if state.non_root else "root",
    }


def _listed(bits: int) -> str:
    return " ".join(f"{vector:02X}H" for vector in reversed(vectors(bits))) or "empty"


def _called(name: str, arguments: tuple) -> str:
    words = name.upper().replace("_", " ") if name in ("sti", "cli", "hlt", "iret", "mov_ss") else name
    shown = ", ".join(map(_argument, arguments))
    return f"{words.replace('_', ' ')} {shown}".strip()


def _argument(value: object) -> str:
    if isinstance(value, bool):
        return f"with IF = {_YES[value]}"
    if isinstance(value, MemoryDescriptor):
        return f"PIR {_listed(value.pir)}, ON {_YES[value.on]}, SN {_YES[value.sn]}"
    return f"{value:02X}H" if isinstance(value, int) else str(value)


def _in_words(outcome: Outcome) -> str:
    if outcome.kind is Kind.VM_EXIT:
        return f"VM exit: {outcome.exit_name}, reason {outcome.exit_reason}, qualification {outcome.qualification:X}H"
    if outcome.kind is Kind.DELIVERED:
        return f"vector {outcome.vector:02X}H is delivered"
    return str(outcome.kind).replace("_", " ")


__all__ = ["registers", "walk"]
