"""Scenarios with parts: every field by its path, "cache_ways" or "tenants[1].data_bytes"."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nfvlab.params import ParamError, Params
from nfvlab.specs import Problem, Spec, owner_name

_STEP = re.compile(r"(\w+)\[(\d+|\*)\]\.")


@dataclass(frozen=True)
class Leaf:
    """A field that holds a plain value: its path, its declaration and the value."""

    path: str
    spec: Spec
    value: Any


def leaves(p: Params, prefix: str = "") -> Iterator[Leaf]:
    """Every plain field of a scenario and of its parts, in the order of their declaration."""
    for name, spec in p.specs().items():
        value = getattr(p, name)
        if spec.kind is not tuple:
            yield Leaf(prefix + name, spec, value)
            continue
        for position, part in enumerate(value):
            yield from leaves(part, f"{prefix}{name}[{position}].")


def build(p: Params, values: Mapping[str, Any], prefix: str = "") -> Params:
    """A scenario with the parts of `p` and these values by path; one `ParamError` for all broken rules."""
    made, problems = {}, []
    for name, spec in p.specs().items():
        if spec.kind is not tuple:
            made[name] = values.get(prefix + name, getattr(p, name))
            continue
        parts = []
        for position, part in enumerate(getattr(p, name)):
            place = f"{name}[{position}]"
            try:
                parts.append(build(part, values, f"{prefix}{place}."))
            except ParamError as error:
                parts.append(part)
                problems += [_inside(found, place) for found in error.problems]
        made[name] = tuple(parts)
    try:
        whole = type(p)(**made)
    except ParamError as error:
        problems += error.problems
    if problems:
        raise ParamError(problems, owner_name(type(p)))
    return whole


def path_of(problem: Problem) -> str:
    """The path of the field in which a broken rule shows."""
    return f"{problem.where}.{problem.field}" if problem.where else problem.field


def field_name(path: str) -> str:
    """The last name of a path, whose suffix tells the unit: "data_bytes" of "tenants[1].data_bytes"."""
    return path.rpartition(".")[2]


def expand(pattern: str, p: Params) -> list[str]:
    """The paths that a pattern names in `p`: "tenants[*].data_bytes" stands for one a tenant."""
    step = _STEP.match(pattern)
    if not step or "*" not in pattern:
        return [pattern]
    parts, rest = getattr(p, step[1], ()), pattern[step.end() :]
    chosen = enumerate(parts) if step[2] == "*" else [(int(step[2]), parts[int(step[2])])]
    return [f"{step[1]}[{k}].{inner}" for k, part in chosen for inner in expand(rest, part)]


def _inside(problem: Problem, place: str) -> Problem:
    return replace(problem, where=place + (f".{problem.where}" if problem.where else ""))
