"""Interactive panels: `explore(feature)` makes sliders, picture and key results from its declarations."""

import importlib
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from types import ModuleType

from . import nested
from .montecarlo import pieces
from .panel import Panel
from .params import Params

__all__ = ["Panel", "explore"]

Fields = Sequence[str] | Mapping[str, Sequence[str]]


def explore(
    feature: ModuleType,
    *,
    scenario: str | Params | None = None,
    fields: Fields | None = None,
    seed: int = 0,
    n: int = 20,
    labels: Mapping[str, str] | None = None,
) -> Panel:
    """A panel for a feature: its parameters as sliders, its live picture, presets, Python, CSV and PNG.

    `scenario` is where it starts: a name from `feature.SCENARIOS` or parameters of your own (the first
    scenario unless given). `fields` chooses and orders the controls, in groups if it is a mapping of heading
    to names; the rest stands under "More parameters". The fields of parts go by path: "tenants[0].data_bytes",
    or "tenants[*].data_bytes" for a group of them a tenant; masks stand in a table above the picture. `n`
    replications from `seed` make the Monte Carlo; `labels` renames controls. Raises `ValueError` for names that
    do not exist.
    """
    pieces(seed, n)  # refuses a bad n or seed now rather than after a rest
    presets = _presets(feature, scenario)
    groups = _groups(presets, fields)
    live = getattr(feature, "figures", None) or importlib.import_module(f"{feature.__name__}.figures")
    known = _known_paths(presets)
    for name in labels or {}:
        _known(name, known | {nested.field_name(path): None for path in known}, "field")
    return Panel(feature, live.Live, presets, groups, seed=seed, n=n, labels=dict(labels or {}))


def _presets(feature: ModuleType, scenario: str | Params | None) -> dict[str, Params]:
    """The scenarios, the one to start with first."""
    known = dict(feature.SCENARIOS)
    if isinstance(scenario, Params):
        named = [name for name, p in known.items() if p == scenario]
        if not named:
            return {"as given": scenario, **known}
        scenario = named[0]
    if scenario is None:
        return known or {"defaults": feature.Params()}
    _known(scenario, known, "scenario")
    return {scenario: known[scenario], **known}


def _groups(presets: Mapping[str, Params], fields: Fields | None) -> dict[str, list[str]]:
    specs = next(iter(presets.values())).specs()
    if fields is None:
        fields = [name for name, spec in specs.items() if spec.kind is not tuple][:8]
    groups = (
        {title: list(names) for title, names in fields.items()}
        if isinstance(fields, Mapping)
        else {"": list(fields)}
    )
    known, seen = _known_paths(presets), set()
    for name in (name for names in groups.values() for name in names):
        if name in specs and specs[name].kind is tuple:
            raise ValueError(f"fields: {name!r} is a tuple of parameters; name a field of them, {name}[*].…")
        _known(name, known, "field")
        if name in seen:
            raise ValueError(f"fields: {name!r} stands twice; a field has one control")
        seen.add(name)
    return groups


def _known_paths(presets: Mapping[str, Params]) -> dict[str, None]:
    """Every path of every scenario, and the patterns that stand for several."""
    paths = [leaf.path for p in presets.values() for leaf in nested.leaves(p)]
    return dict.fromkeys([*paths, *(re.sub(r"\[\d+\]", "[*]", path) for path in paths)])


def _known(name: str, known: Mapping[str, object], what: str) -> None:
    if name not in known:
        near = get_close_matches(str(name), known, 1)
        remedy = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
        raise ValueError(f"{name!r} is not a {what}; {remedy}")
