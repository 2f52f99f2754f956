"""`nfvlab record`: keep what a tool of this host says, in a file for `nfvlab read`.

`migration` polls a QEMU's query-migrate while it migrates; `resctrl` samples the cache and memory traffic of groups.
"""

import argparse
import re
import sys

from nfvlab.units import human, minute, ms, s

#: Exit status by outcome: 0 as asked, 1 the migration did not complete, 3 what was recorded went away, 130 a signal.
STATUS = {"completed": 0, "complete": 0, "failed": 1, "cancelled": 1, "gone": 3, "stopped": 130}
LIMITS = (1 * ms, 60 * s)
LONGEST_S = 7 * 24 * 3600


def add_parser(subparsers) -> None:
    """Declare the command and its kinds; each kind's parser knows its function as `record`."""
    record = subparsers.add_parser("record", help="record what a tool of this host says")
    tools = record.add_subparsers(title="what", metavar="WHAT", required=True)
    for declare, function in ((_migration, _record_migration), (_resctrl, _record_resctrl)):
        parser = declare(tools)
        parser.add_argument("-o", "--output", required=True, metavar="FILE", help="recording, JSON lines")
        parser.add_argument("--force", action="store_true", help="replace FILE if it exists")
        parser.set_defaults(record=function)


def _migration(tools) -> argparse.ArgumentParser:
    parser = tools.add_parser(
        "migration",
        help="a live migration of your own QEMU",
        description="Polls query-migrate until the migration ends. It starts no migration and sets nothing: "
        "start the recorder, then migrate as you always do.",
        epilog="Exit status: 0 completed, 1 failed or cancelled, 2 it could not start or write, "
        "3 QEMU went away, 130 stopped by a signal. What was recorded stays in every case.",
    )
    parser.add_argument(
        "--qmp", required=True, metavar="SOCKET", help="QMP socket of the source, or host:port"
    )
    _interval(parser, 50 * ms, "50ms")
    parser.add_argument("--next", action="store_true", help="ignore a migration that has already ended")
    return parser


def _resctrl(tools) -> argparse.ArgumentParser:
    parser = tools.add_parser(
        "resctrl",
        help="cache occupancy and memory traffic of resctrl's groups",
        description="Samples /sys/fs/resctrl. It reads and sets nothing; a user who may read the mount is enough.",
        epilog="Exit status: 0 complete, 2 it could not start or write, 3 the mount went away, "
        "130 stopped by a signal. What was recorded stays in every case.",
    )
    parser.add_argument("--seconds", required=True, type=seconds, metavar="N", help="how long, 60 or 10min")
    _interval(parser, 1 * s, "1s")
    parser.add_argument(
        "--root", default="/sys/fs/resctrl", metavar="DIR", help="the mount (/sys/fs/resctrl)"
    )
    return parser


def _interval(parser: argparse.ArgumentParser, default: float, shown: str) -> None:
    help_text = f"{shown} by default"
    parser.add_argument("--interval", type=interval_ns, default=default, metavar="TIME", help=help_text)


def interval_ns(text: str) -> float:
    """Nanoseconds of "50ms", "0.5s" or "50" (milliseconds)."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*(ms|s|)", text.strip())
    value = float(found[1]) * (s if found[2] == "s" else ms) if found else None
    if value is None or not LIMITS[0] <= value <= LIMITS[1]:
        low, high = (human("interval_ns", limit) for limit in LIMITS)
        raise argparse.ArgumentTypeError(f"{text!r} is not a time from {low} to {high}; write 50ms or 0.5s")
    return value


def seconds(text: str) -> float:
    """Seconds of "60", "60s", "10min" or "2h"."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)\s*(s|min|h|)", text.strip())
    scale = {"s": s, "": s, "min": minute, "h": 60 * minute}
    value = float(found[1]) * scale[found[2]] / s if found else None
    if value is None or not 0 < value <= LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time up to 7 days; write 60, 10min or 2h")
    return value


def run(args) -> int:
    """Record; the exit status tells how it ended."""
    done, what = args.record(args)
    _say(f"{done.outcome}: {what} in {done.path}; read it with: nfvlab read {done.path}")
    return STATUS[done.outcome]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _record_migration(args):
    from nfvlab.recorder import record_migration

    done = record_migration(
        args.qmp, args.output, interval_ns=args.interval, next_one=args.next, force=args.force, say=_say
    )
    return done, f"{done.replies} replies"


def _record_resctrl(args):
    from nfvlab.recorder_resctrl import record_resctrl

    done = record_resctrl(
        args.output,
        seconds=args.seconds,
        interval_ns=args.interval,
        root=args.root,
        force=args.force,
        say=_say,
    )
    return done, f"{done.samples} samples"
