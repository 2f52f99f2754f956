"""The encrypted stream: whose work each byte is, what it adds to the wire, the devices' ciphers, wrong versions."""

import numpy as np
import pytest

from nfvlab.kernels import conveyor, sealers
from nfvlab.precopy.params import PAGE_BYTES, boot_pages, ram_pages
from nfvlab.precopy.ramblocks import NAME_BYTES
from nfvlab.qat import plain, rings, simulation
from nfvlab.qat.books import sync_work_ns
from nfvlab.qat.params import Params
from nfvlab.units import Gbps, MBps, MiB, ms, s

SEED = 20160825
FLAT = {"content": "own", "own_ratio": 0.5, "own_cv_frac": 0.0, "system_ratio": 0.5, "stream_ratio": 1.0}
STEADY = {"speed_cv_frac": 0.0, "link_cv_frac": 0.0, "background_rate_per_s": 0.0}
CLEAR = Params(
    ram_bytes=256 * MiB,
    touched_bytes=128 * MiB,
    tls_bytes_per_s=500 * MBps,
    engine_deflate="1 dynamic",
    wait_when_full=True,
    zero_check=True,
    **STEADY,
    **FLAT,
)
BY_CPU = CLEAR.replace(encrypted=True, device_encrypts=False)
BY_DEVICE = CLEAR.replace(encrypted=True)
BYTE_NS = s / (500 * MBps)
RECORDS = 1 + 22 / 16384
NONZERO = boot_pages(CLEAR) + 128 * MiB // PAGE_BYTES
ZERO = ram_pages(CLEAR) - NONZERO
NAMES = sum(NAME_BYTES.values())
HALF = 0.5 * PAGE_BYTES
QUICK = {"engine_bits_per_s": 1e13, "engine_request_ns": 0.0, "engine_latency_ns": 0.0}  # nothing to poll for
CPU_WAYS = [
    ("none", {}),
    ("CPU threads", {"cpu_method": "threads zlib"}),
    ("CPU threads", {"cpu_method": "xbzrle"}),
    ("CPU threads", {"cpu_method": "multifd zlib"}),
    ("CPU threads", {"cpu_method": "multifd zstd"}),
    ("QAT", {"accelerator": "QATzip"}),
    ("QAT", {"accelerator": "IAA"} | QUICK),
    ("QAT", {"accelerator": "talk", "device_encrypts": False}),
]


def thread(p, way="QAT"):
    """The migration thread after its migration."""
    made = simulation.thread_of(p, way, np.random.default_rng(SEED))
    made.run()
    return made


def ids(case):
    names = [value for value in case[1].values() if isinstance(value, str)]
    return "-".join((case[0], *names)).replace(" ", "_")


@pytest.mark.parametrize(("way", "how"), CPU_WAYS, ids=map(ids, CPU_WAYS))
def test_a_cpu_encrypts_every_byte_and_another_decrypts_it(way, how):
    p = CLEAR.replace(interrupts=True, **how)
    clear, made = (thread(p.replace(encrypted=on), way).spent() for on in (False, True))
    spent_ns = made.wire_bytes / RECORDS * BYTE_NS
    assert made.wire_bytes == pytest.approx(clear.wire_bytes * RECORDS, rel=0.001)
    assert made.source_cpu_ns - clear.source_cpu_ns == pytest.approx(spent_ns, rel=0.01)
    assert made.destination_cpu_ns - clear.destination_cpu_ns == pytest.approx(spent_ns, rel=0.01)


@pytest.mark.parametrize("way", ["none", "threads zlib", "talk"])
def test_the_migration_thread_is_what_binds_where_it_encrypts(way):
    name = {"none": "none", "talk": "QAT"}.get(way, "CPU threads")
    made = thread(BY_CPU.replace(link_bytes_per_s=100 * Gbps, tls_bytes_per_s=20 * MBps), name)
    stream = made.spent().wire_bytes / RECORDS
    assert made.totals.total_time_ns == pytest.approx(stream * s / (20 * MBps), rel=0.1)
    assert made.spent().thread_ns > 0.95 * made.totals.total_time_ns


def test_channels_encrypt_side_by_side():
    p = BY_CPU.replace(cpu_method="multifd zstd", tls_bytes_per_s=20 * MBps, link_bytes_per_s=100 * Gbps)
    times = [
        thread(p.replace(channels_count=count), "CPU threads").totals.total_time_ns for count in (1, 2, 4)
    ]
    assert times[0] / times[1] == pytest.approx(2, rel=0.1)
    assert times[1] / times[2] == pytest.approx(2, rel=0.15)


