"""The host files, and the defaults that are taken from them."""

import pytest

from nfvlab import paths
from nfvlab.apicv import params as apicv
from nfvlab.readers.hosts import read_host
from nfvlab.timer import calibrate
from nfvlab.timer import params as timer

HOSTS = {host.file: host for host in calibrate.hosts()}


def defaults_from(file: str) -> dict[str, float]:
    """Every default that the declarations say to have from a host file."""
    specs = apicv.Params.specs() | timer.Params.specs()
    return {
        name: spec.default
        for name, spec in specs.items()
        if spec.source.startswith(f"data/hosts/{file}, solved")
    }


@pytest.mark.parametrize("file", HOSTS)
def test_the_files_hold_what_calibrating_gives(file):
    assert (paths.data_file("hosts") / file).read_text(encoding="utf-8") == HOSTS[file].text()


@pytest.mark.parametrize(("file", "count"), [("skylake-sp.toml", 12), ("haswell-ep.toml", 1)])
def test_defaults_that_name_a_host_file_are_its_values(file, count):
    constants, _ = read_host(paths.data_file("hosts", file))
    found = defaults_from(file)
    assert len(found) == count
    assert found == {name: constants[name] for name in found}


def test_every_cost_that_was_solved_on_skylake_is_a_default():
    constants, _ = read_host(paths.data_file("hosts", "skylake-sp.toml"))
    assert set(defaults_from("skylake-sp.toml")) == set(constants)
