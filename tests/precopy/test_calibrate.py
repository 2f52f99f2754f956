"""Calibration finds the constants of a host again from migrations simulated on it."""

import numpy as np
import pytest

from nfvlab.precopy.calibrate import EMULATED, boot_constants, calibrate, log_errors
from nfvlab.precopy.params import Params
from nfvlab.precopy.recordings import Observed
from nfvlab.precopy.simulation import migrate
from nfvlab.units import GiB, MBps, MiB, us

START = EMULATED.replace(speed_cv_frac=0.05)  # single runs on a steadier host tell the constants apart
TRUTH = START.replace(
    first_touch_ns=40 * us, zero_scan_ns=3 * us, boot_stale_pages=2500, boot_per_gib_pages=5000
)
GUESTS = {
    "idle half": {"ram_bytes": 0.5 * GiB},
    "idle one": {"ram_bytes": 1 * GiB},
    "idle two": {"ram_bytes": 2 * GiB},
    "kept": {"ram_bytes": 1 * GiB, "touched_bytes": 256 * MiB},
    "zeroed": {"ram_bytes": 1 * GiB, "touched_bytes": 256 * MiB, "touched_content": "zero"},
    "limited": {"ram_bytes": 0.5 * GiB, "max_bandwidth_bytes_per_s": 60 * MBps},
    "writing": {"ram_bytes": 0.5 * GiB, "wss_bytes": 64 * MiB, "write_rate_per_s": 2000.0},
}


def observed(host=TRUTH):
    def scenario(fields):
        return lambda h: Params(**(h.to_dict() | {"link_bytes_per_s": 1e13, "link_page_ns": 0.0} | fields))

    made = []
    for k, (name, fields) in enumerate(GUESTS.items()):
        totals = migrate(scenario(fields)(host), np.random.default_rng(k)).totals
        words = {n: getattr(totals, n) for n in ("total_time_ns", "setup_time_ns", "normal_pages")}
        made.append(Observed(name, scenario(fields), words, totals.pause_ns))
    return made


def test_boot_pages_come_from_the_normal_pages_of_guests_that_do_not_write():
    host = boot_constants(observed(), EMULATED)
    # what the kernel rewrites during a run, some hundred pages, counts as normal, too
    assert host.boot_stale_pages == pytest.approx(TRUTH.boot_stale_pages, abs=300)
    assert host.boot_per_gib_pages == pytest.approx(TRUTH.boot_per_gib_pages, abs=100)


def test_too_few_guests_leave_the_boot_pages_as_they_were():
    assert boot_constants(observed()[:2], EMULATED) == EMULATED


def test_calibration_predicts_the_host_it_was_fitted_on():
    seen = observed()
    before = log_errors(seen, START, np.ones((len(seen), 1), dtype=np.int64))
    found = calibrate(seen, rng=np.random.default_rng(3), start=START, n=1, iterations=10)
    assert np.median(np.abs(found.log_time)) < 0.05 < np.median(np.abs(before[0]))
    assert found.host.first_touch_ns == pytest.approx(TRUTH.first_touch_ns, rel=0.25)
    assert found.names == tuple(GUESTS)


def test_nothing_to_fit_is_said():
    with pytest.raises(ValueError, match="no completed, uncompressed recording"):
        calibrate([], rng=np.random.default_rng(1))
