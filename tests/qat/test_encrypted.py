"""The table of encrypted migrations: who encrypts, and what each way loses by it."""

import pytest

from nfvlab.qat import studies_encrypted
from nfvlab.qat.scenarios import SCENARIOS
from nfvlab.qat.studies_encrypted import BY_CPU, BY_DEVICE, PLAIN
from nfvlab.units import GiB, MiB


def seconds(words: str) -> float:
    value, unit = words.split(" ")
    return float(value) * {"s": 1.0, "ms": 1e-3}[unit]


@pytest.fixture(scope="module")
def table():
    sizes = {"ram_bytes": 2 * GiB, "touched_bytes": 1 * GiB, "wss_bytes": 256 * MiB}
    p = SCENARIOS["the talk"].replace(**sizes, write_rate_per_s=5e3, cpu_method="multifd zstd")
    return studies_encrypted.encrypted(p, seed=7)


def test_every_way_is_there_and_only_the_accelerator_has_a_device(table):
    assert [way for way, who in table.index if who == BY_DEVICE] == ["QAT"]
    assert len(table) == 7 and set(table.index.get_level_values("encrypted")) == {PLAIN, BY_CPU, BY_DEVICE}


def test_threads_that_encrypt_are_slower_than_the_link(table):
    """10 Gbit/s against 350 MB/s: without compression the time grows to about 3.5 times, whichever side tells."""
    for column in ("total time", "simulated"):
        plain, slow = (seconds(table.loc[("none", who), column]) for who in (PLAIN, BY_CPU))
        assert 3 < slow / plain < 4
    assert table.loc[("none", PLAIN), "slowest"].startswith("link")
    assert "link" not in table.loc[("none", BY_CPU), "slowest"]


def test_the_device_encrypts_at_hardly_any_cost(table):
    for column in ("total time", "simulated"):
        plain, cpu, device = (seconds(table.loc[("QAT", who), column]) for who in (PLAIN, BY_CPU, BY_DEVICE))
        assert device < 1.1 * plain < 0.6 * cpu
