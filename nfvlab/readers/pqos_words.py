"""The columns of pqos monitoring output from 2016 to 2026, in our words and units.

Standard library only. pqos divides bytes by 1024 for KB and by 1024 x 1024 for MB (pqos/monitor_utils.c: bytes_to_kb,
bytes_to_mb), the text prints misses in units of 1000 (pqos/monitor_text.c), and LLC[%] is of the whole cache.
"""

import os
import re
from dataclasses import dataclass

from nfvlab.readers.cells import number, whole
from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN
from nfvlab.units import KiB, MiB


@dataclass(frozen=True)
class Column:
    """A column: our word, what one unit of it is in ours, the decimals that printf gives it, or its kind of text.

    kind : number, whole, or the identities cores, channel, whole_id
    """

    word: str
    scale: float = 1.0
    decimals: int = 1
    kind: str = "number"


def _events(kb: str, mb: str) -> dict[str, Column]:
    return {
        kb: Column("llc_occupancy_bytes", KiB),
        f"MBL{mb}": Column("mbm_local_bytes_per_s", MiB),
        f"MBR{mb}": Column("mbm_remote_bytes_per_s", MiB),
        f"MBT{mb}": Column("mbm_total_bytes_per_s", MiB),
    }


_COUNTS = {
    "llc_misses_count": ("LLC Misses", "MISSES", "llc_misses"),
    "llc_references_count": ("LLC References", "REFERENCES", "llc_references"),
    "llc_pcie_read_misses_count": ("LLC Misses Read", "MISS_READ", None),
    "llc_pcie_write_misses_count": ("LLC Misses Write", "MISS_WRITE", None),
    "llc_pcie_read_references_count": ("LLC References Read", "REF_READ", None),
    "llc_pcie_write_references_count": ("LLC References Write", "REF_WRITE", None),
}
_CORES, _PID = Column("cores", kind="cores"), Column("pid", kind="cores")
_IDS = {
    "SOCKET": Column("socket", kind="whole_id"),
    "RMID": Column("rmid", kind="whole_id"),
    "CHANNEL": Column("channel", kind="channel"),
}
_COMMON = {"IPC": Column("ipc_ratio", decimals=2), "LLC[%]": Column("llc_occupancy_frac", 0.01)}

TEXT = (
    {"CORE": _CORES, "PID": _PID, "SKT": _IDS["SOCKET"]}
    | _IDS
    | _COMMON
    | {names[1]: Column(word, 1e3, 0, "thousands") for word, names in _COUNTS.items()}
    | _events("LLC[KB]", "[MB/s]")
    | {
        "I/O-LLC": Column("io_llc_occupancy_bytes", KiB),
        "I/O-TOTAL": Column("io_total_bytes_per_s", MiB),
        "I/O-MISS": Column("io_miss_bytes_per_s", MiB),
    }
)
CSV = (
    {"Core": _CORES, "PID": _PID, "Socket": _IDS["SOCKET"], "RMID": _IDS["RMID"], "Channel": _IDS["CHANNEL"]}
    | _COMMON
    | {names[0]: Column(word, 1.0, 0, "whole") for word, names in _COUNTS.items()}
    | _events("LLC[KB]", "[MB/s]")
)
XML = (
    {"core": _CORES, "pid": _PID, "socket": _IDS["SOCKET"], "rmid": _IDS["RMID"]}
    | {"ipc": _COMMON["IPC"], "l3_occupancy_percent": _COMMON["LLC[%]"]}
    | {names[2]: Column(word, 1.0, 0, "whole") for word, names in _COUNTS.items() if names[2]}
    | {"l3_occupancy_kB": Column("llc_occupancy_bytes", KiB)}
    | {f"mbm_{which}_MB": Column(f"mbm_{which}_bytes_per_s", MiB) for which in ("local", "remote", "total")}
)
IDENTITIES = ("cores", "pid", "socket", "rmid", "channel")
_REGION = re.compile(r"MBL-r([0-9]{1,2})\[MB/s\]")
_LIST = re.compile(r"[0-9]{1,10}(?:-[0-9]{1,10})?(?:, ?[0-9]{1,10}(?:-[0-9]{1,10})?)*")
_CUT = re.compile(r"[0-9][0-9,-]{7}")  # eight characters of a longer list


def column(path: str | os.PathLike, line: int, name: str, known: dict[str, Column]) -> Column:
    """What a column's name stands for; `ReaderError` for an unknown one."""
    region = _REGION.fullmatch(name)
    if region and known is TEXT:
        return Column(f"mbm_local_region{region[1]}_bytes_per_s", MiB)
    if name not in known:
        what = f"the column {printable(name, 40)!r} is not known; known: {', '.join(known)}"
        raise ReaderError(path, line, what, "Give the output as pqos wrote it, or update nfvlab")
    return known[name]


def value(path: str | os.PathLike, line: int, column: Column, cell: str, *, cut: bool = False):
    """A cell in our unit: a number, or the text of an identity; NaN where nothing was monitored.

    cut : the text output cuts a list of cores or processes to eight characters
    """
    text = cell.strip()
    if column.kind == "cores":
        if text in ("N/A", "err"):
            return ""
        if _LIST.fullmatch(text) or (cut and _CUT.fullmatch(text)):
            return text
        what = f"{column.word} is {printable(text, 60)!r} where a list such as 0-3,8 belongs"
        raise ReaderError(path, line, what, AGAIN)
    if column.kind == "channel":
        if not re.fullmatch(r"0x[0-9a-fA-F]{1,16}|[0-9]{1,20}", text):
            raise ReaderError(path, line, f"channel is {printable(text, 60)!r}, no channel number", AGAIN)
        return text
    if not text or (text == "N/A" and column.word == "rmid"):
        return float("nan")
    if column.kind == "whole_id":
        return float(whole(path, line, column.word, text))
    if column.kind == "thousands":
        if not text.endswith("k"):
            what = f"{column.word} is {printable(text, 60)!r} where thousands (12k) belong"
            raise ReaderError(path, line, what, AGAIN)
        text = text[:-1]
    return number(path, line, column.word, text, scale=column.scale, whole=column.decimals == 0)


def whole_cell(column: Column, cell: str) -> bool:
    """Whether a cell at the very end of a file cannot have lost a digit: it has all its decimals, or its k."""
    text = cell.strip()
    if column.kind == "thousands":
        return text.endswith("k")
    return column.kind == "number" and bool(re.search(rf"\.[0-9]{{{column.decimals}}}$", text))
