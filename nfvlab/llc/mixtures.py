"""Streams made of streams: several interleaved by weight, and a recorded trace played round and round."""

from collections.abc import Sequence

import numpy as np

from nfvlab.llc.streams import Chunk, Stream


class Replay:
    """A trace again and again: address uint64[n] bytes, kind uint8[n] (default 0: data reads), gap_ns one for all."""

    units = False

    def __init__(self, address: np.ndarray, kind: np.ndarray | None = None, *, gap_ns: float = 0.0):
        self.address = np.asarray(address, dtype=np.uint64)
        self.kind = np.zeros(self.address.size, np.uint8) if kind is None else np.asarray(kind, np.uint8)
        self.gap_ns = float(gap_ns)
        self.at = 0
        if not (self.address.ndim == 1 and self.address.size and self.kind.shape == self.address.shape):
            shapes = f"addresses {self.address.shape}, kinds {self.kind.shape}"
            raise ValueError(f"{shapes}: not two rows of one length. Give one kind for each of 1 or more")

    def take(self, n: int) -> Chunk:
        """The next `n` references."""
        index = (self.at + np.arange(n)) % self.address.size
        self.at = (self.at + n) % self.address.size
        return Chunk(self.address[index], self.kind[index], np.full(n, self.gap_ns))


class Mixture:
    """Each reference is the next one of a stream drawn with probability proportional to its weight.

    `take(a)` and `take(b)` make `take(a + b)` if every stream, and the mixture, draws from a generator of its own.
    Of streams with units (packets, wake-ups) there can be one: a core has one queue of work that falls due.
    """

    def __init__(
        self, streams: Sequence[Stream | Replay], weights: Sequence[float], rng: np.random.Generator
    ):
        shares = np.asarray(weights, dtype=np.float64)
        if (
            shares.shape != (len(streams),)
            or not (np.isfinite(shares) & (shares >= 0)).all()
            or not shares.any()
        ):
            rule = f"not {len(streams)} finite numbers >= 0, one of them > 0"
            raise ValueError(f"weights is {list(weights)}: {rule}. Give one weight for each stream")
        if sum(stream.units for stream in streams) > 1:
            raise ValueError(
                "two streams with units: a core has one queue of work. Mix one with endless streams"
            )
        self.streams = tuple(streams)
        self.units = any(stream.units for stream in streams)
        self._upto = np.cumsum(shares) / shares.sum()
        self._upto[np.flatnonzero(shares)[-1] :] = 1.0  # whatever rounding left
        self._rng = rng

    def take(self, n: int) -> Chunk:
        """The next `n` references."""
        which = np.searchsorted(self._upto, self._rng.random(n), side="right")
        mixed = Chunk(np.empty(n, dtype=np.uint64), np.empty(n, dtype=np.uint8), np.empty(n))
        for number, stream in enumerate(self.streams):
            here = which == number
            for into, values in zip(mixed, stream.take(int(here.sum())), strict=True):
                into[here] = values
        return mixed
