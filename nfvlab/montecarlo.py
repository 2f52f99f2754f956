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
    """Samples of several pieces as one: arrays with a row a replication joined in order, `n` added up."""
    first = parts[0]
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(first):
        values = [getattr(part, field.name) for part in parts]
        if field.name == "n":
            changes["n"] = sum(values)
        elif field.name == "entropy":
            changes["entropy"] = seed
        elif isinstance(values[0], np.ndarray):
            if any(len(value) != part.n for value, part in zip(values, parts, strict=True)):
                raise ValueError(f"{type(first).__name__}.{field.name}: not one row a replication")
            changes[field.name] = np.concatenate(values)
    return dataclasses.replace(first, **changes)
