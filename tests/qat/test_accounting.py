"""Both of QEMU's accounting rules in theory: what is counted, limited and estimated, and what crosses the wire."""

import pytest
from qat.guests import BUSY, CPU, FULL, STEADY

from nfvlab.qat.analytic import analyze
from nfvlab.qat.work import Way
from nfvlab.units import GB, Gbps, s


def counted(analyze=analyze):
    """QEMU 7.2 counts 4096 bytes a page, and goes by them: the wire is faster than it thinks, the downtime is not."""
    p = BUSY.replace(
        cpu_method="multifd zstd", link_bytes_per_s=1 * Gbps, zstd_bytes_per_s=5e9, channels_count=4
    )
    pages, wire = analyze(p), analyze(p.replace(multifd_counts_wire=True))
    assert wire.transferred_bytes[CPU] == pytest.approx(wire.wire_bytes[CPU])
    sent = pages.courses[CPU].fluid.normal_pages
    zero = pages.courses[CPU].fluid.duplicate_pages
    assert pages.transferred_bytes[CPU] == pytest.approx(sent * (4096 + 320 / 128 + 8) + zero * 9, rel=1e-6)
    assert pages.wire_bytes[CPU] < 0.5 * pages.transferred_bytes[CPU]
    assert (
        pages.courses[CPU].fluid.round_threshold_bytes[-1]
        > 2 * wire.courses[CPU].fluid.round_threshold_bytes[-1]
    )
    assert pages.downtime_ns[CPU] > wire.downtime_ns[CPU]


def limited(analyze=analyze):
    """max-bandwidth limits what is counted: pages by one rule, wire bytes by the other."""
    p = FULL.replace(
        cpu_method="multifd zstd", zstd_bytes_per_s=5e9, max_bandwidth_bytes_per_s=0.1 * GB, **STEADY
    )
    for rule in (False, True):
        theory = analyze(p.replace(multifd_counts_wire=rule))
        rate = theory.transferred_bytes[CPU] / theory.total_time_ns[CPU] * s
        assert rate == pytest.approx(0.1 * GB, rel=0.03)


@pytest.mark.parametrize("oracle", [counted, limited], ids=lambda one: one.__name__)
def test_accounting(oracle):
    oracle()


def mutant_stop_rule(monkeypatch):
    """Goes by wire bytes whatever QEMU counts."""
    right = Way.sized

    def wrong(self, work, written, fresh, kind="", counted=None, by_cpu=None):
        return right(self, work, written, fresh, kind, None, by_cpu)

    monkeypatch.setattr(Way, "sized", wrong)
    counted()


@pytest.mark.parametrize("mutant", [mutant_stop_rule], ids=lambda one: one.__name__)
def test_wrong_versions_are_found(mutant, monkeypatch):
    with pytest.raises(AssertionError):
        mutant(monkeypatch)
