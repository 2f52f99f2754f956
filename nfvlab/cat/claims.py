"""What the theory of a shared cache claims of each output, and where it is known to be poor."""

from typing import Any

from nfvlab.cat.params import OUTPUTS
from nfvlab.results import Claim, approx, field_of

HERE = "tests/cat/test_analytic.py"
KINDS = {name: approx(rel=0.02, abs=0.02, where=HERE) for name in OUTPUTS}


def claim(theory: Any, name: str) -> Claim:
    """The claim of one output in this scenario."""
    return KINDS[field_of(name)]


def doubts(theory: Any) -> tuple[str, ...]:
    """Sentences."""
    return ()
