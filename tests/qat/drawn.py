"""Scenarios drawn at random from the declarations: small guests, so that many can be simulated."""

import math

import numpy as np

from nfvlab.params import ParamError
from nfvlab.qat.params import Params
from nfvlab.specs import Spec
from nfvlab.units import GiB, MiB, s

ALWAYS = (
    "cpu_method",
    "accelerator",
    "content",
    "link_bytes_per_s",
    "engine_bits_per_s",
    "engine_deflate",
    "ring_requests",
    "request_pages",
    "compress_wait",
    "wait_when_full",
    "zero_check",
    "interrupts",
    "channels_count",
    "instances_count",
    "compress_threads_count",
    "decompress_threads_count",
)
OTHERS_FRAC = 0.15  # of the other fields, how many are drawn
NOT_DRAWN = ("shared_cores", "give_up_ns", "wss_bytes", "ram_bytes", "touched_bytes", "written_content")


def scenario(seed: int) -> Params:
    """A guest of 1 to 2 GiB whose other fields lie where sliders do."""
    rng = np.random.default_rng(seed)
    while True:
        ram = float(rng.choice([1, 2])) * GiB
        fields = {
            "ram_bytes": ram,
            "touched_bytes": float(rng.uniform(0, 0.6) * ram // MiB * MiB),
            "wss_bytes": float(rng.choice([0.0, rng.uniform(0.01, 0.2)]) * ram // MiB * MiB),
            "write_rate_per_s": float(10 ** rng.uniform(2, 5)),
            "zero_mix_frac": float(rng.choice([0.0, rng.uniform(0, 0.9)])),
            "give_up_ns": 60 * s,
        }
        for name, spec in Params.specs().items():
            wanted = name in ALWAYS or rng.random() < OTHERS_FRAC
            if wanted and name not in fields and name not in NOT_DRAWN:
                fields[name] = _value(spec, rng)
        try:
            return Params(**fields)
        except ParamError:
            continue


def _value(spec: Spec, rng: np.random.Generator):
    if spec.kind is bool:
        return bool(rng.random() < 0.5)
    if spec.kind is str:
        return str(rng.choice(spec.choices))
    low, high = spec.typical
    drawn = 10 ** rng.uniform(math.log10(low), math.log10(high)) if spec.log else rng.uniform(low, high)
    return round(drawn) if spec.kind is int else float(drawn)
