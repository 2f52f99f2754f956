"""A panel's state in forms to keep: the Python that makes it again, a CSV table, a line of text."""

import csv
import io
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from . import style
from .literals import call
from .params import Params
from .specs import in_words


def as_python(feature: ModuleType, p: Params, *, seed: int, n: int) -> str:
    """Code that makes these parameters, their theory and the panel's Monte Carlo again, to the bit."""
    made, imports = call(p)
    parent, _, name = feature.__name__.rpartition(".")
    imports |= {f"from {parent} import {name}" if parent else f"import {name}"}
    imports |= {"from nfvlab.montecarlo import monte_carlo"}
    lines = [
        *_merged(imports),
        "",
        f"p = {made}",
        f"theory = {name}.analyze(p)",
        f"samples = monte_carlo({name}, p, seed={seed}, n={n})",
    ]
    return "\n".join(lines)


def as_csv(p: Params, theory: Any, samples: Any | None = None) -> str:
    """Parameters and results as CSV in base units: kind, name, value, stderr, note (a claim or a method)."""
    target = io.StringIO()
    table = csv.writer(target, lineterminator="\n")
    table.writerow(["kind", "name", "value", "stderr", "note"])
    for name, value in p.to_dict().items():
        table.writerow(["parameter", name, value, "", p.specs()[name].doc])
    for name, (value, claim) in theory.outputs().items():
        table.writerow(["theory", name, value, "", claim])
    for name, estimate in (samples.estimate() if samples is not None else {}).items():
        table.writerow(["simulation", name, estimate.value, estimate.stderr, estimate.method])
    return target.getvalue()


def as_text(title: str, p: Params, headline: Mapping[str, str], source: str) -> str:
    """One line: what differs from the defaults, the key results, where they came from."""
    changed = p.changes()
    knobs = ", ".join(
        f"{style.words(name)} {len(value) if isinstance(value, tuple) else in_words(name, value)}"
        for name, value in changed.items()
    )
    results = "; ".join(f"{key} {value}" for key, value in headline.items())
    return f"{title} [{knobs or 'defaults'}] {results} ({source})"


def _merged(imports: set[str]) -> list[str]:
    """Import statements, sorted, those from one module joined."""
    names: dict[str, list[str]] = {}
    for statement in sorted(imports):
        module, _, name = statement.rpartition("import ")
        names.setdefault(module, []).append(name)
    plain = [f"import {name}" for name in names.pop("", [])]
    return plain + [f"{module}import {', '.join(members)}" for module, members in names.items()]
