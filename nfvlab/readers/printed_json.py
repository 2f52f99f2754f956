"""JSON as measuring tools print it: among other lines, and with nan for the mean of no sample.

Standard library only. rt-tests with --json=- prints its JSON between the lines that it prints anyway
(src/lib/rt-utils.c, rt_write_json), jitterdebugger below them (jitterdebugger.c, dump_stats); both give an object whose
first and last line are a brace alone. printf writes the mean of no sample as nan or -nan, which is not JSON.
"""

import os
import re

from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN, Documents, parse_documents

_BEGIN = re.compile(r"^(?:\x1b\[[0-9;?]*[A-Za-z])*\{[ \t]*\r?$", re.MULTILINE)
_END = re.compile(r"^\}[ \t]*\r?$", re.MULTILINE)
_NAN = re.compile(r'("avg"[ \t]*:[ \t]*)-?nan\b')


def printed_json(text: str) -> str | None:
    """The JSON in a tool's output, on the lines where it stands, the lines above it empty; None if there is none.

    It begins with the text, or with a line that is a brace alone, and ends with the last such line.
    """
    whole = text.lstrip().startswith("{")
    begin = _BEGIN.search(text)
    if not begin:
        return text if whole else None
    start = text.index("{", begin.start())
    if whole and text[:start].strip():
        return text
    end = max((found.end() for found in _END.finditer(text, start)), default=len(text))
    if _BEGIN.search(text, end):  # a second object, cut
        end = len(text)
    return "\n" * text.count("\n", 0, start) + text[start:end]


def tool_document(path: str | os.PathLike, text: str, remedy: str) -> tuple[Documents, list[str]]:
    """The one JSON object that a tool printed, "avg" of no sample as null, and notes; or `ReaderError`.

    remedy : what to give instead of a file without JSON
    """
    found = printed_json(text)
    if found is None:
        raise ReaderError(path, 1, "no JSON", remedy)
    documents = parse_documents(path, _NAN.sub(r"\1null", found))
    if len(documents.values) > 1 or documents.cut_line is not None:
        line = documents.cut_line or documents.lines[1]
        raise ReaderError(path, line, "more than one JSON value", "Keep one run in a file")
    if not isinstance(documents.values[0], dict):
        raise ReaderError(path, documents.lines[0], "JSON that is no object", AGAIN)
    return documents, _around(text, found)


def _around(text: str, found: str) -> list[str]:
    """A note on the lines around the JSON, which say again what it says."""
    first = found.count("\n", 0, len(found) - len(found.lstrip("\n")))
    rows = text.split("\n")
    left = [row for row in rows[:first] + rows[found.count("\n") + 1 :] if row.strip()]
    if not left:
        return []
    return [f"left out: {len(left)} lines around the JSON, the first {printable(left[0], 60)!r}"]
