"""Scenarios worth a look, by name, each the talk's guest or a change of it: where compression pays, and where not."""

from nfvlab.qat.params import Params
from nfvlab.qat.talk import scenario
from nfvlab.units import Gbps, GiB, s, us

_TALK = scenario()
_STILL = {"wss_bytes": 0.0, "write_rate_per_s": 0.0}

SCENARIOS: dict[str, Params] = {
    "the talk": _TALK,
    "random pages": _TALK.replace(content="random"),
    "idle guest": _TALK.replace(touched_bytes=0.0, **_STILL),
    "half of the pages zero": _TALK.replace(zero_mix_frac=0.5),
    "busy guest": _TALK.replace(write_rate_per_s=2e5, give_up_ns=30 * s),
    "fast link": _TALK.replace(link_bytes_per_s=100 * Gbps),
    "fast link, new engine": _TALK.replace(link_bytes_per_s=100 * Gbps, engine_bits_per_s=100e9),
    "small ring, far engine": _TALK.replace(ring_requests=4, engine_latency_ns=40 * us),
    "encrypted": _TALK.replace(encrypted=True),
    "1 GbE, multifd zstd": _TALK.replace(
        link_bytes_per_s=1 * Gbps, write_rate_per_s=1e4, cpu_method="multifd zstd"
    ),
    "QATzip, 64 GiB": _TALK.replace(
        **_STILL,
        ram_bytes=64 * GiB,
        touched_bytes=54 * GiB,
        link_bytes_per_s=100 * Gbps,
        cpu_method="multifd zstd",
        accelerator="QATzip",
        devices_count=4,
        channels_count=8,
        multifd_counts_wire=True,
        workers_check_zero=True,
        sync_each_iteration=False,
    ),
}

__all__ = ["SCENARIOS"]
