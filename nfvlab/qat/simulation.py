"""Monte Carlo of three migrations side by side: without compression, with CPU threads, with an accelerator.

Each way migrates the same guest: its memory and its visits are drawn from equal generators.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nfvlab import replications
from nfvlab.kernels import pagemap
from nfvlab.precopy import simulation as precopy
from nfvlab.precopy.guest import Guest
from nfvlab.precopy.memory import guest_memory, layout
from nfvlab.precopy.params import ram_pages
from nfvlab.qat.books import Spent, Use
from nfvlab.qat.channels import ChannelsThread
from nfvlab.qat.compress_threads import ThreadsThread
from nfvlab.qat.params import OUTPUTS, WAYS, Params
from nfvlab.qat.plain import PlainThread
from nfvlab.qat.rings import RingThread
from nfvlab.qat.xbzrle import XbzrleThread


@dataclass(frozen=True)
class Run(precopy.Run):
    """One simulated migration one way: its totals, timeline, what it took, and had used at the end of each window."""

    spent: Spent
    uses: tuple[Use, ...]


@dataclass(frozen=True, kw_only=True)
class Samples(replications.Samples):
    """n independent triples of migrations; outputs are "total_time_ns[0]" … by the index of the way in WAYS."""

    outputs = dict.fromkeys(replications.names(OUTPUTS, tuple(OUTPUTS), WAYS), "")


GuestMaker = Callable[[Params, np.random.Generator], tuple[Guest, np.ndarray | None]]


def guest_of(p: Params, rng: np.random.Generator) -> tuple[Guest, np.ndarray | None]:
    """The guest, with a share of its touched pages zero, none of them in use by the working set; its free pages.

    The free pages are None unless they are to be skipped.
    """
    memory = guest_memory(p, rng)
    if p.zero_mix_frac > 0:
        where = layout(p)
        start, size = where.touched
        zero = pagemap.zeros(ram_pages(p))
        pagemap.set_bits(zero, start + np.flatnonzero(rng.random(size) < p.zero_mix_frac))
        pagemap.clear_range(zero, where.working_set[0], sum(where.working_set))
        pagemap.subtract(memory.nonzero, zero)
    return Guest(p, rng, memory.nonzero), ~memory.used if p.skip_free else None


def thread_of(
    p: Params, way: str, rng: np.random.Generator, make_guest: GuestMaker = guest_of
) -> PlainThread:
    """The migration thread of one of WAYS, on a fresh guest."""
    visits, sending = rng.spawn(2)
    guest, free = make_guest(p, visits)
    method = {"none": "none", "QAT": p.accelerator, "CPU threads": p.cpu_method}[way]
    common = {"p": p, "rng": sending, "guest": guest, "free": free}
    if method == "none":
        return PlainThread(**common)
    if method == "talk":
        return RingThread(**common)
    if method == "threads zlib":
        return ThreadsThread(**common)
    if method == "xbzrle":
        return XbzrleThread(**common)
    return ChannelsThread(**common, method=method)


def migrate(p: Params, way: str, rng: np.random.Generator, make_guest: GuestMaker = guest_of) -> Run:
    """One migration one way."""
    thread = thread_of(p, way, rng, make_guest)
    run = precopy.run(thread)
    return Run(run.totals, run.timeline, run.sync_times_ns, thread.spent(), tuple(thread.uses))


def outputs_of(run: Run) -> dict[str, float]:
    """A migration's outputs; times and bytes are not a number where it gave up."""
    t, spent = run.totals, run.spent
    if not t.converged:
        return dict.fromkeys(OUTPUTS, math.nan) | {"converged_frac": 0.0}
    total = t.total_time_ns
    return {
        "total_time_ns": total,
        "downtime_ns": t.downtime_ns,
        "transferred_bytes": t.transferred_bytes,
        "wire_bytes": spent.wire_bytes,
        "source_cpu_frac": spent.source_cpu_ns / total,
        "destination_cpu_frac": spent.destination_cpu_ns / total,
        "dirty_sync_count": float(t.dirty_sync_count),
        "converged_frac": 1.0,
        "raw_frac": spent.raw_pages / spent.content_pages if spent.content_pages else math.nan,
        "thread_busy_frac": spent.thread_ns / total,
        "engine_busy_frac": spent.engine_ns / total,
        "link_busy_frac": spent.link_ns / total,
    }


def replicate(p: Params, rng: np.random.Generator) -> dict[str, Any]:
    """One migration each way, of the same guest."""
    seed = int(rng.integers(2**63))
    rows = [outputs_of(migrate(p, way, np.random.default_rng(seed))) for way in WAYS]
    return {"totals": np.array([row[name] for name in OUTPUTS for row in rows])}


def simulate(p: Params, *, rng: np.random.Generator, n: int) -> Samples:
    """n independent triples of migrations, each with a generator spawned from `rng`."""
    return Samples(**replications.replicated(replicate, p, rng, n))


__all__ = ["Run", "Samples", "migrate", "outputs_of", "simulate"]
