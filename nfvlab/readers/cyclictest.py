"""cyclictest of rt-tests: how late threads wake up, in every form it prints.

JSON (--json), the histogram (-h, -H, --histfile), the T: lines alone, a screen that refreshes, and the values of -v.
"""

import os
import re

import pandas as pd

from nfvlab.readers.checks import Checker
from nfvlab.readers.cyclictest_lines import Screen, Values, lines_of
from nfvlab.readers.cyclictest_text import START, Table
from nfvlab.readers.cyclictest_words import Counted, command_options, histogram, histogram_end, unit_of
from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN, MAX_BYTES, load_text
from nfvlab.readers.latency import LatencyMeta, count_of, latency_frame, rt_tests_header, thread_lines
from nfvlab.readers.printed_json import printed_json, tool_document
from nfvlab.units import us

_COMMAND = re.compile(r"(?:.*[\s/#$;])?(cyclictest\s+-.*)")
_SAID = re.compile(
    r"#.*|policy: .*|WARN.*|INFO.*|FATAL.*|Max CPUs = .*|Online CPUs = .*|T: ?[0-9]+ Spike: .*|spikes = .*"
)
_NO_HISTOGRAM = (
    "no histogram: all samples of a thread stand in one bucket from its smallest to its largest latency"
)


def looks_like_cyclictest(text: str) -> bool:
    """Whether a text is JSON or text output of cyclictest."""
    head = (printed_json(text) or "").lstrip()[:4096]
    if head:
        named = re.search(r'"cmdline:?"\s*:\s*"(?:[^"\s]*/)?(\w+)', head)
        return named[1] == "cyclictest" if named else '"resolution_in_ns"' in head and '"num_threads"' in head
    return bool(
        re.search(r"^# Histogram\r?$", text, re.M)
        or re.search(r"^(?:\x1b\[[0-9;]*[A-Za-z])*T: ?[0-9]+ \( *[0-9]+\) P: ?[0-9]+ I:[0-9]+ C:", text, re.M)
        or re.search(r"\A(?:(?:#|Max CPUs|Online CPUs|Thread|WARN).*\n)*\s*[0-9]+: +[0-9]+: +[0-9]+\s", text)
    )


def read_cyclictest(
    path: str | os.PathLike, *, unit: str | None = None, max_bytes: int = MAX_BYTES
) -> tuple[pd.DataFrame, LatencyMeta]:
    """A row per thread and bucket (thread, low_ns, high_ns, count), and what stands beside; or `ReaderError`.

    unit : "us", or "ns" for a run with -N; needed only where the file cannot tell
    The samples beyond the histogram are one last bucket from its end to the thread's largest latency (rounded up). The
    JSON leaves them out: they are the cycles that are in no bucket.
    """
    text = load_text(path, max_bytes=max_bytes)
    if printed_json(text):
        return _read_json(path, unit, text)
    if not text.endswith("\n"):
        what = "the last line has no end: it may be cut"
        raise ReaderError(path, text.count("\n") + 1, what, "End the file with a line feed if it is whole")
    return _read_text(path, unit, lines_of(text))


def _read_text(path, unit: str | None, lines: list[tuple[int, str]]) -> tuple[pd.DataFrame, LatencyMeta]:
    table, screen, values = Table(path), Screen(path), Values(path)
    begun, command, notes = None, None, []
    for line, row in lines:
        if row == START:
            if begun:
                raise ReaderError(
                    path, line, f"a second histogram, after line {begun}", "Keep one run in a file"
                )
            begun = table.start = line
        elif not row or (begun and table.take(line, row)) or screen.take(line, row) or values.take(line, row):
            continue
        elif (found := _COMMAND.fullmatch(row)) and command is None:
            command = printable(found[1], 4096)
        elif not _SAID.fullmatch(row):
            if begun or screen.last or values.next:
                raise ReaderError(path, line, f"{printable(row, 60)!r} is no line of cyclictest", AGAIN)
            notes.append(f"left out, before the first value: {printable(row, 80)}")
    found = command_options(command) if command else {}
    if begun:
        form, counted = "histogram", table.counted(histogram_end(found), notes)
        counted = [_with(one, screen.about(one.thread)) for one in counted]
    elif screen.last:
        form, counted = "summary", screen.counted()
        notes.append(_NO_HISTOGRAM)
    elif values.next:
        form, counted = "samples", values.counted()
    else:
        raise ReaderError(
            path, lines[0][0], "no output of cyclictest", "Give its JSON, its histogram or its T: lines"
        )
    evidence = [("ns" if "N" in found else "us", f"the command is {command!r}", None)] if command else []
    return _result(path, form, counted, unit, evidence + screen.evidence, notes, command=command)


def _with(counted: Counted, about: dict) -> Counted:
    return Counted(**{**vars(counted), "about": {**counted.about, **about}})


