"""Bad scenarios: fields past their domains, rules across fields; value, rule, remedy, all at once."""

import math

import pytest
import strategies
from hypothesis import given, settings

from nfvlab.params import ParamError
from nfvlab.precopy.params import PAGE_BYTES, Params, boot_pages, from_recording, ram_pages, top_pages
from nfvlab.readers.qemu import Migration
from nfvlab.units import GiB, MiB, s

FIELDS = Params.specs()
BOOT = boot_pages(Params()) * PAGE_BYTES  # of the default guest of 8 GiB


def refusal(**fields):
    with pytest.raises(ParamError) as caught:
        Params(**fields)
    return caught.value


def past(spec):
    """A value that the field's own declaration refuses."""
    if spec.kind in (float, int):
        return spec.kind(spec.domain[1]) * 2 + 1
    return {bool: "perhaps", str: "often"}[spec.kind]


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_past_its_domain_is_refused_by_name_value_rule_and_remedy(name):
    value = past(FIELDS[name])
    problem = next(p for p in refusal(**{name: value}).problems if p.field == name)
    assert problem.value == value
    assert problem.rule.startswith("must ") and problem.remedy
    text = str(problem)
    assert name in text and problem.rule in text and problem.remedy in text


@given(strategies.outside(Params))
def test_just_outside_far_outside_infinite_and_not_a_number(case):
    name, value = case
    assert name in {problem.field for problem in refusal(**{name: value}).problems}


def test_all_bad_fields_are_reported_at_once():
    error = refusal(**{name: past(spec) for name, spec in FIELDS.items()})
    assert [problem.field for problem in error.problems][: len(FIELDS)] == list(FIELDS)
    for name in FIELDS:
        assert f"\n  {name} = " in str(error)


@settings(max_examples=40)
@given(strategies.edges(Params))
def test_the_ends_of_the_domains_are_inside(p):
    assert Params.from_json(p.to_json()) == p


@settings(max_examples=40)
@given(strategies.typical(Params))
def test_page_counts(p):
    assert ram_pages(p) == p.ram_bytes // PAGE_BYTES + p.rom_pages
    assert boot_pages(p) == p.boot_low_pages + p.boot_middle_pages + top_pages(p)
    assert abs(top_pages(p) - p.boot_top_pages - p.boot_per_gib_pages * p.ram_bytes / GiB) <= 0.5


RULES = {
    "working set larger than memory": ("wss_bytes", {"wss_bytes": 9 * GiB}),
    "touched and working set beside the booted system": (
        "touched_bytes",
        {"touched_bytes": 4 * GiB, "wss_bytes": 8 * GiB - 4 * GiB - BOOT + PAGE_BYTES},
    ),
    "touched memory that was freed": (
        "touched_bytes",
        {"touched_bytes": 8 * GiB - BOOT + PAGE_BYTES, "touched_freed": True},
    ),
    "working set after the touched memory was freed": (
        "wss_bytes",
        {"wss_bytes": 8 * GiB - BOOT + PAGE_BYTES, "touched_freed": True},
    ),
    "a guest too small for what it booted": ("touched_bytes", {"ram_bytes": 64 * MiB}),
    "background writes beyond the kernel's own pages": (
        "background_wss_bytes",
        {"background_wss_bytes": 8 * MiB, "boot_low_pages": 2047},
    ),
    "visits without a page to visit": ("write_rate_per_s", {"write_rate_per_s": 1.0, "wss_bytes": 4095.0}),
    "first throttle above the last": (
        "throttle_initial_frac",
        {"throttle_initial_frac": 0.6, "throttle_max_frac": 0.5},
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_rules_across_fields(rule):
    field, fields = RULES[rule]
    (problem,) = refusal(**fields).problems
    assert problem.field == field
    assert problem.value == fields.get(field, FIELDS[field].default)
    assert problem.rule and problem.remedy
    assert any(name in problem.remedy for name in fields)


def test_the_last_value_that_a_rule_allows():
    Params(wss_bytes=8 * GiB - BOOT)
    Params(touched_bytes=4 * GiB, wss_bytes=4 * GiB - BOOT)
    Params(touched_bytes=8 * GiB - BOOT, wss_bytes=8 * GiB - BOOT, touched_freed=True)
    Params(background_wss_bytes=8 * MiB, boot_low_pages=2048)
    Params(write_rate_per_s=1.0, wss_bytes=PAGE_BYTES)
    Params(throttle_initial_frac=0.5, throttle_max_frac=0.5)


def test_rules_and_bad_fields_are_reported_together():
    error = refusal(
        wss_bytes=9 * GiB,
        throttle_initial_frac=0.6,
        throttle_max_frac=0.5,
        background_wss_bytes=1 * GiB,
        downtime_limit_ns=0.0,
        setup_ns=math.nan,
        pattern="zip",
    )
    broken = [problem.field for problem in error.problems]
    assert set(broken[:3]) == {"downtime_limit_ns", "setup_ns", "pattern"}
    assert broken[3:] == ["wss_bytes", "background_wss_bytes", "throttle_initial_frac"]
    assert "did you mean 'zipf'?" in str(error)


@pytest.mark.parametrize(
    ("version", "period_ns"),
    [(None, 0), ((7, 2, 22), 0), ((9, 1, 3), 0), ((9, 2, 0), 5 * s), ((10, 0, 2), 5 * s)],
)
def test_the_throttle_of_a_recording_looks_as_often_as_its_version_does(version, period_ns):
    meta = Migration("run.json", scenario={"capabilities": ["auto-converge"]}, qemu_version=version)
    p = from_recording(meta)
    assert (p.auto_converge, p.throttle_sync_ns) == (True, period_ns)
