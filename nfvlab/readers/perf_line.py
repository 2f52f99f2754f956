"""One line of perf stat -x: a count with what stands around it, or further metrics of the count above.

Standard library only. Fields, in the order of tools/perf/util/stat-display.c: [time,] [summary,] [where, [how many,]]
count, unit, event, [cgroup,] [variance %,] run time, % of the time it ran, [metric, unit] … perf 4.0 and before print
no run time, perf before 3.14 no unit. Commas in an event's name are not quoted.
"""

import math
import re
from typing import Any

from nfvlab.readers.cells import LOCALE, number, whole
from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN
from nfvlab.readers.perf_words import UNITS

TIME = re.compile(r" *[0-9]{1,12}\.[0-9]{9}")
TIME_COMMA = re.compile(r" *[0-9]{1,12},[0-9]{9}")
_WHERE = re.compile(r"CPU[0-9]+|[SN][0-9]+(?:-(?:D|CLS|C|L|ID|N)[0-9]+)*|D[0-9]+|[^ ].*-[0-9]+")
_COUNT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?|<not (?:counted|supported)>")
_PERCENT = re.compile(r"[0-9]{1,12}\.[0-9]{2}")
_WHOLE = re.compile(r"[0-9]{1,20}")
_EVENT = re.compile(r"[\w./:@\[\]{}=<>*!+-][\w./:@\[\]{}=<>*!+, #~()'-]*", re.ASCII)
_NO_UNIT = tuple("0123456789<-.")
SEPARATORS = (",", ";", "\t", "|", ":", " ")


def guess_separator(text: str) -> str | None:
    """The separator under which the first line that is no comment is a line of perf stat -x; None for no such file."""
    row = next((row for row in text.split("\n") if row.strip() and not row.startswith("#")), "").rstrip("\r")
    for separator in SEPARATORS:
        cells = row.split(separator)
        if len(cells) >= 2 and _looks_right(cells):
            return separator
    return None


def _looks_right(cells: list[str]) -> bool:
    """Whether the fields begin as a count does: [time,] [where, [how many,]] count, unit, event that is a name."""
    at = 0
    if TIME.fullmatch(cells[0]) or (TIME_COMMA.fullmatch(cells[0])):
        at = 1
    for skip in (0, 1, 2, 3):
        rest = cells[at + skip :]
        if rest and re.fullmatch(r"-?[0-9]+(?:[.,][0-9]+)?|<not (?:counted|supported)>", rest[0].strip()):
            names = rest[1:2] if len(rest) == 2 else rest[2:3]
            if (
                names
                and re.match(r"[A-Za-z_{<]", names[0])
                and (len(rest) == 2 or not re.search(r"[0-9]", rest[1]))
            ):
                return True
    return False


def take(path, line: int, cells: list[str], rows: list[dict[str, Any]], separator: str) -> None:
    """Take one line: a count, or further metrics of the count above."""
    made: dict[str, Any] = {"line": line, "t_ns": math.nan, "where": "", "units_count": math.nan}
    cells = [cell.strip() for cell in cells]
    if TIME_COMMA.fullmatch(cells[0]):
        raise ReaderError(path, line, f"the time is {cells[0]!r}, with a decimal comma", LOCALE)
    if TIME.fullmatch(cells[0]):
        made["t_ns"] = round(float(cells.pop(0)) * 1e9)
    if cells and cells[0] == "summary":
        made["where"] = cells.pop(0)
    if _is_where(cells):
        made["where"] = printable(f"{made['where']} {cells.pop(0)}".strip())
        counted = len(cells) > 2 and (_COUNT.fullmatch(cells[1]) or not any(cells[1:4]))
        if counted and _WHOLE.fullmatch(cells[0]):
            made["units_count"] = float(whole(path, line, "the number of CPUs", cells.pop(0)))
    if len(cells) > 3 and not any(cells[:3]):
        return _more_metrics(path, line, cells, made, rows)
    _count(path, line, cells, made, separator)
    summary = made["where"].startswith("summary")
    if rows and not summary and math.isnan(rows[0]["t_ns"]) != math.isnan(made["t_ns"]):
        raise ReaderError(path, line, "some lines have a time and some have none", AGAIN)
    if rows and rows[0]["fields"] != made["fields"]:
        raise ReaderError(path, line, "some lines have a unit or a run time and some have none", AGAIN)
    rows.append(made)
    return None


def _is_where(cells: list[str]) -> bool:
    """Whether the first field says where: it is no count, and one follows within two fields (or empty fields)."""
    if len(cells) < 3 or not _WHERE.fullmatch(cells[0]) or _COUNT.fullmatch(cells[0]):
        return False
    return bool(_COUNT.fullmatch(cells[1]) or not cells[1])


