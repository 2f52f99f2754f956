"""Tails of the paths with rigorous bounds: modes mixed, waits for the load, jobs that come on the way, SMIs.

The law below and the law above are made apart, each by moves that can only make a latency shorter, or longer:

- Stages are rounded down or up on a lattice (`nfvlab.realtime.lattice`); rates and probabilities lie where they are.
- A job at t = 0 with U to go, against a flight F: the serial part begins at the larger of both. Above, `late` comes on
  top if U <= F, or if a job comes in F. Below, if U <= F, `early` is saved: the vCPU may be on its way by then.
- New jobs come at rate 1 / think while the load thinks, and never in other time. Above, all time counts as thinking,
  but jobs; each job costs its length, two switches, an exit and an entry, in which the next may come; of those in the
  flight the last one counts, as all others have ended by the end of it. Below, they come only during the smallest
  length of the stages in which they surely delay, and cost their length and the switches at their smallest.
- SMIs come at their rate while the latency lasts and stop it (a delay cycle). At t = 0 their work is that of M/D/1:
  none with probability 1 - load, else a uniform part of one, and, above, a geometric number of whole ones; below,
  none. While an SMI lasts, above, a job may come.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import pdtrc

from nfvlab.realtime.bounded import Bounded
from nfvlab.realtime.composed import rare
from nfvlab.realtime.lattice import short_step
from nfvlab.realtime.laws import Constant, Exponential, Law, Uniform
from nfvlab.vfio.atoms import Atoms, Grid, Tail, cycle, masses_of, on_grid, poisson, together
from nfvlab.vfio.params import Params
from nfvlab.vfio.stages import ENTER, Mode, laws, think_ns
from nfvlab.vfio.summed import end_ns, summed

HELD, EXPOSED = ("exit", "irq", "primary", "msi", "irqfd", "post"), (*ENTER, "notify", "deliver")
HIT = ("switch", "switch", "exit", *ENTER)
_EXCESS = 1e-3  # of the tail asked for: what may be charged to infinity


class Bounds:
    """Makes both laws of the modes of a path, to tails of `tail_frac`, on grids of about `cells`."""

    def __init__(self, p: Params, path: str, tail_frac: float, cells: int):
        self.p, self.cells, self.points = p, cells, max(256, cells)
        self.mainline = path == "mainline"
        self.rate = 1 / think_ns(p)
        self.least = tail_frac * _EXCESS
        self.rel_error, self.abs_error = 0.0, 0.0
        self._met: set[tuple] = set()

    def tail(self, made: Sequence[Mode]) -> Tail:
        """Of the mixture of the modes."""
        self.queues = any(mode.queues for mode in made)
        low, high = ([part for mode in made for part in side(mode)] for side in (self._low, self._high))
        return Tail(
            low=self._stopped(together(low)),
            high=self._stopped(together(high)),
            rel_error=self.rel_error,
            abs_error=self.abs_error,
        )

    def _sum(self, parts: tuple[Law, ...], step_ns: float = 0.0) -> Bounded:
        """Of stages, on a lattice of their own unless a step is given; its errors go once into those of the tail."""
        made = summed(parts or (Constant(value_ns=0.0),), self.least, self.points, step_ns)
        if (parts, step_ns) not in self._met:
            self._met.add((parts, step_ns))
            self.rel_error, self.abs_error = self.rel_error + made.rel_error, self.abs_error + made.abs_error
        return made

    def _laws(self, *names: str) -> tuple[Law, ...]:
        return laws(self.p, names)

    def _flight(self, mode: Mode) -> tuple[Law, ...]:
        return (*self._laws(*mode.flight), *mode.held)

    def _whole(self, frac: float, parts: tuple[Law, ...], upper: bool) -> Atoms:
        """A mode that is a sum and nothing else."""
        wide, narrow = self._by_width(parts)
        if wide and narrow:
            grid = self._grid(parts, self._step(parts), upper)
            return Atoms(grid.at_ns, frac * grid.masses, frac, upper)
        at, masses = masses_of(self._sum(parts), upper)
        return Atoms(at, frac * masses, frac, upper)

    def _grid(self, parts: tuple[Law, ...], step_ns: float, upper: bool) -> Grid:
        """A sum on a grid: what is wide rounded to it stage by stage, all that is narrow at once."""
        wide, narrow = self._by_width(parts)
        grid = on_grid(*masses_of(self._sum(narrow), upper), step_ns, upper)
        if wide:
            at, masses = masses_of(self._sum(wide, step_ns), upper)
            grid = grid.plus(Grid(float(at[0]), step_ns, masses))
        return grid.trimmed(self.least)

    def _by_width(self, parts: tuple[Law, ...]) -> tuple[tuple[Law, ...], tuple[Law, ...]]:
        """Laws that vary over more than half of the range of their sum, and the others."""
        half = end_ns(parts, self.least) / 2
        wide = [end_ns((law,), self.least) > half for law in parts]
        return (
            tuple(law for law, is_wide in zip(parts, wide, strict=True) if is_wide),
            tuple(law for law, is_wide in zip(parts, wide, strict=True) if not is_wide),
        )

    def _step(self, *sums: tuple[Law, ...], wide_ns: float = 0.0) -> float:
        """So that all of it fits into the cells."""
        span = sum(end_ns(parts, self.least) for parts in sums) + wide_ns
        return short_step(max(span, 1e-3) / self.cells)

    # above

    def _high(self, mode: Mode) -> Iterator[Atoms]:
        serial = (*self._laws(*mode.serial), *mode.work, *mode.extra)
        if not mode.queues and not mode.left_ns and not mode.late:
            yield self._whole(mode.frac, (*self._flight(mode), *serial), True)
            return
        late = (*serial, *self._laws(*mode.late))
        own = (*self._laws(*HIT), *self._section()) if mode.queues else ()
        step = self._step(self._flight(mode), late, own, wide_ns=mode.left_ns if mode.waits else 0.0)
        flight = self._grid(self._flight(mode), step, True)
        yield Atoms(np.zeros(0), np.zeros(0), mode.frac, True)  # so that what the parts lose is missed
        if not mode.left_ns:
            asked = (0.0 if mode.after else self.rate) * flight.at_ns
            for came, share in ((False, poisson(0, asked)), (True, -np.expm1(-asked))):
                if share.any():
                    yield self._then(mode, flight.weighted(share), late if came else serial, step, came)
            return
        ended = np.minimum(flight.at_ns / mode.left_ns, 1.0)
        goes_on = self._later(flight, mode.left_ns) if mode.waits else flight.weighted(1 - ended)
        yield self._then(mode, goes_on, serial, step, False)
        yield self._then(mode, flight.weighted(ended), late, step, mode.queues)

    def _later(self, flight: Grid, left_ns: float) -> Grid:
        """The uniform rest where it is longer than the flight, rounded up."""
        cells = max(int(np.ceil((left_ns - flight.base_ns) / flight.step_ns)), 1)
        edges = flight.base_ns + flight.step_ns * np.arange(cells + 1)
        share = np.diff(np.clip(edges, 0.0, left_ns)) / left_ns
        before = np.cumsum(flight.masses)
        masses = share * before[np.minimum(np.arange(cells), before.size - 1)]
        return Grid(flight.base_ns + flight.step_ns, flight.step_ns, masses)

    def _then(self, mode: Mode, start: Grid, serial: tuple[Law, ...], step: float, hit: bool) -> Atoms:
        """The serial part, and the jobs that come before it (`hit`: one already has) and within it."""
        work = self._grid(serial, step, True)
        if not mode.queues:
            made = start.plus(work)
            return Atoms(made.at_ns, mode.frac * made.masses, 0.0, True)
        own = self._grid((*self._laws(*HIT), *self._section()), step, True)
        work = work.plus(own).trimmed(self.least) if hit else work
        counts = [work] if mode.once and hit else cycle(work, own, self.rate, self.least)
        parts = []
        for n, part in enumerate(counts):
            if mode.once and n:
                part = self._once(work, own)
            made = start.plus(part.trimmed(self.least * 1e-2))
            later = (n + hit) * self.p.load_ns
            parts.append(Atoms(made.at_ns + later, mode.frac * made.masses, 0.0, True))
            if mode.once and n:
                break
        return together(parts)

    def _once(self, work: Grid, own: Grid) -> Grid:
        """All work in which a job comes; no second one comes before the vCPU."""
        return work.weighted(-np.expm1(-self.rate * work.at_ns)).plus(own)

    def _section(self) -> tuple[Law, ...]:
        """A section without preemption that may hold each switch back, on a mainline kernel."""
        if not self.mainline or not self.p.irqoff_frac:
            return ()
        return (rare(self.p.irqoff_frac, Uniform(width_ns=self.p.irqoff_ns)),)

    # below

    def _low(self, mode: Mode) -> Iterator[Atoms]:
        serial = (*self._laws(*mode.serial), *mode.extra)
        if mode.left_ns and mode.waits:
            yield from self._behind(mode, serial)
        elif mode.followed:
            yield from self._followed(mode, serial)
        elif mode.early and self.p.load_frac and not mode.left_ns:
            yield from self._disturbed(mode, serial)
        else:
            yield self._hit(self._whole(mode.frac, (*self._flight(mode), *mode.work, *serial), False), mode)

    def _behind(self, mode: Mode, serial: tuple[Law, ...]) -> Iterator[Atoms]:
        """Behind a job that was there at t = 0."""
        step = self._step(self._flight(mode), serial, wide_ns=mode.left_ns)
        beside = (*self._flight(mode), *mode.work)
        low, high = self._grid(beside, step, False), self._grid(beside, step, True)
        self.abs_error += self._sum(beside).rel_error  # that of a probability near 1, in one near 0
        cells = max(int(np.ceil((mode.left_ns - low.base_ns) / step)), 1)
        edges = low.base_ns + step * np.arange(cells + 1)
        share = np.diff(np.clip(edges, 0.0, mode.left_ns)) / mode.left_ns
        passed = np.searchsorted(high.at_ns, edges[:-1], side="right")
        longer = Grid(low.base_ns, step, share * np.append(0.0, np.cumsum(high.masses))[passed])
        made = longer.plus(self._grid(serial, step, False))
        yield self._hit(Atoms(made.at_ns, mode.frac * made.masses, mode.frac, False), mode)
        ended = low.weighted(np.minimum(np.maximum(low.at_ns, 0.0) / mode.left_ns, 1.0))
        made = ended.plus(self._grid(self._saved(mode), step, False))
        yield Atoms(made.at_ns, mode.frac * made.masses, 0.0, False)

    def _followed(self, mode: Mode, serial: tuple[Law, ...]) -> Iterator[Atoms]:
        """With and without a job that comes in the flight and waits for the end of it."""
        step = self._step(self._flight(mode), serial)
        flight, work = self._grid(self._flight(mode), step, False), self._grid(serial, step, False)
        some = -np.expm1(-self.rate * flight.at_ns)
        for came, share in ((0, 1 - some), (1, some)):
            made = flight.weighted(share).plus(work)
            later = came * (self.p.load_ns + self._shortest_ns("switch"))
            frac = mode.frac * (1 - came)  # what both lose is missed once
            yield self._hit(Atoms(made.at_ns + later, mode.frac * made.masses, frac, False), mode)

    def _saved(self, mode: Mode) -> tuple[Law, ...]:
        """The serial part without what may be saved."""
        names = list(mode.serial)
        for name in mode.early:
            names.remove(name)
        return (*self._laws(*names), *(() if "switch" in mode.early else mode.extra))

    def _disturbed(self, mode: Mode, serial: tuple[Law, ...]) -> Iterator[Atoms]:
        """No job in the flight; or one within its smallest length; or one at another time of it."""
        quiet, flight = self._quiet(self._flight(mode))
        yield self._hit(self._whole(mode.frac * quiet, (*flight, *mode.work, *serial), False), mode)
        saved = self._saved(mode)
        first = 0.0
        if mode.queues and sum(law.mean_ns for law in self._flight(mode)) < self.p.load_ns:
            first = -math.expm1(-self.rate * sum(law.origin_ns for law in self._flight(mode)))
            job = (Constant(value_ns=self.p.load_ns),)
            yield self._whole(mode.frac * first, (*job, *saved), False)
        yield self._whole(mode.frac * max(0.0, 1 - quiet - first), (*self._flight(mode), *saved), False)

    def _quiet(self, flight: tuple[Law, ...]) -> tuple[float, tuple[Law, ...]]:
        """Probability that no job comes in the flight, and the flight then: long ones are hit more often."""
        exponent, quiet, shorter = 0.0, 1.0, []
        for law in flight:
            if isinstance(law, Exponential):
                exponent += law.min_ns
                quiet /= 1 + self.rate * law.excess_ns
                shorter.append(
                    Exponential(min_ns=law.min_ns, excess_ns=law.excess_ns / (1 + self.rate * law.excess_ns))
                )
            else:
                exponent += law.max_ns
                shorter.append(law)
        return quiet * math.exp(-self.rate * exponent), tuple(shorter)

    def _hit(self, atoms: Atoms, mode: Mode) -> Atoms:
        """With the jobs that surely come and surely delay: their number does not depend on the rest."""
        counts = self._sure_hits(mode)
        shortest = self._shortest_ns("switch", "switch") if mode.preempts else 0.0
        parts = [
            atoms.scaled(float(count), n * self.p.load_ns + max(0, n - 1) * shortest)
            for n, count in enumerate(counts)
            if count > 0
        ]
        return together(parts)

    def _shortest_ns(self, *names: str) -> float:
        """The least that stages take."""
        return sum(law.origin_ns for law in self._laws(*names))

    def _sure_hits(self, mode: Mode) -> np.ndarray:
        """Probabilities of 0, 1 ... jobs: one at most in what holds them back, a Poisson number later."""
        smallest = {
            part: self._shortest_ns(*(name for name in mode.serial if name in part))
            for part in (HELD, EXPOSED)
        }
        held = -math.expm1(-self.rate * smallest[HELD]) if mode.queues and not mode.left_ns else 0.0
        later = self.rate * smallest[EXPOSED] if mode.preempts else 0.0
        n = np.arange(int(later + 12 * math.sqrt(later) + 12))
        counts = np.array([float(poisson(k, np.float64(later))) for k in n]) if later else np.ones(1)
        return np.convolve(counts, [1 - held, held])

    # SMIs

    def _stopped(self, atoms: Atoms) -> Atoms:
        """With SMIs from t = 0 on, and what is left of them then."""
        rate, one = self.p.smi_per_s * 1e-9, self.p.smi_ns
        load = rate * one
        if not load:
            return atoms
        begun = atoms.plus_uniform(one, self.cells)
        if not atoms.upper:
            both = together([atoms.scaled(1 - load), begun.scaled(load)])
            return both.hit(rate, one, self.least)
        more = self._meanwhile()
        self.abs_error += self.least * (1 + 2 * rate * atoms.mean_ns)  # of `more`, once an SMI
        whole, left = [atoms.scaled(1 - load)], load
        while left > self.least and math.isfinite(more):
            g = len(whole) - 1
            whole.append(begun.scaled((1 - load) * left, g * one + more))
            left *= load
        both = together(whole)
        both = Atoms(both.at_ns, both.masses, atoms.frac, True)
        return both.hit(rate, one + more, self.least) if math.isfinite(more) else both.unhit(rate)

    def _meanwhile(self) -> float:
        """What jobs add at most if one comes during an SMI, with those that come in its own switches; or infinity."""
        if not self.queues:
            return 0.0
        own = sum(law.quantile_ns(self.least / 1000) for law in (*self._laws(*HIT), *self._section()))
        for jobs in range(1, 50):
            if pdtrc(jobs - 1, self.rate * jobs * own) <= self.least / 100:
                return jobs * (self.p.load_ns + own)
        return math.inf
