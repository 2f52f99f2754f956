"""A matplotlib Figure that knows its alternative text and shows itself in a notebook without pyplot."""

import base64
import io
from typing import Any

from matplotlib.figure import Figure as MatplotlibFigure

from . import style
from .sprites import SpriteCanvas


class Figure(MatplotlibFigure):
    """The figure every `figure(...)` of this package returns: `.alt` says in words what the picture shows."""

    def __init__(self, *args: Any, alt: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        SpriteCanvas(self)
        self.alt = alt

    def __repr__(self) -> str:
        return self.alt or super().__repr__()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict, dict]:
        width, height = (round(100 * inches) for inches in self.get_size_inches())
        data = {"image/png": base64.b64encode(png(self)).decode("ascii"), "text/plain": repr(self)}
        return data, {"image/png": {"width": width, "height": height, "alt": self.alt}}


def png(figure: MatplotlibFigure, *, dpi: float = 150) -> bytes:
    """The figure as PNG without a creation date or program name: the same picture is the same bytes."""
    target = io.BytesIO()
    with style.style():
        figure.savefig(target, format="png", dpi=dpi, metadata={"Software": None})
    return target.getvalue()


def footnote(figure: MatplotlibFigure, line: str) -> None:
    """Write where a figure came from (a result's `source_line()`) small at its lower left."""
    figure.text(0.008, 0.008, line, size=7.5, color=style.FAINT, va="bottom")
    engine = figure.get_layout_engine()
    if engine is not None and hasattr(engine, "set"):
        engine.set(rect=(0, 0.035, 1, 0.965))
