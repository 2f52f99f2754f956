"""The tables: their words are the models' numbers."""

import numpy as np
import pytest

from nfvlab import units
from nfvlab.qat import simulation, studies
from nfvlab.qat.analytic import analyze
from nfvlab.qat.params import Params
from nfvlab.qat.scenarios import SCENARIOS
from nfvlab.units import Gbps, GiB, MiB

SEED = 2016
TALK = SCENARIOS["the talk"]
SMALL = TALK.replace(ram_bytes=1 * GiB, touched_bytes=384 * MiB, wss_bytes=128 * MiB, write_rate_per_s=2e4)


def test_the_answer_is_what_analyze_says():
    samples = simulation.simulate(SMALL, rng=np.random.default_rng(SEED), n=1)
    theory, frame = analyze(SMALL), studies.answer(SMALL, samples)
    assert frame.loc["Total time", "QAT"] == units.human("total_time_ns", theory.total_time_ns[2])
    saved = 100 * (theory.wire_bytes[2] / theory.wire_bytes[0] - 1)
    assert frame.loc["On the wire", "QAT against none"] == f"{saved:+.0f} %"
    points = 100 * (theory.source_cpu_frac[2] - theory.source_cpu_frac[0])
    assert frame.loc["Source CPU", "QAT against none"] == f"{points:+.0f} points"
    seen = samples.values("total_time_ns[2]")[0]
    assert frame.loc["Total time", "QAT, simulated"] == units.human("total_time_ns", seen)
    assert frame.loc["Slowest", "none"].startswith("link")


def test_the_answer_of_a_guest_that_is_too_fast():
    frame = studies.answer(SMALL.replace(link_bytes_per_s=0.1 * Gbps, write_rate_per_s=1e6))
    assert (frame.loc["Total time", ["none", "CPU threads", "QAT"]] == "does not complete").all()
    assert frame.loc["Total time", "QAT against none"] == "no comparison"


def test_every_scenario_has_a_row():
    frame = studies.scenarios()
    assert list(frame.index) == list(SCENARIOS) and frame.notna().all(axis=None)
    assert frame.loc["fast link", "Total time, QAT"].startswith("+")  # it costs time
    assert frame.loc["the talk", "Total time, QAT"].startswith("-")


def test_switches_name_fields_and_their_settings():
    for name, (base, field, settings) in studies.SWITCHES.items():
        assert field in Params.specs() and base.accelerator == "talk", name
        assert set(settings.values()) == {False, True}, name


def test_zero_pages_of_an_idle_guest_are_cheaper_looked_for():
    name = "idle guest, zero pages"
    frame = studies.switches([name], seed=SEED, n=1)
    base = studies.SWITCHES[name][0]
    for setting, value in (("compressed like others", False), ("looked for", True)):
        theory = analyze(base.replace(zero_check=value))
        assert frame.loc[(name, setting), "Total time"] == units.human(
            "total_time_ns", theory.total_time_ns[2]
        )
    seen = frame["total time, simulated"].str.removesuffix(" s").astype(float)
    assert seen[name, "looked for"] < seen[name, "compressed like others"]


def test_steps_of_a_page_by_its_costs():
    frame = studies.steps(SMALL, seed=SEED)
    case = frame["one page a request"]
    sent = case["build"] / SMALL.build_cycles  # pages through the device, a page sent
    assert case["submit"] == pytest.approx(sent * SMALL.submit_cycles)
    assert case["translate"] == pytest.approx(sent * SMALL.cached_cycles)
    assert frame.loc["submit", "as in the talk"] < case["submit"] / 3  # four pages a request
    read = frame["pagemap read for each page"]
    assert read["translate"] / read["build"] == pytest.approx(SMALL.pagemap_cycles / SMALL.build_cycles)
    assert read["read pagemap before"] == 0 < case["read pagemap before"]
    assert frame.loc["check for zero", "zero pages looked for"] > 0 == case["check for zero"]
    table = studies.steps_table(frame)
    assert table.loc["all", "as in the talk"] == f"{frame['as in the talk'].sum():,.0f}"


def test_gains_are_shares_of_the_time_without():
    frame = studies.gains(SMALL, [1 * Gbps, 10 * Gbps], [0.3])
    assert len(frame) == 4
    for row in frame.itertuples():
        p = SMALL.replace(content="own", own_ratio=row.own_ratio, link_bytes_per_s=row.link_bytes_per_s)
        t = analyze(p).total_time_ns
        assert row.gain_frac == pytest.approx(1 - t[("none", "CPU threads", "QAT").index(row.way)] / t[0])


def test_even_links_are_where_the_gain_ends():
    frame = studies.even_links(cases={"small": {}, "random": {"content": "random"}}, points=20)
    links = np.geomspace(1 * Gbps, 400 * Gbps, 20)
    at = [units.human("link_bytes_per_s", link) for link in links].index(frame.loc["small", "no gain from"])
    before, after = (
        analyze(studies.MAP_BASE.replace(link_bytes_per_s=float(links[k]))).total_time_ns
        for k in (at - 1, at)
    )
    assert before[2] < before[0] and after[2] >= after[0]
