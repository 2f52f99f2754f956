"""A capacity bit mask as a value: its ways, its runs, its text, and the kernel's rules for it.

The rules and their messages are cbm_validate's (Linux fs/resctrl/ctrlmondata.c), in its order.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from nfvlab.cat.fs.cpulist import ranges
from nfvlab.cat.fs.kstrto import BadNumber, unsigned
from nfvlab.cat.parts import MAX_CBM_LEN, Capability


class CbmError(ValueError):
    """A mask that the kernel refuses; the text is that of info/last_cmd_status, without its newline."""


@dataclass(frozen=True)
class Cbm:
    """The ways a class of service may fill: bit i of `mask` is way i, of `length` ways."""

    mask: int
    length: int

    def __post_init__(self):
        if not 1 <= self.length <= MAX_CBM_LEN:
            raise ValueError(
                f"length = {self.length}: a mask has 1 to {MAX_CBM_LEN} bits. Give the part's cbm_len"
            )
        if not 0 <= self.mask < 1 << self.length:
            raise ValueError(
                f"mask = {self.mask:#x}: {self.length} ways make masks up to {(1 << self.length) - 1:#x}. "
                "Give a mask of this cache"
            )

    @classmethod
    def parse(cls, text: str, capability: Capability) -> "Cbm":
        """The mask that `text` (hex, with or without 0x) gives on this cache; CbmError if the kernel refuses it."""
        return cls(validate(text, capability), capability.cbm_len)

    @classmethod
    def full(cls, length: int) -> "Cbm":
        """All ways."""
        return cls((1 << length) - 1, length)

    @classmethod
    def run(cls, start_way: int, ways: int, length: int) -> "Cbm":
        """`ways` ways from `start_way` up."""
        return cls(((1 << ways) - 1) << start_way, length)

    @property
    def ways(self) -> tuple[int, ...]:
        """The ways it may fill, lowest first."""
        return tuple(i for i in range(self.length) if self.mask >> i & 1)

    @property
    def ways_count(self) -> int:
        """How many they are."""
        return self.mask.bit_count()

    @property
    def runs(self) -> tuple[tuple[int, int], ...]:
        """(start way, number of ways) of every run of ones, lowest first."""
        return tuple((first, last - first + 1) for first, last in ranges(self.mask))

    @property
    def contiguous(self) -> bool:
        """Whether it is one run; the empty mask is none."""
        return len(self.runs) == 1

    def __contains__(self, way: int) -> bool:
        return bool(0 <= way < self.length and self.mask >> way & 1)

    def __iter__(self) -> Iterator[int]:
        return iter(self.ways)

    def __len__(self) -> int:
        return self.ways_count

    def __bool__(self) -> bool:
        return bool(self.mask)

    def __or__(self, other: "Cbm") -> "Cbm":
        return Cbm(self.mask | self._same(other).mask, self.length)

    def __and__(self, other: "Cbm") -> "Cbm":
        return Cbm(self.mask & self._same(other).mask, self.length)

    def __sub__(self, other: "Cbm") -> "Cbm":
        return Cbm(self.mask & ~self._same(other).mask, self.length)

    def __invert__(self) -> "Cbm":
        return Cbm(self.mask ^ (1 << self.length) - 1, self.length)

    def overlaps(self, other: "Cbm") -> bool:
        """Whether a way belongs to both."""
        return bool(self.mask & self._same(other).mask)

    def first_run(self) -> "Cbm":
        """Only its lowest run of ones: what a new group gets of the ways it could have (cbm_ensure_valid)."""
        return Cbm.run(*self.runs[0], self.length) if self.mask else self

    def size_bytes(self, cache_bytes: int) -> int:
        """Its part of a cache of `cache_bytes`, whole bytes a way, as the `size` file has it (rdtgroup_cbm_to_size)."""
        return cache_bytes // self.length * self.ways_count

    def hex(self, digits: int | None = None) -> str:
        """As resctrl printed it up to Linux 6.14, with zeros to `digits` (as many as a full mask has); 0: without."""
        return f"{self.mask:0{(self.length + 3) // 4 if digits is None else digits}x}"

    def __str__(self) -> str:
        return self.hex(0)

    def _same(self, other: "Cbm") -> "Cbm":
        if self.length != other.length:
            raise ValueError(
                f"masks of {self.length} and of {other.length} ways do not meet. Take masks of one cache"
            )
        return other


def validate(text: str, capability: Capability) -> int:
    """The mask, or CbmError with the kernel's message; the first rule that `text` breaks speaks.

    A mask may be too short in its first run only: on a part with sparse masks the kernel counts the bits up to the
    first hole.
    """
    try:
        mask = unsigned(text, 16)
    except BadNumber:
        raise CbmError(f"Non-hex character in the mask {text}") from None
    if (capability.min_cbm_bits > 0 and mask == 0) or mask > capability.full_mask:
        raise CbmError("Mask out of range")
    runs = ranges(mask)
    if len(runs) > 1 and not capability.sparse_masks:
        raise CbmError(f"The mask {mask:x} has non-consecutive 1-bits")
    first = runs[0][1] - runs[0][0] + 1 if runs else 0
    if first < capability.min_cbm_bits:
        raise CbmError(f"Need at least {capability.min_cbm_bits} bits in the mask")
    return mask


def first_free_run(capability: Capability, used: Cbm) -> Cbm:
    """The lowest run of ways outside `used`; empty if there is none."""
    return (Cbm.full(capability.cbm_len) - used).first_run()


def contiguous_masks(capability: Capability) -> tuple[Cbm, ...]:
    """Every mask of one run that the part takes, short ones first, low ones first among equals."""
    length = capability.cbm_len
    sizes = range(max(1, capability.min_cbm_bits), length + 1)
    return tuple(Cbm.run(start, ways, length) for ways in sizes for start in range(length - ways + 1))
