"""Readers: one file per tool, its output in our words and units, or a `ReaderError`.

`read_x(path)` returns a frame and what stands beside it; it needs no root, never writes and
never evaluates anything.
Importing this package loads no pandas; importing a reader does.
"""

from nfvlab.readers.errors import ReaderError

__all__ = ["ReaderError"]
