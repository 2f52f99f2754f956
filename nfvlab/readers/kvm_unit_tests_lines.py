"""The lines that vmexit.flat and tscdeadline_latency.flat of kvm-unit-tests print, taken one by one.

Standard library only. x86/vmexit.c prints `name cycles` for every case, since 2019 with the parts `  ipi name cycles`
and `  eoi name cycles` below, or `name (skipped)`; a case of pci-testdev has the device's name before it, with a colon;
a case that sends itself interrupts prints the number it counted, without a line end, whenever that is not 1.
x86/tscdeadline_latency.c prints `breakmax=…`, then `latency: cycles` for every interrupt but the first, and
`hit max: breakmax < ` before the one that is above it and the last.
"""

import os
import re
from collections import Counter
from dataclasses import dataclass, field

from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN

_SELF = ("sti_nop", "sti_hlt", "tpr", "tpr_sti_nop", "tpr_sti_hlt")
#: Cases that run on one vCPU only: there the parts are within the whole.
SERIAL = {"ipi", "ipi_halt", "ipi+halt", *(f"{x}self_ipi_{how}" for x in ("", "x2apic_") for how in _SELF)}
#: The cases of x86/vmexit.c from 2010 to 2024.
CASES = SERIAL | {
    *("cpuid", "vmcall", "mov_from_cr8", "mov_to_cr8", "mov_dr", "inl_from_pmtimer", "inl_from_qemu"),
    *("inl_from_kernel", "outl_to_kernel", "tscdeadline_immed", "tscdeadline", "ple_round_robin"),
    *("ple-round-robin", "wr_kernel_gs_base", "wr_ibrs_msr", "wr_ibpb_msr", "wr_tsc_adjust_msr"),
    *("rd_tsc_adjust_msr", "pci-mem", "pci-io"),
}
_NAME = r"(?:[A-Za-z][\w.-]*:)?[A-Za-z][\w.+-]*"
_CASE = re.compile(rf"(?P<lost>[0-9]*)(?P<name>{_NAME}) (?P<cycles>-?[0-9]+(?:\.[0-9]+)?)", re.ASCII)
_PART = re.compile(r" +(?P<part>ipi|eoi) (?P<name>[\w+:.-]+) (?P<cycles>-?[0-9]+(?:\.[0-9]+)?)", re.ASCII)
_SKIPPED = re.compile(rf"({_NAME}) \(skipped\)", re.ASCII)
_BREAKMAX = re.compile(r"breakmax=(-?[0-9]{1,10})")
_LATENCY = re.compile(r"(?:hit max: (?P<max>-?[0-9]+) < )?latency: (?P<cycles>-?[0-9]{1,19})")
_SUMMARY = re.compile(r"SUMMARY: ([0-9]+) tests?(?:, ([0-9]+) unexpected failures)?(?:, .*)?")
_OURS = re.compile(rf"(?:{'|'.join(map(re.escape, sorted(CASES, key=len, reverse=True)))})(?![\w'/.:+-]).*")
_INT_MAX = 2**31 - 1  # vmexit.c prints an int
_LATEST = 2**62
Figure = tuple[int, str, str, str, float]


@dataclass
class Lines:
    """What has been taken so far.

    figures : (run, test, name, part, cycles)
    breakmaxes : of the runs of tscdeadline_latency, 0 for none
    """

    path: str | os.PathLike
    figures: list[Figure] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    breakmaxes: list[int] = field(default_factory=list)
    times: Counter = field(default_factory=Counter)
    hit: bool = False
    summary: bool = False
    other: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def known(name: str) -> bool:
    """Whether a case stands in a vmexit.c that we know, or is one of pci-testdev."""
    return name.rsplit(":", 1)[-1] in CASES


def looks_like_kvm_unit_tests(text: str) -> bool:
    """Whether a line of it is a known case of vmexit.c, or a latency beside what tscdeadline_latency.c prints."""
    rows = [row.rstrip() for row in text.split("\n") if row.strip()]
    cases = (_CASE.fullmatch(row) for row in rows)
    if any(found and known(found["name"]) for found in cases):
        return True
    latencies = [bool(_LATENCY.fullmatch(row)) for row in rows]
    return any(latencies) and (all(latencies) or any(_BREAKMAX.fullmatch(row) for row in rows))


