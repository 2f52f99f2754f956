"""The file that a recorder writes: never over another without being told."""

import os
from io import FileIO

from nfvlab.readers.errors import ReaderError


def open_output(output: str | os.PathLike, force: bool) -> FileIO:
    """The file to record into, unbuffered; a `ReaderError` where it exists (unless `force`) or cannot be written."""
    try:
        return open(output, "wb" if force else "xb", buffering=0)
    except FileExistsError:
        raise ReaderError(output, None, "it exists already", "Choose another name, or --force") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ReaderError(output, None, f"cannot write to it: {why}", "Choose another place") from None
