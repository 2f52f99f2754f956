"""perf kvm stat: VM exits, MMIO, port and MSR accesses by kind, how many and how long, in our words and units.

The time of an exit runs from the tracepoint kvm_exit to kvm_entry: of a vCPU that halts, HLT includes the sleep.
"""

import math
import os
from dataclasses import dataclass

import pandas as pd

from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import MAX_BYTES, load_text
from nfvlab.readers.perf_kvm_checks import check
from nfvlab.readers.perf_kvm_table import Table, looks_like_perf_kvm_stat, tables
from nfvlab.units import us

__all__ = ["KvmReport", "PerfKvmStat", "looks_like_perf_kvm_stat", "read_perf_kvm_stat", "without_halt"]

HALT = ("HLT", "hlt")  # as VMX_EXIT_REASONS and SVM_EXIT_REASONS spell it
_DTYPES = {
    "number": "int64",
    "report": "str",
    "event": "str",
    "samples_count": "int64",
    "samples_frac": "float64",
    "time_frac": "float64",
    "min_ns": "float64",
    "max_ns": "float64",
    "mean_ns": "float64",
    "mean_stderr_frac": "float64",
}


@dataclass(frozen=True)
class KvmReport:
    """One report's totals.

    report : vmexit, mmio, ioport or msr
    vms : whose events, as perf says ("all VMs", "pid(s) 77"), None where it does not know
    vcpu : the one vCPU it is of, None for all
    clock : local time of day where perf printed it (live)
    samples_count, total_ns : of all events
    lost_count : records that perf lost while it watched
    """

    report: str
    vms: str | None
    vcpu: int | None
    clock: str | None
    samples_count: int
    total_ns: float
    lost_count: int


@dataclass(frozen=True)
class PerfKvmStat:
    """What stands beside the rows: the reports of the file in order; a row's `number` counts them from 0."""

    path: str
    reports: tuple[KvmReport, ...]
    notes: tuple[str, ...] = ()


def read_perf_kvm_stat(
    path: str | os.PathLike, *, max_bytes: int = MAX_BYTES
) -> tuple[pd.DataFrame, PerfKvmStat]:
    """A row per event and report, and the reports' totals; or `ReaderError`, also for figures that contradict.

    Columns: number (of the report, from 0), report (vmexit, mmio, ioport, msr), event (as perf names it; UNKNOWN may
    stand more than once), samples_count, samples_frac, time_frac (both as printed, to 1e-4), min_ns and max_ns (NaN
    where perf printed 0.00us or, before v3.13, none), mean_ns, mean_stderr_frac (its standard error over the mean).
    """
    text = load_text(path, max_bytes=max_bytes)
    if not text.endswith("\n"):
        what = "the last line has no end: it may be cut"
        raise ReaderError(
            path,
            text.count("\n") + 1,
            what,
            "End the file with a line feed if it is whole, or record it again",
        )
    notes: list[str] = []
    found = list(tables(path, text, notes))
    if not found:
        what = "there is no report in it"
        raise ReaderError(
            path, 1, what, "Give what perf kvm stat report printed (--event=vmexit, mmio, ioport)"
        )
    for table in found:
        check(path, table)
        if any(row.min_us == 0 for row in table.rows):
            notes.append("minima of 0.00us are unknown: perf leaves them at zero where it filters by vCPU")
        if table.lost:
            notes.append(f"perf lost {table.lost} records: counts are too low, and times may span two exits")
    rows = [_row(number, table, row) for number, table in enumerate(found) for row in table.rows]
    frame = pd.DataFrame(rows, columns=list(_DTYPES)).astype(_DTYPES)
    reports = tuple(_report(table) for table in found)
    return frame, PerfKvmStat(printable(os.fsdecode(path), 4096), reports, tuple(dict.fromkeys(notes)))


def without_halt(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows but those of HLT, samples_frac and time_frac of each report computed again from what is left.

    A halted vCPU sleeps between exit and entry: its time says how idle the guest is, not what an exit costs.
    """
    left = frame[~((frame["report"] == "vmexit") & frame["event"].isin(HALT))].reset_index(drop=True)
    time = left["samples_count"] * left["mean_ns"]
    samples_of = left.groupby("number")["samples_count"].transform("sum")
    time_of = time.groupby(left["number"]).transform("sum")
    return left.assign(samples_frac=left["samples_count"] / samples_of, time_frac=time / time_of)


def _row(number: int, table: Table, row) -> tuple:
    return (
        number,
        table.report,
        row.event,
        row.samples,
        row.samples_percent / 100,
        row.time_percent / 100,
        (row.min_us or math.nan) * us,
        row.max_us * us,
        row.mean_us * us,
        row.stderr_percent / 100,
    )


def _report(table: Table) -> KvmReport:
    return KvmReport(
        table.report, table.vms, table.vcpu, table.clock, table.samples, table.total_us * us, table.lost
    )
