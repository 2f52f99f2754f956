"""Parameters: one declaration of each field feeds validation, tables, sliders and property tests.

A scenario is a frozen dataclass whose fields are made by `param`::

    @dataclass(frozen=True, kw_only=True)
    class Params(params.Params):
        \"\"\"A deadline armed in the VMX-preemption timer.\"\"\"

        deadline_ns: float = param(50e3, "from VM entry to the deadline", domain=(1, 1e12), source=ASSUMED)
        entry_ns: float = param(500.0, "cost of a VM entry", domain=(0, 1e5), source=ASSUMED)

        def rules(self):
            if self.deadline_ns < self.entry_ns:
                yield self.problem("deadline_ns", "must not precede VM entry", "raise deadline_ns")

Such objects are hashable and comparable, survive JSON exactly, and report every broken rule at once
(`ParamError`).
"""

import dataclasses
import functools
import inspect
import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from html import escape
from typing import Any, ClassVar, Self

from nfvlab.specs import KEY, ParamError, Problem, Spec, in_words, owner_name, read_declarations

__all__ = ["ASSUMED", "ParamError", "Params", "Problem", "Spec", "param"]

ASSUMED = "assumed"


def param(
    default: Any,
    doc: str,
    *,
    domain: tuple[float, float] | None = None,
    typical: tuple[float, float] | None = None,
    log: bool = False,
    choices: Iterable[str] | None = None,
    source: str,
) -> Any:
    """Declare a field of a `Params` class; its annotation tells its kind.

    The kinds are float, int, bool, str (with `choices`) and tuple[OtherParams, ...]. `domain`, both ends
    included, is where the model is valid; `typical` is where sliders and property tests look (the domain
    unless given); `log` is the slider's scale; `source` is a document and section, a recording, or `ASSUMED`.
    For a tuple, `domain` bounds its length.
    """
    declared = {"doc": doc, "domain": domain, "typical": typical, "log": log, "source": source}
    declared["choices"] = None if choices is None else tuple(choices)
    return dataclasses.field(default=default, metadata={KEY: declared})


class Params:
    """Base of every set of parameters; decorate a subclass with `@dataclass(frozen=True, kw_only=True)`."""

    _specs: ClassVar[dict[str, Spec]] = {}

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        inherited: dict[str, Spec] = {}
        for base in reversed(cls.__mro__[1:]):
            inherited.update(vars(base).get("_specs", {}))
        cls._specs = {**inherited, **read_declarations(cls, inherited)}
        if "__repr__" not in vars(cls):
            cls.__repr__ = Params.__repr__  # found in the class itself, it is not replaced by the decorator

    def __post_init__(self) -> None:
        _check_decorated(type(self))
        problems = []
        for name, spec in self._specs.items():
            given = getattr(self, name)
            value, found = spec.check(given)
            if value is not given:
                object.__setattr__(self, name, value)
            if found:
                problems.append(found)
        self._add_broken_rules(problems)
        if problems:
            raise ParamError(problems, owner_name(type(self)))

    def _add_broken_rules(self, problems: list[Problem]) -> None:
        """Judge the rules across fields too, as far as fields already known to be bad allow."""
        known_bad = bool(problems)
        try:
            for found in self.rules():
                problems.append(found)
        except Exception:
            if not known_bad:
                raise

    def rules(self) -> Iterable[Problem]:
        """Rules across fields: yield `self.problem(...)` for each one that is broken."""
        return ()

    def problem(self, field: str, rule: str, remedy: str) -> Problem:
        """A broken rule that shows in `field`: what must hold, and how to mend it."""
        return Problem(field, getattr(self, field), rule, remedy)

    @classmethod
    def specs(cls) -> dict[str, Spec]:
        """The declarations by field name, inherited ones first."""
        return dict(cls._specs)

    def replace(self, **overrides: Any) -> Self:
        """The same scenario with some fields changed; `ParamError` for unknown names and broken rules."""
        problems = [
            _unknown(self, name, value) for name, value in overrides.items() if name not in self._specs
        ]
        known = {name: value for name, value in overrides.items() if name in self._specs}
        try:
            changed = dataclasses.replace(self, **known)
        except ParamError as error:
            problems += error.problems
        if problems:
            raise ParamError(problems, owner_name(type(self)))
        return changed

    def changes(self, base: "Params | None" = None) -> dict[str, Any]:
        """The fields that differ from `base` (of the same class), or else from the defaults."""
        before = {name: spec.default for name, spec in self._specs.items()} if base is None else vars(base)
        return {name: value for name, value in vars(self).items() if value != before[name]}

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dictionaries, ready for JSON."""
        return {name: _plain(getattr(self, name)) for name in self._specs}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; like the constructor it takes the default where a field is absent."""
        if not isinstance(data, Mapping):
            wrong = Problem(owner_name(cls), data, "must map field names to values", "write {name: value}")
            raise ParamError([wrong], owner_name(cls))
        problems, values = [], {}
        for name, value in data.items():
            if name not in cls._specs:
                problems.append(_unknown(cls, name, value))
            elif cls._specs[name].kind is tuple:
                values[name], nested = _elements(cls._specs[name], value)
                problems += nested
            else:
                values[name] = value
        try:
            made = cls(**values)
        except ParamError as error:
            problems += error.problems
        if problems:
            raise ParamError(problems, owner_name(cls))
        return made

    def to_json(self, *, indent: int | None = 2) -> str:
        """The parameters as JSON text; `from_json` gives back an equal object."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read JSON text; `ParamError` if it is not JSON or does not fit."""
        try:
            data = json.loads(text, object_pairs_hook=_no_repeats)
        except (ValueError, RecursionError) as error:
            wrong = Problem("JSON text", text, f"cannot be read ({error})", "write it with to_json()")
            raise ParamError([wrong], owner_name(cls)) from None
        return cls.from_dict(data)

    def rows(self, prefix: str = "") -> list[dict[str, str]]:
        """One row a field, in words: name, value, doc, domain, source."""
        table = []
        for name, spec in self._specs.items():
            value = getattr(self, name)
            elements = value if spec.kind is tuple else ()
            shown = f"{len(elements)} of them" if spec.kind is tuple else in_words(name, value)
            row = {"name": prefix + name, "value": shown, "doc": spec.doc}
            table.append({**row, "domain": spec.span(), "source": spec.source})
            for position, element in enumerate(elements):
                table += element.rows(f"{prefix}{name}[{position}].")
        return table

    def _repr_html_(self) -> str:
        title = (inspect.getdoc(type(self)) or owner_name(type(self))).splitlines()[0]
        return html_table(title, self.rows())

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={value!r}" for name, value in self.changes().items())
        return f"{owner_name(type(self))}({inside})"


