"""What the timer's theory claims of each output: provisional, until the twins have been set side by side."""

from typing import TYPE_CHECKING

from nfvlab.results import Claim, approx, exact

if TYPE_CHECKING:
    from nfvlab.timer.analytic import Theory

COUNTED = ("hardware_frac",)
NOT_YET = "limits and monotonicity only; not yet measured against a simulation"


def claim(theory: "Theory", name: str) -> Claim:
    """The claim of output `name` for a scenario."""
    return exact() if name.partition("[")[0] in COUNTED else approx(rel=0.1, where=NOT_YET)
