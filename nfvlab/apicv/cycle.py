"""The cycle from one delivery to the next: how often, out of which state, and what an arrival waits.

Renewal-reward over the cycle; Poisson arrivals see time averages. The service is all that the guest's IF = 0 covers;
what keeps it away (preemption) prolongs it, as vacations do (B. T. Doshi, Queueing Systems 1, 1986).
"""

import math
from dataclasses import dataclass

import numpy as np

from nfvlab.apicv import coalescing, waiting
from nfvlab.apicv.accounting import Routes
from nfvlab.apicv.flow import Flow, flow_of
from nfvlab.apicv.meeting import Branch, branches
from nfvlab.apicv.messages import in_service
from nfvlab.apicv.phase import in_step
from nfvlab.apicv.sender import LAST

_ROUNDS = 3


@dataclass(frozen=True)
class Cycle:
    """Means per delivery, and the latency's law from the setting of the bit on."""

    flow: Flow
    delivered_per_ns: float
    idle_share: float
    found: list[Branch]
    messages: tuple[float, float, float]
    latency: np.ndarray


def service(r: Routes, longer_ns: float) -> np.ndarray:
    """Law of the time from a bit's clearing to IRET: without and with preemptions."""
    body = r.service_body + np.array([longer_ns, 0.0, 0.0])
    strikes = r.preemptions_per_ns * (r.handler[0] + r.time("deliver", "return")[0])
    if strikes <= 0:
        return waiting.mixture((1.0, body))
    some = -math.expm1(-strikes)
    raw = np.array(waiting.moments(waiting.compound(strikes, r.preemption))) / some
    return waiting.mixture((1 - some, body), (some, body + waiting.of_moments(*raw)))


def solve(r: Routes) -> Cycle:
    """Rate and law of the deliveries in one mode."""
    flow = flow_of(r)
    gap = r.time(*r.window)
    idle_ns, longer = 1 / flow.rate_per_ns, 0.0
    for _ in range(_ROUNDS):
        held = service(r, longer)
        found = branches(r, idle_ns, flow.periodic and flow.vectors == 1)
        lead = waiting.mixture(*((b.weight, b.clear) for b in found))
        chain = _chain(flow, held, gap, lead)
        idle_share = chain.idle_share
        messages = in_service(r, flow, held, chain.bits)
        longer = messages[1] * r.mean(*r.blind_meeting) + messages[2] * r.mean("irq")
        longer += idle_share * sum(b.weight * (b.first[0] - r.mean(*r.first)) for b in found)
        spent = waiting.mean_of(held) + (1 - idle_share) * gap[0] + idle_share * waiting.mean_of(lead)
        idle_ns = 1 / flow.rate_per_ns
        if flow.periodic and idle_share > 0:
            idle_ns = max(chain.per_delivery / flow.rate_per_ns - spent, 0.0) / idle_share
    followed = LAST / flow.rate_per_ns / (waiting.mean_of(held) + gap[0]) / 2
    behind = coalescing.whole_services(flow.vectors, *chain.chances, followed)
    cycle_ns = spent + idle_share * idle_ns
    if flow.vectors > 1:
        cycle_ns = _ranked(flow, held, gap, lead, idle_share, behind)
    law = _latency(r, flow, held, gap, found, idle_share, cycle_ns, behind, messages)
    return Cycle(flow, 1 / cycle_ns, idle_share, found, messages, law)


@dataclass(frozen=True)
class _Chain:
    """Share of deliveries from idle, arrivals per delivery if periodic, bits newly set in a service, and the chances
    (law) that a bit is set in one."""

    idle_share: float
    per_delivery: float
    bits: float
    chances: tuple[np.ndarray, np.ndarray]


def _chain(flow: Flow, held: np.ndarray, gap: np.ndarray, lead: np.ndarray) -> _Chain:
    points, weights = waiting.atoms(held)
    count, rate = flow.vectors, flow.vector_rate
    gap_ns = gap[0] * (count - 1) / count
    chances = coalescing.set_within(points + gap_ns, rate, flow.periodic)
    if flow.periodic and count == 1:
        share, per_delivery = in_step(1 / rate, held, gap[0], lead)
        bits = max(per_delivery - share * (1 + flow.within(lead)), 0.0)
        return _Chain(share, per_delivery, bits, (chances, weights))
    lead_points, lead_weights = waiting.atoms(lead, 4)
    met = coalescing.binomial(
        count - 1, coalescing.set_within(lead_points, rate, flow.periodic), lead_weights
    )
    served = coalescing.arrivals(count, chances, weights)
    kept_back = waiting.mean_of(lead)
    after = served
    if (
        kept_back < flow.apart_ns
    ):  # what follows closely waits at the housekeeping CPU, and comes in the service
        after = coalescing.arrivals(
            count, coalescing.set_within(points + kept_back, rate, flow.periodic), weights
        )
        met = np.eye(count)[0]
    idle_share = coalescing.pending_law(served, after, met)[0]
    held_ns = waiting.mean_of(held)
    bits = max(1 - idle_share * (1 + met @ np.arange(count)), 0.0) * held_ns / (held_ns + gap_ns)
    return _Chain(idle_share, 1.0, bits, (chances, weights))


