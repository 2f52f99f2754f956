"""Agents that make accesses to memory: their traits, their streams, and how far they are (arrays, changed in place)."""

from typing import NamedTuple

import numpy as np

from nfvlab.kernels.masks import check_integers, check_length

BEGIN, END = 8, 16  # bits of a kind, beside those of setassoc: first and last access of a unit of work
AT = 32  # the gap is a time: the access is due then, or when the one before is done, whichever is later


class Agents(NamedTuple):
    """Who makes accesses: traits, streams, and how far they are (the last are changed in place)."""

    class_id: np.ndarray  # uint8[agents]
    hit_ns: np.ndarray  # float64[agents]
    parallelism: np.ndarray  # float64[agents]: misses that overlap, 1 or more
    address: np.ndarray  # uint64[agents, capacity], in bytes
    kind: np.ndarray  # uint8[agents, capacity]: CODE | WRITE | IO | BEGIN | END | AT
    gap_ns: np.ndarray  # float64[agents, capacity]
    length: np.ndarray  # int64[agents]: accesses in the stream
    position: np.ndarray  # int64[agents]: of them made
    clock_ns: np.ndarray  # float64[agents]: when the last access was done
    begun_ns: np.ndarray  # float64[agents]: when the unit in work began; NaN: none is
    now_ns: np.ndarray  # float64[1]: up to when everything is done


def idle(class_id, hit_ns, parallelism, *, capacity: int) -> Agents:
    """Agents at time 0 with empty streams that have room for `capacity` accesses each.

    class_id, hit_ns, parallelism: one value an agent (hit_ns and parallelism may be one value for all).
    """
    class_id = check_integers("class_id", class_id, np.uint8)
    agents = class_id.size
    if not agents or capacity < 1:
        raise ValueError(f"{agents} agents, capacity = {capacity}: must be 1 or more of each")
    hits, overlap = (np.full(agents, value, dtype=np.float64) for value in (hit_ns, parallelism))
    for name, values, least in (("hit_ns", hits, 0.0), ("parallelism", overlap, 1.0)):
        if not (np.isfinite(values) & (values >= least)).all():
            raise ValueError(f"{name} = {values.tolist()}: must be finite, and {least:g} or more")
    room = (agents, int(capacity))
    return Agents(
        class_id,
        hits,
        overlap,
        address=np.zeros(room, dtype=np.uint64),
        kind=np.zeros(room, dtype=np.uint8),
        gap_ns=np.zeros(room),
        length=np.zeros(agents, dtype=np.int64),
        position=np.zeros(agents, dtype=np.int64),
        clock_ns=np.zeros(agents),
        begun_ns=np.full(agents, np.nan),
        now_ns=np.zeros(1),
    )


def refill(agents: Agents, agent: int, address, kind, gap_ns) -> None:
    """Give an agent whose stream is used up its next accesses, at most as many as it has room for.

    address: uint64[n], in bytes; kind: uint8[n]; gap_ns: float64[n], 0 or more, before each access; after an infinite
    gap an agent makes no further access. ValueError for what does not fit, and for accesses still to be made.
    """
    address, kind = check_integers("address", address, np.uint64), check_integers("kind", kind, np.uint8)
    gap_ns = np.asarray(gap_ns, dtype=np.float64)
    check_length(address=address, kind=kind, gap_ns=gap_ns)
    count, room = address.size, agents.address.shape[1]
    if not 1 <= count <= room:
        raise ValueError(f"{count} accesses: must be 1 to {room}, the capacity of a stream")
    if left := int(agents.length[agent] - agents.position[agent]):
        raise ValueError(
            f"agent {agent} has {left} accesses to make: refill it when run() says that it ran out"
        )
    if not (gap_ns >= 0).all():
        raise ValueError(f"gap_ns from {gap_ns.min():g}: must be 0 or more, and a number")
    for column, values in zip(
        (agents.address, agents.kind, agents.gap_ns), (address, kind, gap_ns), strict=True
    ):
        column[agent, :count] = values
    agents.length[agent], agents.position[agent] = count, 0
