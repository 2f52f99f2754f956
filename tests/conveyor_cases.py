"""Walks of the kernels that make items smaller on the way: one builder for their tests."""

from types import SimpleNamespace

import numpy as np

from nfvlab.kernels import conveyor, pagemap

ITEMS = 256
ANY = 1e18
SIZES = np.array([[50.0], [100.0], [200.0]])


def packed(members):
    words = pagemap.zeros(ITEMS)
    pagemap.set_bits(words, np.array(sorted(members), dtype=np.int64))
    return words


def ground(
    todo,
    heavy=None,
    *,
    at=0,
    per_byte=0.0,
    capacity=ANY,
    processors=0.0,
    takers=1,
    sizes=SIZES,
    seed=1,
    opening=0.0,
):
    """What every walk stands on: bitmaps, clock, takers, pipe, rates, sizes and a generator."""
    todo = list(todo)
    return SimpleNamespace(
        todo=packed(todo),
        heavy=packed(todo if heavy is None else heavy),
        seen=packed([]),
        at=at,
        left=len(todo),
        clock=np.zeros(12),
        taker=np.zeros(takers),
        pipe=conveyor.new_pipe(),
        rates=np.array([per_byte, capacity, processors, opening]),
        sizes=sizes,
        bounds=np.zeros(4, dtype=np.int64),
        rng=np.random.default_rng(seed),
    )


def walked(form, g, stations, more, *, budget=ANY, deadline=ANY):
    """Run a walk: `stations` come after the rates, `more` after the sizes; what it returned, and the ground after."""
    counts, put, item, left = form(
        *(g.todo, g.heavy, g.seen, g.at, g.left, float(budget), float(deadline)),
        *(g.clock, g.taker, *g.pipe, g.rates),
        *stations,
        g.sizes,
        *more,
    )
    g.at, g.left = item, left
    return SimpleNamespace(counts=list(counts), put=put, item=item, left=left, now=g.clock[conveyor.NOW])


def same(left, right):
    """Whether two grounds are equal, bit for bit."""
    names = ("todo", "seen", "clock", "taker")
    return all(np.array_equal(getattr(left, n), getattr(right, n)) for n in names) and all(
        np.array_equal(a, b) for a, b in zip(left.pipe, right.pipe, strict=True)
    )