def _ranked(flow: Flow, held, gap, lead, idle_share: float, behind: coalescing.Behind) -> float:
    """Mean time between deliveries, from what each rank loses: a bit that is set for a time merges all in it."""
    held_ns, rate = waiting.mean_of(held), flow.vector_rate
    chance = -np.expm1(-rate * held_ns)
    left = held_ns / chance - 1 / rate if rate * held_ns > 1e-6 else held_ns / 2
    apart = min(flow.apart_ns / held_ns, 1.0) if held_ns > 0 else 0.0
    set_ns = left * (1 - apart**2) + behind.means * (held_ns + gap[0]) + gap[0]
    merged = rate * set_ns
    if flow.periodic:  # whole periods in a time about exponential
        merged = 1 / np.expm1(np.minimum(1 / np.maximum(merged, 1e-9), 500.0))
    lost = idle_share * flow.merging(lead) + (1 - idle_share) * merged
    return max(1 / (rate / (1 + lost)).sum(), held_ns + (1 - idle_share) * gap[0])


def _latency(r, flow, held, gap, found, idle_share, cycle_ns, whole, messages) -> np.ndarray:
    """Law of the time from a bit's setting, or a merged arrival, to the handler: weights sum to 1."""
    first = r.time(*r.first)
    behind = _behind(held, gap, whole)
    per_delivery = max(flow.rate_per_ns * cycle_ns, 1.0)
    parts = [waiting.mixture(*((idle_share * b.weight, b.clear + b.first) for b in found))]
    used = idle_share
    for b in found:
        merging = idle_share * b.weight * flow.within(waiting.mixture((1.0, b.clear)))
        used += merging
        own = merging / flow.vectors
        parts.append(waiting.scaled(waiting.plus(waiting.residual(b.clear), b.first), own))
        if flow.vectors > 1:
            after = waiting.plus(
                behind, waiting.merged(waiting.residual(b.clear)) + waiting.merged(held) + gap
            )
            parts.append(waiting.scaled(waiting.plus(after, first), merging - own))
    in_gap = (1 - idle_share) * flow.rate_per_ns * gap[0]
    if in_gap > 0:
        left = waiting.residual(gap)
        parts.append(waiting.scaled(waiting.plus(left, first), in_gap / flow.vectors))
        if flow.vectors > 1:
            after = waiting.plus(behind, waiting.merged(left) + waiting.merged(held) + gap + first)
            parts.append(waiting.scaled(after, in_gap * (1 - 1 / flow.vectors)))
    in_service_count = max(per_delivery - used - in_gap, 0.0)
    if in_service_count > 0:
        bare, own = service(r, 0.0), _own_message(r, messages)
        for weight, *time in bare:
            share = in_service_count * weight * time[0] / waiting.mean_of(bare)
            left = waiting.convolved(waiting.residual(np.array(time)), behind)
            parts.append(waiting.scaled(waiting.plus(left, own + gap + first), share))
    whole = np.concatenate([part for part in parts if len(part)])
    whole[:, 0] /= whole[:, 0].sum()
    return whole


def _own_message(r: Routes, messages: tuple[float, float, float]) -> np.ndarray:
    """Cumulants of what the message of a bit set in a service adds to that service."""
    sent, met, hosted = messages
    if sent <= 0:
        return waiting.ZERO
    return met / sent * r.time(*r.blind_meeting) + hosted / sent * r.time("irq")


def _behind(held, gap, whole: coalescing.Behind) -> np.ndarray:
    """Law of the time that an interrupt waits for behind higher vectors, after the present service."""
    law = whole.law
    one = waiting.merged(held) + gap
    parts = [(weight, k * one) for k, weight in enumerate(law)]
    more = max(whole.later - len(law), 0.0)
    parts.append((max(1 - law.sum(), 0.0), len(law) * one + waiting.exponential(more * one[0])))
    return waiting.mixture(*((w, t) for w, t in parts if w > 1e-9))


__all__ = ["Cycle", "service", "solve"]
