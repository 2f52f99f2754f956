"""A step-through: one operation at a time, what it did and why, and the registers beside it.

A machine's operations are made beforehand, as `Step`s; the reader goes forward and back. Without a kernel the page
shows all steps in one table, which is also what nbval compares.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import ipywidgets as ipw

from .params import html_table

_SHEET = """<style>
.nfvlab-steps { max-width:860px; overflow:visible; }
.nfvlab-steps .widget-html-content { line-height:1.35; }
.nfvlab-steps table { border-collapse:collapse; margin:4px 0 0; font-variant-numeric:tabular-nums; }
.nfvlab-steps td, .nfvlab-steps th { padding:2px 14px 2px 6px; text-align:left; border-bottom:1px solid #e3e8ee; }
.nfvlab-steps td { font-family:var(--jp-code-font-family,monospace); font-size:13px; }
.nfvlab-steps .nfvlab-changed td { background:#fff3d6; }
.nfvlab-steps .nfvlab-was { color:#66727f; }
.nfvlab-step-head { min-height:5.6em; }
.nfvlab-step-head b { font-size:16px; }
</style>"""


@dataclass(frozen=True)
class Step:
    """What was done, what came of it, why, and every register after it, by name, in words."""

    action: str
    outcome: str
    why: str
    registers: Mapping[str, str]


class Stepper:
    """Steps with a position; `go`, `forward` and `back` are what its buttons call."""

    def __init__(self, title: str, steps: Sequence[Step]) -> None:
        if not steps:
            raise ValueError("steps = []: there is nothing to step through; give one step at least")
        names = tuple(steps[0].registers)
        for step in steps:
            if tuple(step.registers) != names:
                raise ValueError(
                    f"step {step.action!r} has other registers than the first: give the same ones"
                )
        self.title, self.steps, self.position = title, tuple(steps), 0
        self._quiet = False
        self.buttons = {
            name: ipw.Button(description=name, tooltip=hint, layout={"width": "90px"})
            for name, hint in (("◀ Back", "One step back"), ("Next ▶", "One step forward"))
        }
        self.slider = ipw.IntSlider(
            0, 0, len(steps) - 1, readout=False, tooltip="Step", layout={"width": "260px"}
        )
        self.head, self.table = ipw.HTML(), ipw.HTML()
        self.head.add_class("nfvlab-step-head")
        back, forward = self.buttons.values()
        back.on_click(lambda _: self.back())
        forward.on_click(lambda _: self.forward())
        self.slider.observe(self._slid, "value")
        self.root = ipw.VBox(
            [ipw.HTML(_SHEET), ipw.HBox([back, self.slider, forward]), self.head, self.table]
        )
        self.root.add_class("nfvlab-steps")
        self.go(0)

    @property
    def step(self) -> Step:
        """The step that is shown."""
        return self.steps[self.position]

    def forward(self) -> None:
        """One step forward; at the end it stays."""
        self.go(self.position + 1)

    def back(self) -> None:
        """One step back; at the beginning it stays."""
        self.go(self.position - 1)

    def go(self, position: int) -> None:
        """Show a step, counted from 0, or the nearest there is."""
        self.position = min(max(position, 0), len(self.steps) - 1)
        self._quiet = True
        self.slider.value = self.position
        self._quiet = False
        back, forward = self.buttons.values()
        back.disabled, forward.disabled = self.position == 0, self.position == len(self.steps) - 1
        step = self.step
        place = f"{self.title} · step {self.position + 1} of {len(self.steps)}"
        self.head.value = (
            f'<div aria-live="polite"><span class="nfvlab-was">{escape(place)}</span><br>'
            f"<b>{escape(step.action)}</b><br>{escape(step.outcome)}<br>{escape(step.why)}</div>"
        )
        self.table.value = self._registers()

    def changed(self) -> dict[str, tuple[str, str]]:
        """Registers that the shown step changed: name -> (before, after)."""
        if not self.position:
            return {}
        before, after = self.steps[self.position - 1].registers, self.step.registers
        return {name: (before[name], value) for name, value in after.items() if before[name] != value}

    def _registers(self) -> str:
        changed = self.changed()
        rows = []
        for name, value in self.step.registers.items():
            was = escape(changed[name][0]) if name in changed else ""
            mark = ' class="nfvlab-changed"' if name in changed else ""
            rows.append(
                f'<tr{mark}><th scope="row">{escape(name)}</th><td>{escape(value)}</td>'
                f'<td class="nfvlab-was">{was}</td></tr>'
            )
        head = '<tr><th scope="col">register</th><th scope="col">now</th><th scope="col">before</th></tr>'
        return f"<table>{head}{''.join(rows)}</table>"

    def _slid(self, change: Mapping[str, Any]) -> None:
        if not self._quiet:
            self.go(change["new"])

    def rows(self) -> list[dict[str, str]]:
        """All steps: what was done, what came of it, and what it changed."""
        made, kept = [], self.position
        for position, step in enumerate(self.steps):
            self.position = position
            changes = "; ".join(f"{name} {old} → {new}" for name, (old, new) in self.changed().items())
            made.append(
                {
                    "step": str(position + 1),
                    "operation": step.action,
                    "outcome": step.outcome,
                    "changes": changes,
                }
            )
        self.position = kept
        return made

    def __repr__(self) -> str:
        lines = ("  ".join(filter(None, row.values())) for row in self.rows())
        return "\n".join([self.title, *(f"  {line}" for line in lines)])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """The widget, and for a page without a kernel all steps in a table."""
        data = dict(self.root._repr_mimebundle_())
        data["text/plain"] = repr(self)
        data["text/html"] = html_table(self.title, self.rows())
        return data


__all__ = ["Step", "Stepper"]
