"""A set-associative cache of true LRU, shared by classes with way masks: exact, to the last access.

The rules are those of cache allocation (Intel SDM volume 3B, "Cache Allocation Technology"): a hit is served from any
way, whoever filled it; a miss fills one of the ways in the mask of its class, which has one mask for data and one for
code: an empty way first, else the least recently used of them. A line carries the resource monitoring ID (RMID) of its
filler until it is evicted; new masks or IDs between calls move, evict and re-tag nothing. Writes allocate, and mark the
line dirty.

A set is one row of its lines, the most recent first, each as `line address << 5 | way`: no age counter, so nothing to
reset. Empty ways stand at the end of the row under an address that no line has: the last allowed entry is the victim.
"""

import concurrent.futures
from typing import NamedTuple

import numpy as np

from nfvlab.kernels.jit import inlined, jit, prefetch
from nfvlab.kernels.masks import check_class, check_integers, check_length, check_rules, widen

__all__ = ["CODE", "IO", "LINE_BYTES", "MAX_WAYS", "WRITE", "Cache", "Counts", "access", "empty", "widen"]

CODE, WRITE, IO = 1, 2, 4  # bits of an access's kind
LINE_BYTES = 64
MAX_WAYS = 32

MISS, MISS_DIRTY = -1, -2  # what touch returns for a miss; dirty: the victim had to be written back

_LINE_SHIFT = np.uint64(6)
_WAY_BITS = np.uint64(5)
_WAYS = np.uint64(32)
_WAY = np.uint64(31)
_ONE = np.uint64(1)
_ONE32 = np.uint32(1)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_EMPTY = np.uint64((1 << 59) - 1)  # line addresses have 58 bits
_MIX = (np.uint64(0x9E3779B1), np.uint64(0x85EBCA77), np.uint64(0xC2B2AE3D))  # primes: no product overflows
_BLOCK = 256  # accesses whose sets are found before they are made
_AHEAD = 8  # accesses between asking for a set and needing it
_PER_LINE = 8  # entries of a row in a cache line of this machine


class Cache(NamedTuple):
    """The state of a cache, changed in place."""

    rows: np.ndarray  # uint64[sets, ways]: line address << 5 | way, the most recent first
    owner: np.ndarray  # int16[sets, ways]: RMID of the filler, by way; -1: the way is empty
    dirty: np.ndarray  # uint32[sets]: bit w is set if the line in way w is
    occupancy: np.ndarray  # int64[rmids]: lines held
    hashed: bool  # how a line finds its set: by a hash of its whole address, or by its low bits


class Counts(NamedTuple):
    """What the accesses of one call did; second index: 0 data, 1 code."""

    hits: np.ndarray  # int64[classes, 2]
    misses: np.ndarray  # int64[classes, 2]
    ranks: np.ndarray  # int64[classes, 2, ways]: hits by recency rank in the set, 0 the most recent
    fills: np.ndarray  # int64[rmids]: lines filled, by RMID of the filler
    write_backs: np.ndarray  # int64[rmids]: dirty lines evicted, by RMID of the line
    occupancy: np.ndarray  # int64[snapshots, rmids]: lines held after every so many accesses of this call
    hit: np.ndarray  # uint8[n] where asked for, else uint8[0]: 1 if the access hit


def empty(sets: int, ways: int, rmids: int, *, hashed: bool = False) -> Cache:
    """A cache without a line. `hashed` spreads lines over any number of sets; else it is a power of two."""
    if not 1 <= ways <= MAX_WAYS:
        raise ValueError(f"ways = {ways}: must be 1 to {MAX_WAYS}; more ways do not fit a mask of 32 bits")
    if not 1 <= sets < 1 << 32:
        raise ValueError(f"sets = {sets}: must be 1 to 2**32 - 1")
    if not hashed and sets & (sets - 1):
        raise ValueError(
            f"sets = {sets}: a plain index needs a power of two; pass hashed=True for other sizes"
        )
    if not 1 <= rmids <= 1 << 15:
        raise ValueError(f"rmids = {rmids}: must be 1 to {1 << 15}")
    row = _EMPTY << _WAY_BITS | np.arange(ways - 1, -1, -1, dtype=np.uint64)
    return Cache(
        rows=np.tile(row, (sets, 1)),
        owner=np.full((sets, ways), -1, dtype=np.int16),
        dirty=np.zeros(sets, dtype=np.uint32),
        occupancy=np.zeros(rmids, dtype=np.int64),
        hashed=bool(hashed),
    )


