"""Encryption in the theory of compressed migration: its limits, who pays for which bytes, the cipher as a station."""

import pytest
from hypothesis import given, settings
from qat.guests import BUSY, CPU, FULL, NONE, QAT, STEADY
from strategies import typical

from nfvlab.qat.analytic import analyze, ways
from nfvlab.qat.cpu_work import Channels, Threads, Xbzrle
from nfvlab.qat.device_work import Qatzip
from nfvlab.qat.iaa_work import Iaa
from nfvlab.qat.laws import law
from nfvlab.qat.mva import mva
from nfvlab.qat.params import OUTPUTS, WAYS, Params
from nfvlab.qat.ring_work import Talk
from nfvlab.qat.work import ByCpu, Way
from nfvlab.units import Gbps, GiB, us

RECORDS = 1 + 22 / 16384  # RFC 8446: of 16 KiB each, 5 + 1 + 16 bytes more
TLS_NS = 1e9 / 350e6  # a byte by CPU
SHUT = FULL.replace(encrypted=True, wait_when_full=True)
EVERY_WAY = (Way, Threads, Channels, Xbzrle, Talk, Qatzip, Iaa)
CONTENTS = ("calgary", "random", "own", "system", "zero")


def made(way, p):
    """The way, with the CPU method or the accelerator that it is for."""
    method = {Threads: "threads zlib", Channels: "multifd zstd", Xbzrle: "xbzrle"}.get(way, p.cpu_method)
    accelerator = {Talk: "talk", Qatzip: "QATzip", Iaa: "IAA"}.get(way, p.accelerator)
    return way(p.replace(cpu_method=method, accelerator=accelerator))


def total_ns(p, way):
    return analyze(p).total_time_ns[way]


# -- limits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("way", EVERY_WAY)
def test_a_cpu_without_end_leaves_the_records_bytes(way, content):
    """At 1 TB/s a page costs a few ns; its records' bytes cross the wire, and QEMU does not count them."""
    p = FULL.replace(tls_bytes_per_s=1e12, device_encrypts=False)
    plain, shut = (made(way, p.replace(encrypted=yes)).page(content, True) for yes in (False, True))
    assert shut.wire_bytes == pytest.approx(RECORDS * plain.wire_bytes)
    assert shut.counted_bytes == plain.counted_bytes
    assert plain.cpu_ns < shut.cpu_ns <= plain.cpu_ns + 2 * 4200e-3
    assert shut.cipher_ns == shut.decipher_ns == 0


def test_a_link_bound_migration_takes_the_records_longer():
    p = BUSY.replace(write_rate_per_s=0.0, link_bytes_per_s=0.1 * Gbps, device_encrypts=False, **STEADY)
    plain, shut = analyze(p), analyze(p.replace(encrypted=True, tls_bytes_per_s=1e12))
    for way in range(len(WAYS)):
        assert shut.transferred_bytes[way] == pytest.approx(plain.transferred_bytes[way], rel=1e-4)
        assert shut.wire_bytes[way] / plain.wire_bytes[way] == pytest.approx(RECORDS, rel=1e-4)
        assert shut.total_time_ns[way] / plain.total_time_ns[way] == pytest.approx(RECORDS, rel=2e-4)


@pytest.mark.parametrize("content", CONTENTS)
def test_a_cipher_without_end_leaves_what_seals_a_page(content):
    """28 bytes each, counted by QEMU; of the page's own bytes, CPUs touch its header."""
    p = FULL.replace(cipher_bits_per_s=1e13)
    plain, shut = Talk(p).page(content, True), Talk(p.replace(encrypted=True)).page(content, True)
    assert shut.counted_bytes == pytest.approx(plain.counted_bytes + 28)
    assert shut.wire_bytes == pytest.approx((plain.counted_bytes + 28) * RECORDS)
    header_ns = shut.thread_ns - plain.thread_ns
    assert header_ns * (1 + 1e-9) >= 8 * TLS_NS and header_ns <= 12 * TLS_NS * (1 + 1e-9)
    assert shut.cipher_ns < 0.01 * shut.engine_ns


