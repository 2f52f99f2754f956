"""`nfvlab lab`: JupyterLab on the tour, bound to localhost, its token on."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from nfvlab.paths import CHECKOUT, DataNotFound, notebooks_dir

START = "00_start_here.ipynb"
SETTINGS = Path(__file__).parent / "jupyterlab"


def add_parser(subparsers) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "lab",
        help="open JupyterLab on the notebooks",
        description="Open JupyterLab on notebooks/00_start_here.ipynb. What follows is passed to JupyterLab, "
        "for instance --no-browser.",
        prefix_chars="\0",
        add_help=False,
    )
    parser.add_argument("options", nargs=argparse.REMAINDER, metavar="OPTION")


def command(options: list[str]) -> list[str]:
    """The JupyterLab call: the reader's options come last, so that they win."""
    start = notebooks_dir() / START
    if not start.is_file():
        raise DataNotFound(f"no {START} in {start.parent}: restore it with git checkout notebooks/{START}")
    ours = [
        "--ServerApp.ip=localhost",
        f"--ServerApp.root_dir={CHECKOUT}",
        f"--LabApp.default_url=/lab/tree/notebooks/{START}",
        f"--LabApp.app_settings_dir={SETTINGS}",  # no question about news, no look for updates
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    if os.geteuid() == 0:
        ours.append("--allow-root")
    return [sys.executable, "-m", "jupyterlab", *ours, *options]


def run(args) -> int:
    """Run JupyterLab until it stops; its exit status."""
    return subprocess.call(command(args.options))
