"""Numbers as state vectors write them: integers, hex in either notation, sets of vectors."""

from collections.abc import Iterable, Mapping
from typing import Any

from nfvlab.apicv.registers import VECTORS


def number(name: str, value: Any, bits: int) -> int:
    """An unsigned integer of at most `bits` bits from an int, "0x30", "30H" or "48"; ValueError otherwise."""
    found = value
    if isinstance(value, str):
        text = value.strip().replace("_", "")
        base, digits = (16, text[:-1]) if text[-1:] in ("H", "h") else (0, text)
        try:
            found = int(digits, base)
        except ValueError:
            raise ValueError(
                f"{name} = {value!r}: not a number. Write 48, '0x30' or '30H' for the same value"
            ) from None
    if isinstance(found, bool) or not isinstance(found, int):
        raise ValueError(f"{name} = {value!r}: needs an integer. Write 48, '0x30' or '30H'")
    if not 0 <= found < 1 << bits:
        raise ValueError(f"{name} = {value!r}: the field has {bits} bits. Give 0 to {(1 << bits) - 1:#x}")
    return found


def vector_set(name: str, value: Any) -> int:
    """256 bits, one a vector, from a number as in `number` or from a list of vectors."""
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping):
        bits = 0
        for vector in value:
            bits |= 1 << number(f"{name}: vector", vector, 8)
        return bits
    return number(name, value, VECTORS)


def flag(name: str, value: Any) -> bool:
    """True or False from a bool, 0 or 1."""
    if isinstance(value, bool) or (isinstance(value, int) and value in (0, 1)):
        return bool(value)
    raise ValueError(f"{name} = {value!r}: a control or flag is 0 or 1. Give true or false")


def mapping(what: str, given: Any) -> Mapping[Any, Any]:
    """`given` if it is a mapping; ValueError otherwise."""
    if not isinstance(given, Mapping):
        raise ValueError(f"{what} = {given!r}: needs a mapping of names to values. Give a dict")
    return given


def known(what: str, given: Mapping[str, Any], names: Iterable[str]) -> None:
    """ValueError if `given` is no mapping or has a key that is not in `names`."""
    unknown = sorted(set(mapping(what, given)) - set(names))
    if unknown:
        raise ValueError(f"{what}: no {', '.join(map(repr, unknown))}. Known are {', '.join(sorted(names))}")
