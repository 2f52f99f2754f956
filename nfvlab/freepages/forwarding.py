"""A DPDK L2-forwarding guest under migration: every packet that comes while it moves.

The traffic generator sends at line rate and does not care. The guest polls one receive ring. While the guest is
stopped the vhost-user back end is stopped with it, so that nothing fills the ring: what arrives is lost. In every other
service gap (a vCPU put to sleep by auto-converge, or held by a synchronisation of the dirty bitmap) the ring fills, and
what finds it full is dropped.
"""

from dataclasses import dataclass, field

import numpy as np

from nfvlab.kernels import ring
from nfvlab.units import ms, s

THROTTLE_TIMESLICE_NS = 10 * ms
EDGE_NS = 200 * ms


@dataclass(frozen=True)
class Gaps:
    """When the guest does not poll: starts and stops in ns; closed where nobody listens either."""

    start_ns: np.ndarray
    stop_ns: np.ndarray
    closed: np.ndarray


@dataclass(frozen=True)
class Forwarded:
    """What became of the packets, and the rate by time."""

    arrived_count: int
    forwarded_count: int
    ring_drop_count: int
    unheard_count: int
    longest_wait_ns: float
    t_ns: np.ndarray = field(compare=False, repr=False)
    rate_per_s: np.ndarray = field(compare=False, repr=False)

    @property
    def lost_count(self) -> int:
        """Packets that never left the guest."""
        return self.ring_drop_count + self.unheard_count


def gaps_of(run, *, sync_gap_ns: float) -> Gaps:
    """The service gaps of a simulated migration: throttled vCPU, synchronisations, the stop.

    run: a `precopy.simulation.Run`. A vCPU throttled by share f sleeps f/(1-f) x 10 ms after every 10 ms that it runs
    (QEMU cpu-throttle.c).
    """
    spans = [(start, start + length, False) for start, length in _sleeps(run.timeline)]
    spans += [(t, t + sync_gap_ns, False) for t in run.sync_times_ns if sync_gap_ns > 0]
    if run.totals.converged:
        stop = run.totals.stopped_at_ns
        spans = [x for x in spans if x[0] < stop]
        spans.append((stop, stop + run.totals.pause_ns, True))
    return _disjoint(spans)


def _sleeps(timeline):
    """(start, length) of a throttled vCPU's sleeps: its timer goes on from window to window."""
    at = None
    for before, row in zip(timeline, timeline[1:], strict=False):
        share = before.throttle_frac
        if share <= 0:
            at = None
            continue
        sleep = share / (1 - share) * THROTTLE_TIMESLICE_NS
        at = before.t_ns + THROTTLE_TIMESLICE_NS if at is None else at
        while at < row.t_ns:
            yield at, sleep
            at += sleep + THROTTLE_TIMESLICE_NS


def _disjoint(spans) -> Gaps:
    """Spans in order, each cut where the one before it ends; what a closed one covers is closed."""
    merged: list[list] = []
    for start, stop, closed in sorted(spans):
        if merged and start < merged[-1][1]:
            if closed:
                merged[-1][1] = start
            else:
                start = merged[-1][1]
        if stop > start:
            merged.append([start, stop, closed])
    columns = list(zip(*merged, strict=True)) if merged else [(), (), ()]
    return Gaps(np.array(columns[0], float), np.array(columns[1], float), np.array(columns[2], bool))


def forward(
    gaps: Gaps,
    *,
    rate_per_s: float,
    capacity_per_s: float,
    ring_count: int,
    until_ns: float,
    bin_ns: float = 1 * ms,
) -> Forwarded:
    """Follow every packet from the migration's start until `until_ns` and EDGE_NS beyond."""
    packets = int((until_ns + EDGE_NS) * rate_per_s / s)
    if packets == 0:
        return Forwarded(0, 0, 0, 0, 0.0, np.zeros(0), np.zeros(0))
    bins = int(np.ceil((until_ns + EDGE_NS) / bin_ns))
    counts, served, longest = ring.follow(
        0.0,
        s / rate_per_s,
        packets,
        s / capacity_per_s,
        ring_count,
        gaps.start_ns,
        gaps.stop_ns,
        gaps.closed,
        bins,
        bin_ns,
    )
    t = (np.arange(bins) + 0.5) * bin_ns
    return Forwarded(packets, *(int(c) for c in counts), float(longest), t, served / bin_ns * s)
