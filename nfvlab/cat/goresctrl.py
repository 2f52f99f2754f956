"""Cache shares as goresctrl writes them ("60%", "0-49%", "0-3", "0xff"), turned into masks by its own rule.

goresctrl (pkg/rdt/config.go, bitmask.go of intel/goresctrl) is the library by which container runtimes set resctrl. A
class's share is taken of its partition's mask, the base: percentages are cut to whole bits, `bits * (per cent - 1) //
100` being the first and the last bit, so that 1 % is one bit and 100 % all; a mask that comes out too narrow grows
downwards first. Partitions share a cache by percentages that add up to at most 100. Earlier versions gave the last of
them all that was left of the cache; the masks here are those that the project's own tests expect today (rdt_test.go).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nfvlab.cat.cbm import Cbm
from nfvlab.cat.fs.controls import Schema
from nfvlab.cat.fs.cpulist import ranges
from nfvlab.cat.schemata import V4_10, line

MAX_BIT = 63
FIX = "Write it as '60%', '0-49%', '0-3' or '0xff'"


class GoresctrlError(ValueError):
    """A share that goresctrl refuses."""


@dataclass(frozen=True)
class Percent:
    """Per cent `low` to `high` of the base; 0 counts as 1."""

    low: int
    high: int


def parse(text: str, min_cbm_bits: int = 1) -> Percent | int:
    """What the text asks for: percentages, or the bits of a mask (parseCacheAllocation)."""
    if text.endswith("%"):
        low, dash, high = text[:-1].partition("-")
        bounds = (_decimal(text, low), _decimal(text, high)) if dash else (0, _decimal(text, low))
        if max(bounds) > 100 or bounds[0] > bounds[1]:
            raise GoresctrlError(f"{text!r}: percentages rise and end at 100. {FIX}")
        return Percent(*bounds)
    mask = _hex(text) if text.startswith("0x") else bits(text)
    if len(ranges(mask)) > 1:
        raise GoresctrlError(f"{text!r}: a mask is one block of ones, also on parts that allow holes. {FIX}")
    if mask.bit_count() < min_cbm_bits:
        raise GoresctrlError(f"{text!r}: a mask has at least {min_cbm_bits} bits here. Give it more")
    return mask


def bits(text: str) -> int:
    """The bits of a list such as "0,2,5-9" (ListStrToBitmask)."""
    mask = 0
    for part in text.split(",") if text else ():
        first, dash, last = part.partition("-")
        low = _decimal(text, first)
        high = _decimal(text, last) if dash else low
        if high > MAX_BIT or (dash and high <= low):
            raise GoresctrlError(f"{text!r}: {part!r} is no range of bits that rises up to {MAX_BIT}. {FIX}")
        mask |= (1 << high - low + 1) - 1 << low
    return mask


def mask(text: str, base: Cbm, min_cbm_bits: int = 1) -> Cbm:
    """The mask that `text` gives within `base`, its partition's mask (Overlay)."""
    if not base.contiguous or base.ways_count < min_cbm_bits:
        raise GoresctrlError(
            f"base {base}: it is one block of at least {min_cbm_bits} ones. Give the partition's mask"
        )
    wanted, (start, count) = parse(text, min_cbm_bits), base.runs[0]
    if isinstance(wanted, Percent):
        low, high = max(wanted.low, 1), wanted.high
        if low > high:
            raise GoresctrlError(f"{text!r}: nothing is asked for. Ask for 1% at least")
        first, last = (low - 1) * count // 100, (high - 1) * count // 100
        gap = max(min_cbm_bits - (last - first + 1), 0)
        down = min(gap, first)
        first, last = first - down, last + gap - down
        return Cbm.run(start + first, last - first + 1, base.length)
    if wanted << start & ~base.mask:
        raise GoresctrlError(f"{text!r}: {wanted << start:#x} does not fit the base {base}. Ask for less")
    return Cbm(wanted << start, base.length)


