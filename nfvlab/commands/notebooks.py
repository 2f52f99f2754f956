"""`nfvlab notebooks`: run the notebooks again and store them normalised; a second run changes no byte."""

import base64
import sys
import time
from pathlib import Path

from nfvlab.commands._execute import CellFailed, chosen, execute, normalise

#: A code cell with the tag "figure:NAME" has its picture stored as notebooks/figures/NAME.png too, for the README.
FIGURE = "figure:"


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
            notebook = normalise(execute(path, timeout_s=args.timeout_s))
        except CellFailed as error:
            print(f"nfvlab notebooks: {error}", file=sys.stderr)
            failed = True
            continue
        text = nbformat.writes(notebook) + "\n"
        store_figures(notebook, path.parent / "figures")
        changed = text != path.read_text(encoding="utf-8")
        if changed:
            path.write_text(text, encoding="utf-8")
        verdict = "changed" if changed else "unchanged"
        print(f"{path.name}: {verdict}, {time.perf_counter() - begin:.0f} s", flush=True)
    return int(failed)


def store_figures(notebook, folder: Path) -> None:
    """Write the pictures of tagged cells, those that changed."""
    for name, png in tagged_figures(notebook).items():
        target = folder / f"{name}.png"
        if not target.is_file() or target.read_bytes() != png:
            folder.mkdir(exist_ok=True)
            target.write_bytes(png)


def tagged_figures(notebook) -> dict[str, bytes]:
    """The last picture of every code cell with a tag "figure:NAME", by name."""
    found = {}
    for cell in notebook.cells:
        for tag in cell.metadata.get("tags", ()):
            pictures = [
                o.data["image/png"] for o in cell.get("outputs", ()) if "image/png" in o.get("data", {})
            ]
            if tag.startswith(FIGURE) and pictures:
                found[tag.removeprefix(FIGURE)] = base64.b64decode(pictures[-1])
    return found
