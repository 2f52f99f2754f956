"""What the notebook computes about masks: tables against the models they come from."""

import numpy as np
import pytest
from cat.tenants_for_tests import FORWARDER, PLAIN, SMALL, STREAM, TWO

from nfvlab import cat, units
from nfvlab.cat import propose, studies
from nfvlab.cat.params import Params
from nfvlab.llc.params import LINE_BYTES, Tenant
from nfvlab.units import KiB, MiB

SEED = 2016
ALONE = Params(**SMALL, tenants=(PLAIN,))


def speed(p: Params, k: int = 0) -> float:
    return cat.analyze(p).references_per_s[k]


def with_masks(p: Params, *masks: tuple[int, int]) -> Params:
    pairs = zip(p.tenants, masks, strict=True)
    return p.replace(tenants=tuple(t.replace(data_mask=d, code_mask=c) for t, (d, c) in pairs))


def test_settings_are_what_analyze_says():
    apart = studies.given(TWO, 0, 4)
    frame = studies.settings({"no masks": TWO, "apart": apart})
    assert list(frame.columns) == ["no masks", "apart"]
    for label, p in (("no masks", TWO), ("apart", apart)):
        theory = cat.analyze(p)
        rows = frame[label]
        assert rows["Tenant 1, packets", "packets"] == units.human("packets_per_s", theory.packets_per_s[0])
        assert rows["Tenant 2, zipf", "misses"] == units.human("miss_frac", theory.miss_frac[1])
        share = speed(p, 1) / propose.alone(p, 1).references_per_s[0]
        assert rows["Tenant 2, zipf", "speed of that alone"] == units.human("speed_frac", share)
    assert ("Tenant 2, zipf", "packets") not in frame.index and (
        "Tenant 1, packets",
        "time at 99 %",
    ) in frame.index


def test_misses_too_few_to_matter_read_nothing():
    p = ALONE.replace(tenants=(PLAIN.replace(data_bytes=4 * KiB),))
    assert 0 < cat.analyze(p).miss_frac[0] < studies.LEAST or cat.analyze(p).miss_frac[0] == 0
    assert studies.settings({"one": p}).loc[("Tenant 1, zipf", "misses"), "one"] == "0 %"


@pytest.mark.parametrize(("ways", "masks"), [(1, (0x001, 0xFFE)), (6, (0x03F, 0xFC0)), (12, (0xFFF, 0xFFF))])
def test_given_ways_are_the_lowest_and_the_others_have_the_rest(ways, masks):
    """With all ways given there is nothing left, and the others share them."""
    for tenant in (0, 1):
        made = [t.data_mask for t in studies.given(TWO, tenant, ways).tenants]
        assert made == [masks[0] if k == tenant else masks[1] for k in range(2)]


def test_misses_by_ways_are_theory_and_simulation_of_the_same_scenarios():
    frame = studies.by_ways(TWO, (2, 8), tenant=1, seed=SEED, n=2)
    assert list(frame.columns) == ["ways", "theory", "monte_carlo", "stderr", "che"]
    for row, child in zip(frame.itertuples(), np.random.SeedSequence(SEED).spawn(2), strict=True):
        q = studies.given(TWO, 1, row.ways)
        assert row.theory == cat.analyze(q).miss_frac[1]
        seen = cat.simulate(q, rng=np.random.default_rng(child), n=2).estimate()["miss_frac[1]"]
        assert (row.monte_carlo, row.stderr) == (seen.value, seen.stderr)
        assert row.theory == pytest.approx(row.monte_carlo, abs=0.01)
        assert row.che == studies.plain_che(TWO, TWO.tenants[1], row.ways)
    assert frame["monte_carlo"].is_monotonic_decreasing
    words = studies.side_by_side({"zipf": frame})
    assert words.loc[("zipf", 8), "plain Che"] == units.human("miss_frac", frame["che"].iloc[1])


