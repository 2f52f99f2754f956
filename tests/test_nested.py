"""Fields by path: what a scenario with parts is made of, and how it is put together again."""

import pytest
from house import House, Tenant

from nfvlab import nested
from nfvlab.params import ParamError
from nfvlab.units import GiB

TWO = House(tenants=(Tenant(), Tenant(wss_bytes=2 * GiB)))


def test_leaves_are_the_plain_fields_in_order():
    paths = [leaf.path for leaf in nested.leaves(TWO)]
    assert paths[:2] == ["ram_bytes", "downtime_ns"] and "tenants" not in paths
    assert paths[-4:] == [f"tenants[{k}].{name}" for k in (0, 1) for name in ("wss_bytes", "dirty_per_s")]
    values = {leaf.path: leaf.value for leaf in nested.leaves(TWO)}
    assert values["tenants[1].wss_bytes"] == 2 * GiB and values["timer_shift"] == 5


def test_build_is_the_inverse_of_leaves():
    values = {leaf.path: leaf.value for leaf in nested.leaves(TWO)}
    assert nested.build(House(tenants=(Tenant(), Tenant())), values) == TWO
    assert nested.build(TWO, {}) == TWO
    changed = nested.build(TWO, {"tenants[0].dirty_per_s": 5.0, "vcpu_count": 2})
    assert changed.tenants[0].dirty_per_s == 5 and changed.tenants[1] == TWO.tenants[1]
    assert changed.vcpu_count == 2


def test_all_broken_rules_come_at_once_with_their_paths():
    values = {"timer_shift": 99, "tenants[1].wss_bytes": -1.0, "tenants[0].dirty_per_s": 0.0}
    with pytest.raises(ParamError) as caught:
        nested.build(TWO, values)
    assert {nested.path_of(problem) for problem in caught.value.problems} == set(values)
    with pytest.raises(ParamError, match="must hold all tenants"):
        nested.build(TWO, {"tenants[0].wss_bytes": 7 * GiB})


def test_a_pattern_stands_for_one_path_a_part():
    assert nested.expand("tenants[*].wss_bytes", TWO) == ["tenants[0].wss_bytes", "tenants[1].wss_bytes"]
    assert nested.expand("tenants[*].wss_bytes", House()) == []
    assert nested.expand("ram_bytes", TWO) == ["ram_bytes"]
    assert nested.expand("tenants[1].wss_bytes", TWO) == ["tenants[1].wss_bytes"]
    assert nested.field_name("tenants[1].wss_bytes") == "wss_bytes" == nested.field_name("wss_bytes")
