"""One backend without a display, one reproducible hypothesis profile."""

import hypothesis
import matplotlib

matplotlib.use("agg")  # not MPLBACKEND: the notebooks' kernels would inherit it and draw nothing inline

hypothesis.settings.register_profile(
    "nfvlab",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("nfvlab")
