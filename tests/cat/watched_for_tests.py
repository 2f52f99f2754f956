"""Groups with known curves, watched: samples as monitoring would give them, drawn from the curves."""

import numpy as np
import pandas as pd

WAY = 2.0 * 2**20  # bytes
WAYS = 20


def power(a, exponent):
    return lambda x: a * np.maximum(x, 0.2) ** -exponent


def knee(a, scale, floor):
    return lambda x: a * np.exp(-np.asarray(x) / scale) + floor


def cliff(a, at, floor):
    return lambda x: np.where(np.asarray(x) < at, a, floor)


def flat(a):
    return lambda x: np.full(np.shape(x), a, dtype=float)


def planted(rng):
    """A random falling curve of one of four families, in bytes/s over ways."""
    a = 10 ** rng.uniform(8, 9.8)
    return [
        power(a, rng.uniform(0.1, 1.5)),
        knee(a, rng.uniform(0.5, 8), a * rng.uniform(0, 0.3)),
        cliff(a, rng.uniform(1, 15), a * rng.uniform(0, 0.5)),
        flat(a),
    ][rng.integers(4)]


def held(rng, n, middle, spread, memory=0.0):
    """Ways held at n times: around `middle`, uniform over 2 * spread, neighbours correlated by `memory`."""
    z = rng.normal(size=n)
    for i in range(1, n):
        z[i] = memory * z[i - 1] + np.sqrt(1 - memory**2) * z[i]
    rank = np.argsort(np.argsort(z)) / max(1, n - 1)
    return np.maximum(0.05, middle + spread * (2 * rank - 1))


def samples(rng, group, curve, ways_held, *, domain=0, noise=0.1, interval_ns=1e9, own=None, start=0.0):
    """A frame of one group: occupancy at each sample, and a running count that grows by the curve at it."""
    x = np.asarray(ways_held, dtype=float)
    middle = (x[1:] + x[:-1]) / 2
    rate = curve(middle) * rng.lognormal(-(noise**2) / 2, noise, middle.size)
    counts = np.concatenate([[0.0], np.cumsum(rate * interval_ns / 1e9)]) + rng.integers(10**12)
    columns = {"t_ns": start + np.arange(x.size) * interval_ns, "group": group, "domain": domain}
    columns |= {"llc_occupancy_bytes": x * WAY, "mbm_total_bytes": np.round(counts)}
    if own is not None:
        columns["ways"] = float(own)
    return pd.DataFrame(columns)
