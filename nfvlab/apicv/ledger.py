"""Stages of the path: how long each occurrence lasts, and what all of them came to."""

from collections import Counter, defaultdict

import numpy as np

from nfvlab.apicv.params import Params

STAGES = {
    "exit": "exit_cycles",
    "entry": "entry_cycles",
    "loop": "loop_cycles",
    "sync": "sync_cycles",
    "inject": "inject_cycles",
    "eoi": "eoi_cycles",
    "deliver": "deliver_cycles",
    "return": "return_cycles",
    "halt": "halt_cycles",
    "switch": "switch_cycles",
    "wake": "wake_cycles",
    "idle exit": "idle_exit_cycles",
    "irq": "irq_cycles",
    "post": "post_cycles",
    "travel": "ipi_cycles",
    "notify": "notify_cycles",
}
_BLOCK = 4096


class Ledger:
    """Draws the lengths of stages, in cycles, and adds up what counts as the cost of delivering.

    A stage of mean c lasts (1 - spread) c and an exponential time of mean spread c.
    """

    def __init__(self, p: Params, rng: np.random.Generator):
        self.mean = {stage: getattr(p, name) for stage, name in STAGES.items()}
        self.spread, self.rng = p.spread_frac, rng
        self.vcpu_cpu, self.others = defaultdict(float), defaultdict(float)
        self.exits: Counter[str] = Counter()
        self.halts = self.notifications = 0
        self._drawn = iter(())

    def exponential(self) -> float:
        """A standard exponential variable."""
        value = next(self._drawn, None)
        if value is None:
            self._drawn = iter(self.rng.standard_exponential(_BLOCK).tolist())
            value = next(self._drawn)
        return value

    def varied(self, mean: float) -> float:
        """One occurrence of something that takes `mean` on average."""
        return mean * (1 - self.spread + self.spread * self.exponential()) if self.spread else mean

    def draw(self, stage: str) -> float:
        """The length of one occurrence of a stage."""
        return self.varied(self.mean[stage])

    def clear(self) -> None:
        """Forget what came before: the warm-up is over."""
        for book in (self.vcpu_cpu, self.others, self.exits):
            book.clear()
        self.halts = self.notifications = 0

    @property
    def cost(self) -> float:
        """Cycles of delivering on all CPUs."""
        return sum(self.vcpu_cpu.values()) + sum(self.others.values())
