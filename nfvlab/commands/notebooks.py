"""`nfvlab notebooks`: run the notebooks again and store them normalised; a second run changes no byte."""

import sys
import time

from nfvlab.commands._execute import CellFailed, chosen, execute, normalise


def add_parser(subparsers) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("notebooks", help="execute the notebooks in place, normalised")
    parser.add_argument("notebook", nargs="*", help="a path or a name; default: every one in notebooks/")
    parser.add_argument("--timeout-s", type=int, default=600, metavar="S", help="for one cell (default: 600)")


def run(args) -> int:
    """Execute each notebook; one that fails keeps its file and makes the exit status 1."""
    import nbformat

    failed = False
    for path in chosen(args.notebook):
        begin = time.perf_counter()
        try:
            text = nbformat.writes(normalise(execute(path, timeout_s=args.timeout_s))) + "\n"
        except CellFailed as error:
            print(f"nfvlab notebooks: {error}", file=sys.stderr)
            failed = True
            continue
        changed = text != path.read_text(encoding="utf-8")
        if changed:
            path.write_text(text, encoding="utf-8")
        verdict = "changed" if changed else "unchanged"
        print(f"{path.name}: {verdict}, {time.perf_counter() - begin:.0f} s", flush=True)
    return int(failed)
