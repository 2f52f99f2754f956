"""Parameters: one declaration of each field feeds validation, tables, sliders and property tests.

A scenario is a frozen dataclass whose fields are made by `param`::

    @dataclass(frozen=True, kw_only=True)
    class Params(params.Params):
        \"\"\"A deadline armed in the VMX-preemption timer.\"\"\"

        deadline_ns: float = param(
            50e3, "from VM entry to the deadline", domain=(1, 1e12), typical=(1e3, 1e6), log=True, source=ASSUMED
        )

        def rules(self):
            if self.deadline_ns < self.entry_ns:
                yield self.problem("deadline_ns", "at least entry_ns", "arm the timer later or enter sooner")

Such objects are hashable and comparable, survive JSON exactly, and report every broken rule at once (`ParamError`).
"""

import dataclasses
import inspect
import json
import math
import numbers
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from html import escape
from typing import Any, ClassVar, Self

from nfvlab.units import Dimension, UnknownUnit, dimension, human

ASSUMED = "assumed"
_KINDS = (float, int, bool, str, tuple)
_KEY = "nfvlab.param"


@dataclass(frozen=True)
class Problem:
    """One broken rule: the field, its value, what must hold, how to mend it, and where (if one of many sets)."""

    field: str
    value: Any
    rule: str
    remedy: str
    where: str = ""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.field} = {_shown(self.field, self.value)}: {self.rule}; {self.remedy}"


class ParamError(ValueError):
    """Everything that is wrong with a set of parameters, at once, as `.problems`."""

    def __init__(self, problems: Iterable[Problem], owner: str = "parameters"):
        self.problems = tuple(problems)
        self.owner = owner
        super().__init__(self.problems, owner)  # as given, so that the error survives pickling

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return f"{self.owner}: {self.problems[0]}"
        return "\n  ".join([f"{self.owner}: {len(self.problems)} problems", *map(str, self.problems)])


@dataclass(frozen=True)
class Spec:
    """The declaration of one field; `kind` is float, int, bool, str or tuple (then of `element`)."""

    name: str
    kind: type
    default: Any
    doc: str
    domain: tuple[float, float] | None
    typical: tuple[float, float] | None
    log: bool
    choices: tuple[str, ...] | None
    source: str
    dimension: Dimension | None
    element: type | None = None

    def span(self, ends: tuple[float, float] | None = None) -> str:
        """The domain (or another interval) in words and human units."""
        if self.choices:
            return " or ".join(self.choices)
        low, high = ends or self.domain or (None, None)
        if low is None:
            return "yes or no" if self.kind is bool else "any number of them"
        if self.kind is tuple:
            return f"{low} to {high} of them"
        return f"{human(self.name, low)} to {human(self.name, high)}"


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
    """Declare a field of a `Params` class; its annotation (float, int, bool, str, tuple[Other, ...]) is its kind.

    `domain` (both ends included) is where the model is valid, `typical` where sliders and property tests look (the
    domain unless given), `log` the slider's scale, `source` a document and section, a recording, or `ASSUMED`.
    For a tuple, `domain` bounds its length.
    """
    declared = {"doc": doc, "domain": domain, "typical": typical, "log": log, "source": source}
    declared["choices"] = None if choices is None else tuple(choices)
    return dataclasses.field(default=default, metadata={_KEY: declared})


