"""Masks changed on a running host: who holds which ways before and after, since a new mask evicts nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nfvlab.cat.params import Params
from nfvlab.llc.engine import Engine
from nfvlab.llc.params import LINE_BYTES


@dataclass(frozen=True)
class Course:
    """Occupancy over time, and by way at the end of each stage.

    t_ns float64[s], occupancy_bytes float64[s, tenants]; changed_ns, when each later stage began;
    by_way_bytes float64[stages, tenants, ways], what each tenant held at the end of a stage, way 0 first.
    """

    stages: tuple[Params, ...]
    t_ns: np.ndarray
    occupancy_bytes: np.ndarray
    changed_ns: tuple[float, ...]
    by_way_bytes: np.ndarray


def reprogram(
    stages: Sequence[Params], *, stage_ns: float, rng: np.random.Generator, snapshots: int = 60
) -> Course:
    """Run the first stage from an empty cache, then give its tenants the masks of each later stage.

    The stages differ in masks only; each lasts `stage_ns`. ValueError if they differ in more.
    """
    first, *others = stages
    for later in others:
        if len(later.tenants) != len(first.tenants) or with_masks_of(first, later) != later:
            raise ValueError(
                "stages differ in more than masks: start from one scenario and change its masks only"
            )
    engine, windows, held = Engine(first, first.tenants, rng), [], []
    for number, stage in enumerate(stages):
        engine.set_masks(stage.tenants)
        windows.append(engine.run((number + 1) * stage_ns, snapshot_ns=stage_ns / snapshots))
        held.append([engine.held_by_way(k) for k in range(engine.count)])
    return Course(
        stages=tuple(stages),
        t_ns=np.concatenate([window.snapshot_ns for window in windows]),
        occupancy_bytes=np.concatenate([w.occupancy[:, : engine.count] for w in windows]) * float(LINE_BYTES),
        changed_ns=tuple(stage_ns * (number + 1) for number in range(len(others))),
        by_way_bytes=np.array(held) * float(LINE_BYTES),
    )


def with_masks_of(p: Params, other: Params) -> Params:
    """`p` with the masks of another scenario with as many tenants."""
    pairs = zip(p.tenants, other.tenants, strict=True)
    return p.replace(tenants=tuple(t.replace(data_mask=o.data_mask, code_mask=o.code_mask) for t, o in pairs))
