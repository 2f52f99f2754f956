"""oslat of rt-tests: how long a busy loop was interrupted, as JSON (--json) and as text."""

import math
import os
import re

import pandas as pd

from nfvlab.readers.checks import Checker
from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import MAX_BYTES, load_text
from nfvlab.readers.latency import (
    LatencyMeta,
    count_of,
    latency_frame,
    options,
    rt_tests_header,
    thread_lines,
)
from nfvlab.readers.oslat_buckets import US, Row, Scale, histograms
from nfvlab.readers.oslat_text import Table, nanoseconds
from nfvlab.readers.printed_json import printed_json, tool_document

_NAMES = {
    "bias": "B",
    "bucket-size": "b",
    "bucket-width": "W",
    "cpu-list": "c",
    "cpu-main-thread": "C",
    "duration": "D",
    "resctrl-group": "g",
    "rtprio": "f",
    "trace-threshold": "T",
    "workload": "w",
    "workload-mem": "m",
}
_TABLE = re.compile(r"^ +Core:\t [0-9 ]+\r?\n *(?:CPU|Counter) Freq:\t", re.M)
_MEAN = "the mean takes every sample for the upper end of its bucket"


def looks_like_oslat(text: str) -> bool:
    """Whether a text is JSON or text output of oslat."""
    head = (printed_json(text) or "").lstrip()[:4096]
    if head:
        named = re.search(r'"cmdline:?"\s*:\s*"(?:[^"\s]*/)?(\w+)', head)
        return named[1] == "oslat" if named else bool(re.search(r'"cpu": -?\d+,\s*"freq": \d+', head))
    return bool(re.search(r"^oslat V [0-9.]+\r?$", text, re.M) or _TABLE.search(text))


def read_oslat(path: str | os.PathLike, *, max_bytes: int = MAX_BYTES) -> tuple[pd.DataFrame, LatencyMeta]:
    """A row per thread and bucket (thread, low_ns, high_ns, count), and what stands beside; or `ReaderError`.

    The last bucket of oslat includes what is longer: where there is such a sample, it ends at the thread's maximum.
    `oslat_buckets` says what a bucket holds in which version; latencies are not made smaller by the bias. Of JSON
    beside the table (--json=-) the table is read: only it says how large the bias was.
    """
    text = load_text(path, max_bytes=max_bytes)
    if printed_json(text) and not _TABLE.search(text):
        return _read_json(path, text)
    if not text.endswith("\n"):
        what = "the last line has no end: it may be cut"
        raise ReaderError(path, text.count("\n") + 1, what, "End the file with a line feed if it is whole")
    table = Table(path)
    for line, row in enumerate(text.split("\n"), start=1):
        table.take(line, row.strip())
    scale = table.scale()
    return _result(path, "text", table.rows(), scale, version=table.version)


def _read_json(path, text: str) -> tuple[pd.DataFrame, LatencyMeta]:
    documents, around = tool_document(path, text, "Give what oslat --json wrote")
    check = Checker(documents)
    document = documents.values[0]
    if "thread" not in document:
        raise ReaderError(path, 1, "JSON without a thread of oslat", "Give what oslat --json wrote")
    header = rt_tests_header(check, document)
    threads = check.section(document, "thread", (0,))
    announced = check.number(document, "num_threads", (0,), whole=True, required=False)
    if list(threads) != [str(at) for at in range(len(threads))] or not threads:
        check.problem((0, "thread"), "does not have the threads 0, 1, 2 …")
    elif announced is not None and announced != len(threads):
        check.problem((0, "num_threads"), f"is {announced} for {len(threads)} threads")
    check.done()
    command = header["command"]
    found = None if command is None else options(command, "bcCDfgmTwW", "", _NAMES)
    buckets = {name: _buckets(check, threads, name) for name in threads}
    check.done()
    scale = _scale(check, threads, buckets, found)
    scale.notes.extend(around)
    lines = thread_lines(documents, "thread")
    rows = [
        _row(check, threads[name], name, buckets[name], scale, found or {}, lines[name]) for name in threads
    ]
    return _result(path, "json", rows, scale, **header)


def _buckets(check: Checker, threads: dict, name: str) -> dict[int, int]:
    thread = check.section(threads, name, (0, "thread"))
    at = (0, "thread", name, "histogram")
    said = check.section(thread, "histogram", at[:-1])
    made: dict[int, int] = {}
    before = 0
    for label in said:
        right = re.fullmatch(r"(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{3})?", label)
        if not right or nanoseconds(label) <= before:
            check.problem((*at, label), "is no bucket above the one before it")
            break
        before = nanoseconds(label)
        made[before] = check.number(said, label, at, whole=True, low=1) or 1
    return made


def _scale(check: Checker, threads: dict, buckets: dict, found: dict | None) -> Scale:
    """Width, step and bias: what the command says, without one what the buckets' names have in common."""
    labels = [label for name in threads for label in threads[name]["histogram"]]
    step = 1 if any("." in label for label in labels) else US
    if len({"." in label for label in labels}) > 1:
        check.problem((0, "thread"), "has buckets with and without decimals")
    names = sorted({name for made in buckets.values() for name in made})
    biased = found is not None and "B" in found
    apart = [name - names[0] for name in names[1:]]
    common = math.gcd(*apart, 0 if biased else math.gcd(*names[:1])) or step
    notes: list[str] = []
    said = "1000" if found is None else found.get("W", "1000")
    width = count_of(said) or 0
    if found is None and common != US:
        width = common
        notes.append(f"the width of a bucket is not certain: it is taken to be {width} ns")
    if not width or common % width or (width % US != 0) != (step == 1):
        check.problem((0, "thread"), f"has buckets that are not {said[:20]} ns wide")
    check.done()
    if biased:
        notes.append("run with --bias; the JSON does not say how large it was")
    return Scale(width=width, step=step, bias=None if biased else 0, notes=notes)


def _row(check: Checker, thread: dict, name: str, buckets: dict, scale: Scale, found: dict, line: int) -> Row:
    at = (0, "thread", name)
    low, high = (check.number(thread, key, at, whole=True, scale=scale.step) for key in ("min", "max"))
    mean = check.number(thread, "avg", at)
    duration = check.number(thread, "duration", at, scale=1e9, required=False)
    cpu = check.number(thread, "cpu", at, whole=True, required=False)
    check.done()
    return Row(
        thread=int(name),
        cpu=cpu,
        buckets=buckets,
        low=low,
        high=high,
        mean_us=mean,
        mean_slack_us=0.5e-6,
        duration_ns=duration,
        priority=count_of(found.get("f")),
        line=line,
    )


def _result(path, form: str, rows: list[Row], scale: Scale, **header) -> tuple[pd.DataFrame, LatencyMeta]:
    made = histograms(path, rows, scale)
    meta = LatencyMeta(
        path=printable(os.fsdecode(path), 4096),
        tool="oslat",
        form=form,
        kind="interruption",
        resolution_ns=float(scale.step),
        threads=tuple(one.about for one in made),
        bias_ns=None if scale.bias is None else float(scale.bias),
        notes=tuple(dict.fromkeys([_MEAN, *scale.notes])),
        **header,
    )
    return latency_frame(path, made), meta
