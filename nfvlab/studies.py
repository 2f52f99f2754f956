"""Tables that every notebook shows: the knobs with their sources, and the twins of all scenarios."""

from collections.abc import Iterable, Mapping
from types import ModuleType

import numpy as np

from nfvlab import twin
from nfvlab.glossary import Table
from nfvlab.params import Params


def knobs(p: Params, names: Iterable[str] | None = None) -> Table:
    """Value, meaning and source of some fields, in words; of those that differ from the defaults if none is named.

    A field of one of several parts goes by its path, "tenants[0].data_bytes".
    """
    rows = {row["name"]: row for row in p.rows()}
    wanted = p.changes() if names is None else names
    columns = {"name": "knob", "value": "value", "doc": "meaning", "source": "source"}
    return Table("Knobs", [{title: rows[name][key] for key, title in columns.items()} for name in wanted])


def twins(feature: ModuleType, scenarios: Mapping[str, Params], *, seed: int, n: int) -> Table:
    """One row a scenario: how many claims hold, and those that do not, with theory and simulation in words."""
    rows = []
    children = np.random.SeedSequence(seed).spawn(len(scenarios))
    for (label, p), child in zip(scenarios.items(), children, strict=True):
        found = twin.compare(feature, p, rng=np.random.default_rng(child), n=n)
        fails = [f"{r.field}: {r.words()['theory']} for {r.words()['monte_carlo']}" for r in found.failures]
        held = f"{len(found.rows) - len(fails)} of {len(found.rows)}"
        rows.append({"scenario": label, "claims that hold": held, "fails": "; ".join(fails) or "none"})
    return Table(f"Twins of every scenario, {n} simulated runs each", rows)