def take(lines: Lines, line: int, row: str) -> None:
    """Take one line, or refuse one that begins as a figure and is none."""
    case, part, latency = _CASE.fullmatch(row), _PART.fullmatch(row), _LATENCY.fullmatch(row)
    skipped, breakmax, summary = _SKIPPED.fullmatch(row), _BREAKMAX.fullmatch(row), _SUMMARY.fullmatch(row)
    if part:
        _part(lines, line, part)
    elif case:
        _case(lines, line, case)
    elif latency:
        _latency(lines, line, latency)
    elif skipped:
        lines.skipped.append(printable(skipped[1], 60))
    elif breakmax:
        lines.breakmaxes.append(max(int(breakmax[1]), 0))
        lines.hit = lines.summary = False
    elif summary:
        lines.summary = True
        if int(summary[2] or 0):
            lines.notes.append(f"kvm-unit-tests said: {printable(row, 80)}")
    elif _OURS.fullmatch(row.strip()) or re.match(r" *(?:latency|hit max|breakmax|[0-9]+$)", row):
        raise ReaderError(lines.path, line, f"{printable(row, 60)!r} begins as a figure and is none", AGAIN)
    elif row.strip():
        lines.other.append(row.strip())


def _case(lines: Lines, line: int, found: re.Match) -> None:
    name, cycles = printable(found["name"], 60), float(found["cycles"])
    if not 0 < cycles <= _INT_MAX:
        what = f"{name} takes {found['cycles'][:30]} cycles, not between 1 and {_INT_MAX}"
        raise ReaderError(lines.path, line, what, AGAIN)
    if found["lost"]:
        how = f"{len(found['lost'])} digits stand before {name}"
        lines.notes.append(f"{how}: its interrupts did not all come one by one, the figure is doubtful")
    if not known(name):
        lines.notes.append(f"{name} is no case of a vmexit.c that we know")
    _add(lines, name, "", cycles)


def _part(lines: Lines, line: int, found: re.Match) -> None:
    whole = lines.figures[-1:] if not lines.figures or not lines.figures[-1][3] else lines.figures[-2:]
    if not whole or whole[0][2] != found["name"] or found["part"] in [figure[3] for figure in whole]:
        what = f"a part of {printable(found['name'], 60)} that does not stand below it"
        raise ReaderError(lines.path, line, what, AGAIN)
    cycles, name = float(found["cycles"]), found["name"]
    if name in SERIAL and not 0 <= cycles + sum(figure[4] for figure in whole[1:]) <= whole[0][4]:
        what = f"the parts of {name} take more than its {whole[0][4]:g} cycles"
        raise ReaderError(lines.path, line, what, AGAIN)
    if not 0 <= cycles <= _INT_MAX:
        what = f"{name} has a part of {found['cycles'][:30]} cycles, not between 0 and {_INT_MAX}"
        raise ReaderError(lines.path, line, what, AGAIN)
    _add(lines, name, found["part"], cycles)


def _latency(lines: Lines, line: int, found: re.Match) -> None:
    cycles, most = int(found["cycles"]), lines.breakmaxes[-1] if lines.breakmaxes else 0
    if abs(cycles) > _LATEST:
        raise ReaderError(lines.path, line, f"the latency is {cycles} cycles, beyond 2^62 (wrapped?)", AGAIN)
    if lines.hit:
        raise ReaderError(
            lines.path, line, "a latency after the one above breakmax, which is the last", AGAIN
        )
    if found["max"] is not None:
        if not lines.breakmaxes:
            most = int(found["max"])
        if int(found["max"]) != most or cycles <= most:
            what = f"{printable(found[0], 60)!r} with breakmax={most}"
            raise ReaderError(lines.path, line, what, AGAIN)
        lines.hit = True
    elif most > 0 and cycles > most:
        raise ReaderError(
            lines.path, line, f"{cycles} cycles are above breakmax={most} without `hit max`", AGAIN
        )
    run = max(len(lines.breakmaxes) - 1, 0)
    lines.figures.append((run, "tscdeadline_latency", "latency", "", float(cycles)))


def _add(lines: Lines, name: str, part: str, cycles: float) -> None:
    lines.figures.append((lines.times[name, part], "vmexit", name, part, cycles))
    lines.times[name, part] += 1