def html_table(caption: str, rows: Iterable[Mapping[str, str]]) -> str:
    """A labelled HTML table of rows that share their keys, words to the left; all text is escaped."""
    rows = list(rows)
    keys = list(rows[0]) if rows else []
    left = {
        key: "" if all(_numeric(row[key]) for row in rows) else ' style="text-align:left"' for key in keys
    }
    head = "".join(f'<th scope="col"{left[key]}>{escape(key)}</th>' for key in keys)
    body = "".join(
        f"<tr>{''.join(f'<td{left[key]}>{escape(text)}</td>' for key, text in row.items())}</tr>"
        for row in rows
    )
    caption = f"<caption>{escape(caption)}</caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _numeric(text: str) -> bool:
    """Whether a cell reads as a number: with a sign or a digit first, or nothing there."""
    return text.lstrip("+-±")[:1].isdigit() or text.lstrip("+-") in ("", "inf", "nan", "∞", "undefined")


@functools.cache
def _check_decorated(cls: type) -> None:
    made = vars(cls).get("__dataclass_params__")
    if not made or not made.frozen or not all(field.kw_only for field in dataclasses.fields(cls)):
        raise TypeError(f"decorate {owner_name(cls)} with @dataclass(frozen=True, kw_only=True)")


def _elements(spec: Spec, value: Any) -> tuple[Any, list[Problem]]:
    """Rebuild a tuple of Params from plain mappings, naming the element in every problem."""
    if not isinstance(value, list | tuple):
        return value, []
    made, problems = [], []
    for position, item in enumerate(value):
        try:
            made.append(item if isinstance(item, Params) else spec.element.from_dict(item))
        except ParamError as error:
            for found in error.problems:
                place = f"{spec.name}[{position}]" + (f".{found.where}" if found.where else "")
                problems.append(dataclasses.replace(found, where=place))
    return (spec.default if problems else tuple(made)), problems


def _unknown(owner: Any, name: Any, value: Any) -> Problem:
    near = get_close_matches(str(name), owner._specs, 1, 0.5)
    remedy = f"did you mean {near[0]!r}?" if near else f"the fields are {', '.join(owner._specs)}"
    return Problem(str(name), value, "is not a field of this scenario", remedy)


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError(f"the name {next(n for n in names if names.count(n) > 1)!r} appears twice")
    return dict(pairs)


def _plain(value: Any) -> Any:
    return [element.to_dict() for element in value] if isinstance(value, tuple) else value
