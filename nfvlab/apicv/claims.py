"""What the theory of interrupt delivery claims of a scenario."""

from typing import Any

from nfvlab.results import Claim, approx

HERE = "tests/apicv/test_twins.py, random scenarios"


def claim(theory: Any, name: str) -> Claim:
    """The claim of one output, "latency_ns[2]", of an `analytic.Theory`."""
    return approx(rel=0.1, where=HERE)
