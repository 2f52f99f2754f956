"""The control of a bit mask: a row of ways to click, a block under it to drag, and its hexadecimal text."""

from typing import Any

import ipywidgets as ipw

from .controls import Control
from .literals import parse

_TOP = 32  # cells that a row can have


class MaskRow(Control):
    """A mask as a row of a table, its highest bit at the left; `frame` says how many bits there are."""

    bits = _TOP

    def _make(self) -> list[ipw.Widget]:
        self.cells = [self._cell(bit) for bit in reversed(range(_TOP))]
        self.strip = ipw.HBox(self.cells).add_class("nfvlab-ways")
        tooltip = f"{self.hint()}. Arrow keys move its ends."
        self.block = ipw.IntRangeSlider(value=(0, _TOP), min=0, max=_TOP, readout=False, tooltip=tooltip)
        self.block.add_class("nfvlab-block")
        self.block.observe(self._dragged, "value")
        self.entry = ipw.Text(continuous_update=False, tooltip=self.hint()).add_class("nfvlab-hex")
        self.entry.observe(self._typed, "value")
        self.name = ipw.Label(self.label)
        return [self.name, ipw.VBox([self.strip, self.block]).add_class("nfvlab-mask"), self.entry]

    def _cell(self, bit: int) -> ipw.ToggleButton:
        cell = ipw.ToggleButton(tooltip=f"{self.label}, way {bit}")
        cell.observe(self._clicked, "value")
        return cell

    def frame(self, bits: int) -> None:
        """Show the lowest `bits` bits only; bits above them stay in the value and in its text."""
        if bits == self.bits:
            return
        self.bits, self._quiet = bits, True
        self.strip.children = self.cells[_TOP - bits :]
        # Range and value at once: the page would send a value in between back, as if it had been dragged there.
        with self.block.hold_sync():
            low, high = self.block.value
            self.block.value = (min(low, bits), min(high, bits))
            self.block.max = bits
            self._quiet = False
            self.put(self.value)

    def _show(self, value: int) -> None:
        for cell, bit in zip(self.cells, reversed(range(_TOP)), strict=True):
            cell.value = bool(value >> bit & 1)
        self.block.value = span(value & ~(-1 << self.bits), self.bits)
        self.entry.value = f"{value:x}"

    def _clicked(self, _: Any) -> None:
        if not self._quiet:
            bits = zip(self.cells, reversed(range(_TOP)), strict=True)
            self._set(sum(1 << bit for cell, bit in bits if cell.value))

    def _dragged(self, change: Any) -> None:
        if not self._quiet:
            self._set(block(*change["new"], self.bits))

    def _typed(self, change: Any) -> None:
        if self._quiet:
            return
        try:
            self._set(parse(self.spec, change["new"], self.value))
        except ValueError as error:
            self.refused(str(error))

    def _set(self, value: int) -> None:
        self.put(value)
        self._tell(value)


def span(mask: int, bits: int) -> tuple[int, int]:
    """First and last edge, counted from the left, of the smallest block that holds a mask's ways."""
    if not mask:
        return 0, 0
    return bits - mask.bit_length(), bits - ((mask & -mask).bit_length() - 1)


def block(first: int, last: int, bits: int) -> int:
    """The contiguous mask between two edges counted from the left; one way where they meet."""
    last = max(last, first + 1)
    first = min(first, bits - 1)
    last = min(last, bits)
    return ((1 << (last - first)) - 1) << (bits - last)


def head(bits: int, marked: int, name: str) -> str:
    """The table's head as HTML: the number of each way, `marked` ones (say, where devices write) set apart."""
    cells = (
        f'<span class="{"nfvlab-marked" if marked >> bit & 1 else ""}">{bit}</span>'
        for bit in reversed(range(bits))
    )
    key = f"<i>{name}</i>" if marked else ""
    return f'<div class="nfvlab-ways-head"><b>way</b><div>{"".join(cells)}</div>{key}</div>'
