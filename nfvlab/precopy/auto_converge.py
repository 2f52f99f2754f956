"""Auto-converge: when to throttle the vCPUs, by how much, and the syncs that the throttle asks for itself.

Source: QEMU migration/ram.c (migration_trigger_throttle, mig_throttle_guest_down) and, since 9.2,
migration/cpu-throttle.c (cpu_throttle_dirty_sync_timer_tick).
"""

from dataclasses import dataclass, field

from nfvlab.precopy.params import Params


@dataclass
class AutoConverge:
    """The throttle's memory: how often the guest dirtied too fast, and what the sync timer saw last."""

    p: Params
    dirty_rate_high_count: int = 0
    syncs_at_tick: int = 0
    next_tick_ns: float = field(init=False)

    def __post_init__(self):
        self.next_tick_ns = self.p.throttle_sync_ns

    def throttle(self, now_frac: float, dirtied_bytes: float, sent_bytes: float) -> float:
        """The throttle after a period: it grows every second time that too much was dirtied."""
        p = self.p
        if not p.auto_converge or dirtied_bytes <= p.throttle_trigger_frac * sent_bytes:
            return now_frac
        self.dirty_rate_high_count += 1
        if self.dirty_rate_high_count < 2:
            return now_frac
        self.dirty_rate_high_count = 0
        more = now_frac + p.throttle_increment_frac if now_frac else p.throttle_initial_frac
        return min(more, p.throttle_max_frac)

    def wants_sync(self, now_ns: float, syncs: int) -> bool:
        """Whether the timer, if due, finds that no sync came since its last tick (not in the bulk pass)."""
        if not self.p.auto_converge or not self.p.throttle_sync_ns or now_ns < self.next_tick_ns:
            return False
        stale = 1 < syncs == self.syncs_at_tick
        self.syncs_at_tick = syncs + stale
        self.next_tick_ns = now_ns + self.p.throttle_sync_ns
        return stale
