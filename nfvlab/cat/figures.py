"""Pictures of tenants who share a cache by masks: one claim each."""

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from nfvlab import figures as house
from nfvlab import units
from nfvlab.cat import propose
from nfvlab.cat.analytic import Theory, analyze
from nfvlab.cat.params import Params
from nfvlab.cat.scenarios import SCENARIOS
from nfvlab.cat.simulation import Samples
from nfvlab.figures import Figure
from nfvlab.llc.figures import COLOURS, MOST, relevant, tenant_name
from nfvlab.params import ParamError

IO = np.array(to_rgb("#dde3ea"))  # ways that devices fill
PROPOSED = {
    "color": house.INK,
    "linestyle": "none",
    "marker": "D",
    "markersize": 5,
    "markerfacecolor": "white",
}
KEY = "bars: theory · dots: simulated · diamonds and pale blocks: the optimiser's proposal · times: mean to 99 %"
LATER = "proposal at rest"
NO_ROOM = "no proposal: too few ways for a mask each"
STRIPES = 10  # rows of the picture of the masks for each tenant: data, code, a gap, the proposal


class Live(house.Picture):
    """Ways of each tenant, its misses, its speed as a share of that alone, and the time of its packets or wake-ups."""

    size = (9.0, 4.7)
    actions = {"Take the proposal": lambda p: found.params if (found := _proposal(p)) else p}

    def build(self, p: Params) -> None:
        """One row a tenant: masks, misses, speed, times."""
        self.masks, self.misses, self.speed, self.times = self.figure.subplots(
            1, 4, sharey=True, width_ratios=(2.1, 1.25, 1.25, 1.4)
        )
        self._masks(p)
        self.bars = [self._bars(axes) for axes in (self.misses, self.speed)]
        house.quantity(self.misses.xaxis, "miss_frac", "Misses", ticks=3)
        house.quantity(self.speed.xaxis, "speed_frac", "Speed of that alone", ticks=3)
        self.times.set_xscale("log")
        house.quantity(self.times.xaxis, "unit_ns", "Time of a packet or wake-up", ticks=4)
        self.mean = self.animate(*self.times.plot([], [], "|", ms=15, mew=2.5, color=house.THEORY["color"]))
        self.reach = [
            self.animate(*self.times.plot([], [], lw=2, color=house.THEORY["color"])) for _ in range(MOST)
        ]
        self.seen = self.animate(*self.times.plot([], [], **house.SIMULATION))
        self.wanted = self.animate(*self.times.plot([], [], **PROPOSED))
        for artist in self.artists:
            artist.set_in_layout(False)  # what moves does not move the axes
        for axes in (self.misses, self.speed, self.times):
            axes.tick_params(left=False, labelleft=False)
            axes.grid(axis="x")
            axes.grid(False, axis="y")
        self.figure.text(0.992, 0.012, KEY, fontsize=8, color=house.FAINT, ha="right", va="bottom")
        self._rows = 0

    def _masks(self, p: Params) -> None:
        self.cells = self.animate(
            self.masks.imshow(np.ones((1, 1, 3)), aspect="auto", interpolation="nearest")
        )
        self.masks.grid(False)
        self.masks.set(yticks=[], xticks=[])
        self.masks.spines[:].set_visible(False)
        self.lines = self.animate(*self.masks.plot([], [], color="#8a949e", lw=0.6))
        self.names = [
            self.animate(self.masks.text(0, k, "", fontsize=9, va="bottom", ha="left")) for k in range(MOST)
        ]
        self.io = self.animate(
            self.masks.text(
                0, 0, "grey: devices fill these, too", fontsize=8, color=house.FAINT, va="top", ha="left"
            )
        )

    def _bars(self, axes):
        made = [Rectangle((0, k - 0.16), 0, 0.32, color=COLOURS[k], alpha=0.85, lw=0) for k in range(MOST)]
        for bar in made:
            self.animate(axes.add_patch(bar))
        dots = self.animate(*axes.plot([], [], clip_on=False, zorder=4, **house.SIMULATION))
        diamonds = self.animate(*axes.plot([], [], clip_on=False, zorder=4, **PROPOSED))
        return made, dots, diamonds

    def show(self, p: Params, theory: Theory, samples: Samples | None = None) -> None:
        """Theory as bars, the simulation as dots, the optimiser's proposal, if there is one, as diamonds.

        The proposal takes as long as several pictures, and comes with the simulation if it is not at hand.
        """
        count = len(p.tenants)
        if count != self._rows:
            self._rows = count
            self.masks.set_ylim(max(count, 3) - 0.35, -0.6)
        found = _proposal(p) if samples is not None else propose.at_hand(p)
        self._found = (p, found)
        proposed = found.theory if found else None
        self._show_masks(p, found.params if found else None)
        seen = samples.estimate() if samples is not None else {}
        estimates = {name: estimate.value for name, estimate in seen.items()}
        missed = [estimates[f"miss_frac[{k}]"] for k in range(count)] if seen else []
        wanted = proposed.miss_frac if proposed else ()
        self._show_bars(self.misses, self.bars[0], theory.miss_frac, wanted, missed)
        dots = [propose.speed(p, k, estimates) for k in range(count)] if seen else []
        by_theory = [propose.speeds(p, of) if of else [] for of in (theory, proposed)]
        self._show_bars(self.speed, self.bars[1], *by_theory, dots)
        self._show_times(theory, proposed, seen, count)

    def _show_masks(self, p: Params, proposed: Params | None) -> None:
        count, ways = len(p.tenants), p.cache_ways
        cells = np.ones((STRIPES * count, ways, 3))
        for k in range(count):
            rows = cells[STRIPES * k : STRIPES * (k + 1)]
            _paint(rows[2:7], p.io_mask, ways, IO)
            colour, pale = np.array(to_rgb(COLOURS[k])), 0.35 * np.array(to_rgb(COLOURS[k])) + 0.65
            masks = _masks(p, k)
            for j, mask in enumerate(masks):
                _paint(rows[2 + 5 * j // len(masks) : 2 + 5 * (j + 1) // len(masks)], mask, ways, colour)
            for j, mask in enumerate(_masks(proposed, k) if proposed else []):
                _paint(rows[8 + j : 9 + j if p.cdp else 10], mask, ways, pale)
            self.names[k].set(text=tenant_name(p, k), position=(-0.3, k - 0.32), visible=True)
        for text in self.names[count:]:
            text.set_visible(False)
        self.cells.set_data(cells)
        self.cells.set_extent((0, ways, count - 0.5, -0.5))
        if self.masks.get_xlim() != (-0.4, ways + 0.4):
            self.masks.set_xlim(-0.4, ways + 0.4)
        self.lines.set_data(*_frames(count, ways))
        self.io.set_position((0, count - 0.47))

    def _show_bars(self, axes, made, values, proposed, seen) -> None:
        bars, dots, diamonds = made
        rows = np.arange(len(values))
        for k, bar in enumerate(bars):
            bar.set_width(values[k] if k < len(values) else 0.0)
        dots.set_data(seen, rows[: len(seen)])
        diamonds.set_data(proposed, rows[: len(proposed)] + 0.36)
        self.fit(axes, x=(0, min(1.0, 1.05 * max(*values, *proposed, 1e-3))))

    def _show_times(self, theory: Theory, proposed: Theory | None, seen, count: int) -> None:
        rows = [k for k in range(count) if np.isfinite(theory.unit_ns[k])]
        mean, tail = ([getattr(theory, name)[k] for k in rows] for name in ("unit_ns", "unit_p99_ns"))
        self.mean.set_data(mean, rows)
        for k, line in enumerate(self.reach):
            there = k in rows
            line.set_data(*(([theory.unit_ns[k], theory.unit_p99_ns[k]], [k, k]) if there else ([], [])))
        dots = [seen[f"unit_p99_ns[{k}]"].value for k in rows] if seen else []
        self.seen.set_data(dots, rows if seen else [])
        others = [proposed.unit_p99_ns[k] for k in rows] if proposed else []
        self.wanted.set_data(others, np.array(rows)[: len(others)] + 0.36)
        self.fit(self.times, x=[*mean, *tail, *others] or [1e2, 1e3])

    def headline(self, p: Params, theory: Theory, samples: Samples | None = None) -> dict[str, str]:
        """One tile a tenant: what it gets, then its misses, then the proposal."""
        seen = samples.estimate() if samples is not None else {}
        kept = getattr(self, "_found", None)
        found = kept[1] if kept and kept[0] == p else propose.at_hand(p)
        tiles = {}
        for k, tenant in enumerate(p.tenants):
            name = "packets_per_s" if tenant.workload == "packets" else "cpi_ratio"
            name = "unit_p99_ns" if tenant.workload == "wakeups" else name
            what = {"packets_per_s": "", "cpi_ratio": " CPI", "unit_p99_ns": " at 99 %"}[name]
            lines = [units.human(name, getattr(theory, name)[k]) + what]
            if seen:
                lines.append(f"simulated {house.with_error(name, seen[f'{name}[{k}]'])}")
            lines.append(f"misses {units.human('miss_frac', theory.miss_frac[k])}")
            missing = NO_ROOM if seen else LATER
            lines.append(
                f"proposal {units.human(name, getattr(found.theory, name)[k])}" if found else missing
            )
            tiles[tenant_name(p, k)] = " · ".join(lines)
        return tiles

    def relevant(self, p: Params, path: str) -> bool:
        """Leave out what a tenant's workload does not use."""
        return relevant(p, path)

    def ways(self, p: Params) -> tuple[int, int, str]:
        """The cache's ways, and those that devices fill."""
        return p.cache_ways, p.io_mask, "devices"


def _proposal(p: Params) -> propose.Proposal | None:
    """The proposal, or None where there are not ways enough for a mask each."""
    try:
        return propose.proposal(p)
    except ParamError:
        return None


def _masks(p: Params, k: int) -> list[int]:
    """The masks of a tenant that count."""
    t = p.tenants[k]
    return [t.data_mask, t.code_mask] if p.cdp else [t.data_mask]


def _paint(rows: np.ndarray, mask: int, ways: int, colour: np.ndarray) -> None:
    bits = [ways - 1 - bit for bit in range(ways) if mask >> bit & 1]
    rows[:, bits] = colour


def _frames(count: int, ways: int) -> tuple[np.ndarray, np.ndarray]:
    """Lines around every way of every tenant's row, as one broken line."""
    x, y = [], []
    for k in range(count):
        top, bottom = k - 0.3, k + 0.2
        for way in range(ways + 1):
            x += [way, way, np.nan]
            y += [top, bottom, np.nan]
        for edge in (top, bottom):
            x += [0, ways, np.nan]
            y += [edge, edge, np.nan]
    return np.array(x, float), np.array(y, float)


def figure(p: Params, theory: Theory | None = None, samples: Samples | None = None) -> Figure:
    """The live picture, still."""
    _proposal(p)
    return Live(p).still(p, theory or analyze(p), samples)


__all__ = ["SCENARIOS", "Live", "figure"]
