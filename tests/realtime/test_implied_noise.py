"""What recordings of oslat and osnoise imply of a host's noise: the truth lies in the bounds as often as they say."""

import math

import latency_samples
import numpy as np
import pytest
import rtla_samples

from nfvlab.paths import data_dir
from nfvlab.readers.cyclictest import read_cyclictest
from nfvlab.readers.oslat import read_oslat
from nfvlab.readers.rtla import read_rtla
from nfvlab.realtime.implied_noise import noise_of, sections_of

RECORDINGS = data_dir() / "recordings"
REPEATS, HELD = 200, 181  # 95 % of 200 less three standard deviations of 3.1
LENGTH_NS = 25e3  # 5 µs and an exponential time of 20 µs: E[S^2] = 25^2 + 20^2
RESIDUAL_NS = (25e3**2 + 20e3**2) / (2 * 25e3)


def lengths(rng, mean_count: float) -> np.ndarray:
    return 5e3 + rng.exponential(20e3, rng.poisson(mean_count))


def oslat(path, taken: np.ndarray, **run):
    """A recording of 5 s: turns of 300 ns, and those that were interrupted."""
    turns = [300] * 2000 + [int(300 + length) for length in taken]
    path.write_text(latency_samples.Oslat([turns], **run).text())
    return read_oslat(path)


def osnoise(path, taken: np.ndarray):
    """A recording of 1 day and 2 hours."""
    seen = [int(length // 1000) for length in taken]
    path.write_text(rtla_samples.hist({("noise", 1): seen}, entries=1024))
    return read_rtla(path)


TOOLS = {"oslat": (oslat, 5.0), "osnoise": (osnoise, 26 * 3600 + 10.0)}


@pytest.mark.parametrize("tool", TOOLS)
def test_the_truth_is_in_the_bounds_as_often_as_they_say(tmp_path, tool):
    record, seconds = TOOLS[tool]
    rng = np.random.default_rng(11)
    held = {"noise_per_s": 0, "noise_ns": 0}
    truth = {"noise_per_s": 60 / seconds, "noise_ns": LENGTH_NS}
    for _ in range(REPEATS):
        noise = noise_of(*record(tmp_path / "out", lengths(rng, 60)))
        for name, value in truth.items():
            held[name] += noise.bounds[name].low <= value <= noise.bounds[name].high
            assert noise.bounds[name].low <= noise.overrides[name] <= noise.bounds[name].high
    assert min(held.values()) >= HELD, held


def test_more_confidence_and_fewer_samples_widen_the_bounds(tmp_path):
    taken = lengths(np.random.default_rng(12), 60)
    many = oslat(tmp_path / "a", taken)
    few = oslat(tmp_path / "b", taken[:10])

    def wide(noise):
        return {name: noise.bounds[name].high / noise.bounds[name].low for name in noise.overrides}

    usual, sure, fewer = (
        wide(n) for n in (noise_of(*many), noise_of(*many, confidence=0.999), noise_of(*few))
    )
    assert all(usual[name] < sure[name] and usual[name] < fewer[name] for name in usual)


def test_the_lengths_of_the_last_bucket_are_known_by_the_mean_alone(tmp_path):
    # 32 buckets of 1 µs: most lengths are in the last, and oslat's own sum says what they add up to.
    taken = lengths(np.random.default_rng(13), 400)
    noise = noise_of(*oslat(tmp_path / "out", taken))
    assert noise.bounds["noise_ns"].low <= taken.mean() <= noise.bounds["noise_ns"].high
    assert noise.bounds["noise_ns"].high < 2 * taken.mean()
    residual = noise.bounds["residual_ns"]
    assert residual.low <= np.mean(taken**2) / 2 / taken.mean() <= residual.high


def test_an_interruption_shorter_than_the_floor_is_none(tmp_path):
    recording = oslat(tmp_path / "out", np.array([6e3, 7e3, 50e3]))
    assert noise_of(*recording).overrides["noise_per_s"] == pytest.approx(3 / 5)
    assert noise_of(*recording, floor_ns=20e3).overrides["noise_per_s"] == pytest.approx(1 / 5)


def test_without_interruptions_only_the_rate_has_a_bound(tmp_path):
    noise = noise_of(*oslat(tmp_path / "out", np.array([])))
    assert noise.overrides == {"noise_per_s": 0.0} and set(noise.bounds) == {"noise_per_s"}
    # nothing in 5 s: (1 - 0.95) / 2 = exp(-5 x rate)
    assert noise.bounds["noise_per_s"].high == pytest.approx(-math.log(0.025) / 5)
    assert "how long one lasts is not told" in noise.untold[0]
    with pytest.raises(ValueError, match="no interruption in it"):
        sections_of(noise)


def test_what_osnoise_did_not_watch_is_not_counted_as_quiet(tmp_path):
    recording = osnoise(tmp_path / "out", lengths(np.random.default_rng(14), 60))
    whole, half = noise_of(*recording), noise_of(*recording, watched_frac=0.5)
    assert half.overrides["noise_per_s"] == pytest.approx(2 * whole.overrides["noise_per_s"])


def test_sections_keep_the_share_and_what_an_arrival_waits(tmp_path):
    rng, held = np.random.default_rng(15), 0
    for _ in range(12):
        noise = noise_of(*osnoise(tmp_path / "out", lengths(rng, 2000)))
        section = sections_of(noise)
        taken = noise.overrides["noise_per_s"] * noise.overrides["noise_ns"] / 1e9
        assert section.overrides["irqoff_frac"] == pytest.approx(taken)
        held += section.bounds["irqoff_ns"].low <= 2 * RESIDUAL_NS <= section.bounds["irqoff_ns"].high
        assert section.overrides["irqoff_ns"] == pytest.approx(2 * RESIDUAL_NS, rel=0.15)
    assert held > 6  # the residual of the samples, to their buckets: no bound of the law that they are from


def test_other_recordings_are_refused():
    with pytest.raises(ValueError, match="cyclictest: counts wake-up latency, not interruptions"):
        noise_of(*read_cyclictest(RECORDINGS / "cyclictest" / "cyclictest_1t.json"))
    with pytest.raises(ValueError, match="not interruptions"):
        noise_of(*read_rtla(RECORDINGS / "rtla" / "timerlat_hist_doc.txt"))


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ({"floor_ns": -1.0}, "floor_ns = -1"),
        ({"floor_ns": math.inf}, "floor_ns = inf"),
        ({"watched_frac": 0.0}, "watched_frac = 0"),
        ({"watched_frac": 1.5}, "more than the whole time"),
    ],
)
def test_arguments_outside_are_refused(how, what):
    recording = read_oslat(RECORDINGS / "oslat" / "oslat_1c.json")
    with pytest.raises(ValueError, match=what):
        noise_of(*recording, **how)
