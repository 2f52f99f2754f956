"""One backend without a display, one reproducible hypothesis profile."""

import os

import hypothesis

os.environ["MPLBACKEND"] = "Agg"

hypothesis.settings.register_profile(
    "nfvlab",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("nfvlab")
