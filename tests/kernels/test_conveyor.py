"""The bounded pipe with a link and several takers: cases by hand."""

import numpy as np
import pytest

from nfvlab.kernels import conveyor

FREE = np.array([1.0, 1e18, 0.0, 0.0])


class Pipe:
    """A pipe and its clock."""

    def __init__(self, *, takers=1, rates=FREE):
        self.clock, self.taker, self.rates = np.zeros(12), np.zeros(takers), np.array(rates, dtype=float)
        self.state = conveyor.new_pipe()

    def send(self, at, size, *, link=0.0, take=0.0):
        args = (float(at), float(size), float(link), float(take))
        return conveyor.send(self.clock, self.taker, *self.state, *args, self.rates)


def test_entries_follow_one_another_on_the_link_and_at_the_taker():
    pipe = Pipe()
    assert [pipe.send(0, 10, take=4), pipe.send(2, 10, link=3, take=4), pipe.send(40, 5, take=4)] == [
        0,
        2,
        40,
    ]
    # link: 0-10, 10-23, 40-45; taker: 10-14, 23-27, 45-49
    assert pipe.clock[conveyor.LINK] == 45 and pipe.taker[0] == pipe.clock[conveyor.TAKEN] == 49
    assert pipe.clock[conveyor.LINK_BUSY] == 28 and pipe.clock[conveyor.TAKER_CPU] == 12
    assert pipe.clock[conveyor.BYTES] == 25


def test_a_full_pipe_holds_the_sender_until_an_entry_has_been_taken():
    pipe = Pipe(rates=[1.0, 20, 0, 0])
    assert [pipe.send(0, 10, take=30) for _ in range(4)] == [0, 0, 40, 70]  # taken at 40, 70, 100, 130


def test_two_takers_share_entries():
    pipe = Pipe(takers=2)
    for _ in range(4):
        pipe.send(0, 1, take=10)
    assert sorted(pipe.taker) == [21, 22]  # link 1, 2, 3, 4; takers 1-11, 2-12, 11-21, 12-22


def test_a_taker_opens_each_byte():
    pipe = Pipe(rates=[1.0, 1e18, 0, 0.5])
    pipe.send(0, 10, take=4)
    assert pipe.clock[conveyor.TAKEN] == 10 + 4 + 5 and pipe.clock[conveyor.TAKER_CPU] == 9


def test_processors_that_all_share_do_no_more_than_they_can():
    clock, rates = np.zeros(12), np.array([0.0, 1e18, 2.0, 0.0])
    conveyor.work(clock, 10.0, rates)
    assert clock[conveyor.NOW] == 10  # one thread cannot use two
    ends = [conveyor.others_work(clock, 10.0, 10.0, rates) for _ in range(4)]
    assert ends == [20, 20, 20, 25]  # 50 of work by two: 25, where each alone would end at 20


def test_shared_processors_that_stood_idle_have_lost_that_time():
    clock, rates = np.zeros(12), np.array([0.0, 1e18, 1.0, 0.0])
    clock[conveyor.NOW] = 100.0
    conveyor.work(clock, 10.0, rates)
    assert clock[conveyor.NOW] == 110
    assert conveyor.others_work(clock, 100.0, 5.0, rates) == 115


@pytest.mark.parametrize(("item", "sort"), [(0, 0), (4, 1), (7, 1), (8, 2), (9, 2), (10, 0)])
def test_bounds_tell_the_content(item, sort):
    assert conveyor.sort_of(item, np.array([4, 10, 8, 10])) == sort


def test_all_sizes_of_a_content_are_drawn_alike():
    rng, sizes = np.random.default_rng(3), np.array([[1.0, 2.0, 3.0]] * 3)
    drawn = [conveyor.drawn(sizes, 0, rng) for _ in range(3000)]
    counts = [drawn.count(k) for k in (1.0, 2.0, 3.0)]
    assert sum((n - 1000) ** 2 / 1000 for n in counts) < 13.8  # chi-square of 2 degrees, 1 in 1000


def test_the_first_word_to_do_is_looked_for_round_and_round():
    todo = np.array([0b1010, 0, 0b1], dtype=np.uint64)
    assert conveyor.first_from(todo, 2) == (0, 0b1000)
    assert conveyor.first_from(todo, 4) == (2, 1)
    assert conveyor.first_from(todo, 129) == (0, 0b1010)
    assert conveyor.first_from(todo, 192) == (0, 0b1010)


def words(*bits):
    return np.array([bits], dtype=np.uint64).ravel()


@pytest.mark.parametrize("form", [conveyor.take_item, conveyor.take_item.py_func], ids=["compiled", "plain"])
def test_items_are_taken_one_by_one_with_their_kind(form):
    todo, heavy, seen, mask = words(0, 0b11101), words(0, 0b11001), words(0, 0b10010), np.uint64(0b11100)
    found = []
    while mask:
        rest, item, kind = form(todo, heavy, seen, 1, mask)
        mask = np.uint64(rest)
        found.append((int(item), int(kind)))
    assert found == [(66, conveyor.LIGHT), (67, conveyor.NEW), (68, conveyor.AGAIN)]
    assert list(todo) == [0, 1]  # what the mask left out
    assert list(seen) == [0, 0b11010]


def test_an_item_is_new_once():
    seen = words(0, 0)
    assert [conveyor.meet(seen, item) for item in (127, 127, 64)] == [
        conveyor.NEW,
        conveyor.AGAIN,
        conveyor.NEW,
    ]
    assert list(seen) == [0, (1 << 63) + 1]
