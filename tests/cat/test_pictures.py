"""The pictures of masks: each can be drawn, says what it shows, and paints what the scenario has."""

import numpy as np
import pytest
from cat.tenants_for_tests import FORWARDER, SMALL, STREAM, TASK, TWO, so_many
from matplotlib.colors import to_rgb

from nfvlab import cat, units
from nfvlab import figures as house
from nfvlab.cat import (
    figures,
    figures_course,
    figures_map,
    figures_masks,
    figures_tail,
    figures_ways,
    propose,
    reprogram,
    studies,
    talk,
)
from nfvlab.cat.params import Params
from nfvlab.cat.scenarios import SCENARIOS
from nfvlab.llc.params import Tenant
from nfvlab.units import GB, KiB, MiB, ms, us

SEED = 2016
QUICK = TWO.replace(warmup_ns=0.5 * ms, measured_ns=0.5 * ms)
WHITE = (1.0, 1.0, 1.0)


def check(figure, *words):
    """It can be drawn, and its alternative text has the words."""
    assert house.png(figure, dpi=50).startswith(b"\x89PNG")
    assert len(figure.alt) > 60 and not [word for word in words if word not in figure.alt], figure.alt


def simulated(p: Params, n: int = 2) -> cat.Samples:
    return cat.simulate(p, rng=np.random.default_rng(SEED), n=n)


# -- the live picture ----------------------------------------------------------------------------------------------

LIVE = {
    "one tenant": so_many(1),
    "two": so_many(2),
    "four": so_many(4),
    "eight": so_many(8),
    "eight, CDP": so_many(8, cdp=True),
    "8 ways": so_many(4, 8),
    "8 ways, too few for eight": so_many(8, 8),
    "two masks each on 8 ways": so_many(2, 8, cdp=True),
    "32 ways": so_many(2, 32),
    "gaps": TWO.replace(
        sparse_masks=True,
        tenants=(TWO.tenants[0].replace(data_mask=0b101100000011), TWO.tenants[1].replace(data_mask=0b1010)),
    ),
}


def live(p: Params, samples=None) -> figures.Live:
    made = figures.Live(p)
    figures._proposal(p)
    made.draw(p, cat.analyze(p), samples)
    return made


def test_a_proposal_that_is_not_at_hand_comes_with_the_simulation():
    forwarder, stream = TWO.tenants
    p = TWO.replace(tenants=(forwarder.replace(work_ns=8.765), stream))
    p = p.replace(warmup_ns=0.2 * ms, measured_ns=0.4 * ms)
    made, theory = figures.Live(p), cat.analyze(p)
    made.draw(p, theory)
    diamonds = made.bars[0][2]
    assert propose.at_hand(p) is None and not len(diamonds.get_xdata())
    lines = [len(text.split(" · ")) for text in made.headline(p, theory).values()]
    made.draw(p, theory, simulated(p, 1))
    assert len(diamonds.get_xdata()) == 2 and propose.at_hand(p) is propose.proposal(p)
    narrow = p.replace(tenants=(p.tenants[0].replace(data_mask=1), stream))
    made.draw(narrow, cat.analyze(narrow))
    assert len(diamonds.get_xdata()) == 2  # masks do not matter to it
    assert [len(text.split(" · ")) for text in made.headline(narrow, theory).values()] == lines


def proposed(p: Params) -> Params | None:
    return found.params if (found := figures._proposal(p)) else None


def cells(made: figures.Live, p: Params, k: int) -> tuple[np.ndarray, np.ndarray]:
    """What is painted of tenant k's ways, and of its proposal: float[rows, ways, 3], the topmost way first."""
    painted = np.asarray(made.cells.get_array())
    assert painted.shape == (figures.STRIPES * len(p.tenants), p.cache_ways, 3)
    rows = painted[figures.STRIPES * k : figures.STRIPES * (k + 1)]
    return rows[2:7], rows[8:10]


def ways_of(p: Params, k: int) -> list[int]:
    """Masks that count: of data, with CDP of code too."""
    t = p.tenants[k]
    return [t.data_mask, t.code_mask] if p.cdp else [t.data_mask]


def wanted(mask: int, ways: int, colour, other, io: int = 0) -> list:
    """The colour of each way of a row, the topmost first."""
    looks = [
        colour if mask >> way & 1 else other if not io >> way & 1 else tuple(figures.IO)
        for way in reversed(range(ways))
    ]
    return [tuple(map(float, look)) for look in looks]


