"""The host files, and the defaults that are taken from them."""

import pytest

from nfvlab import paths
from nfvlab.apicv import params as apicv
from nfvlab.readers.hosts import read_host
from nfvlab.realtime.solve import solve
from nfvlab.timer import calibrate
from nfvlab.timer import params as timer
from nfvlab.timer.published import RERUN_FRAC

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


@pytest.fixture(scope="module")
def solved():
    return {"skylake": calibrate.skylake(), "haswell": calibrate.haswell()}


@pytest.mark.parametrize(
    ("row", "stages", "constant"),
    [
        ("timer-apicv-immed, with", "exit msr hv_arm loop sync entry deliver return", 0),
        (
            "timer-apicv-immed, without",
            "exit msr hv_arm loop inject entry deliver return exit eoi loop entry",
            0,
        ),
        ("timer-fast-immed, with", "exit msr hv_arm sync entry deliver return", 0),
        ("timer-fast-immed-adv, with", "exit msr hv_arm sync wait entry deliver return", 0),
        ("timer-fast, with", "exit hv_expire sync entry deliver return", 3000 - 31),
        ("timer-fast-adv, with", "entry deliver return", 3050),
    ],
    ids=lambda value: value.partition(",")[0] if isinstance(value, str) and "," in value else None,
)
def test_each_row_is_the_sum_that_one_counts_by_hand(solved, row, stages, constant):
    found = next(one for one in solved["skylake"].rows if one.name == row)
    assert dict(+found.counts) == {name: stages.split().count(name) for name in set(stages.split())}
    assert found.constant_cycles == constant


@pytest.mark.parametrize("host", ["skylake", "haswell"])
def test_the_rows_of_one_host_do_not_contradict_each_other(solved, host):
    assert solved[host].residuals()["in_errors"].abs().max() < 1


def test_the_rows_tell_what_the_heads_say(solved):
    told = solved["skylake"].told
    assert told["loop"] > 0.99
    assert told["wait"] > 0.9
    assert min(told["exit"], told["entry"], told["inject"]) > 0.7
    assert max(told[name] for name in ("sync", "eoi", "hv_arm")) < 0.3  # of a sum that is told
    haswell = solved["haswell"].told
    assert haswell["hrtimer_irq"] > 0.95
    assert haswell["sync"] < 0.1


def test_the_loop_is_what_the_fastpath_saves(solved):
    """2919 less 2467.75 cycles, each known to 15."""
    assert solved["skylake"].costs["loop"] == pytest.approx(2919 - 2467.75, abs=15 * 2**0.5)


def test_the_hrtimer_costs_1200_cycles_more_than_the_preemption_timer(solved):
    """Row timer-exit: 6800 less 5600, and the timer's steps."""
    costs = solved["haswell"].costs
    assert costs["hrtimer_irq"] - costs["hv_expire"] + 31 == pytest.approx(1200, abs=50 * 2**0.5)


@pytest.mark.parametrize("left_out", [f"{test.row}, {test.side}" for test in calibrate.SKYLAKE])
def test_each_row_is_predicted_by_the_others(solved, left_out):
    """Within what the same test differs by from one version of the series to the next."""
    rows = solved["skylake"].rows
    (out,) = [row for row in rows if row.name == left_out]
    again = solve([row for row in rows if row is not out], calibrate.PRIOR)
    known = {name: again.costs.get(name, calibrate.PRIOR[name]) for name in out.counts}
    found = out.constant_cycles + sum(count * known[name] for name, count in out.counts.items())
    assert found == pytest.approx(out.cycles, rel=RERUN_FRAC)


def test_what_should_be_predicted_is_not_in_the_fit():
    fitted = {test.row for test in (*calibrate.SKYLAKE, *calibrate.HASWELL)}
    assert not fitted & {"timer-apicv-off", "timer-apicv-adv", "timer-latency-busy", "timer-cyclictest"}
