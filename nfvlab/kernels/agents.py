"""Agents that make accesses to memory: their traits, their streams, and how far they are (arrays, changed in place)."""

from typing import NamedTuple

import numpy as np

from nfvlab.kernels.masks import check_integers, check_length

LAST, FIRST = 8, 16  # bits of a kind, beside those of setassoc: last and first access of a unit of work
BANK_SHIFT = 6  # the two bits of a kind from here on choose among its agent's classes
BANKS = 4


class Agents(NamedTuple):
    """Who makes accesses: traits, streams, and how far they are (the last are changed in place)."""

    class_id: np.ndarray  # uint8[agents, BANKS]: classes of its accesses
    hit_ns: np.ndarray  # float64[agents]
    parallelism: np.ndarray  # float64[agents]: misses that overlap, 1 or more
    work_ns: np.ndarray  # float64[agents]: before the first access of a unit, unless that is of I/O
    address: np.ndarray  # uint64[agents, capacity], in bytes
    kind: np.ndarray  # uint8[agents, capacity]: CODE | WRITE | IO | LAST | FIRST | bank << BANK_SHIFT
    gap_ns: np.ndarray  # float64[agents, capacity]: before it; of FIRST: from the last unit's due time
    length: np.ndarray  # int64[agents]: accesses in the stream
    position: np.ndarray  # int64[agents]: of them made
    clock_ns: np.ndarray  # float64[agents]: when the last access was done
    unit_due_ns: np.ndarray  # float64[agents]: when its last unit was due
    begun_ns: np.ndarray  # float64[agents]: when the unit in work began; NaN: none is
    now_ns: np.ndarray  # float64[1]: up to when everything is done


def idle(class_id, hit_ns, parallelism, *, capacity: int, work_ns=0.0) -> Agents:
    """Agents at time 0 with empty streams that have room for `capacity` accesses each.

    class_id: one class an agent, or uint8[agents, BANKS], one for each bank of its kinds. hit_ns, parallelism, work_ns:
    one value an agent, or one for all.
    """
    classes = np.asarray(class_id)
    if classes.ndim == 1:
        classes = np.repeat(classes[:, None], BANKS, axis=1)
    if classes.ndim != 2 or classes.shape[1] != BANKS:
        raise ValueError(f"class_id of shape {classes.shape}: must be one class an agent, or {BANKS} of them")
    agents = len(classes)
    classes = check_integers("class_id", classes.ravel(), np.uint8).reshape(classes.shape)
    if not agents or capacity < 1:
        raise ValueError(f"{agents} agents, capacity = {capacity}: must be 1 or more of each")
    traits = [np.full(agents, value, dtype=np.float64) for value in (hit_ns, parallelism, work_ns)]
    for name, values, least in zip(
        ("hit_ns", "parallelism", "work_ns"), traits, (0.0, 1.0, 0.0), strict=True
    ):
        if not (np.isfinite(values) & (values >= least)).all():
            raise ValueError(f"{name} = {values.tolist()}: must be finite, and {least:g} or more")
    room = (agents, int(capacity))
    return Agents(
        classes,
        *traits,
        address=np.zeros(room, dtype=np.uint64),
        kind=np.zeros(room, dtype=np.uint8),
        gap_ns=np.zeros(room),
        length=np.zeros(agents, dtype=np.int64),
        position=np.zeros(agents, dtype=np.int64),
        clock_ns=np.zeros(agents),
        unit_due_ns=np.zeros(agents),
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
