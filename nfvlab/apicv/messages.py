"""Messages that come while an interrupt is being handled: what they interrupt, and how many are sent."""

import numpy as np

from nfvlab.apicv.accounting import POSTED, VTD, Routes
from nfvlab.apicv.coalescing import counted_per_ns


def segments(r: Routes) -> tuple[np.ndarray, np.ndarray]:
    """One service cut into parts: their mean lengths in ns, and whether guest code runs in them."""
    entry = r.time("entry")[0] if "entry" in r.first else 0.0
    exit_ns = r.time(*r.eoi_exit)[0]
    handler, writes = r.handler[0], r.tpr_exits
    cuts = int(min(np.ceil(writes), 8))
    parts, guest = [entry, r.time("deliver")[0]], [False, True]
    for _ in range(cuts):
        parts += [handler / (cuts + 1), writes / cuts * exit_ns]
        guest += [True, False]
    parts += [handler / (cuts + 1), r.eoi_exits * exit_ns, r.time("return")[0]]
    return np.array(parts), np.array([*guest, True, False, True])


def first_sets(
    lengths: np.ndarray, rate_per_ns: float, delay_ns: float, guest: np.ndarray
) -> tuple[float, float]:
    """Of the bits set in a service: shares whose kick is sent, and whose kick then meets guest code (or comes later).

    A bit is set at its vector's first arrival, exponential at rate_per_ns, cut off at the service's end; kicks travel
    delay_ns.
    """
    ends = np.concatenate([[0.0], np.cumsum(lengths)])
    if ends[-1] <= 0:
        return 1.0, 1.0
    scale = -np.expm1(-rate_per_ns * ends[-1]) or 1.0

    def before(t):
        t = np.clip(t, 0.0, ends[-1])
        return -np.expm1(-rate_per_ns * t) / scale if rate_per_ns * ends[-1] > 1e-9 else t / ends[-1]

    sent = float(np.diff(before(ends))[guest].sum())
    low, high = ends[:-1], ends[1:]
    host = 0.0
    for start, stop in zip(low[~guest], high[~guest], strict=True):
        from_, to = np.maximum(low[guest], start - delay_ns), np.minimum(high[guest], stop - delay_ns)
        host += float(np.where(to > from_, before(to) - before(from_), 0.0).sum())
    return sent, max(sent - host, 0.0)


def in_service(
    r: Routes, rate_per_ns: float, vector_rate_per_ns: float, bits: float
) -> tuple[float, float, float]:
    """Per service: (messages sent, of those that meet guest code, those that come to the host as an interrupt).

    `bits`: how many bits are newly set in it, on average.
    """
    lengths, guest = segments(r)
    delay = r.time(*r.travel)[0] if r.travel else 0.0
    if r.mode < POSTED:
        sent, met = first_sets(lengths, vector_rate_per_ns, delay, guest)
        return bits * sent, bits * met, bits * (sent - met)
    guest_ns, host_ns = lengths[guest].sum(), lengths[~guest].sum()
    apart = r.time(*r.sender)[0] if r.sender else 0.0  # the housekeeping CPU posts no faster
    counted = counted_per_ns(rate_per_ns, max(delay - apart, 0.0))
    if r.mode == VTD:
        host = r.eoi_exits * -np.expm1(-rate_per_ns * host_ns / max(r.eoi_exits, 1e-12))
        return counted * guest_ns + host, counted * guest_ns, host
    sent, met = first_sets(lengths, 0.0, delay, guest)
    late = counted * guest_ns * (1 - met / sent if sent > 0 else 0.0)
    return counted * guest_ns, counted * guest_ns - late, late


__all__ = ["first_sets", "in_service", "segments"]
