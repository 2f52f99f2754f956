"""Whether the figures of a histogram of rtla can belong together, and how wide its buckets are.

Standard library only. A row's index is a multiple of the width (-b), and min // width and max // width are the first
and last bucket that a column has samples in; of osnoise, min and max are the indices of those buckets themselves.
"""

import math

from nfvlab.readers.errors import ReaderError
from nfvlab.readers.files import AGAIN
from nfvlab.readers.rtla_table import Table

WIDEST = 999_999  # rtla refuses -b 1000000 and more


def bucket_width(table: Table) -> tuple[int, list[str]]:
    """The widest bucket that all figures allow, in the table's unit, and what is to be said of it."""
    common = math.gcd(*table.rows)
    if not common:
        most = max((_extremes(table, at)[1] or 0 for at in range(len(table.columns))), default=0)
        width = int(most) + 1 if table.tool == "timerlat" else 1
        return width, [
            f"the width of a bucket is not certain: it is taken to be {width}"
        ] if table.rows else []
    divisors = [n for n in range(1, math.isqrt(common) + 1) if common % n == 0]
    divisors = sorted({*divisors, *(common // n for n in divisors)}, reverse=True)
    fits = [width for width in divisors if width <= WIDEST and not _broken(table, width)]
    width = fits[0] if fits else divisors[-1]
    notes = [f"the width of a bucket is not certain: it is taken to be {width}"] if len(fits) > 1 else []
    return width, notes


def check_extremes(table: Table, width: int) -> None:
    """`ReaderError` where a column's minimum or maximum is not of its counts."""
    broken = _broken(table, width)
    if broken:
        label, what = broken
        raise ReaderError(table.path, table.summary[label][0], what, AGAIN)


def check_averages(table: Table, width: int) -> None:
    """`ReaderError` where a column's average is not of its counts."""
    if "avg" not in table.summary or table.mean_of_buckets():
        return
    line, words = table.summary["avg"]
    for at, column in enumerate(table.columns):
        mean, taken = table.figure("avg", at), table.figure("count", at)
        if not taken or mean is None:
            continue
        least, most = _sums(table, at, width)
        low, high = (mean, mean + 1) if table.tool == "timerlat" else (mean - 0.005001, mean + 0.005001)
        if most < low * taken or least >= high * taken:
            what = f"the average of {column.name} is {words[at]}, by the counts "
            what += f"it is from {least / taken:.2f} to {most / taken:.2f}"
            raise ReaderError(table.path, line, what, AGAIN)


def check_total(table: Table) -> None:
    """`ReaderError` where the block ALL is not of the columns."""
    for label, join in (("count", sum), ("min", min), ("max", max)):
        if label not in table.total:
            return
        line, words = table.total[label]
        for context, said in zip(table.contexts(), words, strict=True):
            of = [at for at, column in enumerate(table.columns) if column.context == context]
            taken = [at for at in of if label == "count" or table.figure("count", at)]
            made = join(table.figure(label, at) for at in taken) if taken else None
            if made is not None and said != str(int(made)):
                what = f"ALL: {label} of {context} is {said}, of its columns it is {int(made)}"
                raise ReaderError(table.path, line, what, AGAIN)


def _extremes(table: Table, at: int) -> tuple[float | None, float | None]:
    """The printed minimum and maximum; an older rtla prints 2^64 - 1 for the minimum of no sample."""
    if not table.figure("count", at):
        return None, None
    return table.figure("min", at), table.figure("max", at)


def _broken(table: Table, width: int) -> tuple[str, str] | None:
    """The line whose figure a width does not allow, and what is wrong."""
    end = max(table.rows, default=-width) + width
    span = 1 if table.tool == "osnoise" else width
    for at, column in enumerate(table.columns):
        least, most = _extremes(table, at)
        inside = [index for index, counts in table.rows.items() if counts[at]]
        over = table.figure("over", at)
        if least is not None and inside and not inside[0] <= least < inside[0] + span:
            return "min", f"the minimum of {column.name} is {least:g}, its first bucket is {inside[0]}"
        if least is not None and not inside and over and least < end:
            return (
                "min",
                f"the minimum of {column.name} is {least:g}, but all its samples are beyond the rows",
            )
        if most is not None and over and most < end:
            return "max", f"the maximum of {column.name} is {most:g}, but it has samples beyond the rows"
        if most is not None and inside and not over and not inside[-1] <= most < inside[-1] + span:
            return "max", f"the maximum of {column.name} is {most:g}, its last bucket is {inside[-1]}"
    return None


def _sums(table: Table, at: int, width: int) -> tuple[float, float]:
    """The least and the most that a column's samples can add up to, in the table's unit."""
    span = 0 if table.tool == "osnoise" else width - 1
    over, (least_one, most_one) = table.figure("over", at), _extremes(table, at)
    least = most = 0.0
    for index, counts in table.rows.items():
        least += counts[at] * max(index, least_one if index + width > least_one else index)
        most += counts[at] * min(index + span, most_one)
    end = max(max(table.rows, default=-width) + width, least_one)
    return least + max(over - 1, 0) * end + (most_one if over else 0), most + over * most_one
