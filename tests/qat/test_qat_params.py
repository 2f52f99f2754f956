"""The scenario of a compressed migration: declarations, rules, and what every output is called."""

import pytest

from nfvlab.params import ParamError
from nfvlab.qat.params import OUTPUTS, WAYS, Params
from nfvlab.qat.simulation import Samples
from nfvlab.units import GiB, KiB


def test_the_defaults_are_a_scenario_that_survives_json():
    p = Params()
    assert Params.from_json(p.to_json()) == p
    assert p.engine_bits_per_s == 24e9 and p.buffer_bytes == 64 * KiB


def test_buffers_hold_whole_pages():
    with pytest.raises(ParamError, match="whole number of 4 KiB pages"):
        Params(buffer_bytes=10_000)


def test_broken_rules_of_the_migration_are_found_too():
    with pytest.raises(ParamError, match="working set fits"):
        Params(wss_bytes=9 * GiB)


def test_every_output_has_one_value_a_way():
    assert len(Samples.outputs) == len(OUTPUTS) * len(WAYS)
    assert list(Samples.outputs)[:3] == ["total_time_ns[0]", "total_time_ns[1]", "total_time_ns[2]"]


@pytest.mark.parametrize("cores", [5e-324, 0.009])
def test_a_sliver_of_a_core_is_no_machine(cores):
    with pytest.raises(ParamError, match="shared_cores"):
        Params(shared_cores=cores)
    assert Params(shared_cores=0.0).shared_cores == 0 and Params(shared_cores=0.01).shared_cores == 0.01
