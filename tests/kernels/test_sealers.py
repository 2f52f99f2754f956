"""Sealers that serve in the order in which requests come, not in that in which they are entered; openers."""

import numpy as np
import pytest

from nfvlab.kernels import sealers
from nfvlab.kernels.sealers import BY, BYTES, COMES, FREE, ROWS, SEALED

FORMS = pytest.mark.parametrize("form", [sealers.seal, sealers.seal.py_func], ids=["compiled", "plain"])


def entered(form, comes, size, by=None, *, head=0, devices=1, per_byte=1.0):
    """When requests are sealed that are entered one after the other; the sealers."""
    count = len(comes)
    line, sealer = np.zeros((ROWS, count + 1)), sealers.new_sealers(devices)
    places = (head + np.arange(count)) % (count + 1)
    for k, place in enumerate(places):
        line[BYTES, place], line[BY, place], line[COMES, place] = (
            size[k],
            0 if by is None else by[k],
            comes[k],
        )
        form(line, head, k + 1, place, sealer, per_byte)
    return line[SEALED, places], sealer


@FORMS
def test_requests_that_come_in_order_wait_for_those_before(form):
    sealed, sealer = entered(form, [10.0, 12.0, 40.0], [5, 5, 5])
    assert list(sealed) == [15, 20, 45] and sealer[FREE, 0] == 45


@FORMS
def test_who_comes_before_one_that_was_entered_earlier_is_sealed_before_it(form):
    sealed, sealer = entered(form, [10.0, 100.0, 20.0, 103.0], [5, 5, 90, 5])
    # the third from 20 to 110, then the second until 115, the fourth until 120
    assert list(sealed) == [15, 115, 110, 120] and sealer[FREE, 0] == 120


@FORMS
def test_devices_do_not_wait_for_one_another(form):
    sealed, _ = entered(form, [10.0, 10.0, 10.0], [5, 5, 5], [0, 1, 0], devices=2)
    assert list(sealed) == [15, 15, 20]


@FORMS
@pytest.mark.parametrize("devices", [1, 3])
def test_any_order_is_first_come_first_served(form, devices):
    rng = np.random.default_rng(7)
    for _ in range(40):
        count = 12
        comes = np.arange(count) * 10.0 + 10 * rng.integers(0, 9, count)  # many at the same time
        by, size = rng.integers(devices, size=count), rng.integers(1, 40, count)
        sealed, sealer = entered(form, comes, size, by, head=rng.integers(count + 1), devices=devices)
        free = np.zeros(devices)
        for k in np.argsort(comes, kind="stable"):
            free[by[k]] = max(free[by[k]], comes[k]) + size[k]
            assert sealed[k] == free[by[k]]
        assert np.array_equal(sealer[FREE], free)


def test_the_first_free_opener_opens():
    sealer = sealers.new_sealers(2)
    assert [sealers.opened(sealer, 10.0, now, 2.0) for now in (0.0, 5.0, 6.0)] == [20, 25, 40]
