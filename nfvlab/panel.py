"""Panel: the state behind a board of sliders; the theory follows them, the Monte Carlo comes after a rest."""

import asyncio
import base64
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any

from . import masks, montecarlo, nested, units
from .board import Board
from .controls import Control, control
from .export import as_csv, as_python, as_text
from .params import ParamError, Params
from .picture import Picture
from .sections import Sections, is_mask, part_of
from .specs import Problem, Spec

REST_S = 0.3  # without a change before the Monte Carlo starts
_worker = ThreadPoolExecutor(
    1, thread_name_prefix="nfvlab-panel"
)  # one at a time; compiled loops release the GIL


class Panel:
    """Sliders, picture and key results of one feature; made by `nfvlab.widgets.explore`.

    `params`, `theory` and `samples` are the present state (`samples` is None until the Monte Carlo is done);
    `error` is the broken rule shown in the panel, or None.
    """

    def __init__(
        self,
        feature: ModuleType,
        picture: type[Picture],
        presets: Mapping[str, Params],
        groups: Mapping[str, Sequence[str]],
        *,
        seed: int,
        n: int,
        labels: Mapping[str, str],
    ) -> None:
        self.feature, self.presets, self.seed, self.n = feature, dict(presets), seed, n
        self.name = feature.__name__.rsplit(".", 1)[-1]
        self.preset = next(iter(self.presets))
        self._take(self.presets[self.preset])
        self.error: str | None = None
        self.samples: Any | None = None
        self.controls: dict[str, Control] = {}
        self._task: asyncio.Task | None = None
        self._shown: tuple = ()
        self.picture = picture(self.params)
        self.sections = Sections(groups, labels, self.picture.relevant)
        self.board = Board(
            list(self.presets),
            size=tuple(round(100 * inches) for inches in self.picture.size),
            choose=self.choose,
            reset=self.reset,
            actions={name: partial(self._act, act) for name, act in self.picture.actions.items()},
            more=self._more if any(self.sections.rest(p) for p in self.presets.values()) else None,
        )
        self._arrange()
        self.refresh()

    # The state

    def set(self, **changes: Any) -> None:
        """Set fields, by name or path, as their controls would; a rule that is broken is shown in the panel."""
        whole = {name: value for name, value in changes.items() if name not in self.values}
        if whole:  # all tenants at once, say; raises, with the nearest name, for what does not exist
            self._take(self.params.replace(**whole))
            self._arrange()
        plain = {path: value for path, value in changes.items() if path not in whole}
        self.values.update(plain)
        for path, value in self.values.items() if whole else plain.items():
            if path in self.controls and self.specs[path].check(value)[1] is None:
                self.controls[path].put(value)
        self.refresh()

    def choose(self, preset: str) -> None:
        """Start again from a scenario."""
        if preset not in self.presets:
            raise KeyError(f"{preset!r} is not a scenario; the scenarios are {', '.join(self.presets)}")
        if self.board.preset.value != preset:
            self.board.preset.value = preset  # which calls back
            return
        self.preset = preset
        self._show(self.presets[preset])

    def reset(self) -> None:
        """Back to the chosen scenario."""
        self.choose(self.preset)

    def _show(self, p: Params) -> None:
        """Start from a scenario, which may have other parts than the last."""
        self._take(p)
        self._arrange()
        self.set(**self.values)

    def _take(self, p: Params) -> None:
        found = list(nested.leaves(p))
        self.params = self.shape = p
        self.values = {leaf.path: leaf.value for leaf in found}
        self.specs: dict[str, Spec] = {leaf.path: leaf.spec for leaf in found}

    def _act(self, action: Callable[[Params], Params]) -> None:
        """What a button of the picture does: from the present scenario to another."""
        if not self.error:
            self._show(action(self.params))

    def refresh(self) -> None:
        """Bring everything up to date with `values`: the theory now, the Monte Carlo after a rest."""
        self._cancel()
        try:
            params = nested.build(self.shape, self.values)
        except ParamError as error:
            self._complain(
                "These values break a rule", [self._explain(problem) for problem in error.problems]
            )
            return
        with self._reported("The model failed"):
            theory = self.feature.analyze(params)
            self.params, self.theory, self.samples, self.error = params, theory, None, None
            self._arrange()
            self._draw()
        self.board.python(as_python(self.feature, params, seed=self.seed, n=self.n))
        self.board.offer({})
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._settled()  # plain Python: result() and display() compute the Monte Carlo when asked
        else:
            self._task = loop.create_task(self._after_rest())

    # The Monte Carlo

    async def _after_rest(self) -> None:
        await asyncio.sleep(REST_S)
        loop, parts = asyncio.get_running_loop(), []
        with self._reported("The simulation failed"):
            work = list(montecarlo.steps(self.feature, self.params, seed=self.seed, n=self.n))
            for done, step in enumerate(work):
                self.board.progress(done / len(work))
                parts.append(await loop.run_in_executor(_worker, step))
            self._accept(montecarlo.pool(parts, self.seed))

    async def settled(self) -> None:
        """Wait until the Monte Carlo of the present state is done."""
        if self._task is not None:
            await self._task

    def result(self, n: int | None = None) -> Any:
        """The feature's Samples for the present state, computed now if need be; `n` replaces the panel's."""
        if self.error:
            raise ParamError(
                [Problem("panel", self.error, "breaks a rule", "mend it or press Reset")], self.name
            )
        if n is not None and n != self.n:
            return montecarlo.monte_carlo(self.feature, self.params, seed=self.seed, n=n)
        if self.samples is None:
            self._cancel()
            with self._reported("The simulation failed"):
                self._accept(montecarlo.monte_carlo(self.feature, self.params, seed=self.seed, n=self.n))
        return self.samples

    def _accept(self, samples: Any) -> None:
        self.samples = samples
        self._draw()
        self._settled()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self.board.progress(None)

    # What it shows

    def headline(self) -> dict[str, str]:
        """The key results in words, as the tiles above the picture show them."""
        return self.picture.headline(self.params, self.theory, self.samples)

    def _draw(self) -> None:
        state = (self.params, self.theory, self.samples)
        self.board.show(self.picture.draw(*state), self.picture.alt(*state), self.headline())

    def _settled(self) -> None:
        self.board.progress(None)
        self.board.offer(
            {
                f"{self.name}.csv": ("text/csv", as_csv(self.params, self.theory, self.samples).encode()),
                f"{self.name}.png": ("image/png", self.board.png),
            }
        )
        results = "; ".join(f"{key} {value}" for key, value in self.headline().items())
        runs = f" and {self.samples.n} simulated runs, seed {self.seed}" if self.samples is not None else ""
        self.board.say(f"Theory{runs}.", f" {results}.")

    def _complain(self, heading: str, problems: Sequence[str]) -> None:
        self.error = "; ".join(problems)
        self.board.progress(None)
        self.board.complain(heading, problems)
        self.board.offer({})
        self.board.say(f"{heading}. The picture is of the last good state.")
        self.board.python("".join(f"# {heading}: {problem}\n" for problem in problems))

    def _refused(self, path: str, why: str) -> None:
        self._cancel()
        self._complain(f"{self.sections.full_label(path)}: not understood", [why])

    def _explain(self, problem: Problem) -> str:
        value, path = problem.value, nested.path_of(problem)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        known = number and path in self.values and math.isfinite(value)
        shown = units.human(problem.field, value) if known else repr(value)
        return f"{self.sections.full_label(path)} ({path}) is {shown}: {problem.rule}; {problem.remedy}."

    @contextmanager
    def _reported(self, heading: str) -> Iterator[None]:
        """An unforeseen error is a bug: say so in the panel, where it would be lost, and let it go on."""
        try:
            yield
        except Exception as error:
            self._complain(heading, [f"{type(error).__name__}: {error}"])
            raise

    # The controls

    def _arrange(self) -> None:
        """Show the controls that this scenario uses; nothing moves while they are the same."""
        p = self.params
        wanted = (self.sections.front(p), self.sections.masks(p), self.sections.rest(p))
        if wanted != self._shown:
            self._shown = wanted
            groups = {title: [self._row(path) for path in paths] for title, paths in wanted[0].items()}
            self.board.arrange(groups, [self._row(path) for path in wanted[1]])
        if wanted[1]:
            self.board.head.value = masks.head(*self.picture.ways(p))
        for path in (path for path in self.values if path in self.controls and is_mask(path)):
            self.controls[path].frame(self.picture.ways(p)[0])

    def _more(self) -> list[Any]:
        rows = [self._row(path, self.sections.full_label(path)) for path in self.sections.rest(self.params)]
        self._arrange()
        return rows

    def _row(self, path: str, label: str | None = None) -> Any:
        if path not in self.controls:
            place = self.sections.place(path) if label is None else ""
            label = label or self.sections.label(path)
            make = masks.MaskRow if is_mask(path) else control
            made = make(
                self.specs[path], partial(self._changed, path), partial(self._refused, path), label, place
            )
            made.put(self.values[path])
            made.row.add_class(f"nfvlab-part{part_of(path)}")
            self.controls[path] = made
        return self.controls[path].row

    def _changed(self, path: str, value: Any) -> None:
        self.values[path] = value
        self.refresh()

    # Display

    def __repr__(self) -> str:
        """One line of parameters and key results; the Monte Carlo is in it only once it has been computed."""
        if self.error:
            return f"{self.name} panel: {self.error}"
        source = (self.samples if self.samples is not None else self.theory).source_line()
        return as_text(f"{self.name} panel", self.params, self.headline(), source)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict, dict]:
        """The widget, the picture for pages without a kernel, and a line that strict nbval can compare."""
        if not self.error:
            self.result()
        data = dict(self.board.root._repr_mimebundle_())
        data["text/plain"] = repr(self)
        data["image/png"] = base64.b64encode(self.picture.canvas.png(level=9)).decode("ascii")
        width, height = self.board.size
        alt = self.picture.alt(self.params, self.theory, self.samples)
        return data, {"image/png": {"width": width, "height": height, "alt": alt}}
