"""Words of cyclictest: its options, and how its latencies are counted.

Standard library and numpy only. From src/cyclictest/cyclictest.c of rt-tests 0.92 to 2.8. A latency is rounded down to
whole microseconds (with -N to nanoseconds) and counted under that number; numbers from -h on are overflows. Where a
wake-up falls into a later second than its deadline, calcdiff() rounds up instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nfvlab.readers.errors import ReaderError
from nfvlab.readers.files import AGAIN
from nfvlab.readers.latency import Histogram, LatencyThread, check_mean, count_of, options

HIST_MAX = 1_000_000  # -h asks for no more buckets than this
MIN_START = 1_000_000  # what the smallest latency starts from, whatever the unit
FASTEST_NS = 100  # an interrupt and a context switch take longer on every host
UNITS = {"us": 1e3, "ns": 1.0}
_NAMES = {
    "histogram": "h",
    "histofall": "H",
    "nsecs": "N",
    "interval": "i",
    "priority": "p",
    "distance": "d",
    "loops": "l",
    "duration": "D",
    "breaktrace": "b",
    "clock": "c",
    "fifo": "F",
    "oscope": "o",
}


@dataclass(frozen=True, kw_only=True)
class Counted:
    """One thread as cyclictest counted it, in its own unit.

    buckets : {latency: how often}, rising
    end : the first latency beyond the histogram; None where there was no histogram
    slack : how far the printed mean may be from the exact one
    """

    thread: int
    cycles: int
    low: int
    high: int
    mean: float
    slack: float
    buckets: Mapping[int, int] = field(default_factory=dict)
    end: int | None = None
    overflows: int = 0
    about: Mapping = field(default_factory=dict)
    line: int | None = None


def command_options(command: str) -> dict[str, str]:
    """The options of a cyclictest command by their letter."""
    return options(command, "bcdDFhHiloOpT", "aAt", _NAMES)


def histogram_end(found: Mapping[str, str]) -> int | None:
    """The first latency beyond the histogram that a command asks for, None if it asks for none."""
    said = count_of(found.get("H", found.get("h")))
    return min(said, HIST_MAX) if said else None


def unit_of(
    path, asked: str | None, evidence: Sequence[tuple[str, str, int | None]], smallest: int | None
) -> tuple[float, list[str]]:
    """Nanoseconds in one of the file's units, and a note where that was concluded from the numbers; or `ReaderError`.

    asked : what the reader's caller says, None if nothing
    evidence : (unit, what says so, line) for everything in the file that tells
    smallest : the smallest latency in it
    """
    if asked is not None and asked not in UNITS:
        raise ValueError(f"unit is {asked!r}; cyclictest counts in 'us', or in 'ns' with -N")
    for unit, why, line in evidence:
        other = asked or evidence[0][0]
        if unit != other:
            what = f"{why}: latencies are in {unit}, not in {other}"
            raise ReaderError(path, line, what, "Leave unit out" if asked else AGAIN)
    if asked or evidence:
        return UNITS[asked or evidence[0][0]], []
    if smallest is None or smallest < FASTEST_NS:
        return UNITS["us"], [f"latencies are in µs: {smallest} ns would be faster than any host wakes up"]
    what = "the file does not say whether latencies are in microseconds or, with -N, in nanoseconds"
    raise ReaderError(path, None, what, "Say it: unit='us' or unit='ns' (nfvlab read --unit ns)")


def histogram(path, counted: Counted, unit_ns: float, notes: list[str]) -> Histogram:
    """A thread's buckets in nanoseconds, the overflows as the last one; or `ReaderError` where its numbers disagree."""
    _check(path, counted)
    started = counted.low == MIN_START and counted.cycles > 0
    if started:
        notes.append(
            f"thread {counted.thread}: cyclictest starts its minimum at {MIN_START}: it may be higher"
        )
    sampled = counted.cycles > 0
    about = LatencyThread(
        thread=counted.thread,
        cycles=counted.cycles,
        min_ns=counted.low * unit_ns if sampled and not started else None,
        max_ns=counted.high * unit_ns if sampled else None,
        mean_ns=counted.mean * unit_ns if sampled else None,
        overflows=counted.overflows if counted.end is not None else None,
        **counted.about,
    )
    buckets = [(low, low + 1, count) for low, count in counted.buckets.items() if count]
    end = counted.low if counted.end is None else counted.end
    if not buckets:
        end = max(end, counted.low)  # every sample is beyond the histogram, and none below the smallest
    if counted.overflows:
        buckets.append((end, counted.high + 1, counted.overflows))
    inside = sum(low * count for low, count in counted.buckets.items())
    beyond = counted.overflows and (counted.overflows - 1) * end + counted.high
    check_mean(
        path,
        counted.line,
        about,
        least_ns=(inside + beyond) * unit_ns,
        most_ns=(inside + counted.overflows * counted.high) * unit_ns,
        slack_ns=counted.slack * unit_ns,
    )
    return Histogram(
        about=about,
        low_ns=[low * unit_ns for low, _, _ in buckets],
        high_ns=[high * unit_ns for _, high, _ in buckets],
        count=[count for _, _, count in buckets],
        line=counted.line,
    )


def _check(path, counted: Counted) -> None:
    """Refuse a smallest and a largest latency that the buckets do not have."""
    hit = [low for low, count in counted.buckets.items() if count]
    lowest = hit[0] if hit else (counted.end or 0)
    wrong = None
    if not counted.cycles:
        return
    if counted.low > counted.high:
        wrong = f"the smallest latency is {counted.low}, above the largest, {counted.high}"
    elif hit and counted.low != lowest or counted.low < lowest:
        wrong = f"the smallest latency is {counted.low}, but the first bucket with samples is {lowest}"
    elif not counted.overflows and counted.high != hit[-1]:
        wrong = f"the largest latency is {counted.high}, but the last bucket with samples is {hit[-1]}"
    elif counted.overflows and counted.end is not None and counted.high < counted.end:
        wrong = (
            f"{counted.overflows} samples are beyond the histogram, but the largest latency is {counted.high}"
        )
    if wrong:
        raise ReaderError(path, counted.line, f"thread {counted.thread}: {wrong}", AGAIN)
