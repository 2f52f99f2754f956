"""jitterdebugger: how late threads wake up, from the JSON it prints or leaves as results.json.

From jitterdebugger.c (dump_stats): no version, "version" 1 and 2 count whole microseconds, 3 says `resolution_in_ns`
(1000, or 1 with -N). A latency is rounded down; the histogram ends at 1 ms, and what is longer is in `count` only.
"""

import os
import re

import pandas as pd

from nfvlab.readers.checks import Checker
from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN, MAX_BYTES, load_text
from nfvlab.readers.latency import (
    Histogram,
    LatencyMeta,
    LatencyThread,
    check_mean,
    latency_frame,
    thread_lines,
)
from nfvlab.readers.printed_json import printed_json, tool_document

END_NS = 1_000_000
_JSON = re.compile(
    r'\s*\{\s*(?:"version"\s*:\s*[0-9]+\s*,\s*)?(?:"sysinfo"\s*:\s*\{[^{}]*\}\s*,\s*)?"cpu"\s*:\s*\{'
)
_LIVE = re.compile(r"T: ?[0-9]+ \( *[0-9]+\) (?:A: ?[0-9]+ )?C: *[0-9]+ Min:")


def looks_like_jitterdebugger(text: str) -> bool:
    """Whether a text is JSON of jitterdebugger."""
    return bool(_JSON.match((printed_json(text) or "").lstrip()[:8192]))


def read_jitterdebugger(
    path: str | os.PathLike, *, max_bytes: int = MAX_BYTES
) -> tuple[pd.DataFrame, LatencyMeta]:
    """A row per thread and bucket (thread, low_ns, high_ns, count), and what stands beside; or `ReaderError`.

    The samples beyond 1 ms are one last bucket from there to the thread's largest latency (rounded up). `thread` is the
    number in the file: jitterdebugger counts its threads and does not say on which CPU (`cpu` is None).
    """
    text = load_text(path, max_bytes=max_bytes)
    if printed_json(text) is None and any(_LIVE.search(row) for row in text.split("\n")):
        what = "lines of jitterdebugger -v: their C: is in some versions a sum of latencies, and no count"
        raise ReaderError(path, 1, what, "Give the JSON that it prints at its end")
    documents, around = tool_document(path, text, "Give results.json of jitterdebugger")
    check = Checker(documents)
    document = documents.values[0]
    if "cpu" not in document:
        raise ReaderError(
            path, 1, "JSON without jitterdebugger's 'cpu'", "Give results.json of jitterdebugger"
        )
    system = check.section(document, "sysinfo", (0,), required=False)
    resolution = check.number(system, "resolution_in_ns", (0, "sysinfo"), whole=True, required=False, low=1)
    kernel = check.text(system, "release", (0, "sysinfo"), required=False)
    version = check.number(document, "version", (0,), whole=True, required=False)
    threads = check.section(document, "cpu", (0,))
    if list(threads) != [str(at) for at in range(len(threads))] or not threads:
        check.problem((0, "cpu"), "does not have the threads 0, 1, 2 …")
    if resolution is not None and END_NS % resolution:
        check.problem((0, "sysinfo", "resolution_in_ns"), f"is {resolution}; jitterdebugger has 1000 and 1")
    check.done()
    lines = thread_lines(documents, "cpu")
    made = [_thread(check, threads, name, resolution or 1000, lines[name]) for name in threads]
    meta = LatencyMeta(
        path=printable(os.fsdecode(path), 4096),
        tool="jitterdebugger",
        form="json",
        kind="wake-up latency",
        resolution_ns=float(resolution or 1000),
        threads=tuple(one.about for one in made),
        version=None if version is None else f"format {version}",
        kernel=None if kernel is None else printable(kernel),
        notes=("the file does not say on which CPUs the threads ran", *around),
    )
    return latency_frame(path, made), meta


def _thread(check: Checker, threads: dict, name: str, step: int, line: int) -> Histogram:
    at = (0, "cpu", name)
    thread = check.section(threads, name, at[:-1])
    count = check.number(thread, "count", at, whole=True)
    if count == 0:  # its minimum is what the tool began with
        return _silent(check, thread, at, line)
    low, high = (check.number(thread, key, at, whole=True) for key in ("min", "max"))
    mean = check.number(thread, "avg", at)
    buckets = _buckets(check, thread, at, END_NS // step)
    check.done()
    beyond = count - sum(buckets.values())
    _check(check, at, (count, low, high), buckets, beyond, END_NS // step)
    about = LatencyThread(
        thread=int(name),
        cycles=count,
        min_ns=float(low * step),
        max_ns=float(high * step),
        mean_ns=mean * step,
        overflows=beyond,
    )
    inside = sum(latency * count for latency, count in buckets.items())
    least = inside + (beyond and (beyond - 1) * (END_NS // step) + high)
    check_mean(
        check.documents.path,
        line,
        about,
        least_ns=least * step,
        most_ns=(inside + beyond * high) * step,
        slack_ns=0.005 * step,
    )
    lows = [*buckets, *([END_NS // step] if beyond else [])]
    highs = [*(latency + 1 for latency in buckets), *([high + 1] if beyond else [])]
    return Histogram(
        about=about,
        low_ns=[float(value * step) for value in lows],
        high_ns=[float(value * step) for value in highs],
        count=[*buckets.values(), *([beyond] if beyond else [])],
        line=line,
    )


def _silent(check: Checker, thread: dict, at: tuple, line: int) -> Histogram:
    """A thread that took no sample."""
    if check.section(thread, "histogram", at):
        check.problem((*at, "count"), "is 0, but the histogram holds samples")
    check.done()
    about = LatencyThread(thread=int(at[-1]), cycles=0, overflows=0)
    return Histogram(about=about, line=line)


def _buckets(check: Checker, thread: dict, at: tuple, end: int) -> dict[int, int]:
    said = check.section(thread, "histogram", at)
    buckets: dict[int, int] = {}
    before = -1
    for label in said:
        right = re.fullmatch(r"0|[1-9][0-9]{0,14}", label)
        if not right or not before < int(label) < end:
            check.problem((*at, "histogram", label), f"is no latency below {end} above the one before it")
            break
        before = int(label)
        buckets[before] = check.number(said, label, (*at, "histogram"), whole=True, low=1) or 1
    return buckets


def _check(check: Checker, at: tuple, said: tuple, buckets: dict[int, int], beyond: int, end: int) -> None:
    """Refuse a count, a smallest and a largest latency that the buckets do not have."""
    count, low, high = said
    if beyond < 0:
        check.problem((*at, "count"), f"is {count}, but the histogram holds {count - beyond}")
    elif low != (min(buckets) if buckets else max(low, end)):
        check.problem((*at, "min"), f"is {low}, which is not in the first bucket with samples")
    elif (high < max(low, end)) if beyond else (high != max(buckets)):
        check.problem((*at, "max"), f"is {high}, which is not in the last bucket with samples")
    check.done(AGAIN)
