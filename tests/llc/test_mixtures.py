"""Streams without a tenant; streams made of streams: shares, orders, nothing lost between calls; traces again."""

import numpy as np
import pytest
from scipy.stats import chisquare

from nfvlab.llc import memory, streams
from nfvlab.llc.mixtures import Mixture, Replay
from nfvlab.llc.params import Tenant
from nfvlab.llc.streams import CODE, IO
from nfvlab.units import MiB


def place(seed=3):
    own, pages = np.random.default_rng(seed).spawn(2)
    return {"memory": memory.Memory(pages), "rng": own}


def test_plain_streams_without_a_tenant():
    loop = streams.code_loop(640, **place()).take(25)
    assert (loop.kind == CODE).all() and (loop.address[10:] == loop.address[:15]).all()
    here = place()
    core = streams.Core(work_ns=3.0, code_frac=0.5, code_bytes=128.0)
    for made in (
        streams.zipf(1 * MiB, 1.0, core=core, **here),
        streams.scan(1 * MiB, core=core, **here),
        streams.chase(1 * MiB, core=core, **here),
        streams.phases(1 * MiB, 4, 100, core=core, **here),
    ):
        chunk = made.take(1000)
        assert (chunk.gap_ns == 3.0).all() and 400 < (chunk.kind == CODE).sum() < 600
        assert not made.units
    with pytest.raises(ValueError, match="regions"):
        streams.phases(128, 3, 100, **here)


def mixture(weights=(1.0, 2.0, 1.0), seed=4):
    pages, *own = np.random.default_rng(seed).spawn(5)
    where = memory.Memory(pages)
    parts = [
        streams.zipf(1 * MiB, 1.0, memory=where, rng=own[0]),
        streams.scan(1 * MiB, memory=where, rng=own[1]),
        streams.packets(Tenant(workload="packets"), memory=where, rng=own[2]),
    ]
    return Mixture(parts, weights, own[3])


def test_a_mixture_interleaves_by_weight_and_keeps_each_order():
    mixed = mixture()
    assert mixed.units
    chunk = mixed.take(40_000)
    alone = [part.take(40_000).address for part in mixture().streams]
    counts = [np.isin(chunk.address, np.unique(part)).sum() for part in alone]
    assert chisquare(counts, np.array([0.25, 0.5, 0.25]) * 40_000).pvalue > 1e-4
    for part, count in zip(alone, counts, strict=True):
        assert np.array_equal(chunk.address[np.isin(chunk.address, np.unique(part))], part[:count])
    pieces = mixture()
    split = np.concatenate([pieces.take(n).address for n in (0, 1, 999, 39_000)])
    assert np.array_equal(split, chunk.address)


def test_a_stream_of_weight_zero_is_never_taken():
    assert not (mixture((1.0, 1.0, 0.0)).take(5000).kind & IO).any()


@pytest.mark.parametrize("weights", [(1.0,), (1.0, -1.0, 1.0), (0.0, 0.0, 0.0), (1.0, np.nan, 1.0)])
def test_weights_that_are_none(weights):
    with pytest.raises(ValueError, match="weights"):
        mixture(weights)


def test_two_streams_with_units_do_not_mix():
    rng = np.random.default_rng(3)
    where = memory.Memory(rng)
    two = [streams.packets(Tenant(workload="packets"), memory=where, rng=rng) for _ in "ab"]
    with pytest.raises(ValueError, match="units"):
        Mixture(two, [1, 1], rng)


def test_a_trace_is_played_round_and_round():
    replay = Replay(np.array([64, 0, 128]), np.array([0, 2, 0]), gap_ns=2.0)
    chunks = [replay.take(n) for n in (2, 0, 5)]
    assert np.concatenate([c.address for c in chunks]).tolist() == [64, 0, 128, 64, 0, 128, 64]
    assert np.concatenate([c.kind for c in chunks]).tolist() == [0, 2, 0, 0, 2, 0, 0]
    assert chunks[2].gap_ns.tolist() == [2.0] * 5
    for address, kind in [(np.empty(0), None), (np.zeros(2), np.zeros(3)), (np.zeros((2, 2)), None)]:
        with pytest.raises(ValueError, match="one length"):
            Replay(address, kind)
