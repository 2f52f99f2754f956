"""The rotation's closed form against the driver's own steps."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.cmt.rotation_theory import QUEUE_NS, rotation


def driver(groups, rmids, rounds_to_clean, rounds, limit=5):
    """Groups watched after each round, of the loop of __intel_cqm_rmid_rotate (4.4) on RMIDs 1..rmids.

    An RMID in limbo has no lines after `rounds_to_clean` rounds, and before that more than any threshold below `limit`.
    """
    spare, free, held, order = 1, list(range(2, rmids + 1)), {}, list(range(groups))
    for group in order:
        held[group] = free.pop(0) if free else None
    limbo, threshold, seen = [], 0, []
    for now in range(rounds):
        again = True
        while again:
            again = False
            waiting = [group for group in order if held[group] is None]
            if not waiting and not limbo:
                break
            if waiting:
                if order[0] != waiting[0]:
                    limbo.append((held[order[0]], now))
                    held[order[0]] = None
                    order.append(order.pop(0))
                if spare is not None:
                    held[waiting[0]], spare = spare, free.pop(0) if free else None
                    threshold = max(threshold - 1, 0)
            while True:
                old = [entry for entry in limbo if entry[1] < now]  # in limbo for 250 ms
                for entry in old:
                    if now - entry[1] < rounds_to_clean and threshold < limit:
                        continue
                    limbo.remove(entry)
                    poor = [group for group in order[1:] if held[group] is None]
                    if spare is None:
                        spare = entry[0]
                    elif poor:
                        held[poor[0]] = entry[0]
                    else:
                        free.append(entry[0])
                if not old or spare is None or threshold >= limit or not waiting:
                    break
                if len(old) < (rmids + 1) // 4:
                    again = True
                    break
                threshold += 1
        seen.append({group for group in order if held[group] is not None})
    return seen


@pytest.mark.parametrize(
    ("groups", "rmids", "clean"),
    [(100, 55, 1), (100, 55, 3), (60, 55, 1), (300, 255, 4), (30, 11, 1), (55, 55, 1), (1000, 255, 9)],
)
def test_the_driver_watches_the_share_that_is_told(groups, rmids, clean):
    seen = driver(groups, rmids, clean, 4 * groups)[2 * groups :]
    told = rotation(groups, rmids, clean * QUEUE_NS)
    assert {len(watched) for watched in seen} == {round(told.watched_frac * groups)}
    every = [sum(group in watched for watched in seen) / len(seen) for group in range(groups)]
    assert every == pytest.approx([told.watched_frac] * groups, abs=0.1)  # each its turn
    turns = sum(1 for before, after in zip(seen, seen[1:], strict=False) if 0 in after and 0 not in before)
    if turns > 2:
        assert told.spell_ns + told.wait_ns == pytest.approx(len(seen) / turns * QUEUE_NS, rel=0.5)


@pytest.mark.parametrize(("groups", "rmids", "clean"), [(100, 55, 8), (100, 55, 20), (60, 23, 5)])
def test_beyond_a_quarter_in_limbo_it_is_a_lower_bound(groups, rmids, clean):
    seen = driver(groups, rmids, clean, 3000)[1000:]
    mean = sum(map(len, seen)) / len(seen) / groups
    assert rotation(groups, rmids, clean * QUEUE_NS).watched_frac <= mean + 1e-9


def test_rmids_that_never_get_clean_are_all_lost():
    assert len(driver(100, 55, 10**6, 500, limit=10**6)[-1]) <= 1
    assert rotation(100, 55, math.inf).watched_frac == 0


def test_enough_rmids_for_all():
    assert rotation(54, 55).watched_frac == 1  # one is set apart
    assert rotation(55, 55).watched_frac < 1
    assert {len(seen) for seen in driver(54, 55, 1, 100)} == {54}


@given(st.integers(1, 2000), st.integers(2, 1023), st.floats(0, 60e9))
def test_spell_and_wait_make_the_share(groups, rmids, clean):
    told = rotation(groups, rmids, clean)
    assert 0 <= told.watched_frac <= 1
    if groups >= rmids:
        assert told.spell_ns / (told.spell_ns + told.wait_ns) == pytest.approx(told.watched_frac)
    assert rotation(groups, rmids, 2 * clean + 1).watched_frac <= told.watched_frac


def test_a_number_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="groups_count = 0"):
        rotation(0, 4)
