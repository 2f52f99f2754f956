"""Parameters of what the guest's pages hold: how small each becomes, under which method."""

from dataclasses import dataclass

from nfvlab.params import ASSUMED, param
from nfvlab.precopy import params as precopy
from nfvlab.units import MiB, ms, s

CALGARY = "data/compression/calgary_4kib.csv"
CONTENTS = ("calgary", "random", "own")


@dataclass(frozen=True, kw_only=True)
class Contents(precopy.Params):
    """A migration whose pages have content: touched pages, pages written again, the booted system's."""

    content: str = param(
        "calgary",
        "what touched pages hold: pages of the Calgary corpus, random bytes, or pages of own_ratio",
        choices=CONTENTS,
        source="the talk",
    )
    written_content: str = param(
        "same",
        "what the pages of the working set hold, and are written with again",
        choices=("same", *CONTENTS),
        source=ASSUMED,
    )
    own_ratio: float = param(
        0.45,
        "own pages: compressed size over 4096 bytes, mean under deflate level 1; other methods as on Calgary",
        domain=(0.01, 1.0),
        typical=(0.1, 1.0),
        source=ASSUMED,
    )
    own_cv_frac: float = param(
        0.35,
        "own pages: coefficient of variation of the compressed sizes",
        domain=(0, 1),
        typical=(0, 0.6),
        source=CALGARY + ", deflate1_bytes",
    )
    system_ratio: float = param(
        0.42,
        "non-zero pages of the booted system: compressed size over 4096 bytes, mean under deflate level 1",
        domain=(0.01, 1.0),
        typical=(0.2, 0.8),
        source="data/recordings/qemu c-rnd-legacy: compressed-size less 4104 bytes for each random page",
    )
    stream_ratio: float = param(
        0.8,
        "size of a page compressed with those before it as history, over its size alone; not random, not system pages",
        domain=(0.05, 1.0),
        typical=(0.4, 1.0),
        source="gzip -9 of the Calgary corpus: 0.32 as whole files; " + CALGARY + ": 0.41 page by page",
    )
    zero_mix_frac: float = param(
        0.0,
        "share of the touched pages that are zero, strewn among the others",
        domain=(0, 1),
        typical=(0, 0.9),
        source=ASSUMED,
    )
    skip_free: bool = param(
        False,
        "the guest's free pages are not sent, whichever way (see freepages)",
        source="the talk: PV and QAT",
    )
    free_report_ns: float = param(
        20 * ms,
        "from asking for the free pages until their bitmap is there",
        domain=(0, 100 * s),
        typical=(0, 200 * ms),
        source=ASSUMED,
    )
    zero_compressed_bytes: int = param(
        43,
        "a zero page compressed like any other",
        domain=(9, 4096),
        typical=(9, 64),
        source="zlib 1.2.13, level 1 with fixed codes; 29 bytes is the least that RFC 1951 allows with them",
    )
    delta_bytes: int = param(
        64,
        "xbzrle: encoded difference between two versions of a page; 4096 and more overflows, the page is sent whole",
        domain=(0, 8192),
        typical=(4, 4096),
        source=ASSUMED + "; data/recordings/qemu c-inc-xbzrle: 5 bytes for a counter that is incremented",
    )
    xbzrle_cache_bytes: float = param(
        64 * MiB,
        "xbzrle-cache-size",
        domain=(4096, 1 << 44),
        typical=(16 * MiB, 1 << 33),
        log=True,
        source="QEMU qapi/migration.json: 64 MiB by default",
    )