@pytest.mark.parametrize("way", ["none", "QAT", "CPU threads"])
def test_records_are_on_the_wire_and_not_in_what_qemu_counts(way):
    clear, made = (thread(p, way) for p in (CLEAR, BY_CPU))
    iterations = made.totals.transferred_bytes - clear.totals.transferred_bytes
    assert abs(iterations) <= 8 * 100 and iterations % 8 == pytest.approx(0, abs=1e-6)
    if way != "none":
        link_ns = s / (CLEAR.link_bytes_per_s * CLEAR.link_share_frac)
        page_ns = NONZERO * CLEAR.link_page_ns
        named_ns = NAMES * RECORDS * link_ns  # names take no time on the link
        assert made.clocks[conveyor.LINK_BUSY] - page_ns + named_ns == pytest.approx(
            made.spent().wire_bytes * link_ns
        )


def test_every_byte_of_pages_that_the_device_encrypts_is_accounted_for():
    made = thread(BY_DEVICE)
    stream = NONZERO * (12 + HALF + 28) + ZERO * 9 + NAMES
    assert made.spent().wire_bytes == pytest.approx(stream * RECORDS)
    ends = made.totals.transferred_bytes - stream
    assert 8 <= ends <= 8 * 100 and ends % 8 == pytest.approx(0, abs=1e-6)


def encrypted_by_cpu(made):
    """Bytes that the migration thread encrypted; its steps are all its work."""
    steps = made.cycles_by_step()
    each_ns = made.totals.normal_pages / CLEAR.cpu_hz * s
    work_ns = made.spent().thread_ns - sync_work_ns(CLEAR, made.totals.dirty_sync_count)
    assert sum(steps.values()) * each_ns == pytest.approx(work_ns)
    return steps["encrypt"] * each_ns / BYTE_NS


def test_what_the_device_encrypts_costs_the_thread_only_its_copy():
    clear, made = thread(CLEAR), thread(BY_DEVICE)
    heads = NONZERO * 12 + ZERO * 9 + NAMES
    assert encrypted_by_cpu(made) == pytest.approx(heads) and clear.cycles_by_step()["encrypt"] == 0
    copied = NONZERO * 28 * made.per_byte_ns(checked=False)
    assert made.spent().thread_ns - clear.spent().thread_ns == pytest.approx(heads * BYTE_NS + copied)
    other = thread(BY_CPU)
    assert encrypted_by_cpu(other) == pytest.approx(heads + NONZERO * HALF)


def test_pages_sent_raw_are_encrypted_by_the_cpu():
    made = thread(BY_DEVICE.replace(engine_bits_per_s=2e9, ring_requests=4, wait_when_full=False))
    raw = made.raw_pages
    assert 0.2 * NONZERO < raw < 0.95 * NONZERO
    assert encrypted_by_cpu(made) == pytest.approx(raw * 4104 + (NONZERO - raw) * 12 + ZERO * 9 + NAMES)
    stream = raw * 4104 + (NONZERO - raw) * (12 + HALF + 28) + ZERO * 9 + NAMES
    assert made.spent().wire_bytes == pytest.approx(stream * RECORDS)


def test_pages_that_do_not_shrink_go_through_the_cipher_as_they_are():
    made = thread(BY_DEVICE.replace(content="random"))
    raw = made.raw_pages
    assert raw > 0.6 * NONZERO
    assert encrypted_by_cpu(made) == pytest.approx(raw * 8 + (NONZERO - raw) * 12 + ZERO * 9 + NAMES)
    sealed = raw * PAGE_BYTES + (NONZERO - raw) * HALF + NONZERO * 28
    assert made.sealer[sealers.TOTAL].sum() == pytest.approx(sealed)
    stream = sealed + raw * 8 + (NONZERO - raw) * 12 + ZERO * 9 + NAMES
    assert made.spent().wire_bytes == pytest.approx(stream * RECORDS)


SLOW_CIPHER = BY_DEVICE.replace(
    cipher_bits_per_s=0.5e9, link_bytes_per_s=100 * Gbps, tls_bytes_per_s=1e12, inflate_bytes_per_s=1e11
)
SEALING_NS = NONZERO * HALF * 8 / 0.5e9 * s


@pytest.mark.parametrize("destination", [False, True])
@pytest.mark.parametrize("devices", [1, 3])
def test_a_cipher_that_is_the_bottleneck_sets_the_time_and_each_device_has_its_own(devices, destination):
    p = SLOW_CIPHER.replace(devices_count=devices, destination_engine=destination)
    made, quick = thread(p), thread(p.replace(cipher_bits_per_s=1e13))
    assert made.totals.total_time_ns == pytest.approx(SEALING_NS / devices, rel=0.1)
    assert made.totals.total_time_ns > 2 * quick.totals.total_time_ns
    assert made.spent().engine_ns == pytest.approx(quick.spent().engine_ns, rel=1e-3)


