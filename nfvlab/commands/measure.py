"""`nfvlab measure`: measure the reader's own files on this machine, into a table that a model takes.

`compression` compresses the pages of a memory dump, or of any file, by every method that is installed.
"""

import argparse
import os
import re
import sys
from pathlib import Path

from nfvlab.readers.compression_lines import METHODS, MOST_BUFFER, PAGE_BYTES

SEED = 2016
PAGES = 4096
MOST_PAGES = 1 << 20
MOST_REPEATS = 99
STATUS = {"complete": 0, "stopped": 130}
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20}


def add_parser(subparsers) -> None:
    """Declare the command and what it measures."""
    measure = subparsers.add_parser("measure", help="measure your own files on this machine")
    kinds = measure.add_subparsers(title="what", metavar="WHAT", required=True)
    parser = kinds.add_parser(
        "compression",
        help="compressed sizes of a file's pages, and the speeds of the methods",
        description="Compresses pages of 4 KiB of a guest's memory dump (ELF core or raw) or of any file by deflate, "
        "zstd, lz4 and ISA-L, and times both directions on this core. Zero pages are counted apart, holes are not "
        "read, and a large file is sampled at random. It only reads FILE.",
        epilog="Exit status: 0 complete, 2 it could not start or write, 130 stopped by a signal. "
        "What was measured by then stays and is a fair sample too.",
    )
    _options(parser)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="an ELF core, a raw dump, or any other file")
    parser.add_argument(
        "-o", "--output", metavar="TABLE", help="table, CSV (FILE's name + .compression.csv, here)"
    )
    parser.add_argument("--pages", type=pages, default=PAGES, metavar="N", help=f"pages to draw ({PAGES})")
    parser.add_argument(
        "--methods", type=names, metavar="NAME,…", help=f"of {', '.join(METHODS)} (all that are installed)"
    )
    parser.add_argument(
        "--buffer",
        type=buffer_bytes,
        default=PAGE_BYTES,
        metavar="SIZE",
        help="compressed at a time (4KiB); 64KiB is QATzip's: its pages share what the buffer becomes",
    )
    parser.add_argument("--repeats", type=repeats, default=3, metavar="N", help="times each is timed (3)")
    parser.add_argument("--seed", type=seed, default=SEED, metavar="N", help=f"of the random draw ({SEED})")
    parser.add_argument("--force", action="store_true", help="replace TABLE if it exists")


def names(text: str) -> tuple[str, ...]:
    """Methods of "deflate1,lz4", in the order of `METHODS`."""
    found = [name.strip() for name in text.split(",")]
    for name in found:
        if name not in METHODS:
            raise argparse.ArgumentTypeError(f"{name!r} is no method; known: {', '.join(METHODS)}")
    return tuple(name for name in METHODS if name in found)


def buffer_bytes(text: str) -> int:
    """Bytes of "64KiB", "64k" or "65536": whole pages up to 1 MiB."""
    found = re.fullmatch(r"(\d{1,9})\s*([km]?)(?:i?b)?", text.strip().lower())
    value = int(found[1]) * _UNITS[found[2]] if found else 0
    if not PAGE_BYTES <= value <= MOST_BUFFER or value % PAGE_BYTES:
        raise argparse.ArgumentTypeError(f"{text!r} is no multiple of 4KiB up to 1MiB; write 4KiB or 64KiB")
    return value


def pages(text: str) -> int:
    """How many pages to draw."""
    return _whole(text, 1, MOST_PAGES)


def repeats(text: str) -> int:
    """How often each batch is timed."""
    return _whole(text, 1, MOST_REPEATS)


def seed(text: str) -> int:
    """Seed of the draw."""
    return _whole(text, 0, 2**32 - 1)


def _whole(text: str, low: int, high: int) -> int:
    value = int(text) if re.fullmatch(r"[0-9]{1,10}", text.strip()) else -1
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {low} to {high}")
    return value


def run(args) -> int:
    """Measure, and print what `nfvlab read` says of the table; the exit status tells how it ended."""
    from nfvlab.commands._read_compression import compression
    from nfvlab.measure import measure_compression

    output = args.output or f"{Path(os.fsdecode(args.file)).name}.compression.csv"
    done = measure_compression(
        args.file,
        output,
        methods=_chosen(args.methods),
        pages=args.pages,
        seed=args.seed,
        buffer_bytes=args.buffer,
        repeats=args.repeats,
        force=args.force,
        say=_say,
        progress=True,
    )
    if done.drawn_pages == done.zero_pages:
        _say(f"{done.outcome} before a page was measured: there is no table")
        return STATUS[done.outcome]
    print("\n".join(compression(done.path)))
    _say(f"{done.outcome}: {done.drawn_pages:,} pages in {done.path}; read it with: nfvlab read {done.path}")
    return STATUS[done.outcome]


def _chosen(wanted: tuple[str, ...] | None):
    """The methods that are wanted, or all there are; what is missing is refused or said, with how to get it."""
    from nfvlab.measure.methods import HOW, PACKAGES, available
    from nfvlab.readers import ReaderError

    found = available()
    missing = [name for name in wanted or METHODS if name not in found]
    packages = ", ".join(PACKAGES.get(name, "zlib") for name in missing)
    if missing and wanted:
        what = f"{packages} is not installed, for {', '.join(missing)}"
        raise ReaderError("--methods", None, what, f"Install it: {HOW}")
    if missing:
        _say(f"left out: {', '.join(missing)} ({packages} not installed); to have them: {HOW}")
    return {name: method for name, method in found.items() if name in (wanted or METHODS)}


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