def access(
    cache: Cache, address, class_id, kind, masks, rmid_of_class, every=0, *, hits=False, threads=1
) -> Counts:
    """Make the accesses one after the other; the state goes on from call to call.

    address: uint64[n], in bytes. class_id: uint8[n]. kind: uint8[n] of CODE | WRITE | IO (I/O fills by the masks of
    its class, as any other; higher bits are not looked at). masks: uint32[classes, 2], bit w of column 0 lets data
    into way w, of column 1 code. rmid_of_class: int32[classes]. every: snapshots of the occupancy after so many
    accesses, 0 for none. hits: say of every access whether it hit. threads: so many of them, each with its share of
    the sets; the result is the same to the bit. ValueError for a mask without ways or beyond them, unknown classes and
    RMIDs, unequal lengths.
    """
    masks, rmids = check_rules(masks, rmid_of_class, ways=cache.rows.shape[1], rmids=cache.occupancy.size)
    address = check_integers("address", address, np.uint64)
    class_id, kind = check_integers("class_id", class_id, np.uint8), check_integers("kind", kind, np.uint8)
    check_length(address=address, class_id=class_id, kind=kind)
    check_class(class_id, len(masks))
    sets = len(cache.rows)
    if every < 0:
        raise ValueError(f"every = {every}: must be a number of accesses, or 0 for no snapshots")
    if threads < 1:
        raise ValueError(f"threads = {threads}: must be 1 or more")
    flags = np.zeros(address.size if hits else 0, dtype=np.uint8)
    stream = (address, class_id, kind, masks, rmids, every or address.size + 1)
    if threads == 1:
        return _counts(_run(cache, *stream, 0, sets, flags), flags)
    edges = [sets * k // threads for k in range(threads + 1)]
    parts = [cache._replace(occupancy=np.zeros_like(cache.occupancy)) for _ in range(threads)]
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        made = list(
            pool.map(lambda part, *edge: _run(part, *stream, *edge, flags), parts, edges[:-1], edges[1:])
        )
    total = [sum(column) for column in zip(*made, strict=True)]
    total[-1] += cache.occupancy
    cache.occupancy[:] += sum(part.occupancy for part in parts)
    return _counts(total, flags)


def _counts(arrays, flags) -> Counts:
    """The counts of a run, hits summed from their ranks."""
    ranks, *rest = arrays
    misses, fills, write_backs, occupancy = rest
    return Counts(ranks.sum(axis=2), misses, ranks, fills, write_backs, occupancy, flags)


@inlined
def set_of(line, sets, hashed):
    """The set (uint64) of a line address, of `sets` (uint64)."""
    if not hashed:
        return line & (sets - _ONE)
    mixed = (line & _LOW) * _MIX[0] ^ (line >> _HALF) * _MIX[1]
    mixed = ((mixed ^ mixed >> _HALF) & _LOW) * _MIX[2]
    return ((mixed ^ mixed >> _HALF) & _LOW) * sets >> _HALF


@inlined
def touch(cache, s, line, mask, rmid, write, fills, write_backs):
    """One access to a line of set s: its recency rank if it hits, else MISS or MISS_DIRTY; counts the traffic.

    One pass looks for the line and moves what it passes one place back; `held` is the entry that is out of the row
    meanwhile. Without a hit it goes back up, putting entries in their places again, until `held` is in an allowed way.
    """
    rows = cache.rows
    last = rows.shape[1] - 1
    key = line << _WAY_BITS
    held, rank = rows[s, 0], 0
    while held ^ key >= _WAYS and rank < last:
        rank += 1
        passed = rows[s, rank]
        rows[s, rank] = held
        held = passed
    if held ^ key < _WAYS:
        rows[s, 0] = held
        cache.dirty[s] |= np.uint32(write) << np.uint32(held & _WAY)
        return rank
    while mask >> (held & _WAY) & _ONE == 0:
        passed = rows[s, rank]
        rows[s, rank] = held
        held = passed
        rank -= 1
    way = held & _WAY
    rows[s, 0] = key | way
    return _fill(cache, s, way, rmid, write, fills, write_backs)


@inlined
def _fill(cache, s, way, rmid, write, fills, write_backs):
    """Change a way's tags for its new line: MISS, or MISS_DIRTY if the old one is written back."""
    dirty, before = cache.dirty[s], cache.owner[s, way]
    written_back = dirty >> np.uint32(way) & _ONE32
    if before >= 0:
        cache.occupancy[before] -= 1
        write_backs[before] += written_back
    cache.owner[s, way] = rmid
    cache.occupancy[rmid] += 1
    fills[rmid] += 1
    cache.dirty[s] = dirty & ~(_ONE32 << np.uint32(way)) | np.uint32(write) << np.uint32(way)
    return MISS - np.int64(written_back)


@jit
def _run(cache, address, class_id, kind, masks, rmids, every, start, stop, flags):
    """The accesses that fall into sets start to stop - 1: (ranks, misses, fills, write_backs, snapshots)."""
    n, ways = address.size, cache.rows.shape[1]
    sets = np.uint64(cache.rows.shape[0])
    ranks = np.zeros((masks.shape[0], 2, ways), dtype=np.int64)
    misses = np.zeros((masks.shape[0], 2), dtype=np.int64)
    fills = np.zeros(cache.occupancy.size, dtype=np.int64)
    write_backs = np.zeros(cache.occupancy.size, dtype=np.int64)
    snapshots = np.zeros((n // every, cache.occupancy.size), dtype=np.int64)
    position = np.empty(_BLOCK, dtype=np.int64)
    where = np.zeros(_BLOCK + _AHEAD, dtype=np.int64)
    at = 0
    while at < n:
        end = min(n, at + _BLOCK, at // every * every + every)
        count = 0
        for i in range(at, end):
            s = np.int64(set_of(address[i] >> _LINE_SHIFT, sets, cache.hashed))
            position[count] = i
            where[count] = s
            count += start <= s < stop
        for k in range(count):
            for column in range(0, ways, _PER_LINE):
                prefetch(cache.rows, where[k + _AHEAD], column)
            i = position[k]
            c, code = class_id[i], kind[i] & CODE
            line, write = address[i] >> _LINE_SHIFT, kind[i] & WRITE != 0
            rank = touch(cache, where[k], line, masks[c, code], rmids[c], write, fills, write_backs)
            if rank >= 0:
                ranks[c, code, rank] += 1
            else:
                misses[c, code] += 1
            if flags.size:
                flags[i] = rank >= 0
        at = end
        if at % every == 0:
            snapshots[at // every - 1] = cache.occupancy
    return ranks, misses, fills, write_backs, snapshots