def test_who_decrypts_at_the_destination():
    def cpu_ns(p):
        return thread(p).spent().destination_cpu_ns

    heads = NONZERO * 12 + ZERO * 9 + NAMES
    assert cpu_ns(BY_DEVICE) - cpu_ns(CLEAR) == pytest.approx(heads * BYTE_NS)
    by_cpu = cpu_ns(BY_DEVICE.replace(destination_engine=False))
    every = heads + NONZERO * (HALF + 28)
    assert by_cpu - cpu_ns(CLEAR.replace(destination_engine=False)) == pytest.approx(every * BYTE_NS)


def test_a_page_that_did_not_shrink_is_a_part_of_a_request_at_the_destination_only_to_be_decrypted():
    p = CLEAR.replace(content="random")
    clear, made = thread(p), thread(p.replace(encrypted=True))
    raw = made.raw_pages
    heads = raw * 8 + (NONZERO - raw) * 12 + ZERO * 9 + NAMES
    cycles = (p.submit_cycles + p.poll_cycles) / p.request_pages + p.build_cycles + p.cached_cycles
    expected = heads * BYTE_NS + raw * cycles * s / p.cpu_hz
    assert made.spent().destination_cpu_ns - clear.spent().destination_cpu_ns == pytest.approx(expected)


def test_xbzrle_encrypts_differences_and_whole_pages_by_their_bytes():
    p = BY_CPU.replace(
        cpu_method="xbzrle", wss_bytes=32 * MiB, write_rate_per_s=1e4, link_bytes_per_s=0.5 * Gbps
    )
    made = thread(p.replace(downtime_limit_ns=20 * ms), "CPU threads")
    assert made.encoded_pages > 3000
    spent = made.spent()
    first = NONZERO + 32 * MiB // PAGE_BYTES
    own_ns = made.totals.duplicate_pages * p.zero_load_ns + first * p.first_touch_ns
    own_ns += (made.content_pages() - first) * p.again_ns
    stream = spent.wire_bytes / RECORDS
    assert spent.destination_cpu_ns == pytest.approx(own_ns + stream * BYTE_NS, rel=1e-4)


# -- wrong versions ------------------------------------------------------------------------------------------------


class ChargesTheCpu(rings.RingThread):
    """Takes CPU for all bytes, whoever encrypts them."""

    def costs(self, pace):
        cost = super().costs(pace)
        cost[rings.offload.PER_BYTE] += cost[rings.offload.SEAL_BYTE]
        cost[rings.offload.SEAL_BYTE] = 0.0
        return cost


class ForgetsTags(rings.RingThread):
    """Sends what the device encrypted without IV and tag."""

    def costs(self, pace):
        cost = super().costs(pace)
        cost[rings.offload.SEAL_HEAD] = 0.0
        return cost


class HasOneCipher(rings.RingThread):
    """Has all devices share a cipher."""

    def prepare(self):
        super().prepare()
        self.sealer = sealers.new_sealers(1)


class CountsRecords(rings.RingThread):
    """Counts the bytes of TLS records in ram.transferred."""

    def put(self, sent_bytes):
        super().put(sent_bytes * RECORDS)


class EncryptsInNoTime(rings.RingThread):
    """Takes no CPU for what it says that it encrypts."""

    def costs(self, pace):
        cost = super().costs(pace)
        cost[rings.offload.SEAL_BYTE] = 0.0
        return cost


class DecryptsByCpu(rings.RingThread):
    """Has the destination's CPU decrypt what its device should."""

    def costs(self, pace):
        cost = super().costs(pace)
        cost[rings.offload.OPENER_BYTE] = 0.0
        return cost


class ForgetsToEncrypt(plain.PlainThread):
    """Sends plain pages in clear."""

    def page_costs(self):
        return plain.MigrationThread.page_costs(self)


MUTANTS = {
    ChargesTheCpu: test_what_the_device_encrypts_costs_the_thread_only_its_copy,
    ForgetsTags: test_every_byte_of_pages_that_the_device_encrypts_is_accounted_for,
    HasOneCipher: lambda: test_a_cipher_that_is_the_bottleneck_sets_the_time_and_each_device_has_its_own(
        3, False
    ),
    CountsRecords: lambda: test_records_are_on_the_wire_and_not_in_what_qemu_counts("QAT"),
    EncryptsInNoTime: test_pages_sent_raw_are_encrypted_by_the_cpu,
    DecryptsByCpu: test_who_decrypts_at_the_destination,
    ForgetsToEncrypt: lambda: test_a_cpu_encrypts_every_byte_and_another_decrypts_it("none", {}),
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_wrong_thread_is_found_out(mutant, monkeypatch):
    monkeypatch.setattr(simulation, mutant.__mro__[1].__name__, mutant)
    with pytest.raises(AssertionError):
        MUTANTS[mutant]()
