"""References in exact or very long arithmetic: tails of sums, of normal and Erlang laws, of M/D/1 and M/H2/1 waits."""

from collections.abc import Sequence
from decimal import Decimal, getcontext
from fractions import Fraction

import numpy as np

DIGITS = 250
PI = Decimal(
    "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798"
)


def sum_tail(laws: Sequence[dict[Fraction, Fraction]], x) -> Fraction:
    """P(sum of independent discrete times > x), exactly; each law as {value: probability}."""
    made = {Fraction(0): Fraction(1)}
    for law in laws:
        found: dict[Fraction, Fraction] = {}
        for a, p in made.items():
            for b, q in law.items():
                found[a + b] = found.get(a + b, Fraction(0)) + p * q
        made = found
    return sum((p for value, p in made.items() if value > Fraction(x)), Fraction(0))


def erlang_tail(shape: int, y: float) -> Decimal:
    """P(sum of `shape` exponentials of mean 1 > y)."""
    getcontext().prec = DIGITS
    term = total = Decimal(1)
    for k in range(1, shape):
        term *= Decimal(y) / k
        total += term
    return total * (-Decimal(y)).exp()


def normal_tail(z: Decimal) -> Decimal:
    """P(standard normal > z), from the series of its distribution function (all terms of one sign)."""
    getcontext().prec = DIGITS
    term = total = abs(z)
    k = 1
    while term > Decimal(10) ** -200:
        term *= z * z / (2 * k + 1)
        total += term
        k += 1
    half = total * (-z * z / 2).exp() / (2 * PI).sqrt()
    return Decimal("0.5") - half if z > 0 else Decimal("0.5") + half


def hypoexponential_tail(means: Sequence[float], x: float) -> float:
    """P(sum of exponentials of different means > x), in high precision: the terms cancel."""
    getcontext().prec = DIGITS
    rates = [1 / Decimal(mean) for mean in means]
    total = Decimal(0)
    for i, rate in enumerate(rates):
        weight = Decimal(1)
        for j, other in enumerate(rates):
            weight *= other / (other - rate) if j != i else 1
        total += weight * (-rate * Decimal(x)).exp()
    return float(total)


def mm1_tail(load: float, x: float) -> float:
    """P(W > x) of M/M/1 with mean service 1."""
    return load * float(np.exp(-(1 - load) * x))


def md1_tail(load: float, x: float) -> float:
    """P(W > x) of M/D/1 with service 1 (Erlang's series, whose terms alternate: many digits)."""
    getcontext().prec = DIGITS
    lam, total, factorial = Decimal(load), Decimal(0), Decimal(1)
    for j in range(int(x) + 1):
        factorial *= max(j, 1)
        y = lam * (Decimal(x) - j)
        total += y.exp() * (-y) ** j / factorial if j else y.exp()
    return float(1 - (1 - lam) * total)


def mh2_tail(load: float, fracs: tuple[float, float], means: tuple[float, float], x: float) -> float:
    """P(W > x) of M/H2/1: the transform has two poles, roots of a quadratic; mean service must be 1."""
    rates = [1 / mean for mean in means]
    # load * residual law: (1 - load) / (1 - load sum_i w_i r_i / (r_i + s)), w_i = frac_i mean_i
    heavy = [load * frac * mean * rate for frac, mean, rate in zip(fracs, means, rates, strict=True)]
    whole = np.polymul([1, rates[0]], [1, rates[1]])
    ladder = np.polyadd(heavy[0] * np.array([1, rates[1]]), heavy[1] * np.array([1, rates[0]]))
    roots = np.roots(np.polysub(whole, ladder))
    total = 0.0
    for root, other in (roots, roots[::-1]):
        residue = (1 - load) * np.polyval(whole, root) / (root - other)
        total += residue / -root * np.exp(root * x)
    return float(total)


def quantile(tail, probability: float, high: float) -> float:
    """Where a falling tail passes a probability."""
    low = 0.0
    for _ in range(70):
        middle = (low + high) / 2
        low, high = (middle, high) if tail(middle) > probability else (low, middle)
    return high