@pytest.mark.parametrize("name", LIVE)
def test_the_ways_that_are_painted_are_those_of_the_masks(name):
    p = LIVE[name]
    made, better = live(p), proposed(p)
    for k in range(len(p.tenants)):
        colour = to_rgb(figures.COLOURS[k])
        pale = tuple(0.35 * c + 0.65 for c in colour)
        mine, suggested = cells(made, p, k)
        for row, mask in ((mine[0], ways_of(p, k)[0]), (mine[-1], ways_of(p, k)[-1])):
            assert np.allclose(row, wanted(mask, p.cache_ways, colour, WHITE, p.io_mask))
        if better is None:
            assert np.allclose(suggested, 1.0), "no proposal, nothing painted"
            continue
        for row, mask in ((suggested[0], ways_of(better, k)[0]), (suggested[-1], ways_of(better, k)[-1])):
            assert np.allclose(row, wanted(mask, p.cache_ways, pale, WHITE))


@pytest.mark.parametrize("name", LIVE)
def test_theory_at_once_and_dots_only_with_samples(name):
    p = LIVE[name].replace(warmup_ns=0.2 * ms, measured_ns=0.4 * ms)
    theory, made = cat.analyze(p), live(p)
    (bars, dots, diamonds), (speeds, speed_dots, _) = made.bars
    count = len(p.tenants)
    assert [bar.get_width() for bar in bars] == [*theory.miss_frac, *[0.0] * (figures.MOST - count)]
    by_theory = propose.speeds(p, theory)
    assert [bar.get_width() for bar in speeds[:count]] == pytest.approx(by_theory)
    assert not any(len(line.get_xdata()) for line in (dots, speed_dots, made.seen))
    better = figures._proposal(p)
    assert list(diamonds.get_xdata()) == list(better.theory.miss_frac if better else [])
    samples = simulated(p, 1)
    made.draw(p, theory, samples)
    estimates = samples.estimate()
    assert list(dots.get_xdata()) == [estimates[f"miss_frac[{k}]"].value for k in range(count)]
    assert list(dots.get_ydata()) == list(range(count)) and len(speed_dots.get_xdata()) == count
    timed = [k for k, t in enumerate(p.tenants) if np.isfinite(theory.unit_ns[k])]
    assert list(made.mean.get_xdata()) == [theory.unit_ns[k] for k in timed]
    assert len(made.seen.get_xdata()) == len(timed)
    made.draw(p, theory, None)
    assert not len(dots.get_xdata()) and not len(made.seen.get_xdata()), "samples of another state are gone"


def test_one_picture_follows_other_tenants_and_ways():
    made = live(so_many(8))
    for p in (so_many(2, 8), so_many(4, 20, cdp=True), so_many(1)):
        fresh = live(p)
        made.draw(p, cat.analyze(p), None)
        assert [text.get_visible() for text in made.names] == [
            k < len(p.tenants) for k in range(figures.MOST)
        ]
        assert np.array_equal(made.cells.get_array(), fresh.cells.get_array())
        assert made.cells.get_extent() == fresh.cells.get_extent()
        assert made.masks.get_xlim() == fresh.masks.get_xlim()


def test_what_moves_stays_inside_its_axes():
    p = so_many(4)
    made = live(p, None)
    low, high = made.masks.get_xlim()
    assert low < 0 and high > p.cache_ways
    for axes, (bars, _, diamonds) in zip((made.misses, made.speed), made.bars, strict=True):
        most = max([bar.get_width() for bar in bars] + list(diamonds.get_xdata()))
        assert axes.get_xlim()[0] <= 0 and most <= axes.get_xlim()[1]


