"""Predict recorded migrations from their scenarios alone, and compare with what QEMU measured."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nfvlab.precopy.recordings import why_left_out, why_not_told
from nfvlab.qat.recordings import compresses, method_of
from nfvlab.readers.qemu_words import to_query_migrate
from nfvlab.units import ms

#: Totals that a prediction makes, in our words; QEMU's names for them come from the reader's table.
TOTALS = (
    "total_time_ns",
    "downtime_ns",
    "setup_time_ns",
    "transferred_bytes",
    "remaining_bytes",
    "ram_bytes",
    "normal_pages",
    "normal_bytes",
    "duplicate_pages",
    "dirty_sync_count",
    "precopy_bytes",
    "downtime_bytes",
    "dirty_pages_per_s",
    "throughput_bytes_per_s",
)
#: What QEMU counts apart from what the model counts: pages that were compressed are not in its `normal`, bytes of
#: multifd not in its `precopy-bytes`.
COUNTED_APART = {
    "threads zlib": ("normal_pages", "normal_bytes"),
    "xbzrle": ("normal_pages", "normal_bytes"),
    "multifd zlib": ("precopy_bytes", "downtime_bytes"),
    "multifd zstd": ("precopy_bytes", "downtime_bytes"),
    "QATzip": ("precopy_bytes", "downtime_bytes"),
    "IAA": ("precopy_bytes", "downtime_bytes"),
}
Compression = Mapping[str, Mapping[str, float]]
WHOLE = ("_pages", "_count", "_bytes")


@dataclass(frozen=True)
class Prediction:
    """One recording: predicted and measured totals under QEMU's names, or why it is left out."""

    file: str
    name: str
    predicted: dict[str, Any]
    measured: dict[str, Any]
    left_out: str = ""

    def error(self, field: str) -> float:
        """predicted / measured - 1; not a number where either is missing."""
        a, b = self.predicted.get(field), self.measured.get(field)
        return a / b - 1 if a is not None and b else float("nan")


def predict(meta, host: dict[str, float], *, rng: np.random.Generator, n: int = 9) -> dict[str, Any]:
    """Totals under QEMU's names from the scenario alone: medians over n simulated migrations.

    host: constants by name, as `readers.hosts.read_host` gives them. Keys besides QEMU's: `converged`, `pause_ms`.
    A migration that most runs give up has `converged` false and the totals it had then.
    """
    from nfvlab import freepages

    p = freepages.from_recording(meta, host)
    return _words([run.totals for run in freepages.simulate(p, rng=rng, n=n).runs], TOTALS)


def predict_compressed(
    meta, host: dict[str, float], compression: Compression, *, rng: np.random.Generator, n: int = 9
) -> dict[str, Any]:
    """The same for a migration whose pages are compressed, with `wire_bytes`, what crosses the link.

    compression: what was measured of it on that host, as `readers.hosts.read_host` gives it in its meta.
    """
    from nfvlab.qat.recordings import from_recording, way_of
    from nfvlab.qat.simulation import migrate

    p = from_recording(meta, host, compression)
    runs = [migrate(p, way_of(meta), child) for child in rng.spawn(n)]
    apart = COUNTED_APART[method_of(meta)]
    words = _words([run.totals for run in runs], [name for name in TOTALS if name not in apart])
    chosen = [run.spent.wire_bytes for run in runs if run.totals.converged == words["converged"]]
    return words | {"wire_bytes": _median("wire_bytes", chosen)}


def _words(totals, names: Iterable[str]) -> dict[str, Any]:
    """Medians over the runs that end as most do, under QEMU's names."""
    converged = sum(t.converged for t in totals) * 2 > len(totals)
    chosen = [t for t in totals if t.converged == converged]
    words = {name: _median(name, [getattr(t, name) for t in chosen]) for name in names}
    words = {name: value for name, value in words.items() if value == value}
    pause = float(np.median([t.pause_ns for t in chosen])) / ms if converged else None
    return to_query_migrate(words) | {"converged": converged, "pause_ms": pause}


def _median(name: str, values: Iterable[float]) -> float:
    median = float(np.median(list(values)))
    return round(median) if median == median and name.endswith(WHOLE) else median


def measured(meta) -> dict[str, Any]:
    """What the recording measured, under the same keys; `wire_bytes` where the link was watched."""
    pause_ns = (meta.measured or {}).get("pause_ns")
    wire = {} if meta.wire_bytes is None else {"wire_bytes": meta.wire_bytes}
    return (
        wire
        | to_query_migrate({k: v for k, v in meta.final.items() if k in TOTALS})
        | {
            "converged": meta.outcome == "completed",
            "pause_ms": None if pause_ns is None else pause_ns / ms,
        }
    )


def predict_all(
    recordings,
    host: dict[str, float],
    *,
    seed: int,
    n: int = 9,
    progress=lambda: None,
    compression: Compression | None = None,
) -> list[Prediction]:
    """A `Prediction` for each (path, meta); each recording's generator depends on the seed and its place only.

    compression: what was measured of it on that host; without it compressed migrations are left out.
    """
    found = []
    for (path, meta), child in zip(
        recordings, np.random.SeedSequence(seed).spawn(len(recordings)), strict=True
    ):
        rng = np.random.default_rng(child)
        squeezed = bool(compression) and compresses(meta)
        reason = why_not_told(meta) if squeezed else why_left_out(meta)
        if reason:
            totals = {}
        elif squeezed:
            totals = predict_compressed(meta, host, compression, rng=rng, n=n)
        else:
            totals = predict(meta, host, rng=rng, n=n)
        found.append(Prediction(str(path), meta.name, totals, measured(meta), reason))
        progress()
    return found


def summary(predictions: list[Prediction]) -> dict[str, float]:
    """Median and 90th percentile of the absolute errors, and the shares that are right."""
    judged = [p for p in predictions if not p.left_out]
    done = [p for p in judged if p.measured["converged"] and p.predicted["converged"]]
    figures: dict[str, float] = {"recordings": len(judged)}
    if judged:
        figures["convergence right"] = float(
            np.mean([p.measured["converged"] == p.predicted["converged"] for p in judged])
        )
    for label, field in (
        ("bytes", "transferred"),
        ("total time", "total-time"),
        ("rounds", "dirty-sync-count"),
        ("wire bytes", "wire_bytes"),
    ):
        errors = np.abs([p.error(field) for p in done])
        errors = errors[~np.isnan(errors)]
        if errors.size:
            figures[f"{label}: median error"] = float(np.median(errors))
            figures[f"{label}: 90th percentile"] = float(np.quantile(errors, 0.9))
    ratios = np.array([p.error("pause_ms") + 1 for p in done])
    ratios = ratios[~np.isnan(ratios)]
    if ratios.size:
        figures["pause within a factor of 2"] = float(np.mean((ratios >= 0.5) & (ratios <= 2)))
    return figures
