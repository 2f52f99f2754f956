"""Compiled loops by mechanism: arrays in, arrays out, no word of networking; each module names its kernels.

`jit` is the one place that knows numba, `interleave` tries all orders of small step machines (plain Python).
"""
