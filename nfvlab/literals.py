"""Values as text: a quantity that a person types, and the Python that makes a set of parameters again."""

import re
from typing import Any

from . import units
from .params import Params
from .specs import Spec

_CONSTANTS = {
    "ns": ("minute", "s", "ms", "us"),
    "bytes": ("TiB", "GiB", "MiB", "KiB"),
    "Hz": ("GHz", "MHz", "kHz"),
    "bytes/s": ("Tbps", "Gbps", "Mbps", "kbps"),
}
_ALIASES = {
    "ns": {"us": units.us, "minute": units.minute, "minutes": units.minute},
    "bytes": {"bytes": 1, "kB": units.kB, "MB": units.MB, "GB": units.GB, "TB": units.TB},
    "bytes/s": {
        **{name: getattr(units, name) for name in ("kbps", "Mbps", "Gbps", "Tbps")},
        **{f"{name}/s": getattr(units, f"{name}ps") for name in ("kB", "MB", "GB")},
    },
}


def parse(spec: Spec, text: str, present: float) -> float | int:
    """The value a person means by "12 GiB", "1.5e3" or "20 %"; without a unit, in that of the present value.

    Raises `ValueError` with the rule and an example. Whether the value is allowed is for `Params` to say.
    """
    if spec.dimension is units.SUFFIXES["_mask"]:
        return _mask(text)
    example = units.human(spec.name, spec.default)
    match = re.fullmatch(r"\s*([-+]?[\d_]*\.?\d+(?:e[-+]?\d+)?|[-+]?\d+\.)\s*(.*?)\s*", text, re.IGNORECASE)
    if not match:
        raise ValueError(
            f"{text.strip()[:40]!r} is not a quantity; write a number and a unit, for example {example!r}"
        )
    number, unit = float(match[1]), match[2]
    known = {label: factor for factor, label in spec.dimension.steps} | _ALIASES.get(spec.dimension.unit, {})
    if unit:
        factor = known.get(unit) or {label.lower(): f for label, f in known.items()}.get(unit.lower())
        if factor is None:
            names = ", ".join(label for label in known if label)
            raise ValueError(
                f"{unit[:40]!r} is not a unit of {spec.dimension.quantity}; known units: {names or 'none'}"
            )
    else:
        factor = units.axis_unit(spec.name, (present,))[0]
    value = float(f"{number * factor:.15g}")
    if spec.kind is int and (factor > 1 or value == int(value)):
        return round(value)  # 2.2 GiB is some whole number of bytes; 2.5 streams are not for rounding
    return value


def _mask(text: str) -> int:
    """A bit mask as resctrl writes it, hexadecimal with or without 0x."""
    digits = text.strip().lower().removeprefix("0x")
    if not re.fullmatch("[0-9a-f]{1,8}", digits):
        raise ValueError(f"{text.strip()[:40]!r} is not a mask; write hexadecimal digits, for example 'ff0'")
    return int(digits, 16)


def literal(spec: Spec, value: Any) -> tuple[str, set[str]]:
    """Python text that evaluates to exactly this value, and the imports it needs."""
    if isinstance(value, tuple):
        parts, names = [], set()
        for element in value:
            text, used = call(element)
            parts.append(text)
            names |= used
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})", names
    if spec.dimension is None or not isinstance(value, int | float):
        return repr(value), set()
    if spec.dimension is units.SUFFIXES["_mask"]:
        return hex(value), set()
    for name in _CONSTANTS.get(spec.dimension.unit, ()):
        unit = getattr(units, name)
        number = _short(value / unit)
        as_int = spec.kind is int
        if abs(value) >= unit and len(number) <= 6 and (not as_int or number.lstrip("-").isdigit()):
            made = int(number) * int(unit) if as_int else float(number) * unit
            if made == value and not (as_int and isinstance(unit, float)):
                return f"{number} * {name}", {f"from nfvlab.units import {name}"}
    number = _short(value)
    return (number if not isinstance(value, int) and float(number) == value else repr(value)), set()


def call(p: Params) -> tuple[str, set[str]]:
    """The constructor call with the fields that differ from their defaults, and the imports it needs."""
    home, statement = package(type(p))
    arguments, names = [], {statement}
    for field, value in p.changes().items():
        text, used = literal(p.specs()[field], value)
        arguments.append(f"{field}={text}")
        names |= used
    head = f"{home}.{type(p).__qualname__}"
    line = f"{head}({', '.join(arguments)})"
    if len(line) > 76:
        line = f"{head}(\n    " + ",\n    ".join(arguments) + ",\n)"
    return line, names


def package(cls: type) -> tuple[str, str]:
    """The name by which code reaches a class's package, and the statement that imports it."""
    parts = cls.__module__.split(".")
    if parts[0] == "nfvlab" and len(parts) > 2:
        parts = parts[:2]  # nfvlab.freepages.params: the package re-exports it
    parent, name = ".".join(parts[:-1]), parts[-1]
    return name, f"from {parent} import {name}" if parent else f"import {name}"


def _short(number: float) -> str:
    return f"{number:.6g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")
