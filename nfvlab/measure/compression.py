"""Compressed sizes of memory pages, and the speeds of the methods on this machine, into a table that the model takes.

Pages are drawn without replacement, each with the same chance, and measured in the order in which they were drawn: what
is there when a signal stops it is a fair sample too. A zero page is counted and not compressed, as QEMU sends none.
A speed is bytes of pages by CPU time of this thread: of each batch of about 256 KiB, which the cache holds, the median
over repeats, summed. Every result is decompressed and compared with the page.
"""

import os
import platform
import stat
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import FileIO

import numpy as np

from nfvlab.measure.memory import MemoryFile
from nfvlab.measure.methods import Method
from nfvlab.readers import compression_lines as lines
from nfvlab.readers.compression_lines import PAGE_BYTES
from nfvlab.readers.errors import ReaderError, printable
from nfvlab.recorder_file import open_output, stop_on_signals
from nfvlab.units import s

BATCH_BYTES = 1 << 18
SETUP_CALLS = 101
_ZERO = bytes(PAGE_BYTES)


@dataclass(frozen=True)
class Measured:
    """How it ended: complete, or stopped by a signal; pages drawn, and of them zero pages, which have no row."""

    path: str
    outcome: str
    drawn_pages: int
    zero_pages: int


@dataclass
class _Clock:
    """CPU time of one method, in ns, over all batches."""

    compress_ns: float = 0.0
    decompress_ns: float = 0.0


@dataclass
class _Tally:
    """What was done so far."""

    drawn: int = 0
    zero: int = 0
    clocks: dict[str, _Clock] = field(default_factory=dict)


