"""A monitoring counter in hardware, and what the kernel makes of it.

Hardware: events of an RMID are counted in whole units of the upscaling factor (CPUID 0xF.1 EBX); a bandwidth counter is
24 bits wide and the offset of CPUID 0xF.1 EAX[7:0], and goes round. IA32_QM_EVTSEL names RMID and event, IA32_QM_CTR
then holds the count in bits 61:0, or says Error (63) or Unavailable (62) (Intel SDM volume 3B, 18.18). Kernel:
arch/x86/kernel/cpu/resctrl/monitor.c, function by function in integers of 64 bits.
"""

import errno
import functools
import math
from dataclasses import dataclass

from nfvlab.paths import data_file
from nfvlab.readers.mbm_correction import correction_rows

LLC_OCCUPANCY, MBM_TOTAL, MBM_LOCAL = 1, 2, 3  # event IDs
EVTSEL_RMID_BITS = 10  # IA32_QM_EVTSEL bits 41:32
ERROR, UNAVAILABLE = 1 << 63, 1 << 62
WIDTH_BASE, DATA_BITS = 24, 62
FACTOR_SHIFT = 20  # the kernel's correction factors are multiples of 2**-20
_U64 = (1 << 64) - 1


class CounterError(OSError):
    """IA32_QM_CTR said Error (EIO: no such RMID or event) or Unavailable (EINVAL: no data yet)."""


def evtsel(event: int, rmid: int) -> int:
    """The value to write to IA32_QM_EVTSEL (MSR 0xC8D): event ID in bits 7:0, RMID in bits 41:32."""
    if event not in (LLC_OCCUPANCY, MBM_TOTAL, MBM_LOCAL):
        raise ValueError(f"event = {event}: 1 llc_occupancy, 2 total bandwidth, 3 local bandwidth")
    if not 0 <= rmid < 1 << EVTSEL_RMID_BITS:
        raise ValueError(f"rmid = {rmid}: the field holds 0 to {(1 << EVTSEL_RMID_BITS) - 1}")
    return rmid << 32 | event


def qm_ctr(msr: int) -> int:
    """The count in a value of IA32_QM_CTR (MSR 0xC8E); `CounterError` with the kernel's errno if there is none."""
    if msr & ERROR:
        raise CounterError(errno.EIO, "IA32_QM_CTR.Error: an RMID or event that the part does not have")
    if msr & UNAVAILABLE:
        raise CounterError(
            errno.EINVAL, "IA32_QM_CTR.Unavailable: no data for this RMID yet; read again later"
        )
    return msr


def counter_width(mbm_offset: int) -> int:
    """Width of the bandwidth counters: 24 + CPUID 0xF.1 EAX[7:0]; an offset above 38 is ignored, as the kernel does."""
    return WIDTH_BASE + (mbm_offset if 0 < mbm_offset <= DATA_BITS - WIDTH_BASE else 0)


def hardware_count(total_bytes: float, *, unit_bytes: int, width: int, factor: float = 1.0) -> int:
    """What the counter shows after `total_bytes` of traffic: whole units, modulo 2**width.

    factor: a part that miscounts this RMID counts 1/factor of the traffic.
    """
    return math.floor(total_bytes / factor / unit_bytes) & ((1 << width) - 1)


def occupancy_reading(occupancy_bytes: float, unit_bytes: int) -> int:
    """llc_occupancy in bytes: the whole units that the lines of an RMID fill, times the unit."""
    return int(occupancy_bytes // unit_bytes) * unit_bytes


def overflow_count(previous: int, current: int, width: int) -> int:
    """Units between two values of a counter that goes round (mbm_overflow_count): right for less than one turn."""
    shift = 64 - width
    return ((current << shift & _U64) - (previous << shift & _U64) & _U64) >> shift


@dataclass(frozen=True)
class Correction:
    """What the kernel does to the counts of RMIDs above `rmid_threshold` on a part (mbm_cf_table)."""

    rmid_threshold: int
    factor: float

    def applies(self, rmid: int) -> bool:
        """Whether this RMID is miscounted: above the threshold, not at it."""
        return rmid > self.rmid_threshold

    def corrected(self, rmid: int, units: int) -> int:
        """get_corrected_mbm_count: a multiplication by factor * 2**20 and a shift back, in 64 bits."""
        fixed = int((1 << FACTOR_SHIFT) * self.factor + 0.5)
        return (units * fixed & _U64) >> FACTOR_SHIFT if self.applies(rmid) else units


@functools.cache
def correction_of(part_cores: int) -> Correction | None:
    """The correction of a part with so many cores (data/mbm_correction.csv); None for 0: a part that counts right."""
    if part_cores == 0:
        return None
    rows = {row.core_count: row for row in correction_rows(data_file("mbm_correction.csv"))}
    if part_cores not in rows:
        known = f"{min(rows)} to {max(rows)}"
        raise ValueError(
            f"part_cores = {part_cores}: the table has {known} cores; 0 for a part that counts right"
        )
    row = rows[part_cores]
    # The documentation prints 0 for a part without miscounting; the kernel holds its last RMID instead.
    threshold = row.rmid_threshold or row.rmid_count - 1
    return Correction(threshold, row.correction_factor)


@dataclass
class KernelCounter:
    """The kernel's state of one counter (struct arch_mbm_state): units since the group began, and the last value."""

    rmid: int
    unit_bytes: int
    width: int
    correction: Correction | None = None
    chunks: int = 0
    prev_msr: int = 0

    def reset(self, msr: int) -> None:
        """resctrl_arch_reset_rmid: a group begins; what the counter shows now is where it starts."""
        self.chunks, self.prev_msr = 0, qm_ctr(msr)

    def read(self, msr: int) -> int:
        """resctrl_arch_rmid_read: bytes since the group began, from the counter's value now.

        The correction is applied to all units since the beginning, so that its rounding does not add up. A counter that
        has gone round more than once since it was last read is short by whole turns, and nobody can tell.
        """
        value = qm_ctr(msr)
        self.chunks = self.chunks + overflow_count(self.prev_msr, value, self.width) & _U64
        self.prev_msr = value
        units = self.correction.corrected(self.rmid, self.chunks) if self.correction else self.chunks
        return units * self.unit_bytes & _U64


def longest_interval_ns(*, width: int, unit_bytes: int, bytes_per_s: float) -> float:
    """The longest time in which a counter that is fed `bytes_per_s` cannot go round twice: 2**width units."""
    return (1 << width) * unit_bytes / bytes_per_s * 1e9