class Params:
    """Base of every set of parameters; a subclass is decorated with `@dataclass(frozen=True, kw_only=True)`."""

    _specs: ClassVar[dict[str, Spec]] = {}

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        inherited: dict[str, Spec] = {}
        for base in reversed(cls.__mro__[1:]):
            inherited.update(vars(base).get("_specs", {}))
        cls._specs = {**inherited, **_declared(cls, inherited)}
        if "__repr__" not in vars(cls):
            cls.__repr__ = Params.__repr__  # found in the class itself, it is not replaced by the decorator

    def __post_init__(self) -> None:
        cls = type(self)
        made = vars(cls).get("__dataclass_params__")
        if made is None or not made.frozen or not all(f.kw_only for f in dataclasses.fields(self)):
            raise TypeError(f"decorate {owner_name(cls)} with @dataclass(frozen=True, kw_only=True)")
        problems = []
        for name, spec in cls._specs.items():
            value, problem = _checked(spec, getattr(self, name))
            object.__setattr__(self, name, value)
            if problem:
                problems.append(problem)
        problems = self._with_rules(problems)
        if problems:
            raise ParamError(problems, owner_name(cls))

    def _with_rules(self, problems: list[Problem]) -> list[Problem]:
        """Add the broken rules across fields, as far as fields already known to be bad let them be judged."""
        found = list(problems)
        try:
            for problem in self.rules():
                found.append(problem)
        except Exception:
            if not problems:
                raise
        return found

    def rules(self) -> Iterable[Problem]:
        """Rules across fields: yield `self.problem(...)` for each broken one; extend with `yield from super()`."""
        return ()

    def problem(self, field: str, rule: str, remedy: str) -> Problem:
        """A broken rule that shows itself in `field`."""
        return Problem(field, getattr(self, field), rule, remedy)

    @classmethod
    def specs(cls) -> dict[str, Spec]:
        """The declarations by field name, inherited ones first."""
        return dict(cls._specs)

    def replace(self, **overrides: Any) -> Self:
        """The same scenario with some fields changed; `ParamError` for unknown names."""
        unknown = [
            _unknown(self, name, value) for name, value in overrides.items() if name not in self._specs
        ]
        if unknown:
            known = {name: value for name, value in overrides.items() if name in self._specs}
            raise ParamError([*unknown, *_problems_of(self, known)], owner_name(type(self)))
        return dataclasses.replace(self, **overrides)

    def changes(self, base: "Params | None" = None) -> dict[str, Any]:
        """The fields that differ from `base` (of the same class), or else from the defaults."""
        reference = {
            name: spec.default if base is None else getattr(base, name) for name, spec in self._specs.items()
        }
        return {name: getattr(self, name) for name in self._specs if getattr(self, name) != reference[name]}

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dictionaries, ready for JSON."""
        return {name: _plain(getattr(self, name)) for name in self._specs}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; like the constructor it takes the default where a field is absent."""
        if not isinstance(data, Mapping):
            problem = Problem(
                owner_name(cls), data, "must be a mapping of field names to values", "write {name: value}"
            )
            raise ParamError([problem], owner_name(cls))
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
            problem = Problem("JSON text", text, f"cannot be read ({error})", "write it with to_json()")
            raise ParamError([problem], owner_name(cls)) from None
        return cls.from_dict(data)

    def rows(self, prefix: str = "") -> list[dict[str, str]]:
        """One row a field, in words: name, value, doc, domain, source."""
        table = []
        for name, spec in self._specs.items():
            value = getattr(self, name)
            shown = f"{len(value)} of them" if spec.kind is tuple else _in_words(name, value)
            row = {
                "name": prefix + name,
                "value": shown,
                "doc": spec.doc,
                "domain": spec.span(),
                "source": spec.source,
            }
            table.append(row)
            for position, element in enumerate(value if spec.kind is tuple else ()):
                table += element.rows(f"{prefix}{name}[{position}].")
        return table

    def _repr_html_(self) -> str:
        title = (inspect.getdoc(type(self)) or owner_name(type(self))).splitlines()[0]
        columns = ("name", "value", "doc", "domain", "source")
        head = "".join(f"<th scope='col'>{column}</th>" for column in columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(row[c])}</td>" for c in columns) + "</tr>" for row in self.rows()
        )
        return f"<table><caption>{escape(title)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={value!r}" for name, value in self.changes().items())
        return f"{owner_name(type(self))}({inside})"


def owner_name(cls: type) -> str:
    """`freepages.Params` for a class of `nfvlab.freepages.params`, the bare name for a class from elsewhere."""
    parts = cls.__module__.split(".")
    return f"{parts[1]}.{cls.__qualname__}" if parts[0] == "nfvlab" and len(parts) > 2 else cls.__qualname__


