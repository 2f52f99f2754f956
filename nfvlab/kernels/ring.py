"""A finite ring between steady arrivals and one server that pauses: every packet followed.

Arrivals come every `interval`; a packet takes `service` of the server's time; the ring holds `size` packets, the one in
service included. The server stands still during the gaps; arrivals during a closed gap are lost outright (nobody
listens), those that find the ring full are dropped. All times in one unit.
"""

import numpy as np

from nfvlab.kernels.jit import jit

SERVED, DROPPED, UNHEARD = 0, 1, 2


@jit
def _finish(start, service, starts, stops, gap):
    """When `service` begun at `start` is done, the server standing still in the gaps; and the next gap to look at."""
    while gap < starts.size and stops[gap] <= start:
        gap += 1
    left = service
    now = start
    k = gap
    while k < starts.size and starts[k] < now + left:
        if starts[k] > now:
            left -= starts[k] - now
        now = max(now, stops[k])
        k += 1
    return now + left, gap


@jit
def follow(first, interval, packets, service, size, starts, stops, closed, bins, bin_length):
    """Follow `packets` arrivals from time `first` on.

    starts, stops, closed: float64[g], float64[g], bool[g]; the gaps, in order, not overlapping.
    Returns (counts int64[3]: served, dropped at a full ring, unheard in a closed gap; served packets per bin of
    `bin_length` from time `first`, int64[bins], later ones in the last; longest wait of a served packet).
    """
    counts = np.zeros(3, dtype=np.int64)
    served = np.zeros(bins, dtype=np.int64)
    leaves = np.full(size, -np.inf)
    slot = 0
    free = -np.inf
    listen = 0
    gap = 0
    longest = 0.0
    for k in range(packets):
        t = first + k * interval
        while listen < starts.size and stops[listen] <= t:
            listen += 1
        if listen < starts.size and closed[listen] and starts[listen] <= t:
            counts[UNHEARD] += 1
            continue
        if leaves[slot] > t:
            counts[DROPPED] += 1
            continue
        free, gap = _finish(max(t, free), service, starts, stops, gap)
        leaves[slot] = free
        slot = slot + 1 if slot + 1 < size else 0
        counts[SERVED] += 1
        longest = max(longest, free - t)
        served[min(bins - 1, int((free - first) / bin_length))] += 1
    return counts, served, longest
