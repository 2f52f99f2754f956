"""analyze(): exits, cycles and latency of interrupts for one vCPU, in four ways of delivery."""

from dataclasses import dataclass

import numpy as np

from nfvlab import results
from nfvlab.apicv import claims, waiting
from nfvlab.apicv.accounting import EMULATED, VTD, Routes
from nfvlab.apicv.cycle import Cycle, solve
from nfvlab.apicv.meeting import average
from nfvlab.apicv.messages import notified_per_cycle
from nfvlab.apicv.params import MODES, OUTPUTS, Params
from nfvlab.apicv.saturation import saturation_per_s
from nfvlab.apicv.sender import sender_wait
from nfvlab.results import Claim, approx, output

_ABOUT = approx(rel=0.1, where=claims.HERE)
_CURVE = 80


@dataclass(frozen=True, kw_only=True)
class Theory(results.Theory):
    """One value a mode, in the order of `MODES`. `curve_low`, `curve_high`: P(latency > curve_ns), mode by mode.

    `busy_frac`: share of the vCPU's time from a bit's clearing to IRET. `sender_frac`: load of the housekeeping CPU.
    """

    params: Params
    exits_ratio: tuple[float, ...] = output(OUTPUTS["exits_ratio"], _ABOUT)
    halts_ratio: tuple[float, ...] = output(OUTPUTS["halts_ratio"], _ABOUT)
    cost_cycles: tuple[float, ...] = output(OUTPUTS["cost_cycles"], _ABOUT)
    latency_ns: tuple[float, ...] = output(OUTPUTS["latency_ns"], _ABOUT)
    latency_p99_ns: tuple[float, ...] = output(OUTPUTS["latency_p99_ns"], _ABOUT)
    coalesced_frac: tuple[float, ...] = output(OUTPUTS["coalesced_frac"], _ABOUT)
    notifications_ratio: tuple[float, ...] = output(OUTPUTS["notifications_ratio"], _ABOUT)
    cpu_frac: tuple[float, ...] = output(OUTPUTS["cpu_frac"], _ABOUT)
    saturation_per_s: tuple[float, ...] = output(OUTPUTS["saturation_per_s"], _ABOUT)
    curve_ns: np.ndarray
    curve_low: np.ndarray
    curve_high: np.ndarray
    busy_frac: tuple[float, ...]
    sender_frac: float

    def claim(self, name: str) -> Claim:
        """What is claimed of output `name` for this very scenario."""
        return claims.claim(self, name)


@dataclass(frozen=True)
class _Way:
    """One mode's outputs and its latency's law."""

    values: dict[str, float]
    law: np.ndarray
    busy_frac: float


def analyze(p: Params) -> Theory:
    """Exits, cycles, coalescing and latency per interrupt in each mode."""
    ways = [_way(Routes(p, mode)) for mode in range(len(MODES))]
    x = waiting.curve(np.concatenate([way.law for way in ways]), _CURVE)
    tails = np.array([np.minimum(waiting.tail(way.law, x), 1.0) for way in ways])
    posting = Routes(p, EMULATED)
    return Theory(
        params=p,
        **{name: tuple(way.values[name] for way in ways) for name in OUTPUTS},
        curve_ns=x,
        curve_low=tails,
        curve_high=tails,
        busy_frac=tuple(way.busy_frac for way in ways),
        sender_frac=p.interrupts_per_s * 1e-9 * posting.time(*posting.sender)[0],
    )


def _way(r: Routes) -> _Way:
    """One mode."""
    p, cycle = r.p, solve(r)
    arrived_per_ns = p.interrupts_per_s * 1e-9
    per_delivery = arrived_per_ns / cycle.delivered_per_ns
    law = waiting.convolved(cycle.latency, waiting.plus(sender_wait(r), r.time("ipi", *r.sender)))
    own, exits, notified = _counts(r, cycle)
    sender = r.cycles(*r.sender) * per_delivery if r.mode != VTD else 0.0
    other = sender + cycle.idle_share * average(cycle.found, "other_cycles")
    values = {
        "exits_ratio": exits,
        "halts_ratio": cycle.idle_share * average(cycle.found, "halts"),
        "cost_cycles": own + other,
        "latency_ns": waiting.mean_of(law),
        "latency_p99_ns": waiting.quantile(law, 0.01),
        "coalesced_frac": max(1 - 1 / per_delivery, 0.0),
        "notifications_ratio": notified / per_delivery,
        "cpu_frac": own * p.cycle_ns * cycle.delivered_per_ns,
        "saturation_per_s": saturation_per_s(r),
    }
    return _Way(values, law, cycle.delivered_per_ns * r.service_body[0])


def _counts(r: Routes, cycle: Cycle) -> tuple[float, float, float]:
    """Per delivery: cycles on the vCPU's CPU, exits, messages sent."""
    sent, met, hosted = cycle.messages
    found, share = cycle.found, cycle.idle_share
    late = 1.0 if r.mode == EMULATED else 0.0
    again = _again(r, cycle, sent - hosted)
    registers = r.tpr_exits + r.eoi_exits
    own = (
        share * average(found, "own_cycles")
        + (1 - share) * r.cycles(*r.window, *r.first)
        + met * r.cycles(*r.blind_meeting)
        + hosted * r.cycles("irq")
        + again * r.cycles(*r.blind_meeting)
        + registers * r.cycles(*r.eoi_exit)
        + r.cycles("return")
    )
    kicks = 0.0 if r.told else met + again
    exits = share * average(found, "exits") + kicks + (1 - share) * late + registers
    return own, exits, share * average(found, "notified") + sent + again


def _again(r: Routes, cycle: Cycle, sent: float) -> float:
    """Messages per delivery that meet the guest, beside the one that ends an idle period and those of the service."""
    flow, share = cycle.flow, cycle.idle_share
    if r.told and not r.p.halting and not (flow.periodic and flow.vectors == 1):
        known = share * average(cycle.found, "notified") + sent
        return notified_per_cycle(r, flow, 1 / cycle.delivered_per_ns) - known
    if r.told and flow.periodic and flow.vectors == 1:
        masked = ((b.weight, b.clear) for b in cycle.found if b.told_ns > 0)
        return share * sum(weight * flow.within(waiting.mixture((1.0, time))) for weight, time in masked)
    others = 1.0 if r.told else 1 - 1 / flow.vectors
    return share * average(cycle.found, "told_ns") * flow.rate_per_ns * others


__all__ = ["Theory", "analyze"]
