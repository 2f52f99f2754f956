"""Tables that every notebook shows."""

import toy
import toy_tenants

from nfvlab import studies


def test_knobs_name_their_source():
    rows = studies.knobs(toy.Params(), ["link_bytes_per_s"]).rows
    assert rows == [
        {
            "knob": "link_bytes_per_s",
            "value": "10 Gbit/s",
            "meaning": "rate of the link at work",
            "source": "assumed",
        }
    ]
    bad = toy.SCENARIOS["a bad link"]
    assert {row["knob"] for row in studies.knobs(bad).rows} == set(bad.changes())


def test_knobs_of_parts_go_by_path():
    (row,) = studies.knobs(toy_tenants.SCENARIOS["four"], ["tenants[2].data_mask"]).rows
    assert row["value"] == "0x1c0"


def test_twins_count_claims_and_name_those_that_fail():
    rows = studies.twins(toy, toy.SCENARIOS, seed=1, n=50).rows
    assert [row["scenario"] for row in rows] == list(toy.SCENARIOS)
    assert all(row["fails"] == "none" and row["claims that hold"] == "5 of 5" for row in rows)


def test_a_wrong_theory_is_named(monkeypatch):
    right = toy.analyze
    monkeypatch.setattr(toy, "analyze", lambda p: right(p.replace(stall_rate_per_s=2 * p.stall_rate_per_s)))
    (row,) = studies.twins(toy, {"a bad link": toy.SCENARIOS["a bad link"]}, seed=1, n=50).rows
    assert row["fails"].startswith("total_time_ns: ") and row["claims that hold"] != "5 of 5"
