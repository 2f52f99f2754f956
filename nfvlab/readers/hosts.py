"""Host files: the constants of a pair of hosts, as TOML (schema nfvlab-host/1)."""

import math
import os
import tomllib
from dataclasses import dataclass

from nfvlab.readers.errors import ReaderError
from nfvlab.readers.files import load_text

SCHEMA = "nfvlab-host/1"
REMEDY = "Write the file with `nfvlab calibrate migration`, or follow data/hosts/"
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class HostMeta:
    """Where the constants come from."""

    title: str
    source: str


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
    return dict(constants), HostMeta(str(data.get("title", "")), str(data.get("source", "")))


def _finite(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def host_text(constants: dict[str, float], *, title: str, source: str) -> str:
    """A host file's text; numbers keep every digit."""
    import tomli_w

    return tomli_w.dumps({"schema": SCHEMA, "title": title, "source": source, "constants": constants})
