"""Byte addresses by a script: steps that walk, draw or ring through areas of scattered pages, code in between.

An area is `lines` items of one cache line each on consecutive page numbers; item -> line is the identity or a random
permutation, page number -> frame is a random bijection for all areas together. Small areas carry a table of their
items' addresses; those of large ones are computed. A script is done over and over; each round is one unit.
"""

import numpy as np

from nfvlab.kernels.jit import inlined, jit
from nfvlab.kernels.permute import permute
from nfvlab.kernels.setassoc import CODE, IO, WRITE
from nfvlab.kernels.zipf import draw

LAST, FIRST = 8, 16  # bits of a kind, beside those of setassoc: ends and begins a unit

# rules of a step, and its columns
WALK, ZIPF, REGIONS, RING = range(4)
RULE, COUNT, AREA, BITS, CODED, MAY_WRITE, A, B, C, D = range(10)
# columns of an area: its items' place in the tables (-1: computed), first page number, items, row of its permutation
TABLE, PAGE, LINES, SCATTER = range(4)
# the state: cursors of the areas follow
UNIT, STEP, DONE, FRESH, REGION, LEFT, CURSORS = range(7)
# columns of the pace
WORK, PERIOD, CODE_FRAC, WRITE_FRAC = range(4)

_SIX, _TWELVE, _IN_PAGE = np.uint64(6), np.uint64(12), np.uint64(63)
IDENTITY = -1


@inlined
def locate(item, page, row, plans):
    """Byte address of an item of an area without a table: its first page number, the row of its permutation."""
    line = np.uint64(item)
    if row != IDENTITY:
        line = permute(line, plans[row])
    frame = permute(np.uint64(page) + (line >> _SIX), plans[0])
    return frame << _TWELVE | (line & _IN_PAGE) << _SIX


@jit
def tabulate(lines, page, plans):
    """Byte addresses of lines of an area that is not permuted: int64[n] to uint64[n]."""
    addresses = np.empty(lines.size, dtype=np.uint64)
    for k in range(lines.size):
        addresses[k] = locate(lines[k], page, IDENTITY, plans)
    return addresses


@inlined
def _region_item(state, regions, references, lines, rng):
    """An item of the present region, uniform; the next region after so many references."""
    if state[LEFT] == 0:
        state[LEFT] = references
        state[REGION] = state[REGION] + 1 if state[REGION] + 1 < regions else 0
    state[LEFT] -= 1
    low, high = state[REGION] * lines // regions, (state[REGION] + 1) * lines // regions
    return min(high - 1, low + np.int64(rng.random() * (high - low)))


@jit
def refer(address, kind, gap, state, script, units, areas, plans, tables, law, pace, rng):
    """The next references of a stream, into address u64[n], kind u8[n] and gap f64[n].

    state: int64[CURSORS + areas], changed in place; script: int64[steps, 10]; units: whether FIRST and LAST are set;
    areas: int64[areas, 4], code the last; plans: uint64[plans, 7]; tables: uint64[…]; law: of the ZIPF steps;
    pace: float64[4]. `gap` is WORK before a reference, 0 before one of a device, PERIOD for the first of a unit.
    """
    code, last, k = areas.shape[0] - 1, script.shape[0] - 1, 0
    code_frac, write_frac = pace[CODE_FRAC], pace[WRITE_FRAC]
    now, done, fresh = state[STEP], state[DONE], state[FRESH]
    while k < address.size:
        rule, count, data, plain = script[now, RULE], script[now, COUNT], script[now, AREA], script[now, BITS]
        a, b, c, d = script[now, A], script[now, B], script[now, C], script[now, D]
        coded, writes = script[now, CODED] and code_frac > 0.0, script[now, MAY_WRITE] and write_frac > 0.0
        step_gap = 0.0 if plain & IO else pace[WORK]
        while k < address.size and done < count:
            which, bits, begins = data, plain, fresh
            if coded and rng.random() < code_frac:
                which, bits = code, CODE
            else:
                done += 1
            if rule == WALK or which != data:
                item = state[CURSORS + which]
                state[CURSORS + which] = item + 1 if item + 1 < areas[which, LINES] else 0
            elif rule == ZIPF:
                item = draw(law, rng)
            elif rule == RING:  # A slots, B lines from one to the next, C slots ahead, D slots in a line
                item = (state[UNIT] + c) % a // d * b + done - 1
            else:
                item = _region_item(state, a, b, areas[data, LINES], rng)
            if writes and which == data and rng.random() < write_frac:
                bits |= WRITE
            gap[k] = step_gap
            if begins:
                fresh = 0
                bits |= FIRST
                gap[k] = pace[PERIOD]
            if units and done == count and now == last:
                bits |= LAST
            kind[k] = bits
            table = areas[which, TABLE]
            if table >= 0:
                address[k] = tables[table + item]
            else:
                address[k] = locate(item, areas[which, PAGE], areas[which, SCATTER], plans)
            k += 1
        if done == count:
            done = 0
            now += 1
            if now > last:
                now = 0
                state[UNIT] += 1
                fresh = units
    state[STEP], state[DONE], state[FRESH] = now, done, fresh
