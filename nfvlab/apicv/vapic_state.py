"""The state that the operations work on: virtual-APIC page, guest interrupt status, interruptibility, activity."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from nfvlab.apicv import registers as reg
from nfvlab.apicv.vapic_numbers import flag, known, mapping, number, vector_set

ACTIVE, HLT, SHUTDOWN, WAIT_FOR_SIPI, MWAIT = "active", "hlt", "shutdown", "wait_for_sipi", "mwait"
ACTIVITIES = (ACTIVE, HLT, SHUTDOWN, WAIT_FOR_SIPI, MWAIT)  # the VMCS encodes the first four as 0 to 3
_U32 = 0xFFFF_FFFF
_WORDS = {
    reg.VTPR: "vtpr",
    reg.VPPR: "vppr",
    reg.VEOI: "veoi",
    reg.VICR_LO: "vicr_lo",
    reg.VICR_HI: "vicr_hi",
}
_BANKS = {reg.VISR: "visr", reg.VIRR: "virr"}
_FLAGS = ("recognized", "if_flag", "sti_blocking", "mov_ss_blocking", "non_root")


class Fields(NamedTuple):
    """The state at one moment, to compare with another."""

    vtpr: int = 0
    vppr: int = 0
    veoi: int = 0
    visr: int = 0
    virr: int = 0
    vicr_lo: int = 0
    vicr_hi: int = 0
    rvi: int = 0
    svi: int = 0
    recognized: bool = False
    if_flag: bool = True
    sti_blocking: bool = False
    mov_ss_blocking: bool = False
    activity: str = ACTIVE
    non_root: bool = True
    page: Mapping[int, int] = {}


FIELDS = Fields._fields


class VapicState:
    """The virtual-APIC page, RVI and SVI, and what decides when an interrupt may be delivered.

    vtpr, vppr, veoi, vicr_lo, vicr_hi: 32-bit fields of the page; visr, virr: 256 bits, bit v for vector v; page: every
    other 4-byte word that is not 0, by offset. rvi, svi: the guest interrupt status. recognized: a pending virtual
    interrupt has been recognized. if_flag: RFLAGS.IF. non_root: the guest runs (VMX non-root operation).
    """

    __slots__ = FIELDS

    def __init__(self, **given: Any):
        known("state", given, FIELDS)
        for name in _WORDS.values():
            setattr(self, name, number(name, given.get(name, 0), 32))
        for name in _BANKS.values():
            setattr(self, name, vector_set(name, given.get(name, 0)))
        for name in ("rvi", "svi"):
            setattr(self, name, number(name, given.get(name, 0), 8))
        for name in _FLAGS:
            setattr(self, name, flag(name, given.get(name, Fields._field_defaults[name])))
        self.activity = _activity(given.get("activity", ACTIVE))
        self.page: Mapping[int, int] = {}
        for offset, word in _page(given.get("page", {})).items():
            self.set_word(offset, word)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "VapicState":
        """A state from names and values: numbers as 48, "0x30" or "30H", visr and virr also as lists of vectors.

        `guest_interrupt_status` may stand for rvi and svi (low and high byte); `activity` may be the VMCS's 0 to 3.
        ValueError for a name or a value that is none.
        """
        known("state", given, (*FIELDS, "guest_interrupt_status"))
        rest = dict(given)
        if "guest_interrupt_status" in rest:
            if rest.keys() & {"rvi", "svi"}:
                raise ValueError(
                    "guest_interrupt_status and rvi or svi: the same field twice. Give one of the two"
                )
            status = number("guest_interrupt_status", rest.pop("guest_interrupt_status"), 16)
            rest |= {"rvi": status & 0xFF, "svi": status >> 8}
        return cls(**rest)

    def to_dict(self) -> dict[str, Any]:
        """Numbers in hex, visr and virr as lists of vectors, flags as they are: what `from_dict` reads."""
        found: dict[str, Any] = {}
        for name, value in self.fields()._asdict().items():
            if name in _BANKS.values():
                found[name] = list(reg.vectors(value))
            elif name == "page":
                found[name] = {f"{offset:03X}H": hex(word) for offset, word in sorted(value.items())}
            else:
                found[name] = value if isinstance(value, bool | str) else hex(value)
        return found

    def fields(self) -> Fields:
        """All fields as they are now."""
        return Fields(
            self.vtpr,
            self.vppr,
            self.veoi,
            self.visr,
            self.virr,
            self.vicr_lo,
            self.vicr_hi,
            self.rvi,
            self.svi,
            self.recognized,
            self.if_flag,
            self.sti_blocking,
            self.mov_ss_blocking,
            self.activity,
            self.non_root,
            self.page,
        )

    def copy(self) -> "VapicState":
        """An independent state with the same fields."""
        other = object.__new__(type(self))
        for name, value in zip(FIELDS, self.fields(), strict=True):
            setattr(other, name, value)
        return other

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VapicState) and self.fields() == other.fields()

    __hash__ = None

    def __repr__(self) -> str:
        told = {n: v for n, v in self.to_dict().items() if v not in ("0x0", [], {}, False)}
        return f"VapicState({', '.join(f'{name}={value!r}' for name, value in told.items())})"

    @property
    def window_open(self) -> bool:
        """Whether a maskable interrupt may be delivered now: RFLAGS.IF = 1 and no blocking by STI or MOV SS."""
        return self.if_flag and not (self.sti_blocking or self.mov_ss_blocking)

    @property
    def interruptible(self) -> bool:
        """Whether the activity state lets external and virtual interrupts through: not shutdown, not wait-for-SIPI."""
        return self.activity not in (SHUTDOWN, WAIT_FOR_SIPI)

    def word(self, offset: int) -> int:
        """The 4-byte word of the page at an offset that 4 divides."""
        name = _WORDS.get(offset)
        if name is not None:
            return getattr(self, name)
        bank = _BANKS.get(offset & ~0x7F)
        if bank is not None and not offset & 0xF:
            return getattr(self, bank) >> ((offset & 0x70) << 1) & _U32
        return self.page.get(offset, 0)

    def set_word(self, offset: int, value: int) -> None:
        """Store a 4-byte word at an offset that 4 divides."""
        name = _WORDS.get(offset)
        bank = _BANKS.get(offset & ~0x7F)
        if name is not None:
            setattr(self, name, value)
        elif bank is not None and not offset & 0xF:
            shift = (offset & 0x70) << 1
            setattr(self, bank, getattr(self, bank) & ~(_U32 << shift) | value << shift)
        else:
            kept = {at: word for at, word in self.page.items() if at != offset}
            self.page = kept | ({offset: value} if value else {})

    def load(self, offset: int, size_bytes: int) -> int:
        """The bytes of an access that stays within one 4-byte word, as a little-endian number."""
        return self.word(offset & ~3) >> 8 * (offset & 3) & (1 << 8 * size_bytes) - 1

    def store(self, offset: int, size_bytes: int, value: int) -> None:
        """Write `size_bytes` bytes within one 4-byte word."""
        shift, mask = 8 * (offset & 3), (1 << 8 * size_bytes) - 1
        self.set_word(offset & ~3, self.word(offset & ~3) & ~(mask << shift) | value << shift)


def _activity(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 3:
        return ACTIVITIES[value]
    if value not in ACTIVITIES:
        raise ValueError(
            f"activity = {value!r}: no such state. Give 0 to 3 or one of {', '.join(ACTIVITIES)}"
        )
    return value


def _page(given: Any) -> dict[int, int]:
    words = {}
    for at, word in mapping("page", given).items():
        offset = number("page offset", at, 12)
        if offset & 3:
            raise ValueError(f"page offset {offset:03X}H: words are 4 bytes. Give an offset that 4 divides")
        if offset in _WORDS or (offset & ~0x7F in _BANKS and not offset & 0xF):
            raise ValueError(
                f"page offset {offset:03X}H: this word is {reg.register_name(offset)}. "
                "Give that field of the state instead"
            )
        words[offset] = number(f"page[{offset:03X}H]", word, 32)
    return words
