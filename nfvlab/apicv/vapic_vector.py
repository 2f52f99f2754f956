"""State vectors: a virtual APIC, its tables and a list of operations as plain values, and what each operation did."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nfvlab.apicv.vapic import VirtualApic
from nfvlab.apicv.vapic_descriptor import MemoryDescriptor
from nfvlab.apicv.vapic_numbers import flag, known, mapping, number
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
_FLAGS = ("event_delivery", "guest_physical", "if_flag", "fetch")
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
    held = mapping("memory", given.get("memory", {}))
    memory = {number("address", at, 64): MemoryDescriptor.from_dict(d) for at, d in held.items()}
    pointers = [number("PID-pointer", entry, 64) for entry in _list(given, "pid_pointers")]
    machine = {key: given[key] for key in ("controls", "state") if key in given}
    apic = VirtualApic.from_dict(machine, pid_pointers=pointers, memory=memory)
    descriptor = MemoryDescriptor.from_dict(given.get("descriptor", {}))
    outcomes = tuple(_run(apic, descriptor, operation) for operation in _list(given, "operations"))
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
    accesses = [_access(access) for access in _list(operation, "accesses")]
    method = getattr(apic, name)
    try:
        call = inspect.signature(method).bind(*accesses, **arguments)
    except TypeError as error:
        raise ValueError(f"{dict(operation)}: {error}. See VirtualApic.{name}") from None
    return method(*call.args, **call.kwargs)


def _argument(key: str, value: Any) -> Any:
    return number(key, value, _BITS[key]) if key in _BITS else flag(key, value)


def _access(given: Mapping[str, Any]) -> Access:
    known("access", given, Access._fields)
    if "offset" not in given:
        raise ValueError(f"access {dict(given)}: has no offset. Give one from 0 to FFFH")
    return Access(**{key: _argument(key, value) for key, value in given.items()})


def _list(given: Mapping[str, Any], name: str) -> list[Any]:
    found = given.get(name, [])
    if not isinstance(found, list | tuple):
        raise ValueError(f"{name} = {found!r}: needs a list. Give [...]")
    return list(found)
