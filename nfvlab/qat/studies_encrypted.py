"""What an encrypted stream costs each way: encrypted by the CPU that sends, or by the device in the same request."""

from typing import TYPE_CHECKING

import numpy as np

from nfvlab.qat import stations
from nfvlab.qat.analytic import analyze
from nfvlab.qat.figures import shown
from nfvlab.qat.params import WAYS, Params
from nfvlab.qat.simulation import migrate, outputs_of
from nfvlab.qat.talk import CPU, NONE, QAT

if TYPE_CHECKING:
    from pandas import DataFrame

PLAIN, BY_CPU, BY_DEVICE = "not encrypted", "by the CPU", "by the device"
CASES: dict[tuple[int, str], dict] = {
    **{(way, PLAIN): {"encrypted": False} for way in (NONE, CPU, QAT)},
    **{(way, BY_CPU): {"encrypted": True, "device_encrypts": False} for way in (NONE, CPU, QAT)},
    (QAT, BY_DEVICE): {"encrypted": True, "device_encrypts": True},
}


def encrypted(p: Params, *, seed: int) -> "DataFrame":
    """Rows (way, who encrypts): theory in words, and the simulated total time of one migration."""
    import pandas as pd

    rows = {}
    for (way, who), changes in CASES.items():
        q = p.replace(**changes)
        theory = analyze(q)
        simulated = outputs_of(migrate(q, WAYS[way], np.random.default_rng(seed)))["total_time_ns"]
        rows[WAYS[way], who] = {
            "total time": shown("total_time_ns", theory.total_time_ns[way]),
            "simulated": shown("total_time_ns", simulated),
            "downtime": shown("downtime_ns", theory.downtime_ns[way]),
            "source CPU": shown("source_cpu_frac", theory.source_cpu_frac[way]),
            "destination CPU": shown("destination_cpu_frac", theory.destination_cpu_frac[way]),
            "slowest": stations.in_words(theory.courses[way]),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["way", "encrypted"])


__all__ = ["BY_CPU", "BY_DEVICE", "PLAIN", "encrypted"]
