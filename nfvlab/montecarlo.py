"""A Monte Carlo in pieces: the same result however it is run, so that a panel may stop it between any two."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np

PIECES = 20  # at most, so that a progress bar moves and a change is heeded


def pieces(seed: int, n: int) -> list[tuple[np.random.Generator, int]]:
    """Generators and sizes of the pieces of `n` replications; they depend on (seed, n) and nothing else."""
    if n < 1:
        raise ValueError(f"n = {n}: a Monte Carlo needs at least one replication")
    count = min(n, PIECES)
    sizes = [n * (i + 1) // count - n * i // count for i in range(count)]
    children = np.random.SeedSequence(seed).spawn(count)
    return [(np.random.default_rng(child), size) for child, size in zip(children, sizes, strict=True)]


def steps(feature: ModuleType, p: Any, *, seed: int, n: int) -> Iterator[Callable[[], Any]]:
    """The pieces as calls without arguments, each returning the feature's Samples; `pool` joins them."""
    for rng, size in pieces(seed, n):
        yield lambda rng=rng, size=size: feature.simulate(p, rng=rng, n=size)


def monte_carlo(feature: ModuleType, p: Any, *, seed: int, n: int, progress: bool = False) -> Any:
    """`n` replications of `feature.simulate`, to the bit what a panel with this seed shows."""
    work = list(steps(feature, p, seed=seed, n=n))
    if progress:
        from tqdm.auto import tqdm

        work = tqdm(work, desc="Monte Carlo")
    return pool([step() for step in work], seed)


def pool(parts: Sequence[Any], seed: int) -> Any:
    """Samples of several pieces as one: `n` added up, arrays and tuples of a row a replication joined in order.

    What else a result holds must be the same in every piece.
    """
    first = parts[0]
    changes: dict[str, Any] = {"n": sum(part.n for part in parts), "entropy": seed}
    for field in dataclasses.fields(first):
        values = [getattr(part, field.name) for part in parts]
        if field.name in changes:
            continue
        if all(_has_rows(value, part.n) for value, part in zip(values, parts, strict=True)):
            joined = np.concatenate(values) if isinstance(values[0], np.ndarray) else sum(values, ())
            changes[field.name] = joined
        elif isinstance(values[0], np.ndarray) or any(value != values[0] for value in values):
            name = f"{type(first).__name__}.{field.name}"
            raise ValueError(f"{name}: neither one row a replication nor the same for all")
    return dataclasses.replace(first, **changes)


def _has_rows(value: Any, n: int) -> bool:
    return isinstance(value, np.ndarray | tuple) and len(value) == n
