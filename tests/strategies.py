"""Hypothesis strategies made from the declarations of a Params class.

`typical(cls)` draws scenarios where sliders look, `edges(cls)` at the ends of the domains, `outside(cls)`
single fields past them. A draw changes some fields and leaves the others at their defaults; it is rejected
only when a rule across fields (`rules()`) refuses it.
"""

import math
from typing import Any

from hypothesis import reject
from hypothesis import strategies as st

from nfvlab.params import ParamError, Params
from nfvlab.specs import Spec


def typical(cls: type[Params], **fixed: Any) -> st.SearchStrategy[Params]:
    """Scenarios with some fields anywhere in their `typical` interval; `fixed` ones stay as given."""
    return _scenarios(cls, {name: values(spec) for name, spec in cls.specs().items()}, fixed)


def edges(cls: type[Params], **fixed: Any) -> st.SearchStrategy[Params]:
    """Scenarios with some fields at an end of their domain (or at any choice)."""
    return _scenarios(cls, {name: _ends(spec) for name, spec in cls.specs().items()}, fixed)


def values(spec: Spec) -> st.SearchStrategy[Any]:
    """Values of one field: over `typical`, evenly in the logarithm where the declaration says so."""
    if spec.kind is bool:
        return st.booleans()
    if spec.kind is str:
        return st.sampled_from(spec.choices)
    if spec.kind is tuple:
        low, high = spec.domain or (0, 4)
        return st.lists(typical(spec.element), min_size=low, max_size=min(high, low + 4)).map(tuple)
    low, high = spec.typical
    if not spec.log:
        return st.integers(low, high) if spec.kind is int else st.floats(low, high)
    as_kind = round if spec.kind is int else float
    powers = st.floats(math.log10(low), math.log10(high)).map(lambda power: as_kind(10**power))
    return powers.map(lambda value: min(max(value, low), high))  # rounding may pass an end


def outside(cls: type[Params]) -> st.SearchStrategy[tuple[str, Any]]:
    """A number field and a value past its domain: just past, far past, infinite, or not a number."""
    numbers = [spec for spec in cls.specs().values() if spec.kind in (float, int)]
    return st.one_of(
        [st.sampled_from(_past(spec)).map(lambda x, name=spec.name: (name, x)) for spec in numbers]
    )


def _past(spec: Spec) -> list[float]:
    low, high = spec.domain
    if spec.kind is int:
        return [low - 1, high + 1, low - 10**30, high + 10**30]
    return [math.nextafter(low, -math.inf), math.nextafter(high, math.inf), -1e300, 1e300, math.inf, math.nan]


def _ends(spec: Spec) -> st.SearchStrategy[Any]:
    if spec.kind in (float, int):
        return st.sampled_from([end for end in spec.domain if math.isfinite(end)])
    if spec.kind is tuple:
        return st.lists(edges(spec.element), min_size=(spec.domain or (0, 0))[0], max_size=2).map(tuple)
    return values(spec)


def _scenarios(cls: type[Params], fields: dict[str, Any], fixed: dict[str, Any]) -> st.SearchStrategy[Params]:
    drawn = {name: strategy for name, strategy in fields.items() if name not in fixed}
    return st.fixed_dictionaries({}, optional=drawn).map(lambda some: _build(cls, {**some, **fixed}))


def _build(cls: type[Params], fields: dict[str, Any]) -> Params:
    """The scenario, or a rejected draw; every field is in its domain, so only rules() can refuse it."""
    alone = [spec.check(fields[name])[1] for name, spec in cls.specs().items() if name in fields]
    assert not any(alone), f"a strategy left the domain: {[str(problem) for problem in alone if problem]}"
    try:
        return cls(**fields)
    except ParamError:
        reject()
