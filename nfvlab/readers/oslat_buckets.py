"""What a bucket of oslat holds: it depends on the version, and the numbers tell which.

Standard library and numpy only. From src/oslat/oslat.c of rt-tests. A bucket's name L is its upper end; W is its width
(-W, else 1 µs), u the step oslat rounds to (1 µs, or 1 ns where W is no whole number of microseconds).

    until 2.4        whole µs rounded down, plus 1; the bucket L = that number holds [L - 1 µs, L)
    then             rounded down to u: L holds [L - W, L), and the minimum of a busy loop is 0
    then             rounded up to u, but the buckets as before: L holds (L - W - u, L - u]

--bias (the smallest latency of the pre-heat) moves names and samples alike, so L keeps its meaning; what is smaller
than the bias is in the first bucket. The last bucket also has everything beyond. The mean takes every sample for its
bucket's name, and an overflow for one bucket less than it is (calculate()); with u = 1 ns overflows spoil it. So the
mean tells the sum of the last bucket's samples, each to a width up or down.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from nfvlab.readers.errors import ReaderError
from nfvlab.readers.files import AGAIN
from nfvlab.readers.latency import Histogram, LatencyThread, check_mean

US = 1000  # nanoseconds


@dataclass(frozen=True, kw_only=True)
class Row:
    """One thread as oslat printed it; latencies in nanoseconds.

    buckets : {name: count}, rising, without the empty ones
    mean_slack_us : half a step of the printed mean
    """

    thread: int
    cpu: int | None
    buckets: dict[int, int]
    low: int
    high: int
    mean_us: float
    mean_slack_us: float
    duration_ns: float
    priority: int | None = None
    line: int | None = None


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Width of the buckets, step of rounding and bias of a run, in nanoseconds.

    bias : None where there was one and nobody says which
    last : name of the last bucket, None where the file has only those with samples
    """

    width: int
    step: int
    bias: int | None
    last: int | None = None
    notes: list[str] = field(default_factory=list)


def histograms(path, rows: Sequence[Row], scale: Scale) -> list[Histogram]:
    """The threads' buckets; or `ReaderError` where numbers of a thread disagree."""
    for row in rows:
        if not row.buckets or row.low > row.high:
            what = f"thread {row.thread} has no sample, or a minimum of {row.low} ns above its maximum of {row.high} ns"
            raise ReaderError(path, row.line, what, AGAIN)
    rounding = _rounding(path, rows, scale)
    return [_histogram(path, row, scale, rounding) for row in rows]


def _rounding(path, rows: Sequence[Row], scale: Scale) -> str:
    """How this version rounds: "plus 1", "down" or "up"."""
    fits = {"plus 1", "down", "up"} if scale.width == scale.step == US else {"down", "up"}
    for row in rows:
        now = {rounding for rounding in fits if _fits(row, scale, rounding)}
        if not now:
            first, last = min(row.buckets), max(row.buckets)
            what = f"thread {row.thread}: samples are in buckets from {first} to {last} ns, "
            what += f"but the smallest latency is {row.low} ns and the largest {row.high} ns"
            raise ReaderError(path, row.line, what, AGAIN)
        fits = now
    if len(fits) > 1 and "plus 1" in fits:
        scale.notes.append(
            "the version is not certain: newer ones round up, and latencies may be 1 µs smaller"
        )
        return "plus 1"
    if fits == {"down", "up"} and all(
        row.low >= scale.step for row in rows
    ):  # a busy loop takes less than 1 µs
        return "up" if scale.step == US else "down"
    return "down" if "down" in fits else fits.pop()


def _fits(row: Row, scale: Scale, rounding: str) -> bool:
    """Whether a thread's smallest and largest latency belong into its first and last bucket with samples."""
    first, last = min(row.buckets), max(row.buckets)
    beyond = scale.last is None or last == scale.last
    if rounding == "plus 1" and row.low < US:
        return False
    if rounding == "plus 1":
        named = max(row.low, (scale.bias or 0) + US)
        low = named <= first if scale.bias is None else named == first
        return (low or (first == last and beyond and row.low > last)) and (
            row.high == last or (beyond and row.high > last) or (row.high < last == first)
        )
    if rounding == "up" and row.low == 0:
        return False
    name = _name(row.low, scale)
    low = name == first if name is not None else row.low < first
    top = _name(row.high, scale)
    high = top == last if top is not None else last - scale.width - scale.step <= row.high < last
    return (low or (first == last and beyond and row.low >= last)) and (high or (beyond and row.high >= last))


def _name(value: int, scale: Scale) -> int | None:
    """The bucket of a latency in versions with -W, None where the bias is not known."""
    if scale.bias is None:
        return None
    value = max(value - scale.bias, scale.step) if scale.bias else value
    return scale.bias + (value // scale.width + 1) * scale.width


def _histogram(path, row: Row, scale: Scale, rounding: str) -> Histogram:
    shift = scale.step if rounding == "up" else 0
    smallest = row.low - (0 if rounding == "down" else scale.step)
    largest = row.high + (scale.step if rounding == "down" else 0)
    names = list(row.buckets)
    over = row.high > names[-1] if rounding == "plus 1" else row.high >= names[-1]
    low = [name - scale.width - shift for name in names]
    high = [name - shift for name in names]
    low[0] = max(min(low[0], smallest), 0)
    if over:
        high[-1] = largest
    spoilt = over and scale.step < US
    if spoilt:
        scale.notes.append(
            f"thread {row.thread}: oslat adds overflows to the mean in the wrong unit; it is left out"
        )
    about = LatencyThread(
        thread=row.thread,
        cpu=row.cpu,
        cycles=sum(row.buckets.values()),
        min_ns=float(row.low),
        max_ns=float(row.high),
        mean_ns=None if spoilt else row.mean_us * US,
        overflows=None if over else 0,
        priority=row.priority,
        duration_ns=row.duration_ns,
        last_sum_ns=None if spoilt else _last_sum(row, scale, shift, (low[-1], high[-1])),
    )
    inside = sum(name * count for name, count in row.buckets.items())
    beyond = (
        max((row.high - names[-1] - (rounding == "plus 1")) // scale.width, 0) * scale.width if over else 0
    )
    check_mean(
        path,
        row.line,
        about,
        least_ns=inside + beyond,
        most_ns=inside + beyond * row.buckets[names[-1]],
        slack_ns=row.mean_slack_us * US,
    )
    return Histogram(about=about, low_ns=low, high_ns=high, count=list(row.buckets.values()), line=row.line)


def _last_sum(row: Row, scale: Scale, shift: int, ends: tuple[float, float]) -> tuple[float, float]:
    """All samples of the last bucket added up, at least and at most: the mean less what it takes the others for."""
    name, count = max(row.buckets.items())
    total = sum(row.buckets.values())
    beyond = total * row.mean_us * US - sum(name * count for name, count in row.buckets.items())
    slack = total * row.mean_slack_us * US
    least = beyond - slack + count * (name - scale.width - shift)
    most = beyond + slack + count * (name + scale.width - shift)
    return float(max(least, count * ends[0])), float(min(most, count * ends[1]))
