"""`nfvlab advise`: masks for the groups of your host, from a resctrl recording; it writes to no host."""

import argparse
import json
import math
from collections.abc import Mapping
from pathlib import Path

from nfvlab.readers import ReaderError

_REMEDY = "Record the groups instead: mount -t resctrl resctrl /sys/fs/resctrl, then nfvlab record resctrl"
_OTHERS = {
    "pqos": "monitoring by pqos: it says neither which ways its cores may fill nor how large the cache is",
    "pqos-config": "a configuration of pqos: it has no occupancy and no bandwidth",
    "perf-stat": "perf stat output: it does not say which ways its groups may fill",
    "qemu": "a recording of QEMU: it says nothing of the cache",
}


def add_parser(subparsers) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "advise",
        usage="nfvlab advise FILE [FILE ...] [--weights GROUP=X ...] [--min-ways GROUP=N ...] [--use-io-ways] [--bold] "
        "[--json FILE]",
        help="recommend cache masks for the groups of a resctrl recording",
        description="Reads what `nfvlab record resctrl` wrote, and prints what each group did, its estimated "
        "bandwidth by ways, the masks with the least bandwidth by that, and what the data leave open. Several "
        "recordings are of one host, in the order of time. It only prints: pasting the lines is up to you.",
        epilog="Exit status: 0 advised, 2 it cannot be advised, 4 the in-memory resctrl refused a line.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="recordings of one host")
    parser.add_argument(
        "--weights", nargs="+", action="extend", type=_weight, default=[], metavar="GROUP=X",
        help="what a byte of a group's bandwidth counts for (1)",
    )  # fmt: skip
    parser.add_argument(
        "--min-ways",
        nargs="+",
        action="extend",
        type=_ways,
        default=[],
        metavar="GROUP=N",
        help="fewest ways of a group",
    )
    parser.add_argument("--use-io-ways", action="store_true", help="give out the ways that devices fill, too")
    parser.add_argument(
        "--bold", action="store_true", help="go below the fewest ways that a group was seen with"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it as JSON, too")


def _pair(text: str, kind, rule: str):
    name, equals, number = text.rpartition("=")
    try:
        value = kind(number)
    except ValueError:
        value = math.nan
    if not (equals and name and 0 <= value < math.inf):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no GROUP={rule}; write vm=2, or /=2 for the default group; files come first"
        )
    return name, value


def _weight(text: str) -> tuple[str, float]:
    return _pair(text, float, "NUMBER")


def _ways(text: str) -> tuple[str, int]:
    return _pair(text, int, "WHOLE NUMBER")


def run(args) -> int:
    """Print the advice; 4 if the in-memory resctrl refused a recommended line."""
    from nfvlab.cat.host import recommend
    from nfvlab.commands._advice import as_object, table
    from nfvlab.readers.resctrl import read_resctrl

    for path in args.files:
        _check(path)
    recordings = [read_resctrl(path) for path in args.files]
    options = {"weights": _by_group(args.weights, "--weights"), "use_io_ways": args.use_io_ways}
    options["min_ways"] = _by_group(args.min_ways, "--min-ways")
    found = recommend(recordings, cautious=not args.bold, **options)
    metas = [meta for _, meta in recordings]
    print("\n".join(table(found, metas)))
    if args.json:
        text = json.dumps(as_object(found, metas), indent=1, allow_nan=False)
        args.json.write_text(text + "\n", encoding="utf-8")
    return 0 if found.tried.accepted else 4


def _check(path: str) -> None:
    """Refuse what is no recording of resctrl, and say what to record instead."""
    from nfvlab.readers.recognise import recognise

    kind = recognise(path)
    if kind in _OTHERS:
        raise ReaderError(path, None, _OTHERS[kind], _REMEDY)


def _by_group(pairs: list[tuple[str, float]], option: str) -> Mapping[str, float]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ReaderError(option, None, f"{twice} stands twice", "Give each group one number")
    return made