def partitions(shares: Mapping[str, int], length: int, min_cbm_bits: int = 1) -> dict[str, Cbm]:
    """The masks of partitions that share a cache by per cent (resolveCacheIDRelative); equals go by name.

    The bits are granted smallest share first, each cut to whole bits of what is still there, the last one getting the
    rest of what all asked for together; the masks then stand in the order of the names, lowest first.
    """
    total = sum(shares.values())
    if not 0 < total <= 100 or min(shares.values()) < 0:
        raise GoresctrlError(
            f"the shares come to {total}%: each is at least 0, all are 1 to 100. Share out so much"
        )
    left = asked = total * length // 100
    counts: dict[str, int] = {}
    for name, share in sorted(shares.items(), key=lambda item: (item[1], item[0])):
        if left < max(min_cbm_bits, 1):
            raise GoresctrlError(
                f"no {min_cbm_bits} bits are left for {name!r}. Share among fewer, or ask for more"
            )
        count = max(share * left // (left * total // asked), min_cbm_bits)
        last = len(counts) == len(shares) - 1
        counts[name] = left if last or count > left else count
        left -= counts[name]
    masks, start = {}, 0
    for name in sorted(shares):
        masks[name] = Cbm.run(start, counts[name], length)
        start += counts[name]
    return masks


def per_cache(shares: str | Mapping[str, str], ids: list[int], default: str = "100%") -> dict[int, str]:
    """{cache id: share} of {"all": …, "0": …, "1-2": …}; ids that the host lacks are passed over (rawParse)."""
    given = {"all": shares} if isinstance(shares, str) else dict(shares)
    found = dict.fromkeys(ids, given.pop("all", default))
    for key, share in given.items():
        found.update(
            {i: share for low, high in ranges(bits(key)) for i in range(low, high + 1) if i in found}
        )
    return found


def schemata_line(
    name: str, shares: str | Mapping[str, str], bases: Mapping[int, Cbm], min_cbm_bits: int = 1
) -> str:
    """A line for a schemata file: the class's share of each cache, within the partition's mask there."""
    wanted = per_cache(shares, list(bases))
    masks = {i: mask(wanted[i], base, min_cbm_bits) for i, base in bases.items()}
    return line(name, {i: found.mask for i, found in masks.items()}, V4_10)


def schemata_text(schemas: Iterable[Schema], shares: Mapping[str, str | Mapping[str, str]]) -> str:
    """The lines for a class whose partition is the whole host: {"L3": "60%", "MB": {"all": "50%", "1": "30%"}}.

    With CDP, "L3" speaks for L3CODE and L3DATA where these are not named.
    """
    lines, unused = [], set(shares)
    for schema in schemas:
        resource = schema.resource
        name = schema.name if schema.name in shares else resource.name
        if name not in shares:
            continue
        unused.discard(name)
        ids, capability = [domain.id for domain in resource.domains], resource.capability
        if resource.cache:
            bases = dict.fromkeys(ids, Cbm.full(capability.cbm_len))
            lines.append(schemata_line(schema.name, shares[name], bases, capability.min_cbm_bits))
        else:
            wanted = per_cache(shares[name], ids)
            values = {i: bandwidth(wanted[i], 100, capability.min_bandwidth) for i in ids}
            lines.append(line(schema.name, values, V4_10))
    if unused:
        raise GoresctrlError(
            f"{min(unused)!r} is not allocated on this host. Name a line of its schemata file"
        )
    return "".join(lines)


def bandwidth(share: str, base_percent: int = 100, min_bandwidth: int = 10) -> int:
    """Per cent for an MB line: the share of the partition's, cut, but not below what the hardware takes."""
    if not share.endswith("%"):
        raise GoresctrlError(f"{share!r}: a bandwidth share is in per cent. Write it as '50%'")
    return max(_decimal(share, share[:-1]) * base_percent // 100, min_bandwidth)


def _decimal(text: str, digits: str) -> int:
    if not re.fullmatch("[0-9]+", digits) or int(digits) > 127:
        raise GoresctrlError(f"{text!r}: {digits!r} is not a number up to 127. {FIX}")
    return int(digits)


def _hex(text: str) -> int:
    if not re.fullmatch("0x[0-9a-fA-F]{1,16}", text):
        raise GoresctrlError(f"{text!r}: a hex mask has up to 16 digits. {FIX}")
    return int(text, 16)
