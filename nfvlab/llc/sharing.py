"""Tenants at given speeds on one cache: what misses, what each holds, what goes to memory.

The classes that fill the cache are the data and the code of each tenant, and the devices of all; `overlap.survival`
says how long their lines live. Everything is a mean over many sets.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nfvlab.llc import overlap
from nfvlab.llc.components import CODE, DATA, Flow, RingFlow, flows
from nfvlab.llc.lives import AT_HOME, Lives, burst, moved, placed
from nfvlab.llc.params import Cache, Tenant
from nfvlab.llc.popularity import dirty_frac

_COARSE = 120  # ages at which footprints are first looked at
_STEPS = np.arange(_COARSE) / (_COARSE - 1)
_FINE = (24, 16)  # ages between an empty and a full set, and more for each different mask


@dataclass(frozen=True)
class Use:
    """What one tenant does to the cache per unit of its work (a reference, a packet, a wake-up).

    ring_misses: of the descriptor, and of all header lines of a packet (in data_misses, too). io_write_backs and
    io_lines: of lines that its device filled.
    """

    data_references: float
    code_references: float
    data_misses: float
    code_misses: float
    ring_misses: tuple[float, float]
    write_backs: float
    io_write_backs: float
    lines: float
    io_lines: float


class Sharing:
    """Tenants on a cache, ready to be solved for any speeds."""

    def __init__(
        self, p: Cache, tenants: Sequence[Tenant], masks: Sequence[int] | None = None, *, steady: bool = False
    ):
        """`masks`: by class as `class_masks` gives them, of any ways, if not the tenants' own.

        steady: for ever after; else as between `warmup_ns` and `measured_ns` later of a cache that was empty at first.
        """
        self.sets, self.tenants = p.cache_sets, tuple(tenants)
        self.since_ns = None if steady else (p.warmup_ns, p.warmup_ns + p.measured_ns)
        masks = class_masks(p, self.tenants) if masks is None else masks
        wanted, flowing, ringing = [], [], []
        for k, t in enumerate(self.tenants):
            kept, rings = flows(t)
            flowing += [(k, flow, masks[2 * k + flow.feeds]) for flow in kept]
            ringing += [(k, ring, masks[2 * k + DATA], masks[-1]) for ring in rings]
        wanted = [mask for *_, mask in flowing] + [mask for _, _, *pair in ringing for mask in pair]
        self.masks = tuple(dict.fromkeys(wanted))
        of = self.masks.index
        self.flows: list[tuple[int, Flow, int]] = [(k, flow, of(mask)) for k, flow, mask in flowing]
        self.rings: list[tuple[int, RingFlow, int, int]] = [
            (k, ring, of(core), of(device)) for k, ring, core, device in ringing
        ]
        self.ways = np.array([float(mask.bit_count()) for mask in self.masks])
        self.meets = np.array([[float(a & b > 0) for a in self.masks] for b in self.masks])
        self.placed = [AT_HOME for _ in self.rings]  # where each ring's lines live, see `lives.placed`
        self._ages: np.ndarray | None = None
        self.bursty = _bursty(self.tenants)

    def solve(
        self,
        per_ns: Sequence[float],
        unit_ns: Sequence[float] | None = None,
        *,
        anew: bool = True,
        ways_less: np.ndarray | float = 0.0,
    ) -> list[Use]:
        """What each tenant does at these speeds (units per ns).

        unit_ns: the time that a unit takes, for wake-ups, which come in bursts. anew: choose ages to look at again.
        ways_less: as if masks had so many ways less (each of `masks` its own), to see how much that matters.
        """
        rates = [flow.speed * per_ns[k] for k, flow, _ in self.flows]
        ring_rates = [per_ns[k] for k, *_ in self.rings]
        laws = [(flow.law, rate) for (_, flow, _), rate in zip(self.flows, rates, strict=True)]
        laws += [(ring.law, rate) for (_, ring, *_), rate in zip(self.rings, ring_rates, strict=True)]
        if anew or self._ages is None:
            self._ages = self._choose(laws)
        certain = [gap / rate for law, rate in laws for gap, _ in law.gaps]
        t = np.concatenate([self._ages, certain, self._starts()])
        t.sort()
        profiles = [
            (flow.law.footprint(t * rate),) if flow.law.gaps else flow.law.profile(t * rate, flow.write_frac)
            for (_, flow, _), rate in zip(self.flows, rates, strict=True)
        ]
        touched = [
            (ring.law.footprint(t * rate), ring.law.once(t * rate))
            for (_, ring, *_), rate in zip(self.rings, ring_rates, strict=True)
        ]
        mean = np.zeros(
            (2, len(self.masks), t.size)
        )  # of all lines; of those that come round at certain times
        for (_, flow, c), (footprint, *_) in zip(self.flows, profiles, strict=True):
            mean[0, c] += footprint
            if flow.law.gaps:
                mean[1, c] += footprint
        for (_, _, core, device), (twice, once), shares in zip(self.rings, touched, self.placed, strict=True):
            mean[:, core] += shares[0] * twice + shares[1] * once
            mean[:, device] += shares[2] * twice + shares[3] * once
        part = ways_less / np.maximum(self.ways, 2.0)
        crowded = 1 + part / (1 - np.minimum(part, 0.0)) * np.ones_like(self.ways)
        alive = self._survival(t, mean[0], per_ns, unit_ns, crowded[:, None])
        met = self.meets @ mean
        lives = Lives(t, alive, self._known(t), met[1] / np.maximum(met[0], 1e-300))
        return self._uses(rates, ring_rates, lives, profiles, touched)

    def _starts(self) -> np.ndarray:
        """Ages between which the start of an empty cache may lie."""
        if self.since_ns is None:
            return np.empty(0)
        first, last = self.since_ns
        first = max(first, 1e-3 * last)
        return first + np.arange(6) * ((last - first) / 5)

    def _known(self, t: np.ndarray) -> np.ndarray:
        """How likely the start lies further back than t."""
        if self.since_ns is None:
            return np.ones_like(t)
        first, last = self.since_ns
        return np.minimum(np.maximum((last - t) / (last - first), 0), 1)

    def _choose(self, laws: list) -> np.ndarray:
        """Ages at even steps of how full the ways are, counting each class against its own mask."""
        high = max(law.horizon / rate for law, rate in laws)
        low = min(0.1 / sum(rate for _, rate in laws), 1e-3 * high)
        log_t = np.log(low) + _STEPS * np.log(1.001 * high / low)
        t = np.exp(log_t)
        full = np.zeros((len(self.masks), t.size))
        into = [((c, 1.0),) for *_, c in self.flows]
        into += [
            ((core, share[0] + share[1]), (device, share[2] + share[3]))
            for (_, _, core, device), share in zip(self.rings, self.placed, strict=True)
        ]
        for (law, rate), classes in zip(laws, into, strict=True):
            footprint = law.footprint(t * rate)
            for c, part in classes:
                full[c] += part * footprint
        most = self.ways + 5 * np.sqrt(self.ways) + 4
        progress = np.minimum(full / (self.sets * most)[:, None], 1).sum(axis=0)
        progress += 1e-6 * _STEPS
        count = _FINE[0] + _FINE[1] * len(self.masks)
        even = progress[0] + np.arange(count + 1) * ((progress[-1] - progress[0]) / count)
        return np.exp(np.interp(even, progress, log_t))

    def _survival(self, t, mean, per_ns, unit_ns, crowded) -> np.ndarray:
        """How likely lines of each class live, the largest wake-up being in the window, partly, or not at all."""
        if self.bursty is None:
            return overlap.survival(self.masks, mean * (crowded / self.sets))
        k = self.bursty
        interval = 1 / per_ns[k]
        length = min(max(unit_ns[k] if unit_ns is not None else 0.0, 1e-9 * interval), interval)
        wave = np.zeros_like(mean)
        for of, flow, c in self.flows:
            if of == k:
                wave[c] += flow.law.lines
        shares, levels = burst(np.minimum(t, interval), length, interval)
        rest = mean - wave * np.minimum(t / interval, 1)
        stacked = np.concatenate([rest + wave * level for level in levels], axis=1)
        alive = overlap.survival(self.masks, np.maximum(stacked, 0) * (crowded / self.sets))
        mixed = sum(share * part for share, part in zip(shares, np.split(alive, 3, axis=1), strict=True))
        return np.minimum.accumulate(mixed, axis=1)

    def _uses(self, rates, ring_rates, lives: Lives, profiles, touched) -> list[Use]:
        uses = [dict.fromkeys(_FIELDS, 0.0) | {"ring": [0.0, 0.0]} for _ in self.tenants]
        lines = []  # use, field, class, lines held
        for (k, flow, c), rate, profile in zip(self.flows, rates, profiles, strict=True):
            use, kind = uses[k], "code" if flow.feeds == CODE else "data"
            held = lives.mean(c, profile[0])
            lines.append((use, "lines", c, held))
            if flow.law.gaps:
                hits, evicted, fixed = lives.reached(c, np.array(flow.law.gaps), rate)
                fresh = float(dirty_frac(np.float64(1 - evicted), flow.write_frac))
                written = evicted * (fixed * flow.write_frac + (1 - fixed) * fresh)
            else:
                hits, written = lives.mean(c, profile[1]), lives.evicted(c, profile[2])
            use[f"{kind}_references"] += flow.per_unit
            use[f"{kind}_misses"] += flow.per_unit * max(float(1 - hits), 0.0)
            use["write_backs"] += flow.per_unit * max(float(written), 0.0)
        for n, (k, ring, core, device) in enumerate(self.rings):
            self._ring(n, ring, uses[k], lives, core, device, ring_rates[n])
            (twice, once), shares = touched[n], self.placed[n]
            lines.append((uses[k], "lines", core, lives.mean(core, shares[0] * twice + shares[1] * once)))
            lines.append(
                (uses[k], "io_lines", device, lives.mean(device, shares[2] * twice + shares[3] * once))
            )
        self._hold(lines)
        return [Use(ring_misses=tuple(use.pop("ring")), **use) for use in uses]

    def _hold(self, lines: list) -> None:
        """Count the lines held, but no more than there is room for, which mixing bursts age by age may exceed."""
        by_class = np.zeros(len(self.masks))
        for _, _, c, held in lines:
            by_class[c] += held
        fits = np.minimum(1, self.sets * self.ways / np.maximum(by_class, 1e-9))
        room = self.sets * functools.reduce(int.__or__, self.masks, 0).bit_count()
        fits *= min(1, room / max(float(fits @ by_class), 1e-9))
        for use, field, c, held in lines:
            use[field] += float(held * fits[c])

    def _ring(self, n, ring, use, lives: Lives, core, device, rate) -> None:
        """Add a ring to what its tenant uses, and see where its lines stay: in the device's ways or the core's."""
        at = np.array([ring.wait, ring.turn, 1.0]) / rate
        waited, turned, step = lives.at(core, at)
        device_waited, device_turned, device_step = lives.at(device, at)
        missed, self.placed[n] = 0.0, AT_HOME
        evicted = 1 - device_turned
        if ring.reads:
            turns = sum(self.since_ns) / 2 * rate / ring.law.horizon if self.since_ns else np.inf
            fixed = float(lives.fixed(device, at[0]))
            away, missed = moved(waited, turned, device_waited, fixed, turns)
            self.placed[n] = placed(away, turned, device_waited)
            evicted = (1 - away * turned) * (1 - device_waited * device_turned)
        again = ring.again * (1 - step)
        use["data_references"] += (ring.reads + ring.again) if ring.reads else 0.0
        use["data_misses"] += ring.reads * missed + again
        use["ring"][ring.part] += ring.reads * missed + again
        use["write_backs"] += ring.reads * missed * turned
        use["io_write_backs"] += ring.per_unit * evicted + ring.again * (1 - device_step)


def _bursty(tenants: Sequence[Tenant]) -> int | None:
    """The tenant whose wake-ups touch the most lines."""
    sizes = {k: t.data_bytes + t.code_bytes for k, t in enumerate(tenants) if t.workload == "wakeups"}
    return max(sizes, key=sizes.get) if sizes else None


_FIELDS = (
    "data_references",
    "code_references",
    "data_misses",
    "code_misses",
    "write_backs",
    "io_write_backs",
    "lines",
    "io_lines",
)


def class_masks(p: Cache, tenants: Sequence[Tenant]) -> tuple[int, ...]:
    """Masks by class: data and code of each tenant in turn, then the devices; sticky bits and CDP applied."""
    found = []
    for t in tenants:
        for mask in (t.data_mask, t.code_mask if p.cdp else t.data_mask):
            found.append(mask | p.io_mask if p.io_sticky and mask & p.io_mask else mask)
    return (*found, p.io_mask)


def fed_masks(p: Cache, tenants: Sequence[Tenant]) -> tuple[tuple[int, int, bool], ...]:
    """(tenant, mask, whether it walks) of all that fills ways; a tenant's device counts as the tenant's."""
    masks, found = class_masks(p, tenants), []
    for k, t in enumerate(tenants):
        kept, rings = flows(t)
        found += [(k, masks[2 * k + flow.feeds], bool(flow.law.gaps)) for flow in kept]
        found += [(k, masks[2 * k + DATA], True), (k, masks[-1], True)] if rings else []
    return tuple(dict.fromkeys(found))


__all__ = ["Sharing", "Use", "class_masks", "fed_masks"]
