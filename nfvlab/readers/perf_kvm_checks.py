"""Whether the figures of one report of `perf kvm stat` can belong together, within the rounding of their print.

Standard library only. perf prints times to 0.01 us and shares to 0.01 %. Of n times in [min, max] with the mean m, the
variance is at most (max - m)(m - min) (Bhatia and Davis, 2000), so the standard error of m, with the divisor n - 1
that perf has, is at most sqrt((max - m)(m - min) / (n - 1)).
"""

import math
import os

from nfvlab.readers.errors import ReaderError
from nfvlab.readers.files import AGAIN
from nfvlab.readers.perf_kvm_table import Row, Table

_HALF_PERCENT = 0.005 + 1e-6  # half of the last digit, and the noise of doubles
_HALF_US = 0.005 + 1e-6


def check(path: str | os.PathLike, table: Table) -> None:
    """`ReaderError` where rows contradict each other or the totals."""
    for row in table.rows:
        said = _of_itself(row) or _of_the_total(row, table)
        if said:
            raise ReaderError(path, row.line, f"{row.event}: {said}", AGAIN)
    samples = sum(row.samples for row in table.rows)
    if samples != table.samples:
        what = f"the events have {samples} samples together, the total says {table.samples}"
        raise ReaderError(path, table.total_line, what, "Give the whole report: rows are missing or changed")
    low, high = (sum(_time(row)[end] for row in table.rows) for end in (0, 1))
    slack = _HALF_US + 1e-9 * table.total_us
    if not low - slack <= table.total_us <= high + slack:
        what = f"the events took {low:.2f} to {high:.2f} us together, the total says {table.total_us:.2f} us"
        raise ReaderError(path, table.total_line, what, AGAIN)


def _time(row: Row) -> tuple[float, float]:
    """The least and the most that all samples of a row can have taken, in microseconds."""
    half = 0.005 + 1e-9 * row.mean_us
    return row.samples * max(row.mean_us - half, 0.0), row.samples * (row.mean_us + half)


def _of_the_total(row: Row, table: Table) -> str | None:
    if not table.samples or row.samples > table.samples:
        return f"{row.samples} samples of a total of {table.samples}"
    share = 100 * row.samples / table.samples
    if abs(share - row.samples_percent) > _HALF_PERCENT:
        return f"{row.samples} of {table.samples} samples are {share:.2f} %, not {row.samples_percent:.2f} %"
    if math.isnan(row.time_percent):
        return None if table.total_us == 0 else "its share of the time is nan, but the total time is not zero"
    low, high = _time(row)
    low = 100 * low / (table.total_us + _HALF_US) - _HALF_PERCENT
    below = table.total_us - _HALF_US
    high = math.inf if below <= 0 else 100 * high / below + _HALF_PERCENT
    if not low <= row.time_percent <= min(high, 100 + _HALF_PERCENT):
        return f"{row.time_percent:.2f} % of the time is not its samples x average of the total"
    return None


def _of_itself(row: Row) -> str | None:
    """What is wrong within a row; a minimum of 0.00 us stands for an unknown one."""
    n, mean, step = row.samples, row.mean_us, 2 * row.step_us
    if not n:
        return "an event without a sample"
    least = 0.0 if math.isnan(row.min_us) else row.min_us
    most = n * mean if math.isnan(row.max_us) else row.max_us
    if not least - step <= mean <= most + step:
        return f"the average {mean:.2f} us is not between {least:.2f} and {most:.2f} us"
    lowest = least or most
    if most + (n - 1) * least > n * (mean + step) or (
        not math.isnan(row.min_us) and n * (mean - step) > lowest + (n - 1) * most
    ):
        return f"{n} samples from {least:.2f} to {most:.2f} us cannot have the average {mean:.2f} us"
    if mean <= step:
        return None
    spread = (most - mean + step) * (mean - least + step) / max(n - 1, 1) if n > 1 else 0.0
    bound = 100 * math.sqrt(spread) / (mean - step)
    if row.stderr_percent > bound + _HALF_PERCENT:
        return f"+-{row.stderr_percent:.2f} % is more than {n} samples in this range can have ({bound:.2f} %)"
    return None
