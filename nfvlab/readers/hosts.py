"""Host files: the constants of a pair of hosts, as TOML (schema nfvlab-host/1)."""

import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field

from nfvlab.readers.errors import ReaderError
from nfvlab.readers.files import load_text

SCHEMA = "nfvlab-host/1"
REMEDY = "Write the file with `nfvlab calibrate migration`, or follow data/hosts/"
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class HostMeta:
    """Where the constants come from.

    compression : {method, or "all": {constant: value}}, what was measured of compression; empty where nothing was
    """

    title: str
    source: str
    compression: dict[str, dict[str, float]] = field(default_factory=dict)


def read_host(path: str | os.PathLike) -> tuple[dict[str, float], HostMeta]:
    """({constant: value}, meta) of a host file; names and units are those of the features' parameters.

    Errors: ReaderError for anything that is not such a file. Whether a value is sensible is the parameters' business.
    """
    text = load_text(path, max_bytes=MAX_BYTES)
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise ReaderError(path, None, f"not TOML: {error}", REMEDY) from None
    if data.get("schema") != SCHEMA:
        raise ReaderError(path, None, f"schema is {data.get('schema')!r}, not {SCHEMA!r}", REMEDY)
    constants = data.get("constants")
    if not isinstance(constants, dict) or not constants:
        raise ReaderError(path, None, "no table [constants]", REMEDY)
    wrong = [name for name, value in constants.items() if not _finite(value)]
    if wrong:
        raise ReaderError(path, None, f"not finite numbers: {', '.join(wrong)}", REMEDY)
    told = str(data.get("title", "")), str(data.get("source", ""))
    return dict(constants), HostMeta(*told, _compression(path, data.get("compression", {})))


def _compression(path, tables) -> dict[str, dict[str, float]]:
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ReaderError(path, None, "compression is not a table of tables by method", REMEDY)
    wrong = [f"{m}.{name}" for m, table in tables.items() for name, v in table.items() if not _finite(v)]
    if wrong:
        raise ReaderError(path, None, f"not finite numbers: {', '.join(wrong)}", REMEDY)
    return {method: dict(table) for method, table in tables.items()}


def _finite(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def host_text(
    constants: dict[str, float],
    *,
    title: str,
    source: str,
    compression: Mapping[str, Mapping[str, float]] | None = None,
) -> str:
    """A host file's text; numbers keep every digit, tables of `compression` that are empty are left out."""
    import tomli_w

    data = {"schema": SCHEMA, "title": title, "source": source, "constants": constants}
    tables = {method: dict(table) for method, table in (compression or {}).items() if table}
    return tomli_w.dumps(data | ({"compression": tables} if tables else {}))