def measure_compression(
    path: str | os.PathLike,
    output: str | os.PathLike,
    *,
    methods: Mapping[str, Method],
    pages: int,
    seed: int,
    buffer_bytes: int = PAGE_BYTES,
    repeats: int = 3,
    force: bool = False,
    say: Callable[[str], None] = lambda line: None,
    progress: bool = False,
) -> Measured:
    """Measure `pages` pages of a file, or all if it has no more, until SIGINT or SIGTERM; the table is in `output`.

    methods : as `methods.available()` gives them
    buffer_bytes : compressed at a time, whole pages; the buffer's compressed bytes are shared out to its pages' rows
    force : replace `output` if it exists
    progress : a bar on stderr, where that is a terminal
    `ReaderError` for a file that cannot be measured or an output that cannot be written.
    """
    stop = threading.Event()
    with MemoryFile(path) as memory:
        if os.path.exists(output) and os.path.samefile(path, output):
            raise ReaderError(output, None, "it is the file to be measured", "Choose another name")
        span = buffer_bytes // PAGE_BYTES
        units = memory.data.grouped(span)
        if not units.count:
            raise ReaderError(path, None, "the file is one hole: every page is zero", "Give a file with data")
        drawn = _draw(units, -(-pages // span), seed)
        holes = memory.pages - _pages_in(units, span, memory.pages)
        head = {"file": os.path.basename(os.fsdecode(path)), "format": memory.format}
        head |= {"buffer_bytes": buffer_bytes, "file_pages": memory.pages, "hole_pages": holes}
        head |= {"asked_pages": pages, "seed": seed, "repeats": repeats, "cpu": _cpu()}
        head["libraries"] = {name: method.library for name, method in methods.items()}
        with open_output(output, force) as file, stop_on_signals(stop):
            out = _Out(file, output)
            out.write(lines.head_line(**head) + lines.columns_line(methods))
            say(f"measuring {_sample(len(drawn) * span, memory.pages - holes, seed)} (Ctrl-C ends it)")
            tally = _Tally(clocks={name: _Clock() for name in methods})
            _run(memory, drawn, span, methods, repeats, out, tally, stop, progress)
            outcome = "stopped" if stop.is_set() else "complete"
            done = tally.drawn - tally.zero
            if done:
                speeds = _speeds(tally.clocks, methods, done * PAGE_BYTES)
                out.write(lines.end_line(outcome, tally.drawn, tally.zero, speeds))
    if not done:
        _remove(output)
        if outcome == "complete":
            what = f"each of the {tally.drawn} pages drawn from it is zero"
            raise ReaderError(path, None, what, "Draw more (--pages), or give a file with data")
    return Measured(os.fsdecode(output), outcome, tally.drawn, tally.zero)


def _remove(output: str | os.PathLike) -> None:
    """Take a table without rows away, unless it is a device or a link."""
    if stat.S_ISREG(os.lstat(output).st_mode):
        os.unlink(output)


def _sample(pages: int, of_pages: int, seed: int) -> str:
    if pages >= of_pages:
        return f"all {of_pages:,} pages"
    return f"{pages:,} of {of_pages:,} pages, drawn at random (seed {seed})"


def _draw(units, count: int, seed: int) -> np.ndarray:
    """Units without replacement, in the order drawn: int64[min(count, all)]."""
    rng = np.random.default_rng(seed)
    return units.at(rng.choice(units.count, min(count, units.count), replace=False))


def _pages_in(units, span: int, pages: int) -> int:
    """Pages in these units; the last unit of a file may have fewer."""
    over = int(units.end[-1]) * span - pages
    return units.count * span - max(over, 0)


def _run(memory, drawn, span, methods, repeats, out, tally, stop, progress) -> None:
    """Measure the units that were drawn, a batch at a time; each batch's rows go out at once."""
    from tqdm import tqdm

    size = max(1, BATCH_BYTES // (span * PAGE_BYTES))
    with tqdm(total=len(drawn) * span, unit="page", disable=None if progress else True, leave=False) as bar:
        for first in range(0, len(drawn), size):
            if stop.is_set():
                return
            units = drawn[first : first + size].tolist()
            read, buffers = 0, []
            for unit in units:
                numbers = range(unit * span, min((unit + 1) * span, memory.pages))
                found = [(number, memory.page(number)) for number in numbers]
                read += len(found)
                buffers.append([(number, page) for number, page in found if page != _ZERO])
            buffers = [buffer for buffer in buffers if buffer]
            if buffers:
                out.write(lines.rows_text(_batch(buffers, methods, repeats, tally.clocks)))
            tally.drawn += read
            tally.zero += read - sum(map(len, buffers))
            bar.update(len(units) * span)


def _batch(
    buffers: Sequence[Sequence[tuple[int, bytes]]],
    methods: Mapping[str, Method],
    repeats: int,
    clocks: Mapping[str, _Clock],
) -> Iterator[list[int]]:
    """Rows of some buffers, each a list of (page number, page); their CPU time is added to `clocks`."""
    data = [b"".join(page for _, page in buffer) for buffer in buffers]
    columns = []
    for name, method in methods.items():
        packed, spent_ns = _timed(method.compress, repeats, data)
        clocks[name].compress_ns += spent_ns
        unpacked, spent_ns = _timed(method.decompress, repeats, packed, list(map(len, data)))
        clocks[name].decompress_ns += spent_ns
        if unpacked != data:
            raise RuntimeError(f"{method.library} does not give back what {name} compressed")
        columns.append(
            [
                share
                for buffer, p in zip(buffers, packed, strict=True)
                for share in shares(len(p), len(buffer))
            ]
        )
    numbers = [number for buffer in buffers for number, _ in buffer]
    return map(list, zip(numbers, *columns, strict=True))


def shares(total: int, count: int) -> list[int]:
    """`total` in `count` whole parts as equal as can be, the larger ones first."""
    each, more = divmod(total, count)
    return [each + 1] * more + [each] * (count - more)


def _timed(function: Callable, repeats: int, *arguments: Sequence) -> tuple[list[bytes], float]:
    """(results, median CPU time in ns of going through all of them once)."""
    spent = []
    for _ in range(repeats):
        begin = time.thread_time_ns()
        results = list(map(function, *arguments))
        spent.append(time.thread_time_ns() - begin)
    return results, statistics.median(spent)


def _speeds(
    clocks: Mapping[str, _Clock], methods: Mapping[str, Method], size: int
) -> dict[str, dict[str, float]]:
    """The last line's speeds of `size` bytes of pages."""
    return {
        name: {
            "compress_bytes_per_s": round(size / max(clock.compress_ns, 1) * s),
            "decompress_bytes_per_s": round(size / max(clock.decompress_ns, 1) * s),
            "setup_ns": _setup_ns(methods[name]),
        }
        for name, clock in clocks.items()
    }


def _setup_ns(method: Method) -> float:
    """CPU time of a call that compresses nothing."""
    _, spent_ns = _timed(method.compress, 3, [b""] * SETUP_CALLS)
    return round(spent_ns / SETUP_CALLS, 1)


def _cpu() -> str | None:
    """The processor's name, where the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            named = next((line for line in file if line.startswith("model name")), "")
    except OSError:
        named = ""
    return printable(named.partition(":")[2].strip() or platform.machine()) or None


class _Out:
    """The table that is being written."""

    def __init__(self, file: FileIO, path: str | os.PathLike):
        self.file, self.path = file, path

    def write(self, text: str) -> None:
        data = text.encode()
        try:
            why = None if self.file.write(data) == len(data) else "it took part of a line"
        except OSError as error:
            why = error.strerror
        if why:
            raise ReaderError(self.path, None, f"writing failed: {why}", "Make room, and measure again")
