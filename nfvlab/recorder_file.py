"""The file that a recorder writes: never over another without being told; and the signals that end a recording."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
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


@contextlib.contextmanager
def stop_on_signals(stop: threading.Event) -> Iterator[None]:
    """SIGINT and SIGTERM set `stop`, where signals can be handled (the main thread)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {n: signal.signal(n, lambda *_: stop.set()) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