def test_without_encryption_its_parameters_change_nothing():
    others = {"tls_bytes_per_s": 1e6, "cipher_bits_per_s": 1e6, "device_encrypts": False}
    plain, same = analyze(BUSY), analyze(BUSY.replace(**others))
    assert all(getattr(plain, name) == getattr(same, name) for name in OUTPUTS)


def test_without_compression_the_cpu_is_slower_than_ten_gigabits():
    """350 MB/s, and the thread's other work on top: the destination's first touch is set aside."""
    p = FULL.replace(encrypted=True, first_touch_ns=0.0, again_ns=0.0, zero_load_ns=0.0, **STEADY)
    more, less = (p.replace(touched_bytes=n * GiB, wss_bytes=0.0) for n in (6, 5))
    page_ns = (total_ns(more, NONE) - total_ns(less, NONE)) / (1 * GiB / 4096) + p.zero_scan_ns + 9 * TLS_NS
    assert page_ns == pytest.approx(p.send_ns + 4104 * TLS_NS, rel=0.01)
    theory = analyze(p)
    assert theory.courses[NONE].slowest_frac[0][0] == "thread"
    assert theory.thread_busy_frac[NONE] == pytest.approx(1, abs=0.02)
    assert theory.link_busy_frac[NONE] < 0.4


@pytest.mark.parametrize("field", ["tls_bytes_per_s", "cipher_bits_per_s"])
@pytest.mark.parametrize("way", range(len(WAYS)))
def test_faster_is_not_slower(way, field):
    times = [total_ns(SHUT.replace(**{field: rate}), way) for rate in (1e8, 3e8, 1e9, 1e10, 1e12)]
    assert all(b <= a * (1 + 1e-9) for a, b in zip(times, times[1:], strict=False)), times
    sealed_by_device = way == QAT  # of which the CPU encrypts headers, beside a slower link
    assert (times[0] > times[-1]) == (sealed_by_device == (field == "cipher_bits_per_s"))


@settings(max_examples=40)
@given(typical(Params, wait_when_full=True, compress_wait=True, instances_count=1024, ring_requests=4096))
def test_encryption_is_never_for_free(p):
    """Where everything waits, no page passes quicker for it, and none costs less CPU or fewer bytes."""
    for plain, shut in zip(ways(p.replace(encrypted=False)), ways(p.replace(encrypted=True)), strict=True):
        for content in CONTENTS:
            a, b = (way.flow([(1.0, content)], True) for way in (plain, shut))
            assert b.work.cpu_ns > a.work.cpu_ns and b.work.wire_bytes > a.work.wire_bytes
            assert max(b.source_ns, b.load_ns) >= max(a.source_ns, a.load_ns) * (1 - 1e-4)


# -- who pays ------------------------------------------------------------------------------------------------------


def raw():
    """What finds the ring full is the CPU's, whole; so is a zero page that the check finds."""
    plain, shut = (Talk(FULL.replace(encrypted=yes)) for yes in (False, True))
    for content in ("calgary", "zero"):
        more_ns = shut.other(content, True).thread_ns - plain.other(content, True).thread_ns
        assert more_ns == pytest.approx(4104 * TLS_NS)
    checked = (Talk(FULL.replace(encrypted=yes, zero_check=True)).page("zero", True) for yes in (True, False))
    shut, plain = checked
    assert shut.thread_ns - plain.thread_ns == pytest.approx(9 * TLS_NS) and shut.cipher_ns == 0


def sealed():
    """Text in the device: its header is the CPU's, no byte of its own; random pages are sealed as they are."""
    p = FULL.replace(encrypted=True)
    for content, bytes_ in (("calgary", law(p, "calgary", "1 fixed").least_bytes), ("random", 4096.0)):
        work = Talk(p).page(content, True)
        assert work.cipher_ns == pytest.approx(bytes_ * 8 / 50)
        assert work.counted_bytes == pytest.approx(bytes_ + 28 + (12 if content == "calgary" else 8), abs=0.1)
        plain = Talk(p.replace(encrypted=False)).page(content, True)
        assert work.thread_ns - plain.thread_ns < 12.1 * TLS_NS
        by_cpu = Talk(p.replace(device_encrypts=False)).page(content, True)
        assert by_cpu.thread_ns - plain.thread_ns == pytest.approx(plain.counted_bytes * TLS_NS)


