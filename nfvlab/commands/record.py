"""`nfvlab record migration`: poll a QEMU's query-migrate while it migrates, into a file for `nfvlab read`."""

import argparse
import re
import sys

from nfvlab.units import human, ms, s

#: Exit status by outcome: 0 completed, 1 the migration did not, 3 QEMU went away, 130 stopped by a signal.
STATUS = {"completed": 0, "failed": 1, "cancelled": 1, "gone": 3, "stopped": 130}
LIMITS = (1 * ms, 60 * s)


def add_parser(subparsers) -> None:
    """Declare the command."""
    record = subparsers.add_parser("record", help="record what a tool of this host says")
    tools = record.add_subparsers(title="what", metavar="WHAT", required=True)
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
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="recording, JSON lines")
    parser.add_argument(
        "--interval", type=interval_ns, default=50 * ms, metavar="TIME", help="50ms by default"
    )
    parser.add_argument("--next", action="store_true", help="ignore a migration that has already ended")
    parser.add_argument("--force", action="store_true", help="replace FILE if it exists")


def interval_ns(text: str) -> float:
    """Nanoseconds of "50ms", "0.5s" or "50" (milliseconds)."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*(ms|s|)", text.strip())
    value = float(found[1]) * (s if found[2] == "s" else ms) if found else None
    if value is None or not LIMITS[0] <= value <= LIMITS[1]:
        low, high = (human("interval_ns", limit) for limit in LIMITS)
        raise argparse.ArgumentTypeError(f"{text!r} is not a time from {low} to {high}; write 50ms or 0.5s")
    return value


def run(args) -> int:
    """Record; the exit status tells how the migration ended."""
    from nfvlab.recorder import record_migration

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    done = record_migration(
        args.qmp, args.output, interval_ns=args.interval, next_one=args.next, force=args.force, say=say
    )
    say(f"{done.outcome}: {done.replies} replies in {done.path}; read it with: nfvlab read {done.path}")
    return STATUS[done.outcome]
