"""The last-level cache that `cmt` and `cat` stand on: its tenants, an exact simulation, and its theory.

Simulation: `streams` draws each workload's references, `engine` runs tenants with clocks on one exact cache.
Theory: characteristic times, set by set, of tenants that share ways (`che`, `associative`, `overlap`), miss-ratio
curves (`curves`), and what a miss costs (`felt`). The two sides share `params` and nothing else.
"""
