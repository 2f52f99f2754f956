"""Recordings as observations: which ones the pre-copy model can express, and what they say."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from nfvlab.precopy.host import Host
from nfvlab.precopy.params import Params, from_recording

OTHER_MECHANISMS = ("compress", "xbzrle", "postcopy-ram", "rdma-pin-all", "mapped-ram", "x-ignore-shared")
MEASURED = ("total_time_ns", "setup_time_ns", "normal_pages")


@dataclass(frozen=True)
class Observed:
    """One recording: its scenario on any host, what QEMU reported (our words), the measured pause if known."""

    name: str
    scenario: Callable[[Host], Params]
    totals: dict[str, Any]
    pause_ns: float | None = None


def why_not_told(meta) -> str:
    """Why a recording says too little for any model; empty if it says enough."""
    if meta.outcome not in ("completed", "not_converged"):
        return f"its outcome is {meta.outcome}: it says nothing about convergence"
    if "ram_bytes" not in meta.scenario:
        return "the recording says nothing of its scenario (schema nfvlab-qemu-migration/1 does)"
    return ""


def why_left_out(meta) -> str:
    """Why the models cannot express this migration; empty if they can."""
    if reason := why_not_told(meta):
        return reason
    on = [name for name in meta.scenario.get("capabilities") or () if name in OTHER_MECHANISMS]
    how = (meta.scenario.get("parameters") or {}).get("multifd-compression", "none")
    if on or how != "none":
        return f"{', '.join(on) or 'multifd-compression ' + how} is not modelled by uncompressed pre-copy"
    return ""


def observed_from(recordings: Iterable[tuple[Any, Any]]) -> tuple[list[Observed], list[tuple[Any, str]]]:
    """(observations to calibrate on, [(path, why it is left out)]) of (path, meta) pairs."""
    observed, left_out = [], []
    for path, meta in recordings:
        reason = why_left_out(meta) or _why_not_fitted(meta)
        if reason:
            left_out.append((path, reason))
            continue
        totals = {name: meta.final[name] for name in MEASURED}
        observed.append(
            Observed(
                meta.name,
                lambda host, meta=meta: from_recording(meta, host),
                totals,
                (meta.measured or {}).get("pause_ns"),
            )
        )
    return observed, left_out


def _why_not_fitted(meta) -> str:
    if meta.outcome != "completed":
        return f"it did not complete ({meta.outcome})"
    if meta.scenario.get("free_page_hint"):
        return "free-page hints: its time is not the engine's alone"
    missing = [name for name in MEASURED if meta.final.get(name) is None]
    return f"it reports no {', '.join(missing)}" if missing else ""
