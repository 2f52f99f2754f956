"""Servers of devices, one for each, that seal what comes to them from a ring, first come, first served.

line : float64[4, m], rows of a ring: bytes to seal, the device, when they come to its sealer, when they are sealed
sealer : float64[4, devices], when each has done all it was given, when the last came to it, all its bytes (with what is
added to them); and when each opener, which undoes the same elsewhere, has done all

Requests are entered when they are known, before they come; one may come before others that were entered earlier.
"""

import numpy as np

from nfvlab.kernels.conveyor import first_free
from nfvlab.kernels.jit import inlined, jit

BYTES, BY, COMES, SEALED = 0, 1, 2, 3
ROWS = 4
FREE, LAST, TOTAL, OPENED = 0, 1, 2, 3


def new_sealers(devices: int) -> np.ndarray:
    """Idle sealers and openers, one of each for every device."""
    return np.zeros((4, devices))


@inlined
def _next(line, head, fill, place):
    """Which of the same device's requests comes after the one at `place`; -1 if none does."""
    best, entered_later = -1, False
    for k in range(fill):
        other = (head + k) % line.shape[1]
        if other == place:
            entered_later = True
        elif line[BY, other] == line[BY, place]:
            later = line[COMES, other] - line[COMES, place]
            after = later > 0 or (later == 0 and entered_later)
            if after and (best < 0 or line[COMES, other] < line[COMES, best]):
                best = other
    return best


@inlined
def _free_before(line, head, fill, place):
    """When the sealer has done what of the ring comes before the request at `place`."""
    free = 0.0
    for k in range(fill):
        other = (head + k) % line.shape[1]
        same = other != place and line[BY, other] == line[BY, place]
        if same and line[COMES, other] <= line[COMES, place]:
            free = max(free, line[SEALED, other])
    return free


@jit
def seal(line, head, fill, place, sealer, per_byte):
    """Enter the request at `place` of a ring of `fill` requests from `head` on; those that come later are sealed later.

    What is no longer in the ring has been sealed before any request comes that is entered now.
    """
    by = np.int64(line[BY, place])
    overtakes = line[COMES, place] < sealer[LAST, by]
    free = _free_before(line, head, fill, place) if overtakes else sealer[FREE, by]
    sealer[LAST, by] = max(sealer[LAST, by], line[COMES, place])
    while place >= 0:
        free = max(free, line[COMES, place]) + line[BYTES, place] * per_byte
        line[SEALED, place] = free
        place = _next(line, head, fill, place) if overtakes else -1
    sealer[FREE, by] = free


@inlined
def opened(sealer, size, now, per_byte):
    """The first free opener opens `size` bytes from `now` on; returns when it is done."""
    by = first_free(sealer[OPENED])
    sealer[OPENED, by] = max(sealer[OPENED, by], now) + size * per_byte
    return sealer[OPENED, by]
