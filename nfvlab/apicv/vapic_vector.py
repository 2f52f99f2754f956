"""State vectors: a virtual APIC, its tables and a list of operations as plain values, and what each operation did."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nfvlab.apicv.vapic import VirtualApic
from nfvlab.apicv.vapic_descriptor import MemoryDescriptor
from nfvlab.apicv.vapic_numbers import flag, known, number
from nfvlab.apicv.vapic_outcome import Outcome
from nfvlab.apicv.vapic_page import Access

OPERATIONS = (
    "vm_entry",
    "boundary",
    "external_interrupt",
    "mov_to_cr8",
    "mov_from_cr8",
    "rdmsr",
    "wrmsr",
    "page_read",
    "page_write",
    "page_fetch",
    "page_operation",
    "sti",
    "cli",
    "mov_ss",
    "iret",
    "hlt",
    "other_instruction",
)
_BITS = {"injection": 32, "vector": 8, "value": 64, "gpr": 4, "msr": 32, "offset": 12, "size_bytes": 8}
_FLAGS = ("event_delivery", "guest_physical", "if_flag")
_KEYS = ("controls", "state", "descriptor", "pid_pointers", "memory", "operations")


@dataclass(frozen=True)
class Replay:
    """What the operations of a vector did, one outcome each, and the machine and descriptor after the last."""

    apic: VirtualApic
    descriptor: MemoryDescriptor
    outcomes: tuple[Outcome, ...]


def replay(given: Mapping[str, Any]) -> Replay:
    """Run a vector: {"controls": {...}, "state": {...}, "descriptor": {...}, "operations": [{"op": name, ...}]}.

    `pid_pointers` is a list of 64-bit entries, `memory` a mapping of addresses to descriptors. An operation's other
    keys are the arguments of `VirtualApic`'s method of that name; `page_operation` has a list of `accesses`. ValueError
    for an unknown name or a value that does not fit.
    """
    known("vector", given, _KEYS)
    memory = {
        number("address", at, 64): MemoryDescriptor.from_dict(d) for at, d in given.get("memory", {}).items()
    }
    pointers = [number("PID-pointer", entry, 64) for entry in given.get("pid_pointers", ())]
    machine = {key: given[key] for key in ("controls", "state") if key in given}
    apic = VirtualApic.from_dict(machine, pid_pointers=pointers, memory=memory)
    descriptor = MemoryDescriptor.from_dict(given.get("descriptor", {}))
    outcomes = tuple(_run(apic, descriptor, operation) for operation in given.get("operations", ()))
    return Replay(apic, descriptor, outcomes)


def _run(apic: VirtualApic, descriptor: MemoryDescriptor, operation: Mapping[str, Any]) -> Outcome:
    known("operation", operation, ("op", "accesses", *_BITS, *_FLAGS))
    name = operation.get("op")
    if name not in OPERATIONS:
        raise ValueError(f"op = {name!r}: no such operation. Give one of {', '.join(OPERATIONS)}")
    arguments = {
        key: _argument(key, value) for key, value in operation.items() if key not in ("op", "accesses")
    }
    if name == "external_interrupt":
        arguments["descriptor"] = descriptor
    accesses = [
        Access(**{key: _argument(key, value) for key, value in access.items()})
        for access in operation.get("accesses", ())
    ]
    try:
        return getattr(apic, name)(*accesses, **arguments)
    except TypeError:
        raise ValueError(f"{dict(operation)}: {name} does not take these. See VirtualApic.{name}") from None


def _argument(key: str, value: Any) -> Any:
    return number(key, value, _BITS[key]) if key in _BITS else flag(key, value)
