"""What timerlat implies of a wake-up: the truth is in the bounds however the two latencies are related."""

import numpy as np
import pytest
import rtla_samples

from nfvlab.paths import data_dir
from nfvlab.readers.rtla import read_rtla
from nfvlab.realtime.implied_hops import hop_of, hops, latencies_of

RECORDINGS = data_dir() / "recordings" / "rtla"
HOP_NS = 4000.0


def record(path, irq: np.ndarray, thread: np.ndarray):
    data = {("irq", 3): irq.astype(int).tolist(), ("thread", 3): thread.astype(int).tolist()}
    path.write_text(rtla_samples.hist(data, width=64, entries=256, nano=True))
    return read_rtla(path)


@pytest.mark.parametrize("together", ["opposite", "independent", "alike"])
def test_the_truth_is_in_the_bounds_at_least_as_often_as_they_say(tmp_path, together):
    rng, held = np.random.default_rng(21), 0
    for _ in range(150):
        u = rng.random(60)
        v = {"opposite": 1 - u, "independent": rng.random(60), "alike": u}[together]
        bound = hops(*record(tmp_path / "out", 1000 + 2000 * u, 1000 + HOP_NS + 2000 * v))[3]
        held += bound.low <= HOP_NS <= bound.high
        assert bound.high - bound.low < HOP_NS
    assert held >= 135  # 95 % of 150 less three standard deviations of 2.7


def test_the_bounds_are_no_wider_than_the_worst_case_needs(tmp_path):
    """Opposite latencies have the largest error of all: bounds at 50 % must then fail at times."""
    rng, held = np.random.default_rng(22), 0
    for _ in range(100):
        u = rng.random(60)
        recording = record(tmp_path / "out", 1000 + 2000 * u, 1000 + HOP_NS + 2000 * (1 - u))
        bound = hops(*recording, confidence=0.5)[3]
        held += bound.low <= HOP_NS <= bound.high
    assert 35 <= held <= 75


def test_rows_are_in_cycles_of_the_hosts_clock(tmp_path):
    rng = np.random.default_rng(23)
    irq = 1000 + 100 * rng.random(200)
    recording = record(tmp_path / "out", irq, irq + HOP_NS)
    found = hop_of(*recording, tsc_hz=2e9)
    (row,) = found.rows
    assert row.cycles == pytest.approx(2 * HOP_NS, rel=0.02)
    assert row.counts == {"wake_cycles": 1, "switch_cycles": 1}
    assert found.overrides == {"tsc_hz": 2e9}
    bound = found.bounds["hop_ns[3]"]
    assert row.error_cycles == pytest.approx(
        bound.high - bound.low
    )  # half the width, two cycles a nanosecond


def test_a_cpu_with_one_context_is_told_of(tmp_path):
    data = dict(rtla_samples.TIMERLAT) | {("irq", 5): [1, 2]}
    (tmp_path / "out").write_text(rtla_samples.hist(data))
    found = hop_of(*read_rtla(tmp_path / "out"), tsc_hz=1e9)
    assert set(found.bounds) == {"tsc_hz", "hop_ns[0]", "hop_ns[2]"}
    assert any(sentence.startswith("CPUs 5:") for sentence in found.untold)


def test_overflows_without_a_maximum_give_no_row(tmp_path):
    data = {("irq", 0): [1, 1, 2], ("thread", 0): [3, 4, 999]}
    (tmp_path / "out").write_text(rtla_samples.hist(data, summary=False))
    found = hop_of(*read_rtla(tmp_path / "out"), tsc_hz=1e9)
    assert found.bounds["hop_ns[0]"].high == np.inf and found.rows == ()


def test_latencies_stand_by_context_and_cpu():
    found = latencies_of(*read_rtla(RECORDINGS / "timerlat_hist_user.txt"))
    assert set(found) == {"irq", "thread", "user"} and set(found["irq"]) == {1, 2, 3}


def test_other_recordings_and_a_lone_context_are_refused(tmp_path):
    with pytest.raises(ValueError, match="not a recording of rtla timerlat"):
        hops(*read_rtla(RECORDINGS / "osnoise.txt"))
    (tmp_path / "out").write_text(rtla_samples.hist({("irq", 0): [1, 2]}))
    with pytest.raises(ValueError, match="no CPU has both"):
        hops(*read_rtla(tmp_path / "out"))
    with pytest.raises(ValueError, match="tsc_hz = 0"):
        hop_of(*read_rtla(RECORDINGS / "timerlat_hist_user.txt"), tsc_hz=0)
