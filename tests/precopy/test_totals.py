"""The books of a migration: what any scenario must add up to, what real recordings say, the same again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import strategies
from bare_migration import PAGES, Watched, migrated, scenario
from hypothesis import given, settings

from nfvlab.precopy.guest import Guest
from nfvlab.precopy.params import Params, ram_pages
from nfvlab.precopy.ramblocks import GUEST, NAME_BYTES, ROMS, BlockNames
from nfvlab.precopy.simulation import migrate, simulate
from nfvlab.units import GiB, KiB, MiB, ms, s, us

PAGE, ZERO, END = 4104, 9, 8  # bytes of a normal page, a zero page and an end of section on the wire
RECORDINGS = Path(__file__).parents[2] / "data" / "recordings" / "qemu"


def guests():
    """Small guests of every kind on hosts of every kind, without firmware or with QEMU's 130 pages of it."""
    fixed = {"ram_bytes": 160 * MiB, "wss_bytes": 40 * MiB, "touched_bytes": 30 * MiB}
    return strategies.typical(Params, **fixed, give_up_ns=5 * s, downtime_limit_ns=100 * ms)


@settings(max_examples=60)
@given(guests())
def test_totals_and_timeline_conserve_pages_and_bytes(p):
    thread = Watched(p, np.random.default_rng(1), Guest(p, np.random.default_rng(2)))
    t = thread.run()
    assert t.normal_pages + t.duplicate_pages == ram_pages(p) + sum(thread.fresh) - thread.left
    assert thread.left == int(np.bitwise_count(thread.bitmap).sum())
    names = t.transferred_bytes - t.normal_pages * PAGE - t.duplicate_pages * ZERO - thread.iterations * END
    assert names in ({7} if p.rom_pages == 0 else {7, 84, 91})
    rows = thread.timeline
    assert sum(row.sent_bytes for row in rows) == pytest.approx(t.transferred_bytes)
    assert rows[-1].transferred_bytes == t.transferred_bytes
    assert (np.diff([0.0] + [row.t_ns for row in rows])[:-1] >= p.window_ns * (1 - 1e-9)).all()
    assert t.dirty_sync_count == len(thread.fresh) == len(thread.sync_times_ns)
    if t.converged:
        assert t.precopy_bytes + t.downtime_bytes == t.transferred_bytes
        assert p.resume_ns <= t.pause_ns and t.downtime_ns <= t.pause_ns
        assert t.total_time_ns == pytest.approx(t.stopped_at_ns + t.downtime_ns)
        assert t.remaining_bytes == 0
        assert t.dirty_sync_count >= 2


def test_a_destination_that_is_slower_than_the_rest_sets_the_pace():
    """19 us a page, 4 MiB in the sockets: the source is done when the last 1022 pages are still under way."""
    p = scenario(first_touch_ns=19 * us, max_bandwidth_bytes_per_s=1e12)
    t = migrated(p).totals
    held = 4 * MiB // PAGE // 64 * 64  # whole words
    assert t.total_time_ns == pytest.approx((PAGES - held) * 19 * us, rel=1e-6)
    assert t.total_time_ns + t.pause_ns - t.downtime_ns == pytest.approx(PAGES * 19 * us)


def test_a_page_sent_again_costs_its_own_time():
    """16384 first touches at 10 us; 5000 pages written meanwhile come again at 100 us."""
    p = scenario(
        first_touch_ns=10 * us, again_ns=100 * us, max_bandwidth_bytes_per_s=1e12, socket_bytes=64 * KiB
    )
    t = migrated(p, (20 * ms, np.arange(5000))).totals
    ends = t.stopped_at_ns + t.pause_ns
    assert ends == pytest.approx(PAGES * 10 * us + 5000 * 100 * us, rel=2e-3)


# -- the same again -----------------------------------------------------------------------------------------


def busy():
    return Params(
        ram_bytes=256 * MiB,
        wss_bytes=64 * MiB,
        write_rate_per_s=2e4,
        pattern="zipf",
        max_bandwidth_bytes_per_s=4e7,
    )


def test_a_generator_determines_a_migration_to_the_bit():
    first, second, other = (migrate(busy(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == second
    assert first != other


def test_samples_are_independent_migrations_of_spawned_generators():
    samples = simulate(busy(), rng=np.random.default_rng(3), n=4)
    alone = [migrate(busy(), child) for child in np.random.default_rng(3).spawn(4)]
    assert list(samples.runs) == alone
    assert len(set(samples.values("total_time_ns"))) == 4


def digest():
    """Two migrations in text (the kernel's own writes are uniform); `python -c` prints it without numba."""
    runs = []
    for pattern in ("sequential", "zipf"):
        p = busy().replace(
            ram_bytes=80 * MiB,
            wss_bytes=2 * MiB,
            write_rate_per_s=2e3,
            pattern=pattern,
            boot_middle_pages=500,
        )
        runs.append(repr(migrate(p, np.random.default_rng(4))))
    return "\n".join(runs)


def test_plain_python_gives_the_same_migrations_to_the_bit():
    code = "import sys; sys.path[:0] = sys.argv[1:]; import test_totals; print(test_totals.digest())"
    here = os.path.dirname(__file__)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, here, os.path.dirname(here)],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == digest(), done.stderr


def test_defaults_migrate():
    t = migrate(Params(), np.random.default_rng(1)).totals
    assert t.converged
    assert t.dirty_sync_count == 3
    assert t.ram_bytes == 8 * GiB + 130 * 4096


# -- the stream ---------------------------------------------------------------------------------------------


def plain_recordings():
    """Totals of the recordings without compression or multifd."""
    for path in sorted(RECORDINGS.glob("*.json")):
        recording = json.loads(path.read_text())
        if not recording["scenario"]["capabilities"]:
            yield pytest.param(recording["final"]["ram"], id=path.stem)


@pytest.mark.parametrize("ram", list(plain_recordings()))
def test_every_byte_of_a_real_migration_is_accounted_for(ram):
    """Pages, zero pages and names leave whole ends of section, one an iteration."""
    pages = ram["normal"] * PAGE + ram["duplicate"] * ZERO
    ends, rest = divmod(ram["transferred"] - pages - NAME_BYTES[ROMS] - 2 * NAME_BYTES[GUEST], END)
    assert rest == 0
    assert ends >= 1


def test_block_names_by_hand():
    assert NAME_BYTES == {GUEST: 7, ROMS: 8 + 7 + 21 + 22 + 19}
    names = BlockNames(1000, 1130)
    assert names.sent(0, 0, 0) == 0
    assert names.sent(500, 0, 500) == 7  # pc.ram, once
    assert names.sent(400, 0, 900) == 0
    assert names.sent(100, 130, 1130) == 77  # the rest of it, then the firmware
    assert names.sent(0, 0, 1130) == 0
    assert names.sent(5, 0, 5) == 7  # back to pc.ram
    once_around = BlockNames(1000, 1130)
    assert once_around.sent(1010, 130, 10) == 7 + 77 + 7
    within = BlockNames(1000, 1130, last_sent=ROMS)
    assert within.sent(10, 100, 10) == 7  # starts in the firmware and wraps
    assert within.sent(990, 30, 1030) == 77


def test_names_are_sent_when_the_walk_changes_the_block():
    p = scenario(rom_pages=130)
    t = migrated(p, (1 * s, 0)).totals
    assert t.normal_pages == PAGES + 130 + 1
    stopped = t.downtime_bytes - (PAGES + 130 - 65 * 244 + 1) * PAGE
    assert stopped == 77 + 7  # 654 pages are left, the firmware's last, then page 0