def _declared(cls: type, inherited: Mapping[str, Spec]) -> dict[str, Spec]:
    """Read a class's own declarations; a mistake in them is the author's, hence a TypeError at import."""
    try:
        annotations = inspect.get_annotations(cls, eval_str=True)
    except NameError as error:
        raise TypeError(
            f"{owner_name(cls)}: {error}; define classes named in annotations above it, at module level"
        )
    for name in inherited:
        if name in vars(cls) and name not in annotations:
            raise TypeError(
                f"{owner_name(cls)}.{name}: repeat the annotation and param(...) to change a field"
            )
    specs = {}
    for name, kind in annotations.items():
        if kind is ClassVar or typing.get_origin(kind) is ClassVar:
            continue
        try:
            specs[name] = _spec(name, kind, vars(cls).get(name))
        except (TypeError, UnknownUnit) as error:
            raise TypeError(f"{owner_name(cls)}.{name}: {error}") from None
    return specs


def _spec(name: str, kind: Any, field: Any) -> Spec:
    if not isinstance(field, dataclasses.Field) or _KEY not in field.metadata:
        raise TypeError("declare it with param(default, doc, ..., source=...)")
    declared = dict(field.metadata[_KEY])
    element = None
    if typing.get_origin(kind) is tuple:
        element, *rest = typing.get_args(kind)
        kind = tuple if rest == [...] and isinstance(element, type) and issubclass(element, Params) else None
    if kind not in _KINDS or (kind is tuple and element is None):
        raise TypeError("its annotation must be float, int, bool, str or tuple[SomeParams, ...]")
    if not declared["doc"] or not declared["source"]:
        raise TypeError("doc and source must not be empty")
    if (kind is str) != bool(declared["choices"]):
        raise TypeError("choices belong to a str field, and every str field has them")
    number = kind in (float, int)
    declared["domain"] = _interval(declared["domain"], kind, "domain", required=number)
    declared["typical"] = _interval(declared["typical"], kind, "typical") or declared["domain"]
    spec = Spec(
        name, kind, field.default, **declared, dimension=dimension(name) if number else None, element=element
    )
    if number:
        (low, high), (inner_low, inner_high) = spec.domain, spec.typical
        if not (
            low <= inner_low <= inner_high <= high and math.isfinite(inner_low) and math.isfinite(inner_high)
        ):
            raise TypeError("typical must be a finite interval inside the domain")
        if spec.log and inner_low <= 0:
            raise TypeError("a logarithmic slider needs typical values above zero")
    default, problem = _checked(spec, field.default)
    if problem:
        raise TypeError(f"its default is outside its own declaration: {problem}")
    return dataclasses.replace(spec, default=default)


def _interval(ends: Any, kind: type, word: str, required: bool = False) -> tuple[float, float] | None:
    if ends is None:
        if required:
            raise TypeError("a number needs a domain")
        return None
    if kind in (bool, str):
        raise TypeError(f"a {kind.__name__} field has no {word}")
    low, high = ends
    if math.isnan(low) or math.isnan(high) or low > high:
        raise TypeError(f"{word} must be (low, high)")
    if kind is float:
        return float(low), float(high)
    if low != int(low) or high != int(high):
        raise TypeError(f"{word} of an integer must have integer ends")
    return int(low), int(high)


def _checked(spec: Spec, value: Any) -> tuple[Any, Problem | None]:
    """The value as stored, and what is wrong with it as far as the field alone can tell."""
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()  # a numpy scalar
    if spec.kind in (float, int):
        return _checked_number(spec, value)
    if spec.kind is tuple:
        return _checked_tuple(spec, value)
    if spec.kind is bool:
        if isinstance(value, bool):
            return value, None
        return value, Problem(spec.name, value, "must be True or False", "write one of them")
    if isinstance(value, str) and value in spec.choices:
        return str(value), None
    near = get_close_matches(value, spec.choices, 1) if isinstance(value, str) else []
    remedy = f"did you mean {near[0]!r}?" if near else f"write one of them, for example {spec.default!r}"
    return value, Problem(spec.name, value, f"must be one of {', '.join(map(repr, spec.choices))}", remedy)


