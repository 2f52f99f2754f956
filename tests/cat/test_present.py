"""The masks that groups have now: lines left elsewhere, masks that stay, advice that costs, and the exact cache."""

import numpy as np
import pytest
from cat.host_for_tests import Stretch, record
from cat.watched_for_tests import WAYS, flat, power
from qemu_samples import RECORDINGS

from nfvlab.cat.host import recommend
from nfvlab.cat.regret import worst_regret
from nfvlab.cmt import recording
from nfvlab.llc.engine import Engine
from nfvlab.llc.params import LINE_BYTES
from nfvlab.readers.resctrl import read_resctrl

FULL = (1 << WAYS) - 1
TWO = {"/": flat(1e9), "vm": power(4e9, 0.6)}


@pytest.fixture
def advised(tmp_path):
    def run(truths, stretches, *, options=None, **fields):
        path = record(tmp_path / "r.json", np.random.default_rng(4), truths, stretches, **fields)
        return recommend([read_resctrl(path)], **(options or {}))

    return run


def test_a_group_with_lines_elsewhere_is_judged_by_what_it_holds(advised):
    """The vm has 4 ways of its own and holds 9: its rate is that of 9, and says nothing yet of 4."""
    stretch = Stretch(60, {"/": 0x3, "vm": 0xF0}, {"vm": (9, 0.02)})
    found = advised(TWO, [stretch], noise=0.001)
    curve = found.advices[0].curves[1]
    assert all(8.9 < level.mean_ways < 9.1 for level in curve.levels)
    assert curve.lower[4] == pytest.approx(TWO["vm"](9), rel=0.01) and np.isinf(curve.upper[4])
    assert any("vm holds 9.0 ways in domain 0, its own are 4" in note for note in found.notes)
    full = advised(TWO, [Stretch(60, stretch.masks)], noise=0.001)
    assert [level.mean_ways for level in full.advices[0].curves[1].levels] == [4]
    assert not any("holds" in note for note in full.notes)


def test_masks_stay_where_a_cautious_advice_would_be_worse(advised):
    """The default group was never seen with fewer than 6 ways, though its mask has 2: more would be for nothing."""
    shared = Stretch(40, dict.fromkeys(TWO, FULL), {"/": (12, 1), "vm": (6, 1)})
    apart = Stretch(40, {"/": 0x3, "vm": 0xFFFFC}, {"/": (6, 0.05)})
    found = advised(TWO, [shared, apart], noise=1e-6)
    (advice,) = found.advices
    assert advice.allocation.masks == (0x3, 0xFFFFC) and found.tried.writes == ()
    assert any("the masks stay" in note for note in found.notes)
    limits = (np.ones(2, dtype=np.int64), np.full(2, WAYS), WAYS)
    assert advice.regret == worst_regret(advice.curves, np.ones(2), [2, 18], *limits) > 0
    assert advice.measure is not None
    forced = advised(TWO, [shared, apart], noise=1e-6, options={"min_ways": {"/": 3}})
    assert forced.advices[0].allocation.ways[0] >= 3 and forced.tried.writes


def test_masks_that_would_cost_are_said_to(advised):
    """Six ways are left to devices that the groups shared before: less room for both."""
    both = {"/": power(4e9, 0.6), "vm": power(4e9, 0.6)}
    shared = Stretch(60, dict.fromkeys(both, FULL), {"/": (10, 0.3), "vm": (9.5, 0.3)})
    costly = advised(both, [shared], shareable=0xFC000)
    assert any("expected to cost more bandwidth than the groups move now" in note for note in costly.notes)
    assert not any("expected to cost" in note for note in advised(both, [shared]).notes)


def test_the_exact_cache_lies_in_the_range_that_its_recording_gave():
    """Advised from the stored recording of the simulator, then run from an empty cache with the advised masks.

    The real-time task is left out: in the recording its lines of before still serve it (its rate creeps from 40 Mbit/s
    to 0.12 Gbit/s within half a second, and is 0.3 Gbit/s from an empty cache), and one phase cannot tell that. What
    the neighbour streams is the same with any ways.
    """
    path = RECORDINGS[0].parents[1] / "resctrl" / "simulated_600ms.jsonl"
    (advice,) = recommend([read_resctrl(path)], cautious=False, min_ways={"/": 5}).advices
    masks = dict(zip(advice.allocation.names, advice.allocation.masks, strict=True))
    p = recording.with_masks(recording.SCENARIO, tuple(masks[name] for name in recording.GROUPS))
    engine = Engine(p, p.tenants, np.random.default_rng(7), remote_fracs=[t.remote_frac for t in p.tenants])
    engine.set_masks(p.tenants)
    engine.run(60e6)
    window = engine.run(140e6)
    lines = (window.reads + window.write_backs).sum(axis=1)
    lines[3] += lines[4]  # devices count for RMID 0, the default group's
    rates = dict(zip(recording.GROUPS, lines * LINE_BYTES / 0.08, strict=False))
    assert masks["/"] != 0x3C000  # not what the recording had
    for name in ("/", "vm_packets", "neighbour"):
        _, least, most = advice.effect()[name]
        assert least <= rates[name] <= most
