"""kvm-unit-tests: what vmexit.flat and tscdeadline_latency.flat measure inside a guest, in cycles of its TSC.

vmexit: the average over many iterations of one case (CPUID, VMCALL, an IPI …), exit, handling and entry included.
tscdeadline_latency: from the deadline that was armed to RDTSC in the handler, one figure an interrupt, in order; a
figure below zero is an interrupt before its deadline.
"""

import os
import re
from dataclasses import dataclass

import pandas as pd

from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import MAX_BYTES, load_text
from nfvlab.readers.kvm_unit_tests_lines import Lines, looks_like_kvm_unit_tests, take

__all__ = ["KvmUnitTests", "looks_like_kvm_unit_tests", "read_kvm_unit_tests"]

_QEMU = re.compile(r".*\bqemu\S* .*-kernel .*")
_ACCEL = re.compile(r"-accel (?:accel=)?(\w+)|accel=(\w+)")
_SMP = re.compile(r"-smp (?:cpus=)?([0-9]{1,4})\b")
_NO_DEADLINE = "tsc deadline timer not detected"


@dataclass(frozen=True)
class KvmUnitTests:
    """What stands beside the rows.

    tests : which of vmexit and tscdeadline_latency the file has, in order
    skipped : cases that the guest could not run
    accel, vcpus_count : of QEMU's command line; None where the file has none, or it does not say
    breakmax_cycles : tscdeadline_latency stops above it (the least, of several runs); None for never
    """

    path: str
    tests: tuple[str, ...]
    skipped: tuple[str, ...]
    accel: str | None
    vcpus_count: int | None
    breakmax_cycles: int | None
    notes: tuple[str, ...] = ()


def read_kvm_unit_tests(
    path: str | os.PathLike, *, max_bytes: int = MAX_BYTES
) -> tuple[pd.DataFrame, KvmUnitTests]:
    """A row per figure, and what stands beside; or `ReaderError`.

    Columns: run (from 0; a file may hold several, one after another), test (vmexit, tscdeadline_latency), name (of
    the case, "latency" of the other), part ("" for the whole; "ipi": of it in writing the ICR, "eoi": in writing the
    EOI), cycles (of the TSC; an iteration of the case, or one latency).
    """
    text = load_text(path, max_bytes=max_bytes)
    rows = text.split("\n")
    if rows.pop():
        what = "the last line has no end: it may be cut"
        raise ReaderError(
            path, len(rows) + 1, what, "End the file with a line feed if it is whole, or record it again"
        )
    lines = Lines(path)
    for line, row in enumerate(rows, start=1):
        take(lines, line, row.rstrip())
    if not lines.figures:
        raise _nothing(path, lines)
    frame = pd.DataFrame(lines.figures, columns=["run", "test", "name", "part", "cycles"])
    if "tscdeadline_latency" in set(frame["test"]) and not lines.summary:
        lines.notes.append("no line SUMMARY after the latencies: the output may be cut")
    return frame, _meta(path, frame, lines)


def _nothing(path, lines: Lines) -> ReaderError:
    if any(_NO_DEADLINE in row for row in lines.other):
        what = "the guest has no TSC-deadline timer, and no latency was measured"
        return ReaderError(path, None, what, "Run it with -cpu host,+tsc-deadline")
    what = f"every case was skipped: {', '.join(lines.skipped[:5])}" if lines.skipped else "no figure in it"
    remedy = "Give what vmexit.flat or tscdeadline_latency.flat printed; run_tests.sh keeps it in logs/"
    return ReaderError(path, None, what, remedy)


def _meta(path, frame: pd.DataFrame, lines: Lines) -> KvmUnitTests:
    commands = [row for row in lines.other if _QEMU.fullmatch(row)]
    other = [row for row in lines.other if row not in commands]
    accels = {next(filter(None, found.groups())) for row in commands for found in _ACCEL.finditer(row)}
    vcpus = {int(found[1]) for row in commands for found in _SMP.finditer(row)}
    if accels - {"kvm"}:
        lines.notes.append(f"QEMU ran with accel={', '.join(sorted(accels))}: the cycles are not KVM's")
    lines.notes += [f"kvm-unit-tests said: {printable(row, 80)}" for row in other if row.startswith("FAIL")]
    if other:
        lines.notes.append(f"left out: {len(other)} lines that are no figures, {printable(other[0], 60)!r} …")
    return KvmUnitTests(
        printable(os.fsdecode(path), 4096),
        tuple(frame["test"].unique()),
        tuple(dict.fromkeys(lines.skipped)),
        accels.pop() if len(accels) == 1 else None,
        vcpus.pop() if len(vcpus) == 1 else None,
        min(filter(None, lines.breakmaxes), default=None),
        tuple(dict.fromkeys(lines.notes)),
    )
