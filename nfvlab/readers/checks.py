"""Taking values out of loaded JSON: every number checked, every broken rule reported, all at once.

Standard library only.
"""

import math
from collections.abc import Mapping
from typing import Any

from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN, Documents

LARGEST = 2**62  # above it, a 64-bit counter has gone below zero and come round
SHOWN = 8


class Checker:
    """Takes values by name from the objects of one file and remembers what is wrong; `done` raises it all.

    A place is a tuple of keys and indices into `documents.values`, as `Documents.line` takes it.
    """

    def __init__(self, documents: Documents):
        self.documents = documents
        self.notes: list[str] = []
        self._problems: list[tuple[tuple, str]] = []

    def problem(self, at: tuple, what: str) -> None:
        """One broken rule at a place."""
        self._problems.append((at, what))

    def done(self, remedy: str = AGAIN) -> None:
        """Raise one `ReaderError` with every problem found so far."""
        if not self._problems:
            return
        shown = [f"{spell(at)} {what}".strip() for at, what in self._problems[:SHOWN]]
        if len(self._problems) > SHOWN:
            shown.append(f"and {len(self._problems) - SHOWN} more")
        line = self.documents.line(self._problems[0][0])
        raise ReaderError(self.documents.path, line, "; ".join(shown), remedy)

    def number(
        self,
        holder: Mapping[str, Any],
        key: str,
        at: tuple,
        *,
        scale: float = 1,
        whole: bool = False,
        null: bool = False,
        required: bool = True,
        low: float = 0,
        high: float = LARGEST,
    ) -> float | int | None:
        """holder[key] x scale, checked: a finite number, no bool, in [low, high]; None if there is none."""
        if key not in holder:
            return self._missing(at, key, required)
        value = holder[key]
        at = (*at, key)
        if value is None and null:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.problem(at, f"is {show(value)} where a number belongs")
        elif isinstance(value, float) and not math.isfinite(value):
            self.problem(at, f"is {value} where a finite number belongs")
        elif value < low:
            self.problem(at, f"is {show(value)}, below {low}")
        elif value > high:
            self.problem(at, f"is {show(value)}, above {high}" + (" (wrapped?)" if high == LARGEST else ""))
        elif whole and value != int(value):
            self.problem(at, f"is {show(value)} where a whole number belongs")
        else:
            exact = whole and isinstance(scale, int)
            return int(value) * scale if exact else float(value) * scale
        return None

    def text(
        self, holder: Mapping[str, Any], key: str, at: tuple, *, required: bool = True, null: bool = False
    ) -> str | None:
        """holder[key], checked to be text."""
        return self._typed(holder, key, at, str, "text", required, null)

    def flag(self, holder: Mapping[str, Any], key: str, at: tuple, *, required: bool = True) -> bool | None:
        """holder[key], checked to be true or false."""
        return self._typed(holder, key, at, bool, "true or false", required, False)

    def section(
        self, holder: Mapping[str, Any], key: str, at: tuple, *, required: bool = True, null: bool = False
    ) -> dict:
        """holder[key], checked to be an object; {} where it is not."""
        return self._typed(holder, key, at, dict, "an object", required, null) or {}

    def items(
        self, holder: Mapping[str, Any], key: str, at: tuple, *, required: bool = True, null: bool = False
    ) -> list:
        """holder[key], checked to be a list; [] where it is not."""
        return self._typed(holder, key, at, list, "a list", required, null) or []

    def word(self, holder: Mapping[str, Any], key: str, at: tuple, known: Mapping[str, str]) -> str | None:
        """Our word for holder[key], which must be one of `known`."""
        said = self.text(holder, key, at)
        if said is not None and said not in known:
            self.problem((*at, key), f"is {show(said)}; known: {', '.join(known)}")
        return known.get(said) if said is not None else None

    def _typed(self, holder, key, at, kind, name, required, null):
        if key not in holder:
            return self._missing(at, key, required)
        value = holder[key]
        if isinstance(value, kind):
            return value
        if not (value is None and null):
            self.problem((*at, key), f"is {show(value)} where {name} belongs")
        return None

    def _missing(self, at: tuple, key: str, required: bool) -> None:
        if required:
            self.problem((*at, key), "is missing")


def spell(at: tuple) -> str:
    """A place as people write it: timeline[3].ram.normal (without the number of the document)."""
    text = ""
    for part in at[1:]:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return printable(text)


def show(value: Any) -> str:
    """A value as JSON would spell it, short and printable."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int) and value.bit_length() > 128:
        return f"a number of about {int(value.bit_length() * 0.30103) + 1} digits"
    return repr(printable(value, 60)) if isinstance(value, str) else repr(value)