def _checked_number(spec: Spec, value: Any) -> tuple[Any, Problem | None]:
    whole = spec.kind is int
    if isinstance(value, bool) or not isinstance(value, numbers.Integral if whole else numbers.Real):
        rule = "must be a whole number" if whole else "must be a number"
        integral = whole and isinstance(value, numbers.Real) and value == value and abs(value) < 2**53
        remedy = (
            f"write {round(value)}"
            if integral and not isinstance(value, bool)
            else f"give it as {spec.kind.__name__}"
        )
        return value, Problem(spec.name, value, rule, remedy)
    try:
        value = spec.kind(value)
    except OverflowError:
        value = math.copysign(math.inf, value)
    low, high = spec.domain
    if not math.isfinite(value):
        return value, Problem(
            spec.name, value, "must be finite", f"typical values are {spec.span(spec.typical)}"
        )
    if not low <= value <= high:
        remedy = f"typical values are {spec.span(spec.typical)}"
        return value, Problem(spec.name, value, f"must lie in {spec.span()}", remedy)
    return value, None


def _checked_tuple(spec: Spec, value: Any) -> tuple[Any, Problem | None]:
    kind = owner_name(spec.element)
    if not isinstance(value, list | tuple) or any(type(element) is not spec.element for element in value):
        remedy = f"write ({kind}(...), {kind}(...))"
        return value, Problem(spec.name, value, f"must be a tuple of {kind}", remedy)
    if spec.domain and not spec.domain[0] <= len(value) <= spec.domain[1]:
        return tuple(value), Problem(spec.name, value, f"must hold {spec.span()}", "add or remove elements")
    return tuple(value), None


def _elements(spec: Spec, value: Any) -> tuple[Any, list[Problem]]:
    """Rebuild a tuple of Params from plain lists of mappings, naming the element in every problem."""
    if not isinstance(value, list | tuple):
        return value, []
    made, problems = [], []
    for position, item in enumerate(value):
        try:
            made.append(item if isinstance(item, Params) else spec.element.from_dict(item))
        except ParamError as error:
            place = f"{spec.name}[{position}]"
            problems += [
                dataclasses.replace(p, where=f"{place}, {p.where}" if p.where else place)
                for p in error.problems
            ]
    return (spec.default if problems else tuple(made)), problems


def _problems_of(base: Params, overrides: Mapping[str, Any]) -> tuple[Problem, ...]:
    try:
        dataclasses.replace(base, **overrides)
    except ParamError as error:
        return error.problems
    return ()


def _unknown(owner: Any, name: Any, value: Any) -> Problem:
    near = get_close_matches(str(name), owner._specs, 1, 0.5)
    remedy = f"did you mean {near[0]!r}?" if near else f"the fields are {', '.join(owner._specs)}"
    return Problem(str(name), value, "is not a field of this scenario", remedy)


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the same name appears twice: {next(n for n in names if names.count(n) > 1)!r}")
    return data


def _plain(value: Any) -> Any:
    return [element.to_dict() for element in value] if isinstance(value, tuple) else value


def _in_words(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return human(name, value) if isinstance(value, int | float) else str(value)


def _shown(name: str, value: Any) -> str:
    """A value in an error message: as written, then in human units, never longer than a line."""
    text = repr(value[:60] if isinstance(value, str | bytes) else value)
    text = text if len(text) <= 80 else text[:77] + "..."
    try:
        words = (
            _in_words(name, value) if isinstance(value, int | float) and not isinstance(value, bool) else ""
        )
    except (UnknownUnit, OverflowError):
        words = ""
    return f"{text} ({words})" if words and words != text else text
