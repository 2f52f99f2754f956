"""A posted-interrupt descriptor as the operations see it: an object in memory that others change, too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from nfvlab.apicv.vapic_numbers import flag, known, number, vector_set


class Descriptor(Protocol):
    """Anything with these attributes to read and to set; `pir` holds 256 bits as an int, bit v for vector v.

    Posted-interrupt processing uses `pir` and `on`; IPI virtualization all five.
    """

    pir: int
    on: bool
    sn: bool
    nv: int
    ndst: int


@dataclass
class MemoryDescriptor:
    """The plainest `Descriptor`; `MemoryDescriptor(*d)` puts the value `descriptor.Descriptor` into memory."""

    pir: int = 0
    on: bool = False
    sn: bool = False
    nv: int = 0
    ndst: int = 0

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "MemoryDescriptor":
        """From numbers as in `vapic_numbers`; pir also as a list of vectors."""
        known("descriptor", given, ("pir", "on", "sn", "nv", "ndst"))
        return cls(
            pir=vector_set("pir", given.get("pir", 0)),
            on=flag("on", given.get("on", False)),
            sn=flag("sn", given.get("sn", False)),
            nv=number("nv", given.get("nv", 0), 8),
            ndst=number("ndst", given.get("ndst", 0), 32),
        )
