"""Controls made from declarations: a slider over round typical values, and an entry that takes any value."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import ipywidgets as ipw

from . import style, units
from .literals import parse
from .specs import Spec

Changed = Callable[[Any], None]
Refused = Callable[[str], None]  # why what was typed is not understood


class Control:
    """One field's row of widgets; `put` shows a value without calling back."""

    def __init__(
        self, spec: Spec, changed: Changed, refused: Refused, label: str | None = None, place: str = ""
    ) -> None:
        self.spec, self.changed, self.refused, self.place = spec, changed, refused, place
        self.label = label or style.words(spec.name)
        self._quiet = False
        self.value = spec.default
        self.widgets = self._make()
        self.row = ipw.HBox(self.widgets)
        self.row.add_class("nfvlab-row")

    def put(self, value: Any) -> None:
        """Show a value that was set elsewhere (a preset, Reset, Python)."""
        self._quiet, self.value = True, value
        try:
            self._show(value)
        finally:
            self._quiet = False

    def _tell(self, value: Any) -> None:
        if not self._quiet:
            self.value = value
            self.changed(value)

    def _make(self) -> list[ipw.Widget]:
        raise NotImplementedError(self.spec.kind)

    def _show(self, value: Any) -> None:
        raise NotImplementedError(self.spec.kind)

    def hint(self) -> str:
        """Accessible name and tooltip: whose it is, the label, the unit, what it is, what is typical."""
        unit = ""
        if self.spec.dimension:
            low, high = self.spec.typical
            middle = math.sqrt(low * high) if self.spec.log else high
            unit = units.axis_unit(self.spec.name, (middle,))[1]
        name = f"{self.place} {self.label}".strip() + (f", {unit}" if unit else "")
        typical = f" (typical: {self.spec.span(self.spec.typical)})" if self.spec.dimension else ""
        return f"{name}: {self.spec.doc}{typical}"


class Quantity(Control):
    """A number: a slider whose steps are round values, and an entry with the exact value and its unit."""

    def _make(self) -> list[ipw.Widget]:
        self.grid = grid(self.spec)
        last = max(len(self.grid) - 1, 1)
        self.slider = ipw.IntSlider(
            min=0, max=last, readout=False, description=self.label, tooltip=self.hint()
        )
        self.entry = ipw.Text(continuous_update=False, tooltip=self.hint())
        self.slider.add_class("nfvlab-slider")
        self.entry.add_class("nfvlab-entry")
        self.slider.observe(self._slid, "value")
        self.entry.observe(self._typed, "value")
        return [self.slider, self.entry]

    def _show(self, value: Any) -> None:
        self.entry.value = units.human(self.spec.name, value)
        self.slider.value = nearest(self.grid, value)

    def _slid(self, change: Any) -> None:
        if self._quiet:
            return
        value = self.grid[min(change["new"], len(self.grid) - 1)]
        self._quiet, self.entry.value = True, units.human(self.spec.name, value)
        self._quiet = False
        self._tell(value)

    def _typed(self, change: Any) -> None:
        if self._quiet:
            return
        try:
            value = parse(self.spec, change["new"], self.value)
        except ValueError as error:
            self.refused(str(error))
            return
        self.put(value)
        self._tell(value)


class Switch(Control):
    """Yes or no."""

    def _make(self) -> list[ipw.Widget]:
        self.box = ipw.Checkbox(description=self.label, indent=False, tooltip=self.hint())
        self.box.add_class("nfvlab-check")
        self.box.observe(lambda change: self._tell(change["new"]), "value")
        return [self.box]

    def _show(self, value: Any) -> None:
        self.box.value = value


class Choice(Control):
    """One of a few words."""

    def _make(self) -> list[ipw.Widget]:
        options = [(choice.replace("_", " "), choice) for choice in self.spec.choices]
        self.menu = ipw.Dropdown(
            options=options, value=self.spec.default, description=self.label, tooltip=self.hint()
        )
        self.menu.add_class("nfvlab-menu")
        self.menu.observe(lambda change: self._tell(change["new"]), "value")
        return [self.menu]

    def _show(self, value: Any) -> None:
        self.menu.value = value


def control(
    spec: Spec, changed: Changed, refused: Refused, label: str | None = None, place: str = ""
) -> Control:
    """The control for a field, shown at its default; `place` says which of several parts it belongs to."""
    kind = Switch if spec.kind is bool else Choice if spec.kind is str else Quantity
    made = kind(spec, changed, refused, label, place)
    made.put(spec.default)
    return made


def nearest(values: Iterable[float], value: float) -> int:
    """Index of the closest of the rising values."""
    values = tuple(values)
    return min(range(len(values)), key=lambda i: abs(values[i] - value))


def grid(spec: Spec) -> tuple[float | int, ...]:
    """The values a slider steps through: the ends of `typical` and round numbers between them.

    Sizes are round in binary (1, 1.25, 1.5, 1.75 x 2^k), all else in decimal, in the unit shown.
    """
    low, high = spec.typical
    base = spec.dimension.steps[0][0]
    binary = spec.dimension.unit == "bytes"
    inner = (
        _log_steps(low / base, high / base, binary) if spec.log else _even_steps(low, high, spec.name, binary)
    )
    scale = base if spec.log else 1.0
    values = {float(f"{step * scale:.12g}") if not binary else step * scale for step in inner}
    values = {low, high} | {value for value in values if low < value < high}
    if spec.kind is int:
        values = {round(value) for value in values}
    return tuple(sorted(values))


def _log_steps(low: float, high: float, binary: bool) -> list[float]:
    power = 2.0 if binary else 10.0
    steps = (1, 1.25, 1.5, 1.75) if binary else (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
    first, last = math.floor(math.log(low, power)), math.ceil(math.log(high, power))
    return [step * power**exponent for exponent in range(first, last + 1) for step in steps]


def _even_steps(low: float, high: float, name: str, binary: bool) -> list[float]:
    scale, _ = units.axis_unit(name, (low, high))
    span = (high - low) / scale
    if span <= 0:
        return []
    if binary:
        step = 2.0 ** math.floor(math.log2(span / 48))
    else:
        power = 10.0 ** math.floor(math.log10(span / 48))
        step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= span / 100)
    first, last = math.ceil(low / scale / step), math.floor(high / scale / step)
    return [k * step * scale for k in range(first, last + 1)]
