"""Packets that a forwarding guest loses: nobody listens during the pause, and a ring is finite.

A gap of length g in which the guest does not look at its ring lets r g packets arrive, of which the ring
holds K. Work of length u between two gaps leaves the ring (c - r) u emptier than the first one left it, so a
gap of a long row drops r g - min(K, (c - r) u), if that is positive.
"""

from nfvlab.freepages.params import Params, packets_per_s
from nfvlab.precopy.fluid import Fluid
from nfvlab.units import GiB, ms

TIMESLICE_NS = 10 * ms  # the vCPU's run between two sleeps: CPU_THROTTLE_TIMESLICE_NS in QEMU


def gap_drops(p: Params, gap_ns: float, work_ns: float) -> float:
    """Packets dropped in one of many equal gaps with `work_ns` of forwarding between them."""
    rate = packets_per_s(p) / 1e9
    room = min(p.ring_count, (p.forward_capacity_per_s / 1e9 - rate) * work_ns)
    return max(rate * gap_ns - room, 0.0)


def throttle_drops(p: Params, throttle_frac: float, duration_ns: float) -> float:
    """Packets dropped while the vCPU sleeps for a share of its time, in slices of 10 ms of work."""
    if throttle_frac <= 0:
        return 0.0
    sleep_ns = TIMESLICE_NS * throttle_frac / (1 - throttle_frac)
    return duration_ns / (TIMESLICE_NS + sleep_ns) * gap_drops(p, sleep_ns, TIMESLICE_NS)


def ring_drops(p: Params, course: Fluid) -> float:
    """Packets dropped at the ring before the stop: at the syncs, and in the sleeps of a throttled vCPU.

    The last sync happens while the guest is stopped. The one before it leads to the stop, which ends its gap.
    """
    if not p.line_rate_bits_per_s:
        return 0.0
    ends = [*course.round_t_ns[1:], course.total_time_ns - course.downtime_ns]
    rounds = zip(course.round_throttle_frac, course.round_t_ns, ends, strict=True)
    throttled = sum(throttle_drops(p, frac, end - start) for frac, start, end in rounds)
    sync_ns = p.sync_ns + p.sync_per_gib_ns * p.ram_bytes / GiB
    before = course.dirty_sync_count - 1
    last = 1 if before >= 2 else 0
    drops = (before - last) * gap_drops(p, p.sync_gap_ns, p.window_ns)
    return drops + last * gap_drops(p, min(p.sync_gap_ns, sync_ns), p.window_ns) + throttled