def opened():
    """With a cipher at the destination, nothing but headers is left to its CPU; without, every byte, the 28 too."""
    p = FULL.replace(encrypted=True, destination_engine=False)
    work = Talk(p).page("random", True)
    assert work.reader_ns == pytest.approx(p.first_touch_ns + (4104 + 28) * TLS_NS)
    assert work.decipher_ns == 0
    with_engine = Talk(p.replace(destination_engine=True)).page("random", True)
    request_ns = (p.build_cycles + p.cached_cycles + (p.submit_cycles + p.poll_cycles) / 4) / 2.7
    assert with_engine.reader_ns == pytest.approx(p.first_touch_ns + request_ns + 8 * TLS_NS)
    assert with_engine.decipher_ns == with_engine.cipher_ns and with_engine.inflate_ns == 0


def by_channels():
    """Channels encrypt their own packets, those at the other end decrypt; the migration thread, its zero pages."""
    p = FULL.replace(cpu_method="multifd zstd")
    plain, shut = (Channels(p.replace(encrypted=yes)) for yes in (False, True))
    text, packet = plain.page("calgary", True), shut.page("calgary", True)
    for name in ("workers_ns", "loaders_ns"):
        more_ns = getattr(packet, name) - getattr(text, name)
        assert more_ns == pytest.approx(text.wire_bytes * TLS_NS)
    assert (packet.thread_ns, packet.reader_ns) == (text.thread_ns, text.reader_ns)
    assert packet.engine_ns == text.engine_ns  # which is compression
    assert shut.page("zero", True).thread_ns - plain.page("zero", True).thread_ns == pytest.approx(9 * TLS_NS)


def counted():
    """TLS is below QEMU's counters."""
    p = FULL.replace(encrypted=True, cpu_method="multifd zstd", multifd_counts_wire=True, wait_when_full=True)
    theory, plain = analyze(p), analyze(p.replace(encrypted=False))
    for way in range(len(WAYS)):
        assert theory.wire_bytes[way] == pytest.approx(theory.transferred_bytes[way] * RECORDS, rel=1e-6)
    assert theory.transferred_bytes[CPU] == pytest.approx(plain.transferred_bytes[CPU], rel=1e-4)


def two_devices():
    """A slow cipher takes all bytes that the device has compressed at its rate; two devices have two."""
    slow = SHUT.replace(cipher_bits_per_s=1e9, wss_bytes=0.0, **STEADY)
    text_ns = law(slow, "calgary", "1 fixed").least_bytes * 8
    for devices in (1, 2):
        p = slow.replace(devices_count=devices)
        more, less = (total_ns(p.replace(touched_bytes=n * GiB), QAT) for n in (7, 6))
        zero = Talk(p).flow([(1.0, "zero")], True)
        gained_ns = text_ns / devices - max(zero.source_ns, zero.load_ns)
        assert (more - less) / (1 * GiB / 4096) == pytest.approx(gained_ns, rel=0.01)
    theory = analyze(slow)
    assert theory.courses[QAT].slowest_frac[0][0] == "cipher"
    assert theory.engine_busy_frac[QAT] < 0.3  # the slices'


ORACLES = (raw, sealed, opened, by_channels, counted, two_devices)


@pytest.mark.parametrize("oracle", ORACLES, ids=lambda one: one.__name__)
def test_who_pays(oracle):
    oracle()


