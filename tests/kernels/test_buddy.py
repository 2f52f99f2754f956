"""The allocator against a plain one of Python lists, cases counted by hand, and itself uncompiled."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvlab.kernels import buddy

ORDERS = buddy.MAX_ORDER + 1
ONE_ZONE = np.array([0], dtype=np.int64)


def frames(n):
    return np.full(n, -1, dtype=np.int64)


def everything(lists):
    """Every list as Python lists, heads first: {(zone, order): [frames]}."""
    shape = lists.live.shape
    return {
        (z, k): buddy.walk(lists, z, k).tolist()
        for z in range(shape[0])
        for k in range(shape[1])
        if lists.live[z, k]
    }


class Plain:
    """The same rules with dictionaries and lists."""

    def __init__(self, edges):
        self.edges = edges
        self.lists = {}

    def zone(self, frame):
        return max(z for z, edge in enumerate(self.edges[:-1]) if frame >= edge)

    def list(self, z, k):
        return self.lists.setdefault((z, k), [])

    def free(self, frame, order):
        z = self.zone(frame)
        while order < buddy.MAX_ORDER:
            other = frame ^ (1 << order)
            if other not in self.list(z, order):
                break
            self.list(z, order).remove(other)
            frame = min(frame, other)
            order += 1
        self.list(z, order).insert(0, frame)

    def alloc(self, zones, order):
        for z in zones:
            for k in range(order, ORDERS):
                if self.list(z, k):
                    frame = self.list(z, k).pop(0)
                    for j in range(k - 1, order - 1, -1):
                        self.list(z, j).insert(0, frame + (1 << j))
                    return frame
        return -1

    def reserve(self, frame):
        for (z, k), heads in list(self.lists.items()):
            for head in heads:
                if head <= frame < head + (1 << k):
                    heads.remove(head)
                    while k:
                        k -= 1
                        low, high = head, head + (1 << k)
                        head, other = (low, high) if frame < high else (high, low)
                        self.list(z, k).insert(0, other)
                    return 1
        return 0

    def everything(self):
        return {key: heads for key, heads in sorted(self.lists.items()) if heads}


def test_a_block_is_split_down_and_merged_up_again():
    lists = buddy.make([0, 1024])
    buddy.free_range(lists, 0, 1024)
    assert everything(lists) == {(0, 10): [0]}
    got = frames(1)
    assert buddy.alloc(lists, ONE_ZONE, 7, got) == 1
    assert got.tolist() == [0]  # the lower half is kept at each split
    assert everything(lists) == {(0, 7): [128], (0, 8): [256], (0, 9): [512]}
    buddy.free(lists, got, np.array([7]))
    assert everything(lists) == {(0, 10): [0]}


def test_lists_are_last_in_first_out():
    lists = buddy.make([0, 2048])
    got = frames(4)
    buddy.free_range(lists, 0, 2048)
    assert everything(lists) == {(0, 10): [0, 1024]}  # freed from the top down, so the lowest leads
    assert buddy.alloc(lists, ONE_ZONE, 9, got) == 4
    assert got.tolist() == [0, 512, 1024, 1536]
    buddy.free(lists, got[[2, 0]], np.array([9, 9]))  # no buddy of the other
    assert everything(lists) == {(0, 9): [0, 1024]}
    assert buddy.alloc(lists, ONE_ZONE, 9, got[:1]) == 1
    assert got[0] == 0
    assert buddy.alloc(lists, ONE_ZONE, 10, frames(1)) == 0


def test_ranges_that_are_not_aligned():
    lists = buddy.make([0, 1024])
    buddy.free_range(lists, 3, 14)  # 3, 4-7, 8-11, 12-13
    assert everything(lists) == {(0, 0): [3], (0, 1): [12], (0, 2): [4, 8]}
    buddy.free_range(lists, 0, 3)  # 0-1 and 2; 2 joins 3, they join 0-1, these join 4-7: 0-7; then 8-11 stays
    assert everything(lists) == {(0, 1): [12], (0, 2): [8], (0, 3): [0]}
    assert buddy.free_frames(lists) == 14


def test_reserving_splits_around_the_hole():
    lists = buddy.make([0, 1024])
    buddy.free_range(lists, 0, 16)
    assert buddy.reserve(lists, 5, 7) == 2
    assert everything(lists) == {(0, 0): [7, 4], (0, 2): [0], (0, 3): [8]}
    assert buddy.reserve(lists, 5, 7) == 0  # they are gone
    assert buddy.reserve_each(lists, np.array([4, 7, 15])) == 3
    buddy.free(lists, np.array([4, 5, 6, 7, 15]), np.zeros(5, dtype=np.int64))
    assert everything(lists) == {(0, 4): [0]}


def test_zones_are_tried_in_the_order_given_and_never_merge():
    lists = buddy.make([0, 1024, 2048])
    buddy.free_range(lists, 0, 2048)
    got = frames(3)
    assert buddy.alloc(lists, np.array([1, 0]), 10, got) == 2
    assert got.tolist() == [1024, 0, -1]


def test_taking_frames_by_blocks_is_taking_them_one_by_one():
    whole, single = buddy.make([0, 4096]), buddy.make([0, 4096])
    for lists in (whole, single):
        buddy.free_range(lists, 0, 4096)
        buddy.reserve_each(lists, np.array([17, 900, 901, 2500, 4000]))
    starts, orders = frames(4096), frames(4096)
    blocks, got = buddy.take(whole, ONE_ZONE, 3001, starts, orders)
    one_by_one = frames(3001)
    assert buddy.alloc(single, ONE_ZONE, 0, one_by_one) == got == 3001
    by_block = np.concatenate(
        [s + np.arange(1 << k) for s, k in zip(starts[:blocks], orders[:blocks], strict=True)]
    )
    np.testing.assert_array_equal(by_block, one_by_one)
    assert everything(whole) == everything(single)
    assert buddy.take(whole, ONE_ZONE, 10**6, starts, orders)[1] == 4096 - 5 - 3001  # all that is left


def test_two_kinds_by_turns():
    lists = buddy.make([0, 4096])
    buddy.free_range(lists, 0, 4096)
    big, small = frames(6), frames(3)
    assert buddy.alloc_two(lists, ONE_ZONE, 9, big, 0, small) == (6, 3)
    # 0-511, 512-1023, then frame 1024 splits the next block; its buddy half serves the next one, and so on
    assert big.tolist() == [0, 512, 1536, 2048, 2560, 3072]
    assert small.tolist() == [1024, 1025, 1026]
    more = frames(9)
    assert buddy.alloc_two(lists, ONE_ZONE, 9, more, 0, frames(0)) == (1, 0)


def test_painting_sets_the_bits_of_the_free_frames():
    lists = buddy.make([0, 2048])
    buddy.free_range(lists, 0, 2048)
    buddy.reserve_each(lists, np.array([0, 63, 64, 1500]))
    words = np.zeros(32, dtype=np.uint64)
    buddy.paint(lists, words)
    bits = np.unpackbits(words.view(np.uint8), bitorder="little")
    assert np.flatnonzero(bits == 0).tolist() == [0, 63, 64, 1500]


@pytest.mark.parametrize("edges", [[0], [0, 1000], [1024, 1024], [2048, 1024], [-1024, 0], [0, 1 << 31]])
def test_bad_edges_are_refused(edges):
    with pytest.raises(ValueError, match="edges"):
        buddy.make(edges)


operations = st.lists(
    st.one_of(
        st.tuples(st.just("alloc"), st.integers(0, 10)),
        st.tuples(st.just("free"), st.integers(0, 10**6)),
        st.tuples(st.just("reserve"), st.integers(0, 4095)),
    ),
    max_size=120,
)


def run(lists, plain, steps):
    """Do the same with both; the blocks still held at the end."""
    held = []
    zones = np.array([1, 0], dtype=np.int64)
    for what, n in steps:
        if what == "alloc":
            got = frames(1)
            assert buddy.alloc(lists, zones, n, got) == (got[0] >= 0)
            assert got[0] == plain.alloc(zones, n)
            if got[0] >= 0:
                held.append((int(got[0]), n))
        elif what == "free" and held:
            frame, order = held.pop(n % len(held))
            buddy.free(lists, np.array([frame]), np.array([order]))
            plain.free(frame, order)
        elif what == "reserve":
            took = buddy.reserve(lists, n, n + 1)
            assert took == plain.reserve(n)
            held += [(n, 0)] * took
    return held


def invariants(lists, held, total):
    """Nothing lost, nothing twice, and no two free buddies."""
    owner = np.zeros(total, dtype=int)
    for frame, order in held:
        owner[frame : frame + (1 << order)] += 1
    blocks = everything(lists)
    for (_, k), heads in blocks.items():
        assert len(heads) == len(set(heads))
        for frame in heads:
            assert frame % (1 << k) == 0
            owner[frame : frame + (1 << k)] += 1
            assert k == buddy.MAX_ORDER or (frame ^ (1 << k)) not in heads
    assert np.all(owner == 1)
    assert buddy.free_frames(lists) == total - sum(1 << order for _, order in held)


@given(operations)
@settings(max_examples=150)
def test_any_sequence_agrees_with_the_plain_allocator(steps):
    lists, plain = buddy.make([0, 1024, 4096]), Plain([0, 1024, 4096])
    buddy.free_range(lists, 0, 4096)
    for frame in (3072, 2048, 1024, 0):
        plain.free(frame, 10)
    held = run(lists, plain, steps)
    assert everything(lists) == plain.everything()
    invariants(lists, held, 4096)
    buddy.free(
        lists, np.array([f for f, _ in held], dtype=np.int64), np.array([k for _, k in held], dtype=int)
    )
    assert buddy.free_frames(lists) == 4096
    assert lists.live[0].tolist() == [0] * 10 + [1] and lists.live[1].tolist() == [0] * 10 + [3]


def test_a_full_stack_is_settled_and_nothing_is_lost():
    """Far more frees than the list of single frames has room for: blocks that merged away must be dropped."""
    lists, plain = buddy.make([0, 1024]), Plain([0, 1024])
    buddy.free_range(lists, 0, 1024)
    plain.free(0, 10)
    one = frames(1)
    for _ in range(3 * int(lists.stack_room[0, 0])):
        buddy.alloc(lists, ONE_ZONE, 0, one)
        assert plain.alloc([0], 0) == one[0]
        buddy.free(lists, one, np.zeros(1, dtype=np.int64))
        plain.free(int(one[0]), 0)
    assert everything(lists) == plain.everything() == {(0, 10): [0]}


def scenario(rng):
    """A churn of all operations; the arrays it ends with."""
    lists = buddy.make([0, 1024, 8192])
    zones = np.array([1, 0], dtype=np.int64)
    buddy.free_range(lists, 5, 8190)
    big, small = frames(5), frames(9)
    buddy.alloc_two(lists, zones, 9, big, 0, small)
    buddy.reserve_each(lists, rng.integers(0, 8192, 40))
    starts, orders = frames(600), frames(600)
    blocks, _ = buddy.take(lists, zones, 1500, starts, orders)
    shuffled = rng.permutation(blocks)
    buddy.free(lists, starts[shuffled], orders[shuffled])
    buddy.free(lists, big, np.full(5, 9))
    words = np.zeros(128, dtype=np.uint64)
    buddy.paint(lists, words)
    return words, lists.live, lists.heads, small, *(buddy.walk(lists, 1, k) for k in range(ORDERS))


def digest():
    """A fingerprint of what the churn leaves."""
    total = hashlib.sha256()
    for array in scenario(np.random.default_rng(1959)):
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def test_compiled_is_plain_python_bit_for_bit():
    """The same churn in a process where nothing is compiled, which says so once."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import test_buddy; print(test_buddy.digest())"
    here = os.path.dirname(__file__)
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, here], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == digest(), done.stderr
    assert done.stderr.count("RuntimeWarning") == 1 and "plain Python" in done.stderr


def test_without_numba_the_same_kernels_run():
    """A process that cannot import numba at all."""
    code = (
        "import sys; sys.modules['numba'] = None; sys.path.insert(0, sys.argv[1]);"
        "import test_buddy; print(test_buddy.digest())"
    )
    here = os.path.dirname(__file__)
    done = subprocess.run([sys.executable, "-c", code, here], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == digest(), done.stderr
    assert done.stderr.count("numba is not installed") == 1


def test_kernels_keep_their_plain_form():
    for kernel in (
        buddy.alloc,
        buddy.alloc_two,
        buddy.take,
        buddy.free,
        buddy.reserve,
        buddy.walk,
        buddy.paint,
    ):
        assert callable(kernel.py_func)
    lists = buddy.make([0, 1024])
    buddy.free_range.py_func(lists, 0, 1000)
    same = buddy.make([0, 1024])
    buddy.free_range(same, 0, 1000)
    assert everything(lists) == everything(same)