def test_plain_che_of_uniform_references_is_the_share_that_does_not_fit():
    """Uniform over 4096 lines with room for 1024: in a fully associative LRU cache three in four miss."""
    p = ALONE.replace(tenants=(PLAIN.replace(skew_exponent=0.0, data_bytes=4096.0 * LINE_BYTES),))
    assert studies.plain_che(p, p.tenants[0], 4) == pytest.approx(0.75, abs=1e-3)
    assert studies.plain_che(p, p.tenants[0], 12) == pytest.approx(0.25, abs=1e-3)


def test_gain_is_speed_with_ways_of_its_own_over_speed_without_masks():
    p = Params(**SMALL, tenants=(PLAIN, STREAM))
    frame = studies.hurts(p, (32 * KiB, MiB / 2), (1, 8))
    assert len(frame) == 4
    for row in frame.itertuples():
        q = p.replace(tenants=(PLAIN.replace(data_bytes=row.data_bytes), STREAM))
        low = (1 << row.ways) - 1
        of_its_own = with_masks(q, (low, low), (0xFFF ^ low, 0xFFF ^ low))
        assert row.gain_ratio == pytest.approx(speed(of_its_own) / speed(q))
    gain = frame.set_index(["data_bytes", "ways"])["gain_ratio"]
    assert gain[MiB / 2, 1] < 1 < gain[MiB / 2, 8]


def test_the_best_split_is_the_best_of_all_splits():
    t = Tenant(data_bytes=MiB / 2, skew_exponent=0.3, data_mask=0x0FC, code_mask=0x0FC, work_ns=5.0)
    p = Params(**SMALL, tenants=(t,))
    frame = studies.code_and_data(p, (0.2, 0.5), (32 * KiB,))
    for row in frame.itertuples():
        q = p.replace(tenants=(t.replace(code_frac=row.code_frac, code_bytes=row.code_bytes),))
        splits = {
            w: speed(with_masks(q.replace(cdp=True), (((1 << (6 - w)) - 1) << 2, ((1 << w) - 1) << (8 - w))))
            for w in range(1, 6)
        }
        assert row.gain_ratio == pytest.approx(max(splits.values()) / speed(q))
        assert splits[row.code_ways] == pytest.approx(max(splits.values()))


def test_rings_miss_more_the_larger_they_are_and_less_the_more_ways_devices_fill():
    p = Params(
        **SMALL,
        tenants=(FORWARDER.replace(code_frac=0.0, backlog_count=120, frame_bytes=512, data_mask=0x03F),),
    )
    frame = studies.rings(p, (64, 256, 1024), (1, 4))
    for row in frame.itertuples():
        backlog = min(120, row.ring_count - 1)
        io = ((1 << row.io_ways) - 1) << (12 - row.io_ways)
        t = p.tenants[0].replace(ring_count=row.ring_count, backlog_count=backlog)
        assert row.data_miss_frac == cat.analyze(p.replace(io_mask=io, tenants=(t,))).data_miss_frac[0]
        assert row.ring_bytes == row.ring_count * 512
    wide = frame.pivot(index="ring_count", columns="io_ways", values="data_miss_frac")
    assert (wide[1] >= wide[4]).all() and wide.loc[1024, 1] > wide.loc[64, 1]
    words = studies.ring_table(frame)
    assert words.loc["64 buffers, 32 KiB", "1 ways"] == units.human("miss_frac", wide.loc[64, 1])


def test_measured_is_the_simulation_with_the_theory_in_brackets():
    frame = studies.measured({"here": TWO}, seed=SEED, n=2)
    child = np.random.SeedSequence(SEED).spawn(1)[0]
    seen = cat.simulate(TWO, rng=np.random.default_rng(child), n=2).estimate()
    theory = cat.analyze(TWO)
    said = frame["here"]["Tenant 2, zipf", "misses"]
    pair = (seen["miss_frac[1]"].value, theory.miss_frac[1])
    assert said == "{} ({})".format(*(units.human("miss_frac", x) for x in pair))
    speeds = (propose.speed(TWO, 0, {n: e.value for n, e in seen.items()}), propose.speeds(TWO, theory)[0])
    shown = "{} ({})".format(*(units.human("x_frac", x) for x in speeds))
    assert frame["here"]["Tenant 1, packets", "speed of that alone"] == shown