def test_a_thread_is_held_while_what_it_inflates_is_decrypted():
    p = FULL.replace(decompress_threads_count=4)
    plain, shut = (Threads(p.replace(encrypted=yes)).page("calgary", True) for yes in (False, True))
    size = law(p, "calgary", "1").mean_bytes + 6
    assert shut.load_read_ns - plain.load_read_ns == pytest.approx(size * TLS_NS)
    assert shut.reader_ns - plain.reader_ns == pytest.approx((size + 12) * TLS_NS)


def test_a_ring_of_one_request_waits_for_its_cipher():
    p = SHUT.replace(ring_requests=1, cipher_bits_per_s=5e9, engine_latency_ns=20 * us)
    talk, open_ = Talk(p), Talk(p.replace(encrypted=False))
    work, plain = talk.page("calgary", True), open_.page("calgary", True)
    gained_ns = talk.pool_ns(work) - open_.pool_ns(plain)
    assert gained_ns == pytest.approx(work.cipher_ns + work.thread_ns - plain.thread_ns)
    stations, delay_ns, customers = talk.ring(work)
    assert 4e9 * mva(stations, delay_ns, customers).per_ns == pytest.approx(1e9 / talk.pool_ns(work))


def test_what_a_slow_cipher_leaves_the_thread_encrypts():
    """The ring is full all the time: shares go by the thread; the cipher at the other end, as slow, waits for none."""
    p = FULL.replace(
        encrypted=True, cipher_bits_per_s=4e9, inflate_engine_bits_per_s=1e12, first_touch_ns=0.0
    )
    flow = Talk(p).flow([(1.0, "calgary")], True)
    text, other = (getattr(Talk(p), name)("calgary", True) for name in ("page", "other"))
    pool_ns = text.cipher_ns
    share = other.thread_ns / pool_ns / (1 + (other.thread_ns - text.thread_ns) / pool_ns)
    assert flow.through_frac == pytest.approx(share, rel=0.01)
    assert 0.7 < share < 0.9


# -- wrong versions ------------------------------------------------------------------------------------------------


def mutant_cpu_for_sealed(monkeypatch):
    """The CPU encrypts what the device sealed."""
    right = Talk.sized

    def wrong(self, work, written, fresh, kind="", counted=None, by_cpu=None):
        return right(self, work, written, fresh, kind, counted, None)

    monkeypatch.setattr(Talk, "sized", wrong)
    sealed()


def mutant_no_tag(monkeypatch):
    """What seals a page takes no bytes."""
    monkeypatch.setattr("nfvlab.qat.ring_work.SEAL_BYTES", 0)
    sealed()


def mutant_raw_unencrypted(monkeypatch):
    """Pages that find the ring full go unencrypted."""
    right = Talk.plain

    def wrong(self, content, fresh):
        work = right(self, content, fresh)
        return work._replace(thread_ns=work.thread_ns - work.counted_bytes * self.tls_byte_ns)

    monkeypatch.setattr(Talk, "plain", wrong)
    raw()


def mutant_records_counted(monkeypatch):
    """QEMU counts the records' bytes."""
    right = Way.sized

    def wrong(self, *args, **kwargs):
        work = right(self, *args, **kwargs)
        return work._replace(counted_bytes=work.counted_bytes * self.records)

    monkeypatch.setattr(Way, "sized", wrong)
    counted()


def mutant_shared_cipher(monkeypatch):
    """All devices share one cipher."""
    monkeypatch.setattr(
        Talk, "_device_ns", lambda self, work: max(work.engine_ns / self.engines, work.cipher_ns)
    )
    two_devices()


def mutant_thread_for_channels(monkeypatch):
    """The migration thread encrypts for the channels."""
    monkeypatch.setattr(Channels, "by_channels", lambda self, size: ByCpu(thread=size, reader=size))
    by_channels()


MUTANTS = (
    mutant_cpu_for_sealed,
    mutant_no_tag,
    mutant_raw_unencrypted,
    mutant_records_counted,
    mutant_shared_cipher,
    mutant_thread_for_channels,
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.__name__)
def test_wrong_versions_are_found(mutant, monkeypatch):
    with pytest.raises(AssertionError):
        mutant(monkeypatch)
