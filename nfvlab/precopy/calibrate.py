"""Fit a pair of hosts' constants on recorded migrations.

What a recording's scenario says is known; what the machines cost is not. Three steps, each robust against a recording
on a disturbed host:

1. the guest's boot pages, by least absolute deviations on the normal pages of guests that did not write;
2. the set-up time, as the median of the reported ones;
3. the times per page, per window and per stop, by simulating every recording and lowering the log errors of
   total time and pause (robust least squares in logarithms, common random numbers). A weak prior keeps a constant that
   the recordings say nothing about where it started.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nfvlab.precopy.host import Host
from nfvlab.precopy.params import PAGE_BYTES, Params
from nfvlab.precopy.recordings import Observed
from nfvlab.precopy.simulation import migrate
from nfvlab.units import GiB, ms, us

#: Where the search starts: QEMU under software emulation with both ends on one small machine.
EMULATED = Host(
    send_ns=1 * us,
    zero_scan_ns=1 * us,
    first_touch_ns=19 * us,
    again_ns=5 * us,
    link_page_ns=6 * us,
    link_share_frac=1.0,
    wakeup_ns=1 * ms,
    stop_ns=1 * ms,
    resume_ns=10 * ms,
    speed_cv_frac=0.3,
    link_cv_frac=0.12,
    visit_ns=2 * us,
    workload_busy_frac=0.1,
    ended_pages=9700,
)
FITTED = (
    "zero_scan_ns",
    "first_touch_ns",
    "again_ns",
    "link_page_ns",
    "wakeup_ns",
    "stop_ns",
    "resume_ns",
    "speed_cv_frac",
)
PAUSE_SHARE = 0.3  # weight of a pause's log error beside a total time's: repeats differ by 37 % against 10 %
PRIOR_SHARE = 0.02  # weight of a constant moving by a factor e beside a total time off by one: weak
ROBUST_LOG = 0.1  # log errors above it count linearly, not squared
DIFFERENCE = 0.02  # step of the finite differences, relative to a logarithm of nanoseconds: about a fifth


@dataclass(frozen=True)
class Calibration:
    """The host that fits, and each recording's log errors (predicted over measured) of time and pause."""

    host: Host
    names: tuple[str, ...]
    log_time: tuple[float, ...]
    log_pause: tuple[float, ...]
    iterations: int


def calibrate(
    observed: Sequence[Observed],
    *,
    rng: np.random.Generator,
    start: Host = EMULATED,
    n: int = 2,
    iterations: int = 12,
    progress: Callable[[], None] = lambda: None,
) -> Calibration:
    """The constants under which simulation and recordings agree best.

    observed: completed migrations, uncompressed. n: simulated migrations a recording. Errors: ValueError when there
    is nothing to fit.
    """
    if not observed:
        raise ValueError(
            "no completed, uncompressed recording to calibrate on: record one with `nfvlab record`"
        )
    from scipy.optimize import least_squares

    host = boot_constants(observed, start)
    host = host.replace(setup_ns=float(np.median([o.totals["setup_time_ns"] for o in observed])))
    seeds = rng.spawn(1)[0].integers(0, 2**63, size=(len(observed), n))
    origin = np.log([getattr(host, name) for name in FITTED])
    roots = np.sqrt(_weights(observed))

    def residuals(x):
        progress()
        errors = np.nan_to_num(log_errors(observed, _with(host, x), seeds))
        prior = PRIOR_SHARE * (x - origin)
        return np.concatenate([roots * errors[0], PAUSE_SHARE * roots * errors[1], prior])

    found = least_squares(
        residuals,
        origin,
        loss="soft_l1",
        f_scale=ROBUST_LOG,
        diff_step=DIFFERENCE,
        x_scale=1.0,
        max_nfev=iterations,
    )
    host = _with(host, found.x)
    errors = log_errors(observed, host, seeds)
    return Calibration(
        host, tuple(o.name for o in observed), tuple(errors[0]), tuple(errors[1]), int(found.nfev)
    )


def log_errors(observed: Sequence[Observed], host: Host, seeds: np.ndarray) -> np.ndarray:
    """log(predicted / measured) of total time and pause, shape (2, recordings); not a number where unmeasured."""
    errors = np.full((2, len(observed)), math.nan)
    for k, o in enumerate(observed):
        p = o.scenario(host)
        runs = [migrate(p, np.random.default_rng(int(seed))).totals for seed in seeds[k]]
        errors[0, k] = _log_ratio([_or_given_up(r.total_time_ns, p) for r in runs], o.totals["total_time_ns"])
        if o.pause_ns:
            errors[1, k] = _log_ratio([_or_given_up(r.pause_ns, p) for r in runs], o.pause_ns)
    return errors


def boot_constants(observed: Sequence[Observed], start: Host) -> Host:
    """`start` with the boot's pages fitted on guests without a working set; unchanged if there are too few."""
    from scipy.optimize import linprog

    rows, rest = [], []
    for o in observed:
        p = o.scenario(start)
        if p.wss_bytes:
            continue
        touched = p.touched_bytes // PAGE_BYTES
        rows.append((1.0, float(touched < start.boot_stale_pages), p.ram_bytes / GiB))
        rest.append(o.totals["normal_pages"] - (touched if p.touched_content == "random" else 0.0))
    a, b = np.array(rows).reshape(-1, 3), np.array(rest)
    if len(b) < 3 or np.linalg.matrix_rank(a) < 3:
        return start
    k, eye = len(b), np.eye(len(b))
    cost = np.concatenate([np.zeros(3), np.ones(k)])
    fit = linprog(
        cost,
        A_ub=np.block([[a, -eye], [-a, -eye]]),
        b_ub=np.concatenate([b, -b]),
        bounds=[(0, None)] * (3 + k),
    )
    base, stale, per_gib = fit.x[:3]
    middle = max(0.0, base - start.boot_low_pages - start.boot_top_pages)
    return start.replace(
        boot_stale_pages=round(stale), boot_per_gib_pages=round(per_gib), boot_middle_pages=round(middle)
    )


def _with(host: Host, x: np.ndarray) -> Host:
    specs = Host.specs()
    values = {
        name: float(np.clip(math.exp(v), *specs[name].domain)) for name, v in zip(FITTED, x, strict=True)
    }
    return host.replace(**values)


def _weights(observed: Sequence[Observed]) -> np.ndarray:
    """Repeats of one scenario share a weight of one."""
    names = [o.name for o in observed]
    return np.array([1.0 / names.count(name) for name in names])


def _log_ratio(predicted: Sequence[float], measured: float) -> float:
    return math.log(max(float(np.median(predicted)), 1.0) / max(measured, 1.0))


def _or_given_up(value: float, p: Params) -> float:
    return p.give_up_ns if math.isnan(value) else value
