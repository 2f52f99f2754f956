"""One knob turned: theory and simulation in one frame, its picture, and what rules and free pages change."""

import numpy as np
import pytest
from qat.guests import SMALL

from nfvlab import figures as house
from nfvlab import units
from nfvlab.qat import figures_mechanism, figures_twins, studies_swept, talk
from nfvlab.qat.analytic import analyze
from nfvlab.qat.params import WAYS
from nfvlab.qat.simulation import migrate, outputs_of
from nfvlab.units import Gbps, s

SEED = 2016
LINKS = [1 * Gbps, 10 * Gbps]


@pytest.fixture(scope="module")
def frame():
    return studies_swept.swept(SMALL, "link_bytes_per_s", LINKS, seed=SEED, n=1)


def test_a_row_a_value_and_way(frame):
    assert list(zip(frame["link_bytes_per_s"], frame["way"], strict=True)) == [
        (link, way) for link in LINKS for way in WAYS
    ]
    theory = analyze(SMALL.replace(link_bytes_per_s=LINKS[1]))
    assert tuple(frame["total_time_ns_theory"][3:]) == theory.total_time_ns
    (child,) = np.random.SeedSequence(SEED).spawn(1)
    seen = outputs_of(migrate(theory.params, "QAT", np.random.default_rng(child)))
    assert frame["total_time_ns_monte_carlo"].iloc[-1] == seen["total_time_ns"]


def test_the_table_has_the_frames_numbers(frame):
    table = studies_swept.swept_table(frame, "link_bytes_per_s")
    assert list(table.index) == ["1 Gbit/s", "10 Gbit/s"]
    told = units.human("total_time_ns", frame["total_time_ns_theory"].iloc[0])
    assert table.loc["1 Gbit/s", "none, theory"] == told and table.shape == (2, 6)


def test_the_picture_draws_theory_and_dots(frame):
    rings = studies_swept.swept(SMALL, "ring_requests", [4, 64], ways=["QAT"], seed=SEED, n=1)
    drawn = figures_twins.twins(frame, "link_bytes_per_s", {"sends raw": rings}, "ring_requests")
    assert house.png(drawn, dpi=50).startswith(b"\x89PNG")
    left = drawn.axes[0]
    lines = [line.get_ydata() for line in left.get_lines()]
    assert len(lines) == 6 and all(len(line) == 2 for line in lines)
    assert list(lines[0]) == list(frame["total_time_ns_theory"][::3])
    assert list(lines[1]) == list(frame["total_time_ns_monte_carlo"][::3])
    assert "none: " in drawn.alt and "QAT, sends raw, over requests in flight" in drawn.alt


def test_a_migration_that_does_not_complete_has_no_dot():
    p = SMALL.replace(write_rate_per_s=1e6, give_up_ns=2 * s)
    frame = studies_swept.swept(p, "link_bytes_per_s", [0.1 * Gbps], ways=["none"], seed=SEED, n=1)
    assert frame.filter(like="total_time").isna().all(axis=None)
    assert (studies_swept.swept_table(frame, "link_bytes_per_s") == "does not complete").all(axis=None)


def test_counting_pages_looks_like_more_bytes_than_there_are():
    table = studies_swept.counting({"zstd": (SMALL, "CPU threads")}, seed=SEED)
    pages, wire = (table.loc[("zstd", rule)] for rule in studies_swept.COUNTED)
    assert wire["ram.transferred"] == wire["on the wire"] != pages["ram.transferred"]
    theory = analyze(SMALL.replace(multifd_counts_wire=False))
    assert pages["ram.transferred"] == units.human("x_bytes", theory.transferred_bytes[1])
    assert theory.transferred_bytes[1] > 1.5 * theory.wire_bytes[1]


def test_both_are_quicker_than_either_for_a_guest_at_rest():
    idle = SMALL.replace(touched_bytes=0.0, wss_bytes=0.0, write_rate_per_s=0.0)
    table = studies_swept.combined({"idle": idle}, seed=SEED)
    wire = {what: analyze(idle.replace(skip_free=skips)).wire_bytes[k] for what, skips, k in (
        ("free pages skipped", True, 0), ("QAT", False, 2), ("both", True, 2))}  # fmt: skip
    for what, value in wire.items():
        assert table.loc[("idle", what), "on the wire"] == units.human("wire_bytes", value)
    assert wire["both"] < min(wire["QAT"], wire["free pages skipped"])
    assert table.loc[("idle", studies_swept.PLAIN), "change"] == "+0 %"


def test_misses_name_what_is_missing():
    figures = talk.compare()
    rows = studies_swept.misses(figures).rows
    missed = {figure.row for figure in figures if not figure.ok}
    assert {name for row in rows for name in row["missed"].split(", ")} == missed
    assert {row["what is not in the model"] for row in rows} == {talk.MISSING[row] for row in missed}
    (nothing,) = studies_swept.misses(figure for figure in figures if figure.ok).rows
    assert nothing["missed"] == "nothing"


def test_the_diagram_says_who_does_what():
    drawn = figures_mechanism.way_of_a_page()
    assert house.png(drawn, dpi=50).startswith(b"\x89PNG")
    words = {text.get_text() for text in drawn.axes[0].texts}
    assert {"socket", "ring: requests in flight", "build and\nsubmit"} <= words
    assert "ring is full" in drawn.alt
