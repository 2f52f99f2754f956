"""What the theory of monitoring claims of a scenario."""

from nfvlab.results import Claim, approx

HERE = "tests/cmt/test_twins.py"


def claim(theory, name: str) -> Claim:
    """TODO."""
    return approx(rel=0.1, where=HERE)
