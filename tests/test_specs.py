"""Declarations of fields: what is refused when a class is made, and what becomes of the rest."""

import math
from dataclasses import dataclass

import pytest
import strategies
from house import House, Mansion, Tenant
from hypothesis import find, given

from nfvlab.params import ASSUMED, ParamError, Params, param
from nfvlab.units import GiB, MiB

# --- tables


def test_rows_are_in_words():
    house = House(tenants=(Tenant(), Tenant(wss_bytes=0)))
    rows = {row["name"]: row for row in house.rows()}
    assert rows["ram_bytes"] == {
        "name": "ram_bytes",
        "value": "8 GiB",
        "doc": "memory",
        "domain": "1 MiB to 64 GiB",
        "source": "data sheet, p. 3",
    }
    assert rows["pinned"]["value"] == "yes"
    assert rows["pattern"]["domain"] == "uniform or hot"
    assert rows["tenants"]["value"] == "2 of them"
    assert rows["tenants[1].wss_bytes"]["value"] == "0 B"


def test_the_html_table_is_labelled_and_escaped():
    @dataclass(frozen=True, kw_only=True)
    class Odd(Params):
        """Less < more."""

        a_ns: float = param(1.0, "a <b>bold</b> doc", domain=(0, 2), source="me & you")

    html = Odd()._repr_html_()
    assert "<caption>Less &lt; more.</caption>" in html
    assert "<b>" not in html
    assert "me &amp; you" in html
    assert "1 ns" in html


def test_specs_come_inherited_first_and_may_be_redeclared():
    assert list(Mansion.specs()) == [*House.specs(), "free_frac"]
    assert Mansion().timer_shift == 6
    assert Mansion.specs()["timer_shift"].domain == (1, 31)
    assert House.specs()["timer_shift"].domain == (0, 31)
    spec = Mansion.specs()["ram_bytes"]
    assert (spec.kind, spec.log, spec.typical, spec.dimension.quantity) == (float, True, spec.domain, "size")


def test_rules_of_both_generations_hold():
    with pytest.raises(ParamError) as caught:
        Mansion(tenants=(Tenant(wss_bytes=16 * GiB),), free_frac=1)
    assert [problem.field for problem in caught.value.problems] == ["ram_bytes", "free_frac"]


# --- declarations


def declare(annotation, default=1.0, name="some_ns", **kwargs):
    kwargs = {"source": ASSUMED, **kwargs}
    namespace = {
        "__annotations__": {name: annotation},
        name: param(default, kwargs.pop("doc", "doc"), **kwargs),
    }
    return type("Declared", (Params,), namespace)


@pytest.mark.parametrize(
    ("case", "complaint"),
    [
        (lambda: declare(float, name="some_ms", domain=(0, 2)), "does not end in a known unit"),
        (lambda: declare(float), "a number needs a domain"),
        (lambda: declare(float, 3.0, domain=(0, 2)), "its default breaks its own declaration"),
        (lambda: declare(int, 1.0, domain=(0, 2)), "its default breaks its own declaration"),
        (lambda: declare(int, 1, domain=(0.5, 2)), "whole numbers"),
        (lambda: declare(float, domain=(2, 0)), "low, high"),
        (lambda: declare(float, domain=(0, math.nan)), "low, high"),
        (lambda: declare(float, domain=(0, 2), typical=(1, 3)), "inside the domain"),
        (lambda: declare(float, domain=(0, math.inf)), "finite interval"),
        (lambda: declare(float, domain=(0, 2), log=True), "above zero"),
        (lambda: declare(float, domain=(0, 2), source=""), "must not be empty"),
        (lambda: declare(float, domain=(0, 2), doc=""), "must not be empty"),
        (lambda: declare(str, "a"), "choices"),
        (lambda: declare(float, domain=(0, 2), choices=("a",)), "choices"),
        (lambda: declare(bool, True, domain=(0, 1)), "has no domain"),
        (lambda: declare(list, []), "annotation must be"),
        (lambda: declare(tuple, ()), "annotation must be"),
        (lambda: declare(tuple[int, ...], ()), "annotation must be"),
        (lambda: declare(float | None, domain=(0, 2)), "annotation must be"),
        (
            lambda: type("Bare", (Params,), {"__annotations__": {"a_ns": float}, "a_ns": 1.0}),
            "declare it with param",
        ),
        (lambda: type("Bare", (House,), {"vcpu_count": 8}), "repeat its annotation"),
        (
            lambda: type("Late", (Params,), {"__annotations__": {"a": "NotYet"}, "__module__": __name__}),
            "NotYet",
        ),
    ],
)
def test_a_mistaken_declaration_is_refused_when_the_class_is_made(case, complaint):
    with pytest.raises(TypeError, match=complaint):
        case()


def test_an_undecorated_or_thawed_class_is_refused():
    class Bare(House):
        pass

    @dataclass(kw_only=False, frozen=True)
    class Positional(Params):
        a_ns: float = param(1.0, "doc", domain=(0, 2), source=ASSUMED)

    for cls in (Bare, Positional):
        with pytest.raises(TypeError, match="frozen=True, kw_only=True"):
            cls()


# --- the strategies that every feature's tests use


@given(strategies.typical(House, vcpu_count=7))
def test_typical_scenarios_are_typical(house):
    assert house.vcpu_count == 7
    for name, spec in House.specs().items():
        if spec.kind in (float, int):
            value = getattr(house, name)
            assert (
                spec.typical[0] <= value <= spec.typical[1] or value == spec.default or name == "vcpu_count"
            )


def test_strategies_reach_both_ends_and_refuse_only_by_rules():
    assert find(strategies.typical(House, timer_shift=5), lambda house: house.ram_bytes < 2 * MiB)
    assert find(strategies.edges(House, timer_shift=5), lambda house: house.ram_bytes == 64 * GiB)
    assert find(strategies.typical(House, timer_shift=5), lambda house: len(house.tenants) == 3)


def test_a_domain_without_an_end_still_refuses_infinity():
    @dataclass(frozen=True, kw_only=True)
    class Open(Params):
        wait_ns: float = param(1.0, "doc", domain=(0, math.inf), typical=(0, 10), source=ASSUMED)

    assert Open(wait_ns=1e300).wait_ns == 1e300
    with pytest.raises(ParamError, match="must be finite"):
        Open(wait_ns=math.inf)
