"""The one place that knows numba: `jit` compiles a kernel, or, without numba, runs it as plain Python.

Every kernel keeps its plain Python form as `.py_func`, which is its oracle in the tests. Kernels release the
global interpreter lock and are cached on disk (where nothing can be written, each process compiles anew).
"""

import functools
import warnings

try:
    import numba
except ImportError:  # the tests run this in a process of its own
    numba = None

HAVE_NUMBA = numba is not None and not numba.config.DISABLE_JIT


def jit(function):
    """Decorate a kernel: arrays and numbers in, arrays and numbers out."""
    if not HAVE_NUMBA:
        return _plain(function)
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no directory for the cache can be written
        return numba.njit(nogil=True)(function)


def _plain(function):
    """The kernel as it stands, with the attribute that compiled kernels have."""

    @functools.wraps(function)
    def kernel(*args, **kwargs):
        _warn_slow()
        return function(*args, **kwargs)

    kernel.py_func = function
    return kernel


@functools.cache
def _warn_slow() -> None:
    """Say once, and only when a kernel is run, that kernels are slow here."""
    why = "numba is not installed" if numba is None else "NUMBA_DISABLE_JIT is set"
    warnings.warn(
        f"{why}: kernels run as plain Python, 10 to 1000 times slower", RuntimeWarning, stacklevel=3
    )
