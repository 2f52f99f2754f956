"""The command line: `nfvlab COMMAND …`, one module of `nfvlab.commands` behind each command."""

import argparse
import importlib
import sys
from collections.abc import Sequence

import nfvlab

#: Modules of `nfvlab.commands`: each offers `add_parser(subparsers)` and `run(args) -> int`.
COMMANDS = ("lab", "notebooks", "report", "read", "advise", "migration", "record", "measure")


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command; each one knows the `run` of the module that added it."""
    parser = argparse.ArgumentParser(prog="nfvlab", description=f"{nfvlab.__doc__.split('?')[0]}?")
    parser.add_argument("--version", action="version", version=f"nfvlab {nfvlab.__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = importlib.import_module(f"nfvlab.commands.{name}")
        known = set(subparsers.choices)
        module.add_parser(subparsers)
        for command in set(subparsers.choices) - known:
            subparsers.choices[command].set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; a wrong input prints one message to stderr and returns 2, without a traceback."""
    from nfvlab.params import ParamError
    from nfvlab.paths import DataNotFound
    from nfvlab.readers import ReaderError

    args = build_parser().parse_args(argv)
    try:
        return args.run(args)
    except (ParamError, ReaderError, DataNotFound) as error:
        print(f"nfvlab: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of a pipe (head, less) has seen enough
        sys.stdout = None
        return 0
    except OSError as error:
        print(f"nfvlab: {error.filename or args}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("nfvlab: interrupted", file=sys.stderr)
        return 130
