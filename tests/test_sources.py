"""Every file in data/ has a row in data/SOURCES.md, and every row a file."""

import re
import subprocess
from pathlib import Path, PurePath

import pytest

DATA = Path(__file__).resolve().parents[1] / "data"


def rows(text: str) -> list[list[str]]:
    table = text.split("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def tracked() -> list[Path]:
    git = subprocess.run(
        ["git", "ls-files", "-z", "--", "."], cwd=DATA, capture_output=True, text=True, check=False
    )
    names = [name for name in git.stdout.split("\0") if name] if git.returncode == 0 else []
    found = [DATA / name for name in names] or [path for path in DATA.rglob("*") if path.is_file()]
    return [path for path in found if path.exists()]


ROWS = rows((DATA / "SOURCES.md").read_text())
PATTERNS = [re.fullmatch("`([^`]+)`", row[0]).group(1) for row in ROWS]


def uncovered(names: list[str]) -> list[str]:
    return [
        name for name in names if not any(PurePath("/" + name).match("/" + pattern) for pattern in PATTERNS)
    ]


def test_the_table_covers_every_file():
    names = [str(path.relative_to(DATA)) for path in tracked()]
    assert len(names) > 40
    assert uncovered(names) == []


def test_a_file_without_a_row_is_noticed():
    assert uncovered(["published.csv", "recordings/qemu/a.json", "recordings/qemu/a.txt", "new.csv"]) == [
        "recordings/qemu/a.txt",
        "new.csv",
    ]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_row_has_a_file(pattern):
    assert any(path.is_file() for path in DATA.glob(pattern))


@pytest.mark.parametrize("row", ROWS, ids=PATTERNS)
def test_every_row_says_what_how_whence_and_on_what_terms(row):
    assert len(row) == 5
    assert all(len(cell) > 3 for cell in row)


def test_no_recording_carries_a_host_name():
    for path in (DATA / "recordings").rglob("*.json"):
        for name in re.findall(r'"(?:nodename|hostname|fqdn)":\s*"([^"]*)"', path.read_text()):
            assert name == "host", f"{path}: {name}"
