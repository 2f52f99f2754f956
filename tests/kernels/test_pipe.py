"""The walk and the bounded pipe: cases by hand, a page-by-page model, and the uncompiled form bit for bit."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.kernels import pagemap, pipe

ITEMS = 200  # three words and a bit
SIZE = np.array([9.0, 4104.0, 4104.0])
FREE = np.zeros(3)
ANY = 1e18


def packed(members):
    words = pagemap.zeros(ITEMS)
    pagemap.set_bits(words, np.array(sorted(members), dtype=np.int64))
    return words


def members(words):
    return {i for i in range(words.size * 64) if int(words[i // 64]) >> i % 64 & 1}


class Walk:
    """One walk over fresh copies, in either form of the kernel."""

    def __init__(
        self,
        todo,
        *,
        heavy=(),
        seen=(),
        at=0,
        left=None,
        budget=math.inf,
        deadline=math.inf,
        clock=(0.0, 0.0, 0.0),
        capacity=ANY,
        size=SIZE,
        produce=FREE,
        transport=FREE,
        consume=FREE,
        ring=None,
        form=pipe.walk,
    ):
        self.todo, self.heavy, self.seen = packed(todo), packed(heavy), packed(seen)
        self.clock = np.array(clock)
        self.ring = ring or small_ring(64)
        costs = (np.array(size), np.array(produce), np.array(transport), np.array(consume))
        self.sent, self.put, self.next, self.left = form(
            self.todo,
            self.heavy,
            self.seen,
            at,
            len(todo) if left is None else left,
            float(budget),
            float(deadline),
            self.clock,
            *self.ring,
            float(capacity),
            *costs,
        )

    def state(self):
        arrays = (self.todo, self.heavy, self.seen, self.clock, *self.ring, self.sent)
        return [a.tobytes() for a in arrays] + [self.put, self.next, self.left]


def small_ring(entries):
    return np.zeros((2, entries)), np.zeros(2, dtype=np.int64), np.zeros(1)


def in_order(todo, at):
    return [i for i in sorted(todo) if i >= at] + [i for i in sorted(todo) if i < at]


def kind(item, heavy, seen):
    return pipe.LIGHT if item not in heavy else pipe.AGAIN if item in seen else pipe.NEW


# -- what is sent -------------------------------------------------------------------------------------------


def test_kinds_by_hand():
    walk = Walk({0, 1, 2, 63, 64}, heavy={1, 2, 64}, seen={2, 0})
    assert walk.sent.tolist() == [2, 2, 1]  # 0 and 63 light, 1 and 64 new, 2 again
    assert walk.put == 2 * 9 + 3 * 4104
    assert walk.left == 0
    assert members(walk.todo) == set()
    assert members(walk.seen) == {
        0,
        1,
        2,
        64,
    }  # of those sent, the heavy ones join


def test_it_starts_in_the_middle_of_a_word_and_wraps_around():
    todo = {3, 70, 71, 199}
    walk = Walk(todo, heavy=todo, at=71, budget=4104)
    assert members(walk.todo) == {3, 70}  # 71, then 199 passes the budget
    assert walk.next == 200  # behind the last item: the next walk starts there and wraps
    walk = Walk(members(walk.todo), heavy=todo, at=walk.next, left=walk.left)
    assert (walk.left, members(walk.todo)) == (0, set())


def test_the_budget_is_passed_by_one_item_in_the_middle_of_a_word():
    todo = set(range(128))
    budget = 70 * 4104  # 64 go as one word: then 6 more fit exactly, and the 71st passes it
    walk = Walk(todo, heavy=todo, budget=budget)
    assert walk.put == 71 * 4104 > budget >= walk.put - 4104
    assert walk.next == 71
    assert members(walk.todo) == set(range(71, 128))


def test_a_budget_that_is_passed_already_sends_nothing():
    walk = Walk({5}, heavy={5}, budget=-1.0)
    assert (walk.put, walk.left, walk.next, members(walk.todo)) == (0.0, 1, 0, {5})


def test_a_budget_of_nothing_sends_one_item():
    walk = Walk({5, 6}, heavy={5, 6}, budget=0.0)
    assert (walk.put, walk.left, walk.next) == (4104.0, 1, 6)


def test_light_items_count_by_their_own_size_near_the_budget():
    walk = Walk(range(64), budget=20.0)  # 9, 18, 27: the third passes it
    assert (walk.put, walk.sent.tolist()) == (27.0, [3, 0, 0])


def test_the_last_bit_of_a_word_moves_on_to_the_next_word():
    walk = Walk({63, 64}, heavy={63, 64}, budget=0.0)
    assert (walk.next, walk.left) == (64, 1)


def test_the_deadline_is_looked_at_once_a_word():
    produce = np.full(3, 10.0)
    walk = Walk(range(192), deadline=5.0, produce=produce)
    assert (walk.sent.sum(), walk.clock[0]) == (64, 640.0)
    walk = Walk(range(192), deadline=640.0, produce=produce)
    assert walk.sent.sum() == 128  # 640 is not past 640


@given(
    st.sets(st.integers(0, ITEMS - 1), min_size=1),
    st.sets(st.integers(0, ITEMS - 1)),
    st.sets(st.integers(0, ITEMS - 1)),
    st.integers(0, ITEMS - 1),
    st.lists(st.integers(0, 300_000), max_size=8),
)
def test_every_walk_sends_the_next_items_in_circular_order_each_once(todo, heavy, seen, at, budgets):
    order, expected_seen = in_order(todo, at), set(seen)
    bits, left, cursor = set(todo), len(todo), at
    for budget in [*budgets, math.inf]:
        if not left:
            break
        walk = Walk(bits, heavy=heavy, seen=expected_seen, at=cursor, left=left, budget=budget)
        put, counts = 0.0, [0, 0, 0]
        while order and put <= budget:
            item = order.pop(0)
            what = kind(item, heavy, expected_seen)
            put += SIZE[what]
            counts[what] += 1
            bits.remove(item)
            if item in heavy:
                expected_seen.add(item)
        assert walk.put == put
        assert walk.sent.tolist() == counts
        assert walk.left == len(order) == len(bits)
        assert members(walk.todo) == bits
        assert members(walk.seen) == expected_seen
        left, cursor = walk.left, walk.next
    assert not bits


# -- when ---------------------------------------------------------------------------------------------------


def test_an_unbounded_pipe_is_a_tandem_queue():
    costs = {"produce": [1.0, 2.0, 2.0], "transport": [0.5, 3.0, 3.0], "consume": [0.1, 7.0, 5.0]}
    walk = Walk(range(128), heavy=range(64), seen=range(10), clock=(100.0, 0.0, 0.0), **costs)
    # word 0: 54 new and 10 again; word 1: 64 light. Each station takes a word when it has it and is free.
    produced = [100 + 128, 100 + 128 + 64]
    arrived = [produced[0] + 192]
    arrived.append(max(arrived[0], produced[1]) + 32)
    consumed = [arrived[0] + 54 * 7 + 10 * 5]
    consumed.append(max(consumed[0], arrived[1]) + 6.4)
    assert walk.clock.tolist() == pytest.approx([produced[1], arrived[1], consumed[1]])
    assert walk.ring[1].tolist() == [0, 2]  # both words are still in the pipe
    assert walk.ring[2][0] == walk.put


def test_a_full_pipe_blocks_the_producer_until_the_consumer_is_done():
    word = 64 * 4104
    costs = {"produce": [0.0, 1.0, 1.0], "consume": [0.0, 100.0, 100.0]}
    roomy = Walk(range(192), heavy=range(192), capacity=3 * word, **costs)
    tight = Walk(range(192), heavy=range(192), capacity=2 * word, **costs)
    assert roomy.clock[0] == 192  # three words fit
    assert tight.clock[0] == 64 + 6400  # the third waits until the first, there at 64, has been consumed
    assert tight.clock[2] == roomy.clock[2] == 64 + 3 * 6400  # the consumer is busy throughout
    assert tight.ring[2][0] == 2 * word


def test_an_entry_larger_than_the_pipe_waits_for_an_empty_one():
    walk = Walk(range(128), heavy=range(128), capacity=1.0, consume=[0.0, 1.0, 1.0])
    assert walk.clock.tolist() == [64, 64, 128]


def test_the_ring_wraps_without_losing_an_entry():
    ring, clock = small_ring(4), (0.0, 0.0, 0.0)
    for _ in range(5):  # 20 words of light items, each at the consumer for a time of 64 (the last of four: 8)
        clock = Walk(range(200), consume=[1.0, 1.0, 1.0], ring=ring, clock=clock).clock
    assert ring[1].tolist() == [0, 4]  # 20 entries in, 16 out: the fifth had to wait for the first
    assert ring[2][0] == ring[0][1].sum() == 200 * 9
    assert clock[0] == 800.0  # the last word entered when the one four before it was consumed
    assert clock[2] == 1000.0


def test_a_new_ring_is_empty():
    ring, at, held = pipe.new_ring()
    assert ring.shape == (2, pipe.RING)
    assert not ring.any() and not at.any() and not held.any()


finite = st.floats(0, 1e4)
costs3 = st.tuples(finite, finite, finite)


@given(
    st.sets(st.integers(0, ITEMS - 1), min_size=1),
    st.sets(st.integers(0, ITEMS - 1)),
    st.sets(st.integers(0, ITEMS - 1)),
    st.lists(st.integers(0, 300_000), min_size=1, max_size=5),
    st.sampled_from([1.0, 5e3, 3e5, 1e18]),
    costs3,
    costs3,
    costs3,
)
def test_compiled_and_plain_agree_and_clocks_never_run_back(
    todo, heavy, seen, budgets, capacity, produce, transport, consume
):
    walks = {}
    for form in (pipe.walk, pipe.walk.py_func):
        bits, at, left, ring, states = todo, 0, len(todo), small_ring(3), []
        clock = np.zeros(3)
        for budget in [*budgets, math.inf]:
            if not left:
                break
            walk = Walk(
                bits,
                heavy=heavy,
                seen=seen,
                at=at,
                left=left,
                budget=budget,
                clock=clock,
                capacity=capacity,
                produce=produce,
                transport=transport,
                consume=consume,
                ring=ring,
                form=form,
            )
            assert (walk.clock >= clock).all()
            ends = finish_times(ring)
            assert (np.diff([*walk.clock[:2], ends[-1]]) >= 0).all()
            assert (np.diff(ends) >= 0).all()
            assert ends[-1] == walk.clock[2]
            bits, at, left, clock = members(walk.todo), walk.next, walk.left, walk.clock
            states.append(walk.state())
        walks[form] = states
    assert walks[pipe.walk] == walks[pipe.walk.py_func]


def finish_times(ring):
    """Of what is in the pipe, oldest first."""
    entries, (head, fill), _ = ring
    return entries[0, (head + np.arange(fill)) % entries.shape[1]]
