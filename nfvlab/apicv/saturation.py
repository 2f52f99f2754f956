"""Deliveries per second if the vector just delivered is requested again at its handler's first instruction.

The cycle is one service with one message in it. The message travels; it meets the handler, or an exit of its own, or
comes after the return: then the guest waits for it.
"""

import numpy as np

from nfvlab.apicv import waiting
from nfvlab.apicv.accounting import EMULATED, Routes

_POINTS = np.linspace(0, 1, 33)[:-1] + 1 / 64


def saturation_per_s(r: Routes) -> float:
    """The rate of the cycle: handler, what it costs on the vCPU's CPU, and the message's own cost there."""
    travel = _draws(r.time("ipi"))
    body = r.time("deliver", "return")[0] + r.handler[0] + r.register_exits[0]
    exiting, eoi_ns = r.eoi_exits, r.time(*r.eoi_exit)[0]
    late = _late(r, travel, 0.0)
    lone_end = _after(travel, _draws(r.handler + r.time("return")), r.tpr_exits * eoi_ns)
    in_host = max(late - _late(r, travel, eoi_ns), 0.0) * exiting
    host_writes = _writes_hit(r, travel)
    in_host = min(in_host + host_writes, 1.0)
    met = r.time(*r.blind_meeting)[0]
    message = (1 - in_host) * met + in_host * r.time("irq")[0]
    if r.mode == EMULATED:
        pending = r.time("entry", *r.window)[0]
        return 1e9 / (body + message + pending)
    waits = (1 - exiting) * lone_end + exiting * _after(travel, _draws(r.handler + r.time("return")), eoi_ns)
    return 1e9 / (body + message + waits)


def _draws(time: np.ndarray) -> np.ndarray:
    """Equally likely values of a time, in the middle of its slices."""
    mix = waiting.mixture((1.0, time))
    x = np.linspace(0.0, time[0] + 12 * np.sqrt(time[1]) + 1e-9, 400)
    return np.interp(_POINTS, 1 - waiting.tail(mix, x), x)


def _after(travel: np.ndarray, end: np.ndarray, later_ns: float) -> float:
    """E[max(travel - end - later, 0)]: how long the guest has returned before the message comes."""
    return float(np.maximum(travel[:, None] - end[None, :] - later_ns, 0.0).mean())


def _late(r: Routes, travel: np.ndarray, after_ns: float) -> float:
    """Probability that the message comes after the handler and after_ns more."""
    writes = r.tpr_exits * r.time(*r.eoi_exit)[0]
    return float((travel[:, None] > _draws(r.handler)[None, :] + writes + after_ns).mean())


def _writes_hit(r: Routes, travel: np.ndarray) -> float:
    """Probability that the message comes during one of the handler's exits for the TPR."""
    count = int(np.ceil(r.tpr_exits))
    if count == 0:
        return 0.0
    exit_ns, part = r.time(*r.eoi_exit)[0], r.handler[0] / (count + 1)
    begins = part * np.arange(1, count + 1) + exit_ns * np.arange(count)
    hit = (travel[:, None] > begins) & (travel[:, None] < begins + exit_ns)
    return float(hit.mean(axis=0).sum() * r.tpr_exits / count)


__all__ = ["saturation_per_s"]
