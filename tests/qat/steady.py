"""Small guests on hosts of one pace, and their runs, for the tests of the simulation."""

import numpy as np

from nfvlab.precopy.params import PAGE_BYTES, boot_pages
from nfvlab.qat.params import Params
from nfvlab.qat.simulation import migrate, outputs_of
from nfvlab.units import Gbps, MiB

SEED = 20160825
STEADY = {"speed_cv_frac": 0.0, "background_rate_per_s": 0.0}
FLAT = {"content": "own", "own_ratio": 0.5, "own_cv_frac": 0.0, "system_ratio": 0.5, "stream_ratio": 1.0}
SMALL = Params(ram_bytes=512 * MiB, touched_bytes=256 * MiB, **STEADY, **FLAT)
BUSY = SMALL.replace(wss_bytes=64 * MiB, write_rate_per_s=2e4, content="calgary", link_bytes_per_s=1 * Gbps)
NONZERO = boot_pages(SMALL) + 256 * MiB // PAGE_BYTES  # what the boot has freed is what was touched first
HALF = 0.5 * PAGE_BYTES
FAST = SMALL.replace(
    link_bytes_per_s=100 * Gbps, first_touch_ns=0.0, again_ns=0.0, zero_check=True, wait_when_full=True
)
OTHER_WAYS = [
    *(
        ("CPU threads", {"cpu_method": method})
        for method in ("threads zlib", "multifd zlib", "multifd zstd", "xbzrle")
    ),
    *(("QAT", {"accelerator": accelerator}) for accelerator in ("talk", "QATzip", "IAA")),
]


def ids(case):
    return "-".join((case[0], *case[1].values())).replace(" ", "_")


def out(p, way="QAT", seed=SEED):
    return outputs_of(migrate(p, way, np.random.default_rng(seed)))


def run(p, way="QAT", seed=SEED):
    return migrate(p, way, np.random.default_rng(seed))
