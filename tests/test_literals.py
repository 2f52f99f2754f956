"""Quantities as people type them, and parameters as the Python that makes them again."""

import house
import pytest
import toy
from hypothesis import given
from hypothesis import strategies as st

from nfvlab import units
from nfvlab.literals import call, literal, parse

SPECS = {**toy.Params.specs(), **house.Mansion.specs()}
NUMBERS = [name for name, spec in SPECS.items() if spec.dimension]


@pytest.mark.parametrize(
    "name, text, value",
    [
        ("size_bytes", "12 GiB", 12 * units.GiB),
        ("size_bytes", "12gib", 12 * units.GiB),
        ("size_bytes", "1.5 GB", 1_500_000_000),
        ("size_bytes", "3", 3 * units.GiB),
        ("size_bytes", "1e3 bytes", 1000),
        ("link_bytes_per_s", "10 Gbit/s", 10 * units.Gbps),
        ("link_bytes_per_s", "40 Gbps", 40 * units.Gbps),
        ("link_bytes_per_s", "125 MB/s", 1 * units.Gbps),
        ("stall_ns", "300 µs", 300e3),
        ("stall_ns", "300us", 300e3),
        ("stall_ns", ".5 s", 5e8),
        ("free_frac", "25 %", 0.25),
        ("free_frac", "30", 0.3),
        ("streams_count", "7", 7),
        ("stall_rate_per_s", "2.5 k/s", 2500.0),
        ("stall_ns", "-1 ms", -1e6),
    ],
)
def test_typed_quantities(name, text, value):
    spec = SPECS[name]
    assert parse(spec, text, spec.default) == value
    assert type(parse(spec, text, spec.default)) is spec.kind


@pytest.mark.parametrize(
    "text", ["", "many", "GiB", "1 2", "nan", "inf", "1e", "__import__('os')", "٣ GiB" * 99]
)
def test_what_is_no_quantity_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="is not a") as error:
        parse(SPECS["size_bytes"], text, 1)
    assert len(str(error.value)) < 250


def test_an_unknown_unit_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'Gbit/s' is not a unit of size; known units: B, KiB, MiB, GiB"):
        parse(SPECS["size_bytes"], "10 Gbit/s", 1)


def test_a_fraction_of_a_whole_number_is_left_for_the_parameters_to_refuse():
    assert parse(SPECS["streams_count"], "2.5", 1) == 2.5


@given(st.sampled_from(NUMBERS), st.data())
def test_what_a_readout_shows_can_be_typed_again(name, data):
    spec = SPECS[name]
    low, high = spec.typical
    numbers = st.integers(low, high) if spec.kind is int else st.floats(low, high)
    shown = units.human(name, data.draw(numbers))
    assert units.human(name, parse(spec, shown, spec.default)) == shown


@given(st.sampled_from(NUMBERS), st.data())
def test_a_literal_is_the_value_to_the_bit(name, data):
    spec = SPECS[name]
    low, high = spec.domain
    numbers = st.integers(low, high) if spec.kind is int else st.floats(low, high)
    value = data.draw(numbers)
    text, imports = literal(spec, value)
    space = {}
    for statement in imports:
        exec(statement, space)
    made = eval(text, space)
    assert made == value
    assert spec.check(made) == (value, None)


def test_literals_read_as_people_write():
    def write(name, value):
        return literal(SPECS[name], value)[0]

    assert write("size_bytes", 8 * units.GiB) == "8 * GiB"
    assert write("size_bytes", 3 << 29) == "1536 * MiB"
    assert write("link_bytes_per_s", 2.5e9) == "20 * Gbps"
    assert write("stall_ns", 3e8) == "300 * ms"
    assert write("stall_rate_per_s", 2e6) == "2e6"
    assert write("free_frac", 0.25) == "0.25"
    assert write("pattern", "hot") == "'hot'"
    assert write("pinned", False) == "False"


def test_a_call_makes_nested_sets_again():
    p = house.House(
        ram_bytes=16 * units.GiB,
        pattern="hot",
        tenants=(house.Tenant(), house.Tenant(wss_bytes=2.0 * units.GiB, dirty_per_s=1.0 / 3 + 10)),
    )
    text, imports = call(p)
    space = {}
    for statement in imports:
        exec(statement, space)
    assert eval(text, space) == p
    assert "wss_bytes=2 * GiB" in text and "vcpu_count" not in text
    one = p.replace(tenants=(house.Tenant(),))
    assert eval(call(one)[0], space) == one