def _count(path, line: int, cells: list[str], made: dict[str, Any], separator: str) -> None:
    """count, [unit,] event, [cgroup,] [variance,] [run time, percent,] [metric, unit]"""
    said, rest = (cells or [""])[0], cells[1:]
    if not rest:
        raise ReaderError(path, line, f"{printable(said, 60)!r} stands alone (truncated?)", AGAIN)
    has_unit = len(rest) > 1
    unit = rest.pop(0) if has_unit else ""
    if _WHOLE.fullmatch(unit) and len(unit) <= 2:
        raise ReaderError(path, line, f"the count is {said},{unit}: a decimal comma", LOCALE)
    if _COUNT.fullmatch(unit) or "/" in unit[1:]:
        raise ReaderError(path, line, f"{printable(unit, 40)!r} stands where the unit belongs", AGAIN)
    event, rest = _event(path, line, rest)
    while separator == ":" and rest and re.match(r"[A-Za-z_]", rest[0]):  # cycles:u, sched:sched_switch
        event = f"{event}:{rest.pop(0)}"
    made["fields"] = (has_unit, bool(rest))  # whether there is a unit, and a run time
    scale, suffix = UNITS.get(unit, (1.0, ""))
    made |= {"event": event, "unit": printable(unit, 40), "suffix": suffix, "status": "counted"}
    if said.startswith("<"):
        made |= {"value": math.nan, "status": said.strip("<>")}
        if not _COUNT.fullmatch(said):
            raise ReaderError(path, line, f"the count is {printable(said, 40)!r}", AGAIN)
    else:
        made["value"] = number(path, line, "the count", said, scale=scale)
    _after(path, line, rest, made)


def _event(path, line: int, cells: list[str]) -> tuple[str, list[str]]:
    """The event's name, put together again where it holds commas: pmu/event=1,umask=2/."""
    name, rest = cells[0], cells[1:]
    while name.count("/") == 1 and rest:
        name, rest = f"{name},{rest[0]}", rest[1:]
    if name.count("/") == 1 or not name or not _EVENT.fullmatch(name) or _PERCENT.fullmatch(name):
        raise ReaderError(path, line, f"{printable(name, 60)!r} where an event's name belongs", AGAIN)
    return name, rest


def _after(path, line: int, rest: list[str], made: dict[str, Any]) -> None:
    made |= {
        "cgroup": "",
        "variance_frac": math.nan,
        "run_ns": math.nan,
        "running_frac": math.nan,
        "metrics": (),
    }
    if len(rest) >= 3 and not _WHOLE.fullmatch(rest[0]) and not rest[0].endswith("%"):
        made["cgroup"] = printable(rest.pop(0))
    if rest and rest[0].endswith("%"):
        made["variance_frac"] = number(path, line, "the variance", rest.pop(0)[:-1], scale=0.01)
    if not rest:
        return
    if len(rest) < 2:
        raise ReaderError(path, line, "the line ends before the share of the time it ran (truncated?)", AGAIN)
    made["run_ns"] = float(whole(path, line, "the run time", rest[0], high=2**64 - 1))
    if not _PERCENT.fullmatch(rest[1]):
        comma = bool(re.fullmatch(r"[0-9]{1,3}(?:,[0-9]{2})?", rest[1]))
        what = f"the share of the time it ran is {printable(rest[1], 40)!r}, without its decimal point"
        raise ReaderError(path, line, what, LOCALE if comma else AGAIN)
    made["running_frac"] = number(path, line, "the share of the time it ran", rest[1], scale=0.01)
    made["metrics"] = _metrics(path, line, rest[2:])


def _metrics(path, line: int, cells: list[str]) -> tuple[tuple[float, str], ...]:
    if len(cells) % 2:
        raise ReaderError(path, line, f"a metric without its unit: {printable(','.join(cells), 60)!r}", AGAIN)
    pairs = [(cells[i], printable(cells[i + 1], 80)) for i in range(0, len(cells), 2)]
    for said, unit in pairs:
        if unit[:1] in _NO_UNIT or (said and not unit):
            what = f"{printable(unit or said, 40)!r} where the unit of a metric belongs"
            raise ReaderError(path, line, what, AGAIN)
    return tuple(
        (number(path, line, "the metric", said) if said else math.nan, unit)
        for said, unit in pairs
        if said or unit
    )


def _more_metrics(path, line: int, cells: list[str], made: dict, rows: list[dict[str, Any]]) -> None:
    while cells and not cells[0]:
        cells.pop(0)
    above = rows[-1] if rows else None
    same = (
        above
        and above["where"] == made["where"]
        and (above["t_ns"] == made["t_ns"] or math.isnan(made["t_ns"]))
    )
    if not cells or not same:
        raise ReaderError(path, line, "a line without a count that continues none above", AGAIN)
    above["metrics"] += _metrics(path, line, cells)
