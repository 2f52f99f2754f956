"""Simulations for testing sweeps, in a module of their own so that other processes can import them."""

import os
import signal
import time
from pathlib import Path

import toy

FATAL_NS = 3e6


def slow(p, *, rng, n):
    """The toy, taking its time."""
    time.sleep(0.6)
    return toy.simulate(p, rng=rng, n=n)


def killed_once(p, *, rng, n, mark):
    """The toy; who first meets the fatal point, as the file `mark` tells, is killed there with SIGKILL."""
    time.sleep(0.05)
    if p.stall_ns == FATAL_NS:
        try:
            Path(mark).touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    return toy.simulate(p, rng=rng, n=n)


def broken(p, *, rng, n):
    """A simulation with a mistake at one point."""
    if p.stall_ns == FATAL_NS:
        raise ZeroDivisionError("a mistake")
    return toy.simulate(p, rng=rng, n=n)
