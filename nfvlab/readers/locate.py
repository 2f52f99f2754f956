"""Where in a JSON text a value stands: a slow second look, taken only when an error must name the line.

Standard library only. The text has been read once by `json`, so only its tokens are told apart here.
"""

import json
import math
import re
from collections.abc import Iterator

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[][{},:]|[^\s\[\]{},:"]+', re.DOTALL)


def line_at(text: str, offset: int) -> int:
    """Line (from 1) of a place in the text."""
    return text.count("\n", 0, offset) + 1


def walk(text: str) -> Iterator[tuple[tuple, str, int]]:
    """(path, first token, offset) of every value; a path is (document number, key or index, …).

    Ends quietly at the first token that cannot be.
    """
    stack: list[list] = [["documents", -1]]  # [kind, index or key]
    key = None
    for match in _TOKEN.finditer(text):
        token, top = match.group(), stack[-1]
        if token in "]}":
            if len(stack) == 1:
                return
            stack.pop()
        elif token == ":":
            top[1] = key
        elif token == "," and top[0] == "{":
            top[1] = None
        elif token != ",":
            if top[0] == "{" and top[1] is None:  # a key, not yet a value
                try:
                    key = json.loads(token)
                except ValueError:
                    return
                continue
            if top[0] != "{":
                top[1] += 1
            yield tuple(level[1] for level in stack), token, match.start()
            if token in "[{":
                stack.append([token, -1 if token == "[" else None])


def second_key(text: str) -> int | None:
    """Offset of the first value whose key its object has already."""
    seen = set()
    for path, _, offset in walk(text):
        if path in seen:
            return offset
        seen.add(path)
    return None


def huge_number(text: str) -> int | None:
    """Offset of the first number that overflows a double."""
    for _, token, offset in walk(text):
        if token[0] in "-0123456789" and any(c in token for c in ".eE") and math.isinf(float(token)):
            return offset
    return None
