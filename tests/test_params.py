import json
import math
import pickle
from dataclasses import FrozenInstanceError, dataclass
from fractions import Fraction

import numpy as np
import pytest
import strategies
from house import House, Mansion, Tenant
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.params import ParamError, Problem
from nfvlab.units import GiB

anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
)
houses = strategies.typical(House)


def problems_of(call, *args, **kwargs):
    with pytest.raises(ParamError) as caught:
        call(*args, **kwargs)
    return caught.value.problems


# --- values


def test_numbers_are_stored_as_declared():
    house = House(ram_bytes=1 << 30, vcpu_count=np.int64(3), downtime_ns=np.float32(2e6))
    assert (type(house.ram_bytes), type(house.vcpu_count), type(house.downtime_ns)) == (float, int, float)
    assert House(downtime_ns=Fraction(10**7, 2)).downtime_ns == 5e6
    assert House(pinned=np.bool_(False)).pinned is False
    assert type(House(pattern=np.str_("hot")).pattern) is str
    assert House(tenants=[Tenant()]).tenants == (Tenant(),)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vcpu_count", 5.0),
        ("vcpu_count", True),
        ("vcpu_count", "4"),
        ("vcpu_count", math.nan),
        ("vcpu_count", math.inf),
        ("vcpu_count", None),
        ("ram_bytes", True),
        ("ram_bytes", "8 GiB"),
        ("ram_bytes", None),
        ("ram_bytes", 1j),
        ("ram_bytes", np.array([1.0, 2.0])),
        ("ram_bytes", math.nan),
        ("ram_bytes", math.inf),
        ("downtime_ns", -math.inf),
        ("ram_bytes", 10**400),
        ("downtime_ns", -(10**400)),
        ("pinned", 1),
        ("pinned", "yes"),
        ("pattern", "unifrom"),
        ("pattern", 3),
        ("tenants", Tenant()),
        ("tenants", (House(),)),
        ("tenants", "ab"),
        ("tenants", (Tenant(),) * 4),
    ],
)
def test_a_wrong_value_is_one_problem_with_rule_and_remedy(field, value):
    (problem,) = problems_of(House, **{field: value})
    assert problem.field == field
    assert problem.value is value or problem.value == value or isinstance(value, np.ndarray | int)
    assert problem.rule.startswith("must")
    assert problem.remedy
    assert len(str(problem)) < 300


def test_an_integral_float_is_refused_with_the_number_to_write():
    (problem,) = problems_of(House, vcpu_count=5.0)
    assert str(problem) == "vcpu_count = 5.0 (5): must be a whole number; write 5"


def test_a_misspelt_choice_gets_the_nearest_one():
    (problem,) = problems_of(House, pattern="unifrom")
    assert problem.remedy == "did you mean 'uniform'?"


@given(strategies.outside(House))
def test_every_number_outside_its_domain_is_refused(case):
    name, value = case
    found = problems_of(House, **{name: value})
    assert found[0].field == name
    assert "must lie in" in found[0].rule or found[0].rule == "must be finite"


@given(strategies.edges(House))
def test_both_ends_of_a_domain_belong_to_it(house):
    assert all(spec.check(getattr(house, name))[1] is None for name, spec in House.specs().items())


def test_all_broken_rules_are_told_at_once_in_human_units():
    with pytest.raises(ParamError) as caught:
        House(ram_bytes=2 * GiB, downtime_ns=0, pattern="warm", tenants=(Tenant(wss_bytes=3 * GiB),))
    assert [problem.field for problem in caught.value.problems] == ["downtime_ns", "pattern", "ram_bytes"]
    text = str(caught.value)
    assert text.startswith("House: 3 problems")
    assert "downtime_ns = 0.0 (0 ns): must lie in 1 ms to 16.7 min; typical values are 1 ms to 1 s" in text
    assert (
        "ram_bytes = 2147483648.0 (2 GiB): must hold all tenants; raise ram_bytes or shrink a tenant" in text
    )


def test_rules_that_stumble_over_a_bad_field_do_not_hide_it():
    """rules() compares a string with a number; the bad field, and what was found before, are reported."""
    found = problems_of(House, vcpu_count="four", ram_bytes=2 * GiB, tenants=(Tenant(wss_bytes=3 * GiB),))
    assert [problem.field for problem in found] == ["vcpu_count", "ram_bytes"]


