"""Pictures of tenants watched by RMID: what the counters tell, beside what is true."""

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle

from nfvlab import figures as house
from nfvlab import units
from nfvlab.cmt.analytic import Theory, analyze
from nfvlab.cmt.limbo import round_threshold
from nfvlab.cmt.params import Params
from nfvlab.cmt.scenarios import SCENARIOS
from nfvlab.cmt.simulation import Samples
from nfvlab.figures import Figure
from nfvlab.llc.figures import COLOURS, MOST, relevant, tenant_name
from nfvlab.llc.params import cache_bytes

KEY = "levels, bars, brackets: theory · thin lines, dots: simulated, a dot a reading · grid at the right: whole units"
READ = {"linestyle": "none", "marker": "|", "markersize": 15, "markeredgewidth": 2.2, "color": house.INK}
LOCAL = {"linestyle": "none", "marker": "d", "markersize": 6, "color": house.INK, "markerfacecolor": "white"}
NOTES = ("whole cache", "tenant 1 ends", "clean below")
FINEST = 45  # units across the picture of the readings, above which their grid would be grey
REACHES = (
    0.05,
    0.1,
    0.2,
    0.5,
    1.0,
)  # on both sides of the true traffic, that the picture of the readings may show
SIGMAS = 3.0  # of a reading's error that are to be seen
LEAST_BYTES = 1e-3  # of a mean number of lines: for its logarithm
TAIL_POINTS = 60
TAIL = 0.4  # of the measured time, that the first tenant's lines are followed after its end
HALF = 0.34  # height of a tenant's band of readings


