"""The cycle from one delivery to the next: how often, out of which state, and what an arrival waits.

Renewal-reward over the cycle; Poisson arrivals see time averages. The service is all that the guest's IF = 0 covers;
what keeps it away (preemption) prolongs it, as vacations do (B. T. Doshi, Queueing Systems 1, 1986).
"""

import math
from dataclasses import dataclass

import numpy as np

from nfvlab.apicv import coalescing, waiting
from nfvlab.apicv.accounting import Routes
from nfvlab.apicv.meeting import Branch, branches
from nfvlab.apicv.messages import in_service

_ROUNDS = 3


@dataclass(frozen=True)
class Cycle:
    """Means per delivery, and the latency's law from the setting of the bit on."""

    delivered_per_ns: float
    idle_share: float
    found: list[Branch]
    messages: tuple[float, float, float]
    latency: np.ndarray


@dataclass(frozen=True)
class _Flow:
    """Arrivals at the vCPU's bits: their rate after the housekeeping CPU, and that CPU's time for one."""

    rate_per_ns: float
    vectors: int
    periodic: bool
    apart_ns: float

    @property
    def vector_rate(self) -> float:
        return self.rate_per_ns / self.vectors

    def within(self, mix: np.ndarray) -> float:
        """Mean number of arrivals in a time that starts with one."""
        if not len(mix):
            return 0.0
        mean, rate = waiting.mean_of(mix), self.rate_per_ns
        if self.periodic and self.vectors == 1:
            whole = (
                waiting.tail(mix, np.arange(1, 200) / rate).sum() if mean * rate < 50 else mean * rate - 0.5
            )
            return float(whole)
        if mean <= self.apart_ns:
            return 0.0
        return -math.expm1(-rate * self.apart_ns) + rate * (mean - self.apart_ns)


def flow_of(r: Routes) -> _Flow:
    """The arrivals at the bits; a housekeeping CPU that is overloaded passes on what it can."""
    p, rate = r.p, r.p.interrupts_per_s * 1e-9
    apart = r.time(*r.sender)[0] if r.sender else 0.0
    if apart * rate > 1:
        rate = 1 / apart
    return _Flow(rate, p.vector_count, p.arrivals == "periodic", apart)


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
        idle_share, per_delivery, chances = _chain(flow, held, gap, lead)
        messages = in_service(r, flow.rate_per_ns, flow.vector_rate, 1 - idle_share)
        longer = messages[1] * r.time(*r.blind_meeting)[0] + messages[2] * r.time("irq")[0]
        longer += idle_share * sum(b.weight * (b.first[0] - r.time(*r.first)[0]) for b in found)
        spent = waiting.mean_of(held) + (1 - idle_share) * gap[0] + idle_share * waiting.mean_of(lead)
        idle_ns = 1 / flow.rate_per_ns
        if flow.periodic and idle_share > 0:
            idle_ns = max(per_delivery / flow.rate_per_ns - spent, 0.0) / idle_share
    cycle_ns = spent + idle_share * idle_ns
    law = _latency(r, flow, held, gap, found, idle_share, cycle_ns, chances, messages)
    rate = 1 / cycle_ns
    if flow.periodic and flow.vectors > 1:
        late = float(waiting.tail(law, np.array([1 / flow.vector_rate]))[0])
        rate = min(flow.rate_per_ns * (1 - late), 1 / (waiting.mean_of(held)))
    return Cycle(rate, idle_share, found, messages, law)


def _chain(flow: _Flow, held: np.ndarray, gap: np.ndarray, lead: np.ndarray):
    """(Share of deliveries from idle, arrivals per delivery if periodic, chances that a bit is set in a service)."""
    points, weights = waiting.atoms(held)
    count, rate = flow.vectors, flow.vector_rate
    chances = coalescing.set_within(points + gap[0] * (count - 1) / count, rate, flow.periodic)
    if flow.periodic and count == 1:
        share, per = coalescing.locked(1 / rate, waiting.mean_of(held), gap[0], waiting.mean_of(lead))
        return share, per + share * flow.within(lead), (chances, weights)
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
    idle_share = coalescing.pending_law(served, after, met)[0]
    return idle_share, 1.0, (chances, weights)


def _latency(r, flow, held, gap, found, idle_share, cycle_ns, chances, messages) -> np.ndarray:
    """Law of the time from a bit's setting, or a merged arrival, to the handler: weights sum to 1."""
    first = r.time(*r.first)
    behind = _behind(flow, held, gap, chances)
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


def _behind(flow, held, gap, chances) -> np.ndarray:
    """Law of the whole services that an interrupt waits for behind higher vectors."""
    if flow.vectors == 1:
        return waiting.mixture((1.0, waiting.ZERO))
    law, rest = coalescing.whole_services(flow.vectors, *chances)
    one = waiting.merged(held) + gap
    parts = [(weight, k * one) for k, weight in enumerate(law)]
    beyond = max(1 - law.sum(), 0.0)
    more = max(rest - len(law), 0.0)
    parts.append((beyond, len(law) * one + waiting.exponential(more * one[0])))
    return waiting.mixture(*((w, t) for w, t in parts if w > 1e-9))


__all__ = ["Cycle", "flow_of", "service", "solve"]