def test_a_mistake_inside_rules_is_not_swallowed():
    @dataclass(frozen=True, kw_only=True)
    class Wrong(House):
        def rules(self):
            yield 1 / 0

    with pytest.raises(ZeroDivisionError):
        Wrong()


def test_frozen_hashable_comparable():
    house = House(vcpu_count=2)
    with pytest.raises(FrozenInstanceError):
        house.vcpu_count = 3
    assert house == House(vcpu_count=2)
    assert house != House()
    assert len({house, House(vcpu_count=2), House()}) == 2
    assert House(timer_shift=6) != Mansion()


@given(houses)
def test_equal_scenarios_have_equal_hashes(house):
    assert hash(house) == hash(house.replace())
    assert pickle.loads(pickle.dumps(house)) == house


# --- changing


def test_replace_and_changes():
    house = House().replace(vcpu_count=8, pattern="hot")
    assert house.changes() == {"vcpu_count": 8, "pattern": "hot"}
    assert house.changes(House(vcpu_count=8)) == {"pattern": "hot"}
    assert repr(house) == "House(vcpu_count=8, pattern='hot')"


@given(houses)
def test_the_printed_form_makes_the_scenario_again(house):
    assert eval(repr(house), {"House": House, "Tenant": Tenant}) == house


def test_replace_tells_unknown_names_and_broken_rules_together():
    found = problems_of(House().replace, vcpus_count=8, downtime_ns=0, colour="red")
    assert [problem.field for problem in found] == ["vcpus_count", "colour", "downtime_ns"]
    assert found[0].remedy == "did you mean 'vcpu_count'?"
    assert "vcpu_count" in found[1].remedy  # nothing is near: the fields are listed


# --- JSON


@given(houses)
def test_json_round_trip_is_exact(house):
    again = House.from_json(house.to_json())
    assert again == house
    assert again.to_json() == house.to_json()
    assert House.from_dict(house.to_dict()) == house


def test_absent_fields_take_their_defaults():
    assert House.from_dict({"vcpu_count": 2}) == House(vcpu_count=2)


def test_from_dict_names_the_element_of_a_tuple():
    data = {"tenants": [{}, {"wss_bytes": -1, "dirty_pers": 3}], "vcpu_count": 0, "rooms": 2}
    found = problems_of(House.from_dict, data)
    assert {(problem.where, problem.field) for problem in found} == {
        ("tenants[1]", "wss_bytes"),
        ("tenants[1]", "dirty_pers"),
        ("", "vcpu_count"),
        ("", "rooms"),
    }
    assert "tenants[1]: wss_bytes = -1.0 (-1 B): must lie in 0 B to 64 GiB" in str(ParamError(found))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "3",
        '"text"',
        '{"vcpu_count": 2, "vcpu_count": 3}',
        '{"ram_bytes": NaN}',
        '{"ram_bytes": Infinity}',
        '{"ram_bytes": "8 GiB"}',
        '{"vcpu_count": 4.0}',
        '{"pinned": 1}',
        '{"tenants": {"wss_bytes": 1}}',
        '{"tenants": [3]}',
        '{"tenants": null}',
        '{"ram_bytes": 1e999}',
        "[" * 100_000,
        '{"vcpu_count": ' + "9" * 5000 + "}",
        b"\xff\xfe\x00binary",
    ],
    ids=lambda text: repr(text[:30]),
)
def test_json_that_does_not_fit_is_refused_in_a_line_or_two(text):
    with pytest.raises(ParamError) as caught:
        House.from_json(text)
    assert len(str(caught.value)) < 500


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_no_json_gives_a_traceback_from_inside(data):
    for text in (json.dumps(data), json.dumps({"tenants": data}), json.dumps({"ram_bytes": data})):
        try:
            House.from_json(text)
        except ParamError as error:
            assert error.problems


def test_a_param_error_survives_pickling():
    error = ParamError([Problem("a_ns", 1.0, "must be more", "add")], "House")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "House: a_ns = 1.0 (1 ns): must be more; add"
    assert again.problems == error.problems
