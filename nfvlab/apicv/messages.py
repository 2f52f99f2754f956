"""Messages to a vCPU that handles interrupts: how many are sent, what they interrupt, what is set meanwhile.

Without a notification in the guest, KVM kicks a vCPU for every bit newly set, unless the vCPU is out of the guest or
on its way (kvm_vcpu_exiting_guest_mode): a kick makes the next ones needless until the vCPU enters again. With it,
every interrupt notifies that finds ON clear and the vCPU in the guest. Either is a counter of type I.
"""

import numpy as np

from nfvlab.apicv.accounting import VTD, Routes
from nfvlab.apicv.coalescing import counted_per_ns
from nfvlab.apicv.flow import Flow


def segments(r: Routes) -> tuple[np.ndarray, np.ndarray]:
    """One service cut into parts: their mean lengths in ns, and whether guest code runs in them.

    An entry counts as guest code: the host's interrupts are off in it, and a message waits for the guest.
    """
    entry = r.mean("entry")
    first = entry if "entry" in r.first else 0.0
    host = r.mean(*r.eoi_exit) - entry
    handler, writes = r.handler[0], r.tpr_exits
    cuts = int(min(np.ceil(writes), 8))
    parts, guest = [first + r.mean("deliver")], [True]
    for _ in range(cuts):
        each = writes / cuts
        parts += [handler / (cuts + 1), each * host, each * entry]
        guest += [True, False, True]
    parts += [handler / (cuts + 1), r.eoi_exits * host, r.eoi_exits * entry + r.mean("return")]
    return np.array(parts), np.array([*guest, True, False, True])


def first_sets(
    lengths: np.ndarray, rate_per_ns: float, delay_ns: float, guest: np.ndarray
) -> tuple[float, float]:
    """Of the bits set in a service: shares whose kick is sent, and whose kick then meets guest code (or comes later).

    A bit is set at its vector's first arrival, exponential at rate_per_ns (uniform if that is 0), cut off at the
    service's end; kicks travel delay_ns.
    """
    ends = np.concatenate([[0.0], np.cumsum(lengths)])
    if ends[-1] <= 0:
        return 1.0, 1.0
    scale = -np.expm1(-rate_per_ns * ends[-1])

    def before(t):
        return -np.expm1(-rate_per_ns * t) / scale if scale > 1e-9 else t / ends[-1]

    sent = float(np.diff(before(ends))[guest].sum())
    low, high = ends[:-1], ends[1:]
    host = 0.0
    for start, stop in zip(low[~guest], high[~guest], strict=True):
        from_, to = np.maximum(low[guest], start - delay_ns), np.minimum(high[guest], stop - delay_ns)
        host += float(np.where(to > from_, before(to) - before(from_), 0.0).sum())
    return sent, max(sent - host, 0.0)


def in_service(r: Routes, flow: Flow, held: np.ndarray, bits: float) -> tuple[float, float, float]:
    """Per service: (messages sent, of those that meet guest code, those that come to the host as an interrupt).

    `held`: law of the service; `bits`: how many bits are newly set in it, on average.
    """
    lengths, guest = segments(r)
    delay = r.mean(*r.travel)
    if r.told:
        return _notified(r, flow, lengths, guest, delay, bits)
    rate = 0.0 if flow.periodic else flow.vector_rate
    sent, met = first_sets(lengths, rate, delay, guest)
    met = met / sent if sent > 0 else 1.0
    sets = min(bits, 1.0) * sent * _running(held, flow.vector_rate)
    if flow.vectors > 1:
        deaf = max(r.mean(*r.travel, "exit", "irq", "loop") - flow.apart_ns, 0.0)
        sets /= 1 + sets / max(lengths[guest].sum(), 1e-9) * deaf
    return sets, sets * met, sets * (1 - met)


def _running(held: np.ndarray, rate_per_ns: float) -> float:
    """Share of the bits set in a service that are not set while the vCPU is preempted in it."""
    sets = held[:, 0] * -np.expm1(-rate_per_ns * held[:, 1])
    total = sets.sum()
    return float(sets @ (held[0, 1] / held[:, 1]) / total) if total > 0 else 1.0


def _notified(r: Routes, flow: Flow, lengths, guest, delay: float, bits: float) -> tuple[float, float, float]:
    """The same where notifications reach the guest; of one periodic vector all that comes is `bits`."""
    rate = notifying_per_ns(r, flow)
    guest_ns, host_ns = lengths[guest].sum(), lengths[~guest].sum()
    if flow.periodic and flow.vectors == 1:
        rate = min(bits / lengths.sum(), rate) if lengths.sum() > 0 else rate
    folded = rate / flow.rate_per_ns * held_back(r, flow)
    sent = max(rate * guest_ns - folded, 0.0)
    if r.mode == VTD:
        host = r.eoi_exits * -np.expm1(-rate * host_ns / max(r.eoi_exits, 1e-12))
        return sent + host, sent, host
    all_, met = first_sets(lengths, 0.0, delay, guest)
    late = sent * (1 - met / all_ if all_ > 0 else 0.0)
    return sent, sent - late, late


def held_back(r: Routes, flow: Flow) -> float:
    """Notifications saved per service: a stage of the guest's runs as a whole, and ON stays set until its end."""
    stages = [r.time("return"), r.time("deliver")]
    reach = max(r.mean(*r.travel) - flow.apart_ns, -flow.apart_ns)
    total = 0.0
    for stage in stages:
        length = max(stage[0] + reach, 0.0)
        if length > 0:
            passed = flow.rate_per_ns * length
            total += passed + np.expm1(-passed)
    return total


def notifying_per_ns(r: Routes, flow: Flow) -> float:
    """Rate of the notifications while the vCPU is in the guest: ON is set from the posting to the arrival.

    The housekeeping CPU posts no faster than it takes, and a periodic vector does not meet itself.
    """
    dead = max(r.mean(*r.travel) - flow.apart_ns, 0.0)
    others = flow.rate_per_ns * (1 - 1 / flow.vectors if flow.periodic else 1.0)
    return flow.rate_per_ns * counted_per_ns(others, dead) / others if others > 0 else flow.rate_per_ns


def notified_per_cycle(r: Routes, flow: Flow, cycle_ns: float) -> float:
    """Notifications per delivery to a vCPU that never halts: those of the time that it is in the guest."""
    lengths, guest = segments(r)
    awake = max(cycle_ns - lengths[~guest].sum(), 0.0) / (1 + r.preemptions_per_ns * r.preemption[0])
    return notifying_per_ns(r, flow) * awake - held_back(r, flow)


__all__ = ["first_sets", "in_service", "notified_per_cycle", "notifying_per_ns", "segments"]
