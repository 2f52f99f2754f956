"""A shared cache written from its rules with lists and stamps of time: what the kernels are held to; and wrong ones."""

import numpy as np

from nfvlab.kernels.setassoc import CODE, WRITE


class ListCache:
    """Ways of a set are a list of lines, each [line, rmid, dirty, time of last use]; None is an empty way."""

    def __init__(self, sets, ways, rmids, index=None):
        self.index = index or (lambda line: line % sets)
        self.sets = [[None] * ways for _ in range(sets)]
        self.rmids = rmids
        self.now = 0

    def call(self, address, class_id, kind, masks, rmid_of_class, every=0):
        """The counts of one call, as lists in the order of `setassoc.Counts`."""
        self.begin(masks)
        classes, ways = len(masks), len(self.sets[0])
        misses, ranks = np.zeros((classes, 2), int), np.zeros((classes, 2, ways), int)
        self.fills, self.write_backs = [0] * self.rmids, [0] * self.rmids
        snapshots, hit = [], []
        for n, (a, c, k) in enumerate(
            zip(address.tolist(), class_id.tolist(), kind.tolist(), strict=True), 1
        ):
            code = k & CODE
            mask = int(masks[c][self.column(code)])
            rank = self.access(a // 64, mask, int(rmid_of_class[c]), bool(k & WRITE))
            hit.append(rank is not None)
            if rank is None:
                misses[c, code] += 1
            else:
                ranks[c, code, rank] += 1
            if every and n % every == 0:
                snapshots.append(self.occupancy())
        columns = (ranks.sum(axis=2), misses, ranks, self.fills, self.write_backs, snapshots, hit)
        return [np.array(column, dtype=int).tolist() for column in columns]

    def access(self, line, mask, rmid, write):
        """The recency rank of a hit, or None."""
        self.now += 1
        ways = self.sets[self.index(line)]
        for way, held in enumerate(ways):
            if held and held[0] == line and self.sees(way, mask):
                rank = sum(other is not None and other[3] > held[3] for other in ways)
                self.hit(held, rmid)
                held[2] |= write
                return rank
        way = self.victim(ways, [w for w in range(len(ways)) if mask >> w & 1])
        self.evict(ways, way, rmid)
        ways[way] = [line, rmid, write, self.now]
        self.fills[rmid] += 1
        return None

    def evict(self, ways, way, rmid):
        if ways[way] and ways[way][2]:
            self.write_backs[ways[way][1]] += 1

    def victim(self, ways, allowed):
        empty = [w for w in allowed if ways[w] is None]
        return empty[0] if empty else min(allowed, key=lambda w: ways[w][3])

    def hit(self, held, rmid):
        held[3] = self.now

    def begin(self, masks):
        pass

    def column(self, code):
        return code

    def sees(self, way, mask):
        return True

    def occupancy(self):
        lines = [held[1] for ways in self.sets for held in ways if held]
        return np.bincount(np.array(lines, dtype=int), minlength=self.rmids).tolist()

    def state(self):
        """For each set its lines (line, way, rmid, dirty), the most recent first."""
        made = []
        for ways in self.sets:
            used = sorted((w for w in range(len(ways)) if ways[w]), key=lambda w: -ways[w][3])
            made.append([(ways[w][0], w, ways[w][1], bool(ways[w][2])) for w in used])
        return made


def state(cache):
    """The same of a cache of the kernels."""
    made = []
    for row, owner, dirty in zip(
        cache.rows.tolist(), cache.owner.tolist(), cache.dirty.tolist(), strict=True
    ):
        lines = [(entry >> 5, entry & 31) for entry in row]
        made.append([(line, w, owner[w], bool(dirty >> w & 1)) for line, w in lines if owner[w] >= 0])
    return made


class MaskOffByOne(ListCache):
    def victim(self, ways, allowed):
        return super().victim(ways, [w - 1 for w in allowed if w > 0] or allowed)


class LeastRecentOfAll(ListCache):
    def victim(self, ways, allowed):
        return super().victim(ways, range(len(ways)))


class EmptyWaysIgnored(ListCache):
    def victim(self, ways, allowed):
        filled = [w for w in allowed if ways[w]]
        return super().victim(ways, filled or allowed)


class TaggedOnHit(ListCache):
    def hit(self, held, rmid):
        super().hit(held, rmid)
        held[1] = rmid


class FirstInFirstOut(ListCache):
    def hit(self, held, rmid):
        pass


class AgesRestart(ListCache):
    def begin(self, masks):
        self.now = 0


class MasksSwapped(ListCache):
    def column(self, code):
        return 1 - code


class HitsInMaskOnly(ListCache):
    def sees(self, way, mask):
        return bool(mask >> way & 1)


class EvictsWhatNoMaskCovers(ListCache):
    def begin(self, masks):
        covered = int(np.bitwise_or.reduce(np.asarray(masks), axis=None))
        for ways in self.sets:
            for w in range(len(ways)):
                ways[w] = ways[w] if covered >> w & 1 else None


class EvictorPaysWriteBack(ListCache):
    def evict(self, ways, way, rmid):
        if ways[way] and ways[way][2]:
            self.write_backs[rmid] += 1


MUTANTS = (
    MaskOffByOne,
    LeastRecentOfAll,
    EmptyWaysIgnored,
    TaggedOnHit,
    FirstInFirstOut,
    AgesRestart,
    MasksSwapped,
    HitsInMaskOnly,
    EvictsWhatNoMaskCovers,
    EvictorPaysWriteBack,
)