class Live(house.Picture):
    """Cache held by each RMID over time, true traffic beside what is read, and the readings one by one."""

    size = (9.0, 4.7)

    def build(self, p: Params) -> None:
        """Occupancy over time; then one row a tenant: traffic, and readings in shares of it."""
        grid = self.figure.add_gridspec(1, 3, width_ratios=(2.2, 1.15, 1.35))
        self.held, self.traffic, self.shares = (self.figure.add_subplot(grid[0, k]) for k in range(3))
        self.axis(self.held, x=("measured_ns", "Time"), y=("occupancy_bytes", "Cache held (llc_occupancy)"))
        self.full = self.animate(self.held.axhline(1.0, color=house.FAINT, lw=1, ls=":"))
        self.end = self.animate(self.held.axvline(0.0, color=house.FAINT, lw=1))
        self.limit = self.animate(*self.held.plot([], [], color=house.PALETTE.vermillion, lw=1.6, ls="--"))
        self.decay = self._line(self.held, 0, lw=2.2, alpha=0.9)
        self.decayed = self._line(self.held, 0, lw=1.0, alpha=0.75)
        self.levels = [self._line(self.held, k, lw=2.2, alpha=0.9) for k in range(MOST)]
        self.courses = [self._line(self.held, k, lw=1.0, alpha=0.75) for k in range(MOST)]
        self.notes = [
            self.held.text(0, 0, text, fontsize=8, color=house.FAINT, va="bottom") for text in NOTES
        ]
        self.animate(*self.notes)
        look = {"clip_on": False, "marker": "o", "ms": 3.6, "mec": "white", "mew": 0.5, "ls": "none"}
        self.dots = [self._line(self.held, k, **look) for k in range(MOST)]
        house.quantity(self.traffic.xaxis, "bandwidth_bytes_per_s", "To and from memory", ticks=3)
        self.bars = [self.traffic.add_patch(_bar(k)) for k in range(MOST)]
        self.animate(*self.bars)
        self.read = self.animate(*self.traffic.plot([], [], label="read: mbm_total_bytes", **READ))
        self.local = self.animate(*self.traffic.plot([], [], label="read: mbm_local_bytes", **LOCAL))
        self.names = [
            self.traffic.text(0, k, "", fontsize=9, color=COLOURS[k], va="bottom") for k in range(MOST)
        ]
        self.animate(*self.names)
        self.traffic.legend(
            loc="lower right", bbox_to_anchor=(1.02, 1.0), fontsize=8, borderpad=0, handletextpad=0.3
        )
        house.quantity(self.shares.xaxis, "reading_frac", "A reading, of the true traffic", ticks=5)
        self.grid = self.animate(self.shares.add_collection(LineCollection([], lw=0.7, colors="#c4ccd4")))
        self.true = self.animate(self.shares.axvline(1.0, color=house.FAINT, lw=1))
        self.spread = self.animate(self.shares.add_collection(LineCollection([], lw=2.0, colors=house.INK)))
        self.told = [self._line(self.shares, k, **look) for k in range(MOST)]
        for axes in (self.traffic, self.shares):
            axes.set(yticks=[])
            axes.grid(False)
        self.traffic.grid(axis="x")
        self.figure.text(0.992, 0.012, KEY, fontsize=8, color=house.FAINT, ha="right", va="bottom")
        for artist in (*self.notes, *self.names, *self.told, *self.dots):
            artist.set_in_layout(False)  # it stands where the data are, which is no margin's business
        self._rows, self._reach = 0, 0.0

    def _line(self, axes, k: int, **look):
        return self.animate(*axes.plot([], [], color=COLOURS[k], label=f"Tenant {k + 1}", **look))

    def show(self, p: Params, theory: Theory, samples: Samples | None = None) -> None:
        """Theory's levels and errors; of the simulation the first replication, reading by reading."""
        count = len(p.tenants)
        if count != self._rows:
            self._rows = count
            for axes in (self.traffic, self.shares):
                axes.set_ylim(count - 0.45, -0.55)
        self._show_held(p, theory, samples)
        self._show_traffic(p, theory)
        self._show_shares(p, theory, samples)

    def _show_held(self, p: Params, theory: Theory, samples: Samples | None) -> None:
        size, count = float(cache_bytes(p)), len(p.tenants)
        self.full.set_ydata([size, size])
        for k, level in enumerate(self.levels):
            there = k < count
            level.set_data(*(([0, p.measured_ns], [theory.occupancy_bytes[k]] * 2) if there else ([], [])))
            times, dots = ([], []), ([], [])
            if there and samples is not None:
                times = samples.times_ns[0] - p.warmup_ns, samples.occupancy_bytes[0, :, k]
                dots = samples.read_ns[0] - p.warmup_ns, samples.readings_bytes[0, :, k]
            self.courses[k].set_data(*times)
            self.dots[k].set_data(*dots)
        last, end = (1 + TAIL) * p.measured_ns, p.measured_ns
        self.end.set_xdata([end, end])
        limit = round_threshold(p.threshold_bytes, p.upscale_bytes)
        self.limit.set_data([end, last], [limit, limit])
        self.decay.set_data(
            *_tail(end, last, theory.decay_t_ns, theory.decay_bytes, theory.occupancy_bytes[0])
        )
        left = ([], [])
        if samples is not None:
            seen = np.isfinite(samples.decay_bytes[0])
            levels = samples.decay_bytes[0][seen]
            left = _tail(end, last, samples.decay_ns[0][seen], levels, levels[0])
        self.decayed.set_data(*left)
        self.fit(self.held, x=(0, last / 1.12), y=(0, size))
        gap = 0.012 * last
        places = (gap, size), (end + gap, 0.55 * size), (last, limit)
        for note, place in zip(self.notes, places, strict=True):
            note.set_position(place)
        self.notes[2].set_ha("right")

    def _show_traffic(self, p: Params, theory: Theory) -> None:
        rows = np.arange(self._rows)
        true = np.array(theory.bandwidth_bytes_per_s)
        for k, (bar, name) in enumerate(zip(self.bars, self.names, strict=True)):
            there = k < self._rows
            bar.set_width(true[k] if there else 0.0)
            name.set(text=tenant_name(p, k) if there else "", y=k - 0.24, visible=there)
        self.read.set_data(theory.total_bytes_per_s, rows)
        self.local.set_data(theory.local_bytes_per_s, rows + 0.32)
        self.fit(self.traffic, x=(0, *true, *theory.total_bytes_per_s))

    def _show_shares(self, p: Params, theory: Theory, samples: Samples | None) -> None:
        true, read, error = (
            np.array(getattr(theory, name))
            for name in ("bandwidth_bytes_per_s", "total_bytes_per_s", "rate_error_frac")
        )
        self._zoom(error)
        grid, spread = [], []
        for k in np.flatnonzero(true > 0):
            grid += _uprights(p.upscale_bytes / (true[k] * p.sample_ns / 1e9), k, self._reach)
            spread += _bracket(read[k] / true[k], error[k], k, self._reach)
        for k, dots in enumerate(self.told):
            told = ([], [])
            if k < self._rows and samples is not None and samples.true_per_s[0, :, k].any():
                share = samples.total_per_s[0, :, k] / samples.values(f"bandwidth_bytes_per_s[{k}]")[0]
                told = (
                    np.clip(share, 1 - self._reach, 1 + self._reach),
                    k + np.linspace(-HALF, HALF, share.size),
                )
            dots.set_data(*told)
        self.grid.set_segments(grid)
        self.spread.set_segments(spread)

    def _zoom(self, error: np.ndarray) -> None:
        """Limits that show the largest error; they stay while they serve."""
        most = SIGMAS * max(error[np.isfinite(error)], default=0.0)
        wanted = next((reach for reach in REACHES if reach >= most), REACHES[-1])
        if wanted > self._reach or wanted < self._reach / 3:
            self._reach = wanted
            self.shares.set_xlim(1 - wanted, 1 + wanted)

    def headline(self, p: Params, theory: Theory, samples: Samples | None = None) -> dict[str, str]:
        """A tile a tenant: true traffic, what is read of it, a reading's error; then the RMID's fate."""
        seen = samples.estimate() if samples is not None else {}
        tiles = {}
        for k in range(len(p.tenants)):
            lines = [_words("bandwidth_bytes_per_s", theory, k)]
            lines.append(f"read as {_words('total_bytes_per_s', theory, k)}")
            if seen:
                lines.append(
                    f"simulated {house.with_error('total_bytes_per_s', seen[f'total_bytes_per_s[{k}]'])}"
                )
            lines.append(f"one reading ± {_words('rate_error_frac', theory, k)}")
            tiles[tenant_name(p, k)] = " · ".join(lines)
        wait, refused = theory.clean_wait_ns, theory.refused_frac
        lines = [units.human("clean_wait_ns", wait) if np.isfinite(wait) else "never"]
        if seen:
            lines.append(f"simulated {_wait(seen['clean_wait_ns'])}")
        lines.append(f"{_share(refused)} of new groups refused")
        lines.append(f"no turn missed up to {units.human('longest_interval_ns', theory.longest_interval_ns)}")
        tiles["RMID 1 clean after"] = " · ".join(lines)
        return tiles

    def relevant(self, p: Params, path: str) -> bool:
        """Leave out what a tenant's workload does not use."""
        return relevant(p, path)

    def ways(self, p: Params) -> tuple[int, int, str]:
        """The cache's ways, and those that devices fill."""
        return p.cache_ways, p.io_mask, "devices"


