"""Guests that the tests of theory and of tables share, and the order of the ways in its results."""

from nfvlab.qat.params import WAYS, Params
from nfvlab.qat.scenarios import SCENARIOS
from nfvlab.units import GiB, MiB

NONE, CPU, QAT = range(len(WAYS))
QUIET = {"write_rate_per_s": 0.0, "background_rate_per_s": 0.0, "auto_converge": False, "give_up_ns": 1e15}
FULL = Params(ram_bytes=8 * GiB, touched_bytes=6 * GiB, wss_bytes=1 * GiB, **QUIET)
BUSY = FULL.replace(write_rate_per_s=5e4, background_rate_per_s=100.0)
STEADY = {"speed_cv_frac": 0.0, "setup_ns": 0.0, "sync_ns": 0.0, "sync_per_gib_ns": 0.0}
SMALL = SCENARIOS["the talk"].replace(
    ram_bytes=1 * GiB,
    touched_bytes=384 * MiB,
    wss_bytes=128 * MiB,
    write_rate_per_s=2e4,
    cpu_method="multifd zstd",
)
