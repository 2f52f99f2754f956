"""The stop-and-copy of a migration that compresses."""

import numpy as np
import pytest

from nfvlab.qat.scenarios import SCENARIOS
from nfvlab.qat.simulation import thread_of
from nfvlab.units import GiB, MiB


@pytest.mark.parametrize("method", ["QAT", "CPU threads"])
def test_the_stop_and_copy_collects_what_is_under_way_once(method):
    """ram_save_complete has no clock: how long an iteration lasts is no matter once the guest is stopped."""
    p = SCENARIOS["the talk"].replace(
        ram_bytes=1 * GiB,
        touched_bytes=512 * MiB,
        wss_bytes=64 * MiB,
        speed_cv_frac=0.0,
        link_cv_frac=0.0,
        ring_requests=256,
        engine_bits_per_s=1e9,
    )
    threads = {}
    for iterate_ns in (1e6, 1e9):
        thread = thread_of(p.replace(iterate_max_ns=iterate_ns), method, np.random.default_rng(3))
        thread.begin_bulk()
        thread.complete()
        threads[iterate_ns] = thread.totals.downtime_ns
    assert threads[1e6] == threads[1e9]
