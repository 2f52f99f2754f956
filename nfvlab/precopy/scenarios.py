"""Eight migrations worth looking at: what the guest does, and which limit it meets."""

from nfvlab.precopy.params import Params
from nfvlab.units import GB, MB, Gbps, GiB, MiB, ms, s

_HOG = Params(touched_bytes=1 * GiB, wss_bytes=4 * GiB, write_rate_per_s=4e5, give_up_ns=60 * s)

SCENARIOS: dict[str, Params] = {
    "idle guest": Params(),
    "web server": Params(
        touched_bytes=3 * GiB,
        wss_bytes=512 * MiB,
        write_rate_per_s=2e4,
        pattern="hot",
        hot_pages_frac=0.2,
        hot_visits_frac=0.8,
        max_bandwidth_bytes_per_s=400 * MB,
    ),
    "database, hot set": Params(
        touched_bytes=2 * GiB,
        wss_bytes=3 * GiB,
        write_rate_per_s=1.5e5,
        pattern="zipf",
        downtime_limit_ns=100 * ms,
    ),
    "memory hog": _HOG.replace(write_rate_per_s=2e5),
    "sequential writer": Params(wss_bytes=2 * GiB, write_rate_per_s=1e5, pattern="sequential"),
    "auto-converge": _HOG.replace(auto_converge=True),
    "not converging": _HOG.replace(give_up_ns=30 * s),
    "slow link": Params(
        ram_bytes=4 * GiB,
        touched_bytes=1 * GiB,
        wss_bytes=256 * MiB,
        write_rate_per_s=8e3,
        link_bytes_per_s=1 * Gbps,
        max_bandwidth_bytes_per_s=1 * GB,
    ),
}