def _read_json(path, unit: str | None, text: str) -> tuple[pd.DataFrame, LatencyMeta]:
    documents, notes = tool_document(path, text, "Give what cyclictest --json wrote")
    check = Checker(documents)
    document = documents.values[0]
    if "thread" not in document:
        raise ReaderError(path, 1, "JSON without a thread of cyclictest", "Give what cyclictest --json wrote")
    header = rt_tests_header(check, document)
    found = command_options(header["command"] or "")
    evidence = _json_unit(check, document, header["command"], found)
    threads = check.section(document, "thread", (0,))
    announced = check.number(document, "num_threads", (0,), whole=True, required=False)
    if list(threads) != [str(at) for at in range(len(threads))] or not threads:
        check.problem((0, "thread"), "does not have the threads 0, 1, 2 …")
    elif announced is not None and announced != len(threads):
        check.problem((0, "num_threads"), f"is {announced} for {len(threads)} threads")
    check.done()
    end = histogram_end(found)
    lines = thread_lines(documents, "thread")
    counted = [_json_thread(check, threads, name, end, found, notes, lines[name]) for name in threads]
    check.done()
    if all(one.end is None for one in counted):
        notes.append(_NO_HISTOGRAM)
    form = "summary" if all(one.end is None for one in counted) else "json"
    return _result(path, form, counted, unit, evidence, notes, **header)


def _json_unit(check: Checker, document: dict, command: str | None, found: dict) -> list[tuple]:
    """What says the unit: resolution_in_ns is 1 with -N, else 0."""
    evidence = []
    nsecs = check.number(document, "resolution_in_ns", (0,), whole=True, required=False, high=1)
    if nsecs is not None:
        line = check.documents.line((0, "resolution_in_ns"))
        evidence.append(("ns" if nsecs else "us", f"resolution_in_ns is {nsecs}", line))
    if command:
        evidence.append(("ns" if "N" in found else "us", f"the command is {command!r}", None))
    return evidence


def _json_thread(
    check: Checker, threads: dict, name: str, end: int | None, found: dict, notes: list, line: int
) -> Counted:
    at = (0, "thread", name)
    thread = check.section(threads, name, at[:-1])
    cycles, low, high = (check.number(thread, key, at, whole=True) for key in ("cycles", "min", "max"))
    mean = check.number(thread, "avg", at, null=cycles == 0)
    cpu = check.number(thread, "cpu", at, whole=True, required=False, low=-1)
    buckets = _json_buckets(check, thread, at) if "histogram" in thread else {}
    there = bool(buckets) or ("histogram" in thread and end is not None)  # without -h an empty one is printed
    check.done()
    overflows = cycles - sum(buckets.values())
    after = max(buckets, default=-1) + 1
    if overflows < 0:
        check.problem((*at, "cycles"), f"is {cycles}, but the histogram holds {cycles - overflows}")
    if there and end is not None and after > end:
        check.problem((*at, "histogram"), f"has the latency {after - 1}, beyond its end at {end}")
    check.done()
    if there and end is None and overflows:
        notes.append(
            "the histogram's end is not in the file: overflows are taken to begin after the last bucket"
        )
    interval_us = count_of(found.get("i", "1000" if found else None))
    about = {"cpu": None if cpu == -1 else cpu}
    if there and interval_us:  # with a histogram all threads have the same
        about["interval_ns"] = interval_us * us
    return Counted(
        thread=int(name),
        cycles=cycles,
        low=low,
        high=high,
        mean=mean or 0.0,
        slack=0.005,
        buckets=buckets,
        end=(after if end is None else end) if there else None,
        overflows=overflows,
        about=about,
        line=line,
    )


def _json_buckets(check: Checker, thread: dict, at: tuple) -> dict[int, int]:
    said = check.section(thread, "histogram", at)
    at = (*at, "histogram")
    buckets: dict[int, int] = {}
    before = -1
    for name in said:
        if not re.fullmatch(r"0|[1-9][0-9]{0,17}", name) or int(name) <= before:
            check.problem((*at, name), f"is no latency above {before}" if before >= 0 else "is no latency")
            break
        before = int(name)
        buckets[before] = check.number(said, name, at, whole=True) or 0
    return buckets


def _result(path, form, counted, unit, evidence, notes, **header) -> tuple[pd.DataFrame, LatencyMeta]:
    smallest = min((one.low for one in counted if one.cycles), default=None)
    unit_ns, why = unit_of(path, unit, evidence, smallest)
    notes = [*why, *notes]
    histograms = [histogram(path, one, unit_ns, notes) for one in counted]
    frame = latency_frame(path, histograms)
    meta = LatencyMeta(
        path=printable(os.fsdecode(path), 4096),
        tool="cyclictest",
        form=form,
        kind="wake-up latency",
        resolution_ns=unit_ns,
        threads=tuple(one.about for one in histograms),
        notes=tuple(dict.fromkeys(notes)),
        **header,
    )
    return frame, meta
