"""Where KVM's adaptive advance settles, and how far it wanders there.

At every look at the clock KVM moves the advance by an eighth of what the look was late or early, unless that is less
than 100 or more than 10,000 cycles of the guest's TSC; an advance above 5000 ns starts again with 1000 ns (Linux
arch/x86/kvm/lapic.c, adjust_lapic_timer_advance). Its mean follows a <- a + E[step] (the mean-field map of a stochastic
approximation: A. Benveniste, M. Metivier, P. Priouret, Adaptive Algorithms and Stochastic Approximations, 1990, chapter
2), which stops in the dead band, or at the edge of it if paths hardly vary. Around it the advance wanders as an
autoregression of coefficient 7/8: variance E[step^2] / (1 - 49/64). A path too long for 5000 ns never settles: the
advance climbs, starts again, and all values on its way count alike.
"""

from collections.abc import Sequence

import numpy as np

from nfvlab.timer.disturbed import hits
from nfvlab.timer.late import fractions, look, total
from nfvlab.timer.params import Params
from nfvlab.timer.rounds import Way, looks

MIN_CYCLES, MAX_CYCLES = 100.0, 10_000.0  # of the guest's TSC: the dead band's and the spikes' limits
STEP = 8
INIT_NS, MAX_NS = 1000.0, 5000.0
_ROUNDS = 300
_AT_REST = 0.02  # cycles a round
_MOST = 6  # values that stand for a climb
_NODES = 24
_QUANTILES = -np.log1p(-(np.arange(12) + 0.5) / 12)  # of an exponential time of mean 1
_WANDER = np.sqrt(3.0) * np.array(
    [-1.0, 0.0, 1.0]
)  # three points with a normal variable's first five moments
_WANDER_FRACS = np.array([1.0, 4.0, 1.0]) / 6
_NONE = (np.zeros(1), np.ones(1))


def settled_cycles(p: Params, timer: int, ways: Sequence[Way], early: float) -> tuple[np.ndarray, np.ndarray]:
    """Values of the advance in the steady state, host cycles, and their probabilities.

    `early`: how much the timer's steps let it come early, in the mean.
    """
    if not looks(p):
        return _NONE
    if p.advance == "fixed":
        return np.array([p.advance_ns / p.cycle_ns]), np.ones(1)
    return _settle(p, ways, [_looks(p, timer, way, early) for way in ways])


def _looks(p: Params, timer: int, way: Way, early: float) -> tuple[np.ndarray, np.ndarray]:
    """Times from T, or from the round's begin, to the look: values in cycles and their probabilities."""
    values, fracs = look(total(p, way.to_look), _NONE, 0.0).nodes(_NODES)
    values = values - (early if way.early else 0.0)
    found = [hit for hit in hits(p, timer, way, p.interval_ns / p.cycle_ns) if hit.before]
    mean = float(values @ fracs)
    lists = [(values, fracs * (1 - sum(hit.frac for hit in found)))]
    for hit in found:
        for weight, length in hit.parts:
            made = mean + hit.shift + length * _QUANTILES
            lists.append((made, np.full(made.size, hit.frac * weight / made.size)))
    return np.concatenate([v for v, _ in lists]), np.concatenate([f for _, f in lists])


def step_cycles(p: Params, late: np.ndarray) -> np.ndarray:
    """KVM's move of the advance for looks that are `late` (host cycles; negative: early)."""
    unit = p.tsc_hz / p.guest_hz
    size = np.abs(late)
    heard = (size >= MIN_CYCLES * unit) & (size <= MAX_CYCLES * unit)
    return np.where(heard, late / STEP, 0.0)


def _settle(p: Params, ways: Sequence[Way], seen) -> tuple[np.ndarray, np.ndarray]:
    """Follow the mean advance until it rests, or until it has climbed from its start to its end."""
    interval, most, first = (x / p.cycle_ns for x in (p.interval_ns, MAX_NS, INIT_NS))
    ends = [fractions(p, ways, interval - advance) for advance in (0.0, most)]
    fixed = np.allclose(*ends, rtol=0, atol=1e-12)  # the advance does not change which way the rounds go
    belongs = np.repeat(np.arange(len(ways)), [values.size for values, _ in seen])
    against = np.array([not way.from_start for way in ways], dtype=float)[belongs]
    late = np.concatenate([values for values, _ in seen]) - interval * (1 - against)
    given = np.concatenate([fracs for _, fracs in seen])

    def moves(advance: float) -> tuple[np.ndarray, np.ndarray]:
        """Steps at this advance and their probabilities."""
        shares = ends[0] if fixed else fractions(p, ways, interval - advance)
        return step_cycles(p, late - advance * against), shares[belongs] * given

    advance, climb = first, None
    for _ in range(_ROUNDS):
        steps, fracs = moves(advance)
        step = float(steps @ fracs)
        if abs(step) < _AT_REST:
            break
        if climb is not None:
            climb.append(advance)
        advance += step
        if advance > most:
            if climb:
                return _spread_out(np.array(climb))
            advance, climb = first, []
    wander = np.sqrt(steps**2 @ fracs / (1 - (1 - 1 / STEP) ** 2))
    if wander < 1:
        return np.array([advance]), np.ones(1)
    return np.clip(advance + wander * _WANDER, 0.0, most), _WANDER_FRACS


def _spread_out(climb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most _MOST values that stand for all on the way."""
    parts = np.array_split(climb, min(_MOST, climb.size))
    return np.array([part.mean() for part in parts]), np.array([part.size for part in parts]) / climb.size


__all__ = ["settled_cycles", "step_cycles"]
