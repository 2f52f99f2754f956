"""How time passes in the rounds of `deadlines`: stages of random length, on accounts, and interrupts by others.

Others (noise) come at random, as a Poisson process, and are served one after another. Outside they lengthen what goes
on; inside they cost the way out and back, all of which is on their account.
"""

import numpy as np

from nfvlab.kernels.deadlines_tables import (
    ENTRY,
    EXIT,
    LOOP,
    NOISE,
)
from nfvlab.kernels.jit import jit


@jit
def read(m):
    """The outer clock, in whole counts."""
    return m.origin + np.int64(np.floor(m.t))


@jit
def pass_time(m, cycles, stage, account):
    """Let time pass in a stage, on an account, and log it."""
    m.sums[account] += cycles
    row = m.logged
    if row < m.log_rows and cycles > 0:
        m.log[row, 0], m.log[row, 1] = m.t, m.t + cycles
        m.log[row, 2], m.log[row, 3] = stage, account
        m.logged = row + 1
    m.t += cycles


@jit
def draw(m, rng, stage):
    """The length of a stage."""
    spread, cycles = m.spread, m.cost[stage]
    return cycles * (1 - spread + spread * rng.standard_exponential()) if spread > 0 else cycles


@jit
def disturb(m, rng):
    """Another interrupt has the CPU; the next one comes at random."""
    pass_time(m, m.noise_length * rng.standard_exponential(), NOISE, NOISE)
    m.noise_at += m.noise_gap * rng.standard_exponential()


@jit
def until_noise(m, stage):
    """Let time pass up to the next noise, none if it is waiting already: how much that was."""
    cycles = max(m.noise_at - m.t, 0.0)
    pass_time(m, cycles, stage, stage)
    return cycles


@jit
def work(m, rng, cycles, stage, account):
    """Work outside for so long, not counting others on the way."""
    while m.noise_at < m.t + cycles:
        piece = max(m.noise_at - m.t, 0.0)
        pass_time(m, piece, stage, account)
        cycles -= piece
        disturb(m, rng)
    pass_time(m, cycles, stage, account)


@jit
def spend(m, rng, stage):
    """A stage outside, on its own account."""
    work(m, rng, draw(m, rng, stage), stage, stage)


@jit
def leave(m, rng):
    """The way out, on its own account."""
    m.exits += 1
    spend(m, rng, EXIT)


@jit
def skip_noise(m, until):
    """Of the noise so long before a time that nothing of it is left by then, keep one."""
    m.noise_at = max(m.noise_at, until - m.settle)


@jit
def interrupted(m, rng):
    """The inner party is interrupted by others, up to the next entry: the way out, their work, the loop."""
    pass_time(m, draw(m, rng, EXIT), EXIT, NOISE)
    disturb(m, rng)
    work(m, rng, draw(m, rng, LOOP), LOOP, NOISE)


@jit
def compute(m, rng, cycles, stage):
    """The inner party works for so long, with no timer set."""
    skip_noise(m, m.t + cycles)
    while m.noise_at < m.t + cycles:
        cycles -= until_noise(m, stage)
        interrupted(m, rng)
        work(m, rng, draw(m, rng, ENTRY), ENTRY, NOISE)
    pass_time(m, cycles, stage, stage)


@jit
def wait_until(m, rng, until, stage):
    """Wait outside, and serve others: whether one of them had the CPU when the time came."""
    skip_noise(m, until)
    while m.noise_at < until and m.t < until:
        until_noise(m, stage)
        disturb(m, rng)
    busy = m.t > until
    pass_time(m, max(until - m.t, 0.0), stage, stage)
    return busy


__all__ = ["compute", "interrupted", "leave", "read", "spend", "wait_until", "work"]