def _bar(k: int) -> Rectangle:
    return Rectangle((0, k - 0.2), 0, 0.4, color=COLOURS[k], alpha=0.85)


def _tail(end: float, last: float, t_ns: np.ndarray, held: np.ndarray, begin: float) -> tuple:
    """Lines of the ended tenant on the axis that goes on after its end."""
    t = np.linspace(0, last - end, TAIL_POINTS)
    return end + t, np.append(begin, between(t[1:], t_ns, held))


def between(at_ns: np.ndarray, t_ns: np.ndarray, left_bytes: np.ndarray) -> np.ndarray:
    """A decay at these times, from its values at others: monotone cubic in the logarithms (Fritsch and Carlson)."""
    from scipy.interpolate import PchipInterpolator

    known = (t_ns > 0) & (np.diff(t_ns, prepend=-np.inf) > 0)
    if known.sum() < 2:  # nobody is left who could evict a line
        return np.full(at_ns.shape, float(left_bytes[0]))
    t, left = t_ns[known], np.maximum(left_bytes[known], LEAST_BYTES)
    curve = PchipInterpolator(np.log(t), np.log(left))
    x = np.log(np.clip(at_ns, t[0], t[-1]))
    return np.exp(curve(x))


def _uprights(step: float, row: int, reach: float) -> list:
    """The readings that there can be: whole units a sampling interval, if they are not too close to be seen."""
    if not 2 * reach / step <= FINEST:
        return []
    at = step * np.arange(np.ceil((1 - reach) / step), np.floor((1 + reach) / step) + 1)
    return [[(x, row - HALF - 0.05), (x, row + HALF + 0.05)] for x in at]


def _bracket(middle: float, error: float, row: int, reach: float) -> list:
    """Above a row: the mean reading with its standard deviation on both sides, within the limits."""
    spread, y = np.sqrt(max(error**2 - (middle - 1) ** 2, 0.0)), row - HALF - 0.09
    low, middle, high = np.clip([middle - spread, middle, middle + spread], 1 - reach, 1 + reach)
    return [[(low, y), (high, y)], [(middle, y - 0.05), (middle, y + 0.05)]]


def _words(name: str, theory: Theory, k: int) -> str:
    value = getattr(theory, name)[k]
    return units.human(name, value) if np.isfinite(value) else "undefined"


def _wait(estimate) -> str:
    return "never" if np.isinf(estimate.value) else house.with_error("clean_wait_ns", estimate)


def _share(value: float) -> str:
    return "none" if value < 5e-7 or np.isnan(value) else units.human("refused_frac", value)


def figure(p: Params, theory: Theory | None = None, samples: Samples | None = None) -> Figure:
    """The live picture, still."""
    return Live(p).still(p, theory or analyze(p), samples)


__all__ = ["SCENARIOS", "Live", "figure"]
