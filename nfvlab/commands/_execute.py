"""Notebooks run in a fresh kernel, and brought to one form whatever machine ran them."""

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

from nfvlab.paths import DataNotFound, notebooks_dir

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE_INFO = {
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}


class CellFailed(Exception):
    """A cell raised; the message names the notebook, the cell and the error."""


def chosen(names: Iterable[str] = ()) -> list[Path]:
    """The notebooks named (paths, or stems in notebooks/), all of notebooks/ where none is; at least one."""
    found = []
    for name in names:
        candidates = [Path(name), notebooks_dir() / name, notebooks_dir() / f"{name}.ipynb"]
        notebook = next((path for path in candidates if path.is_file()), None)
        if notebook is None:
            raise DataNotFound(f"no notebook {name!r}: give a path, or a name in {notebooks_dir()}")
        found.append(notebook)
    found = found or sorted(notebooks_dir().glob("*.ipynb"))
    if not found:
        raise DataNotFound(f"no notebook in {notebooks_dir()}")
    return found


def read(path: Path):
    """The notebook at `path` in format 4.5, with cell ids that a second reading gives again."""
    import nbformat

    raw = json.loads(path.read_text(encoding="utf-8"))
    for number, cell in enumerate(raw.get("cells", ())):
        cell.setdefault("id", f"cell-{number:02d}")
    raw["nbformat_minor"] = max(5, raw.get("nbformat_minor", 0))
    return nbformat.reads(json.dumps(raw), as_version=4)


def execute(path: Path, *, timeout_s: int):
    """The notebook at `path`, run from its own folder in a fresh kernel; CellFailed names the cell."""
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    notebook, running = read(path), []
    with tempfile.TemporaryDirectory(prefix="nfvlab-") as sockets:
        client = _client(notebook, path, timeout_s, sockets)
        client.on_cell_start = lambda cell, cell_index: running.append(cell_index)
        try:
            client.execute()
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            number = running[-1] if running else 0
            reason = _reason(error, timeout_s)
            first = next(iter(notebook.cells[number].source.splitlines()), "")
            raise CellFailed(f"{path.name}, cell {number + 1} ({first!r}): {reason}") from None
    return notebook


def _client(notebook, path: Path, timeout_s: int, sockets: str):
    """A client of a fresh kernel that listens on sockets in a private folder, not on TCP."""
    from nbclient import NotebookClient
    from traitlets.config import Config

    return NotebookClient(
        notebook,
        timeout=timeout_s,
        kernel_name="python3",
        config=Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}}),
        resources={"metadata": {"path": str(path.resolve().parent)}},
        record_timing=False,
        coalesce_streams=True,
        store_widget_state=False,
    )


def _reason(error: Exception, timeout_s: int) -> str:
    """One line on why a cell failed."""
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    if isinstance(error, CellExecutionError):
        return f"{error.ename}: {error.evalue}"
    return f"no answer within {timeout_s} s" if isinstance(error, CellTimeoutError) else "the kernel died"


def normalise(notebook):
    """Drop what differs from run to run or machine to machine: widget views, timings, versions of Python."""
    notebook.metadata = {"kernelspec": KERNELSPEC, "language_info": LANGUAGE_INFO}
    for cell in notebook.cells:
        cell.metadata = {key: cell.metadata[key] for key in ("tags", "jupyter") if cell.metadata.get(key)}
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop(WIDGET_VIEW, None)
            output.get("metadata", {}).pop(WIDGET_VIEW, None)
    return notebook
