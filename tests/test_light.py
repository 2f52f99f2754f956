"""Importing the language costs little and brings nothing heavy; each check is a fresh interpreter."""

import json
import subprocess
import sys

LANGUAGE = ["units", "params", "specs", "stats", "results", "twin", "sweep", "catalog"]
HEAVY = [
    "scipy",
    "pandas",
    "matplotlib",
    "seaborn",
    "numba",
    "ipywidgets",
    "IPython",
    "tqdm",
    "distributed",
    "multiprocessing",
]


def run(code):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    return json.loads(done.stdout)


def test_the_language_brings_nothing_heavy():
    names = ", ".join(f"nfvlab.{name}" for name in LANGUAGE)
    assert (
        run(f"import json, sys, {names}; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))") == []
    )


def test_floor_zero_does_without_numpy():
    assert run("import sys, nfvlab.units, nfvlab.params; print(int('numpy' in sys.modules))") == 0


def test_importing_adds_little_to_numpy():
    """Under 0.1 s for `nfvlab`; for the whole language too, or less than half of numpy's own time."""
    names = ", ".join(f"nfvlab.{name}" for name in LANGUAGE)
    code = f"""
import json, time
start = time.perf_counter()
import numpy
between = time.perf_counter()
import nfvlab
package = time.perf_counter()
import {names}
print(json.dumps([between - start, package - between, time.perf_counter() - between]))
"""
    times = [run(code) for _ in range(5)]
    assert min(package for _, package, _ in times) < 0.1
    assert min(min(language, 0.2 * language / numpy) for numpy, _, language in times) < 0.1
