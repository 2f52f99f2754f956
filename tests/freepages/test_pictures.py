"""The still pictures of the notebook: words fit where they stand, every picture says what it shows."""

import numpy as np
import pytest
from matplotlib.patches import FancyBboxPatch

from nfvlab import figures as house
from nfvlab import freepages, predict
from nfvlab.freepages import (
    figures,
    figures_edge,
    figures_mechanism,
    figures_race,
    figures_recorded,
    figures_savings,
    published,
    studies,
    watch,
)
from nfvlab.freepages.params import Params
from nfvlab.paths import data_file
from nfvlab.readers.hosts import read_host
from nfvlab.readers.qemu import read_qemu
from nfvlab.units import Gbps, GiB, ms

SEED = 2016
SMALL = Params(ram_bytes=1 * GiB, hint_reserve_pages=5000)


def check(figure, *words):
    """It can be drawn, and its alternative text has the words."""
    assert house.png(figure, dpi=50).startswith(b"\x89PNG")
    assert len(figure.alt) > 60 and not [word for word in words if word not in figure.alt], figure.alt


def test_the_order_of_events_says_what_comes_after_what_and_fits_its_boxes():
    figure = figures_mechanism.order_of_events()
    check(figure, "dirty log, then asks", "bulk stage", "PCI hole")
    axes = figure.axes[0]
    renderer = figure.canvas.get_renderer()
    figure.draw(renderer)
    boxes = [patch.get_window_extent(renderer) for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    inside = [text.get_window_extent(renderer) for text in axes.texts if "\n" in text.get_text()]
    assert len(boxes) == len(inside) == len(figures_mechanism.STEPS)
    for box, text in zip(boxes, inside, strict=True):
        assert box.x0 <= text.x0 and text.x1 <= box.x1 and box.y0 <= text.y0 and text.y1 <= box.y1


def test_the_fold_is_told_in_words():
    check(figures_mechanism.fold(), "PCI hole", "RAM block")


def test_the_race_counts_hints_in_time():
    seen = watch.watch(SMALL.replace(transport="hints"), rng=np.random.default_rng(SEED))
    check(
        figures_race.race([("plain", seen)]), f"{seen.in_time.sum():,} of {seen.in_time.size:,} hints in time"
    )
    table = figures_race.table([("plain", seen)])
    assert table.loc["plain", "in time"] == f"{seen.in_time.sum():,}"


def test_the_race_without_a_hint_is_drawn_too():
    none = watch.watch(
        SMALL.replace(transport="hints", hint_reserve_pages=10**6), rng=np.random.default_rng(SEED)
    )
    check(figures_race.race([("none", none)]), "0 of 0 hints")
    assert figures_race.table([("none", none)]).loc["none", "first hint"] == "none"


def test_savings_are_drawn_and_tabled():
    frame = studies.savings(SMALL, {"link_bytes_per_s": [1 * Gbps, 3 * Gbps, 10 * Gbps]})
    figure = figures_savings.savings(frame, log=("link_bytes_per_s",))
    check(figure, "Link: bitmap from", "init_on_alloc")
    saved = frame[(frame["way"] == "bitmap") & (frame["value"] == 10 * Gbps)]["saved_frac"].item()
    assert (
        figures_savings.table(frame).loc[("link_bytes_per_s", "10 Gbit/s"), "bitmap"]
        == f"{100 * saved:.0f} %"
    )


def test_the_edge_shows_what_does_not_end():
    frame = studies.edge(
        SMALL.replace(
            wss_bytes=GiB / 8,
            give_up_ns=5e9,
            visit_ns=200.0,
            link_bytes_per_s=2.5 * Gbps,
            downtime_limit_ns=50 * ms,
        ),
        {"uniform": [1e4, 9e4]},
        seed=SEED,
        n=2,
    )
    check(figures_edge.edge(frame), "Uniform writes: at 10 k/s, the last rate simulated that converges")
    assert figures_edge.table(frame).loc[("uniform", "90 k/s"), "theory"] == "no end"


def test_an_edge_beyond_all_rates_is_drawn_too():
    busy = SMALL.replace(wss_bytes=GiB / 8, give_up_ns=2e9, visit_ns=200.0, link_bytes_per_s=1 * Gbps)
    frame = studies.edge(busy.replace(downtime_limit_ns=5 * ms), {"hot": [2e5]}, seed=SEED, n=1)
    check(figures_edge.edge(frame), "Hot set: no rate simulated converges")


def test_recordings_are_drawn_over_the_course():
    constants, _ = read_host(data_file("hosts", "emulated-2core.toml"))
    path = data_file("recordings", "qemu", "a10-used1g-rnd768-bw100-fph.r1.json")
    polls, meta = read_qemu(path)
    p = freepages.from_recording(meta, constants)
    check(figures_recorded.recorded(p, [("recorded", polls)]), "recorded: 23 polls", "127 MiB")
    found = predict.predict_all([(path, meta)], constants, seed=SEED, n=1)
    check(figures_recorded.predicted(found), "1 recordings", "Median errors: Total time")


def test_published_figures_stand_beside_the_model_with_their_aims():
    total = published.Figure("fp-idle-total", "with", "total_time_ns", 421 * ms, 400 * ms, 0.1)
    downtime = published.Figure("l2fwd-downtime", "with", "downtime_ns", 5 * ms, 9 * ms, 3 * ms)
    figure = figures_recorded.published([total, downtime])
    check(figure, "2 numbers", "l2fwd-downtime, with")
    widths = [round(bar.get_width(), 6) for bar in figure.axes[0].patches]
    assert widths == [0.2, 1.2]  # twice 10 %, and twice 3 ms of 5 ms


def test_the_forwarded_rate_falls_to_nothing_while_the_guest_is_stopped():
    p = SMALL.replace(line_rate_bits_per_s=1e9, downtime_limit_ns=10 * ms)
    runs = studies.stops(p, seed=SEED)
    check(
        figures.forwarding(runs, p), *(f"{label}: {run.forwarded.lost_count:,} lost" for label, run in runs)
    )


@pytest.mark.parametrize(
    "name, limits, shown",
    [
        ("ram_bytes", (512 << 20, 256 << 30), ["512 MiB", "4 GiB", "32 GiB", "256 GiB"]),
        ("link_bytes_per_s", (1.25e7, 1.25e10), ["100 Mbit/s", "1 Gbit/s", "10 Gbit/s", "100 Gbit/s"]),
        ("zero_scan_ns", (50.0, 2000.0), ["100 ns", "300 ns", "1 µs"]),
    ],
)
def test_ticks_of_a_log_axis_are_round_in_the_unit_shown(name, limits, shown):
    axes = house.Figure().subplots()
    axes.set(xscale="log", xlim=limits)
    house.quantity(axes.xaxis, name, "Title", ticks=4)
    assert [label.get_text() for label in axes.get_xticklabels()] == shown
