"""The arrivals at a vCPU's bits, after the housekeeping CPU that posts them."""

import math
from dataclasses import dataclass

import numpy as np

from nfvlab.apicv import waiting
from nfvlab.apicv.accounting import Routes


@dataclass(frozen=True)
class Flow:
    """Rate of all vectors in 1/ns, how many they are, and the least distance of two in ns."""

    rate_per_ns: float
    vectors: int
    periodic: bool
    apart_ns: float

    @property
    def vector_rate(self) -> float:
        """One vector's rate in 1/ns."""
        return self.rate_per_ns / self.vectors

    def within(self, mix: np.ndarray) -> float:
        """Mean number of arrivals in a time, the mixture `mix`, that starts with one."""
        if not len(mix):
            return 0.0
        mean, rate = waiting.mean_of(mix), self.rate_per_ns
        if self.periodic and self.vectors == 1:
            return waiting.multiples(mix, 1 / rate)
        if mean <= self.apart_ns:
            return 0.0
        return -math.expm1(-rate * self.apart_ns) + rate * (mean - self.apart_ns)

    def merging(self, mix: np.ndarray) -> float:
        """Mean number of arrivals on the same vector in a time that starts with one on it."""
        if self.periodic:
            return waiting.multiples(mix, 1 / self.vector_rate)
        return self.within(mix) / self.vectors


def flow_of(r: Routes) -> Flow:
    """The arrivals at the bits; a housekeeping CPU that is overloaded passes on what it can."""
    p, rate = r.p, r.p.interrupts_per_s * 1e-9
    apart = r.mean(*r.sender)
    if apart * rate > 1:
        rate = 1 / apart
    return Flow(rate, p.vector_count, p.arrivals == "periodic", apart)


__all__ = ["Flow", "flow_of"]
