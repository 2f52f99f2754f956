"""The one place that knows numba: `jit` compiles a kernel, or, without numba, runs it as plain Python.

`inlined` is for short helpers of kernels, `prefetch` for memory that a kernel is about to need. Every kernel keeps its
plain Python form as `.py_func`, which is its oracle in the tests. Kernels release the global interpreter lock and are
cached on disk (where nothing can be written, each process compiles anew).
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


def inlined(function):
    """Decorate a short helper of kernels: it is inlined, and works on the arrays it is given, without making any.

    Arrays are not reference-counted in it, which can take longer than all that such a helper does.
    """
    return numba.njit(nogil=True, forceinline=True, _nrt=False)(function) if HAVE_NUMBA else _plain(function)


def prefetch(array, row, column):
    """Ask for the cache line of an item of a matrix, without waiting for it; plain Python does nothing."""


def _compile_prefetch():
    """Let compiled kernels call LLVM's prefetch (for writing, of any locality, of data)."""
    from numba.core import cgutils
    from numba.extending import intrinsic, overload

    @intrinsic
    def ask(_, array, row, column):
        def generate(context, builder, signature, arguments):
            kind, *kinds = signature.args
            matrix = context.make_array(kind)(context, builder, arguments[0])
            to = numba.types.intp
            where = [context.cast(builder, *pair, to) for pair in zip(arguments[1:], kinds, strict=True)]
            item = cgutils.get_item_pointer(context, builder, kind, matrix, where)
            pointer, number = cgutils.voidptr_t, cgutils.int32_t
            shape = cgutils.ir.FunctionType(cgutils.ir.VoidType(), [pointer, number, number, number])
            call = builder.module.declare_intrinsic("llvm.prefetch", [pointer], shape)
            builder.call(call, [builder.bitcast(item, pointer), number(1), number(3), number(1)])
            return context.get_dummy_value()

        return numba.types.void(array, row, column), generate

    @overload(prefetch)
    def _(array, row, column):
        return lambda array, row, column: ask(array, row, column)


if HAVE_NUMBA:
    _compile_prefetch()


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