@pytest.mark.parametrize("name", ["packets beside a stream", "real-time task beside a noisy neighbour"])
def test_the_headline_has_a_tile_a_tenant(name):
    p = SCENARIOS[name]
    theory, made = cat.analyze(p), figures.Live(p)
    better = propose.proposal(p).theory
    output, of = ("packets_per_s", "") if "packets" in name else ("unit_p99_ns", " at 99 %")
    (first, text), (second, other) = made.headline(p, theory).items()
    assert first == f"Tenant 1, {p.tenants[0].workload}" and second == "Tenant 2, scan"
    assert text == (
        f"{units.human(output, getattr(theory, output)[0])}{of} · misses "
        f"{units.human('miss_frac', theory.miss_frac[0])} · proposal {units.human(output, getattr(better, output)[0])}"
    )
    assert other.startswith(f"{units.human('cpi_ratio', theory.cpi_ratio[1])} CPI · ")
    quick = p.replace(warmup_ns=1 * ms, measured_ns=2 * ms)
    tiles = figures.Live(quick).headline(quick, cat.analyze(quick), simulated(quick))
    assert all(" · simulated " in tile and " ± " in tile for tile in tiles.values())


def test_where_there_is_no_proposal_the_tiles_say_so_and_the_button_does_nothing():
    p = so_many(8, 8)
    p = p.replace(warmup_ns=0.2 * ms, measured_ns=0.4 * ms)
    made, theory = live(p), cat.analyze(p)
    assert all("proposal at rest" in tile for tile in made.headline(p, theory).values())
    samples = simulated(p, 1)
    made.draw(p, theory, samples)
    assert all("too few ways" in tile for tile in made.headline(p, theory, samples).values())
    assert made.actions["Take the proposal"](p) is p
    assert made.actions["Take the proposal"](TWO) == propose.proposal(TWO).params


@pytest.mark.parametrize("name", ["the talk's example, CDP", "overlapping masks"])
def test_the_still_picture_says_its_numbers(name):
    p = SCENARIOS[name]
    theory = cat.analyze(p)
    words = [f"Tenant {k + 1}, {t.workload}" for k, t in enumerate(p.tenants)]
    check(cat.figure(p), *words, units.human("packets_per_s", theory.packets_per_s[0]))


def test_only_what_a_workload_uses_has_a_control():
    made = figures.Live(TWO)
    assert made.relevant(TWO, "tenants[0].ring_count") and not made.relevant(TWO, "tenants[1].ring_count")
    assert not made.relevant(TWO, "tenants[0].code_mask")
    assert made.relevant(TWO.replace(cdp=True), "tenants[0].code_mask")
    assert made.ways(TWO) == (12, 0xC00, "devices")


# -- the still pictures --------------------------------------------------------------------------------------------


def test_the_talks_tables_are_drawn_with_who_shares():
    figure = figures_masks.tables(talk.CAT, talk.CDP)
    check(figure, "COS0 F000", "COS2 and COS3 share 2", "COS1.Data and COS1.Code share 2")
    rows, shared = figure.axes[0], figure.axes[1]
    taken = [patch for patch in rows.patches if patch.get_facecolor()[:3] != WHITE]
    assert len(taken) == sum(len(mask) for mask in talk.CAT.by_name.values())
    counts = [[len(a & b) for b in talk.CAT.by_name.values()] for a in talk.CAT.by_name.values()]
    assert [int(text.get_text()) for text in shared.texts] == sum(counts, [])


def test_masks_that_nobody_shares_are_drawn_too():
    alone = talk.Table("Apart", tuple(item for item in talk.CAT.masks if item[0] in ("COS0", "COS1")))
    check(figures_masks.tables(alone), "Apart: COS0 F000, COS1 0F00", "Nobody shares ways")


def test_the_course_says_what_each_holds_at_the_end():
    stages = [
        QUICK.replace(
            tenants=tuple(t.replace(data_mask=m) for t, m in zip(QUICK.tenants, masks, strict=True))
        )
        for masks in ((0x00F, 0x3F0), (0x3F0, 0x00F))
    ]
    made = reprogram.reprogram(stages, stage_ns=0.5 * ms, rng=np.random.default_rng(SEED), snapshots=20)
    held = [units.human("x_bytes", x) for x in made.occupancy_bytes[-1]]
    figure = figures_course.course(made, ["forwarder", "zipf"], ["at first", "swapped"])
    check(figure, "at first, then swapped", f"forwarder {held[0]}; zipf {held[1]}")
    over, *by_way = figure.axes
    assert len(by_way) == 2 and [line.get_xdata()[0] for line in over.lines[2:]] == [0.5 * ms]
    for stage, axes in enumerate(by_way):
        heights = [bar.get_height() for bar in axes.patches]
        assert heights == made.by_way_bytes[stage].ravel().tolist()


