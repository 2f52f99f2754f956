"""The one way a reader says no."""

import os


class ReaderError(ValueError):
    """A file that a reader cannot turn into our words, honestly.

    path : the file, as text that can be printed
    line : line in the file (from 1), None where it is not known
    what : what is wrong, with the value and the rule it breaks
    remedy : what to do about it
    """

    def __init__(self, path: str | bytes | os.PathLike, line: int | None, what: str, remedy: str):
        self.path = printable(os.fsdecode(path), limit=4096)
        self.line = line
        self.what = what
        self.remedy = remedy
        super().__init__(self.path, line, what, remedy)

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}, line {self.line}"
        return f"{place}: {self.what}. {self.remedy}"


def printable(text: str, limit: int = 200) -> str:
    """`text` as one safe line: control characters, escapes and lone surrogates spelled out, long text cut."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
