"""Where the repository keeps what is not code: published results, recordings, notebooks."""

import os
from pathlib import Path

ENVIRONMENT = "NFVLAB_DATA"
CHECKOUT = Path(__file__).resolve().parent.parent


class DataNotFound(FileNotFoundError):
    """A file or folder of the repository is not where it was looked for; says where and what to do."""


def data_dir() -> Path:
    """Folder of published results and recordings: `$NFVLAB_DATA` if set, else `data/` of the checkout."""
    chosen = os.environ.get(ENVIRONMENT)
    if chosen:
        if not Path(chosen).is_dir():
            raise DataNotFound(
                f"{ENVIRONMENT}={chosen!r} is not a folder: "
                "set it to the data/ folder of a checkout, or unset it"
            )
        return Path(chosen)
    folder = CHECKOUT / "data"
    if not folder.is_dir():
        raise DataNotFound(
            f"no data folder at {folder}: nfvlab runs from a checkout (pip install -e .); "
            f"elsewhere set {ENVIRONMENT} to the checkout's data/ folder"
        )
    return folder


def data_file(*parts: str) -> Path:
    """Path of one file or folder under `data_dir()`; DataNotFound where it does not exist."""
    path = data_dir().joinpath(*parts)
    if not path.exists():
        raise DataNotFound(f"{Path(*parts)} is not in {data_dir()}: data/SOURCES.md lists what is there")
    return path


def notebooks_dir() -> Path:
    """Folder of the notebooks, in the checkout."""
    folder = CHECKOUT / "notebooks"
    if not folder.is_dir():
        raise DataNotFound(f"no notebooks at {folder}: the notebooks come with a checkout, not with a wheel")
    return folder
