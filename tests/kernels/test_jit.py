"""Helpers that are inlined, and memory asked for ahead: what they compile to, and that plain Python runs them."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

from nfvlab.kernels import jit

pytestmark = pytest.mark.skipif(not jit.HAVE_NUMBA, reason="numba compiles here, and is not there")

SOURCE = """
import numpy as np
from nfvlab.kernels.jit import inlined, jit, prefetch

@inlined
def step(table, row, total):
    total[0] += table[row, 0]
    return row % 2 == 0

@jit
def walk(table, ahead):
    total, even = np.zeros(1), 0
    for row in range(table.shape[0]):
        prefetch(table, row + ahead, np.uint64(0))
        even += step(table, row, total)
    return total[0], even
"""


def made():
    """Kernels without a file, so that nothing of them comes from a cache on disk."""
    names = {}
    exec(SOURCE, names)
    return names


def test_a_helper_is_inlined_and_its_plain_form_stays():
    names = made()
    table = np.arange(12.0).reshape(4, 3)
    assert names["walk"](table, 2) == names["walk"].py_func(table, 2) == (18.0, 2)
    (code,) = names["walk"].inspect_llvm().values()
    calls = [line for line in code.splitlines() if "call " in line]
    assert calls and not any("step" in line for line in calls)
    assert names["step"].py_func(table, 3, np.zeros(1)) is False


def test_a_helper_that_makes_an_array_is_refused():
    """It could not be freed: helpers count no references."""
    helper = jit.inlined(lambda n: np.zeros(n).sum())
    assert helper.py_func(3) == 0
    with pytest.raises(jit.numba.TypingError, match="array"):
        helper(3)


def test_prefetch_asks_and_never_faults():
    names = made()
    table = np.ones((4, 3))
    assert names["walk"](table, 1 << 40) == (4.0, 2)  # far outside: an address is asked for, nothing is read
    (code,) = names["walk"].inspect_llvm().values()
    assert "call void @llvm.prefetch" in code


def test_without_numba_both_run_as_plain_python():
    code = "import sys; sys.modules['numba'] = None\n" + textwrap.dedent(SOURCE)
    code += "print(walk(np.ones((4, 3)), 9), step.py_func.__name__)"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["(np.float64(4.0),", "2)", "step"], done.stderr