def test_tails_have_a_line_of_theory_and_dots_of_what_was_seen():
    busy = {"warmup_ns": 2 * ms, "measured_ns": 40 * ms}
    task = TASK.replace(interval_ns=50 * us, data_bytes=8 * KiB, code_bytes=4 * KiB)
    alone = Params(**SMALL | busy, tenants=(task.replace(data_mask=0xF00), STREAM.replace(data_mask=0x0FF)))
    beside = alone.replace(tenants=tuple(t.replace(data_mask=0xFFF) for t in alone.tenants))
    runs = {"CAT": simulated(alone), "no masks": simulated(beside)}
    figure = figures_tail.tails(runs, 0, "Time from a wake-up to its end")
    p99 = units.human("unit_p99_ns", runs["CAT"].estimate()["unit_p99_ns[0]"].value)
    check(figure, f"CAT: 99 % within {p99}", "no masks: 99 % within")
    table = figures_tail.table(runs, 0)
    assert set(table.columns) == {"theory", "simulated"} and ("CAT", "1 %") in table.index
    work = cat.analyze(alone).unit(0)
    assert table.loc[("CAT", "1 %"), "theory"] == units.human("unit_ns", work.quantile_ns(0.99))
    shown = figures_tail.quantiles(runs["CAT"], 0)
    total = runs["CAT"].latency_counts[:, 0].sum()
    assert set(shown) == {share for share in figures_tail.SEEN if share * total >= 10} and 1e-4 not in shown
    assert list(shown.values()) == sorted(shown.values()), "the fewer, the longer"
    assert shown[0.01] == pytest.approx(
        runs["CAT"].estimate()["unit_p99_ns[0]"].value, rel=0.025
    )  # a bin: 2.3 %


def test_misses_by_ways_say_how_far_each_theory_is_off():
    p = Params(**SMALL, tenants=(Tenant(data_bytes=MiB / 8, data_mask=0xFFF),))
    frame = studies.by_ways(p, (1, 4, 12), seed=SEED, n=2)
    off = [units.human("miss_frac", np.abs(frame[x] - frame["monte_carlo"]).max()) for x in ("theory", "che")]
    check(figures_ways.by_ways({"zipf": frame}), f"zipf: set by set {off[0]}, plain Che {off[1]}")
    check(figures_ways.by_ways({"one": frame, "other": frame}), "one: ", "other: ")


def test_rings_say_what_the_largest_misses():
    p = Params(**SMALL, tenants=(FORWARDER, STREAM.replace(data_mask=0x00F)))
    frame = studies.rings(p, (64, 256), (1, 2))
    last = units.human("x_frac", frame["data_miss_frac"].iloc[-1])
    check(figures_ways.rings(frame), f"2 ways: {last} at the largest ring")


@pytest.mark.parametrize("ways", [(2, 6), (2, 4, 6, 10)])
def test_the_map_says_its_best_and_its_worst(ways):
    p = QUICK.replace(
        tenants=(Tenant(data_bytes=MiB / 8, data_mask=0xFFF), STREAM), memory_bytes_per_s=10 * GB
    )
    frame = studies.hurts(p, (32 * KiB, 128 * KiB, 512 * KiB), ways)
    figure = figures_map.gains(frame, "ways", "data_bytes", ("Ways", "Data"), title="Speed gained")
    best = frame.loc[frame["gain_ratio"].idxmax()]
    check(figure, "Speed gained over ways and data", f"{100 * (best['gain_ratio'] - 1):+.0f} %")
    table = figures_map.table(frame, "ways", "data_bytes")
    assert table.shape == (3, len(ways))
    row = frame[(frame["ways"] == 6) & (frame["data_bytes"] == 128 * KiB)]["gain_ratio"].item()
    assert table.loc["128 KiB", units.human("ways", 6)] == f"{round(100 * (row - 1)):+d} %"


@pytest.mark.parametrize("gain", [1.0, 1.3, 0.7])
def test_a_map_all_of_one_sign_is_drawn_too(gain):
    frame = studies.hurts(QUICK, (32 * KiB, 128 * KiB), (2, 4)).assign(gain_ratio=gain)
    figure = figures_map.gains(frame, "ways", "data_bytes", ("Ways", "Data"), title="Speed gained")
    check(figure, f"{100 * (gain - 1):+.0f} %")
