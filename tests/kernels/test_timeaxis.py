"""Marks on a time axis against a list of them, and the table of last uses against a dictionary."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.kernels import lastseen, timeaxis
from nfvlab.kernels.jit import jit

FORMS = {"compiled": 0, "plain": 1}


@jit
def play(script, axis):
    """Append a mark for -1, clear that of a position else; counts before all positions asked for, at the end."""
    now = np.uint64(0)
    for k in range(script.size):
        if script[k] < 0:
            timeaxis.append(now, axis)
            now += np.uint64(1)
        else:
            timeaxis.clear(np.uint64(script[k]), now, axis)
    return now


@jit
def counts(positions, axis):
    found = np.empty(positions.size, dtype=np.int64)
    for k in range(positions.size):
        found[k] = timeaxis.before(np.uint64(positions[k]), axis)
    return found


def random_script(rng, appended, cleared):
    """A script of appends with clears in between, and the marks that are left."""
    script, marks = [], []
    for k in range(appended):
        script.append(-1)
        marks.append(k)
        while len(marks) > 1 and rng.random() < cleared:
            script.append(marks.pop(rng.integers(len(marks))))
    return np.array(script), np.sort(marks)


@pytest.mark.parametrize(
    ("appended", "cleared"), [(1, 0.0), (64, 0.4), (65, 0.3), (4097, 0.45), (9000, 0.3), (300_000, 0.48)]
)
def test_counts_are_those_of_the_list(appended, cleared):
    script, marks = random_script(np.random.default_rng(appended), appended, cleared)
    axis = timeaxis.empty(appended)
    assert axis.bits.size * 64 >= appended
    assert play(script, axis) == appended
    assert counts(marks, axis).tolist() == list(range(marks.size))
    where = np.unpackbits(axis.bits.view(np.uint8), bitorder="little").nonzero()[0]
    assert np.array_equal(where, marks)


def test_a_filled_axis_counts_its_marks():
    axis = timeaxis.empty(3 * timeaxis.SPAN)
    timeaxis.fill(2 * timeaxis.SPAN + 5000, axis)
    places = np.array([0, 63, 64, 4096, timeaxis.SPAN - 1, timeaxis.SPAN, 2 * timeaxis.SPAN + 4999])
    assert counts(places, axis).tolist() == places.tolist()


def test_compiled_and_plain_agree():
    script, marks = random_script(np.random.default_rng(1), 400, 0.4)
    axes = [timeaxis.empty(1), timeaxis.empty(1)]
    play(script, axes[0])
    plain_append, plain_clear = timeaxis.append.py_func, timeaxis.clear.py_func
    now = np.uint64(0)
    for item in script:
        if item < 0:
            plain_append(now, axes[1])
            now += np.uint64(1)
        else:
            plain_clear(np.uint64(item), now, axes[1])
    for one, other in zip(*axes, strict=True):
        assert np.array_equal(one, other)
    plain = [timeaxis.before.py_func(np.uint64(position), axes[1]) for position in marks]
    assert plain == counts(marks, axes[0]).tolist()


@jit
def enter(lines, slots):
    for k in range(lines.size):
        s = lastseen.find(lines[k], slots)
        slots[s, 0], slots[s, 1] = lines[k], np.uint64(k + 1)


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 30), max_size=150))
def test_the_table_is_a_dictionary(lines):
    expected = {line: k + 1 for k, line in enumerate(lines)}
    slots = lastseen.empty(256)
    enter(np.array(lines, dtype=np.uint64), slots)
    larger = lastseen.empty(512)
    lastseen.rehash(slots, larger)
    for table in (slots, larger):
        assert {int(line): int(value) for line, value in table if value} == expected
        for line, value in expected.items():
            assert table[lastseen.find.py_func(np.uint64(line), table), 1] == value
    assert lastseen.room(slots) == 170


@pytest.mark.parametrize("stride", [1, 64, 4096, 1 << 20, 1 << 32, (1 << 40) + 1])
def test_regular_lines_do_not_pile_up(stride):
    # half full, a search passes 0.5 slots on average if homes are random (Knuth vol. 3, 6.4: (1/(1-a) - 1) / 2)
    lines, slots = np.arange(1 << 14, dtype=np.uint64) * np.uint64(stride), lastseen.empty(1 << 15)
    enter(lines, slots)
    passed = [
        (int(s) - lastseen.home.py_func(slots[s, 0], slots)) % (1 << 15)
        for s in np.flatnonzero(slots[:, 1])[::8]
    ]
    assert np.mean(passed) < 1.0
