"""The live picture: the three ways side by side, what holds each back, and what it costs."""

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.patches import Patch, Rectangle

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure
from nfvlab.qat import stations
from nfvlab.qat.analytic import Theory, analyze
from nfvlab.qat.params import WAYS, Params
from nfvlab.qat.simulation import Samples

BARS = (
    ("downtime_ns", "Downtime"),
    ("wire_bytes", "On the wire"),
    ("source_cpu_frac", "Source CPU"),
    ("link_busy_frac", "Link busy"),
    ("engine_busy_frac", "Engine busy"),
    ("thread_busy_frac", "Thread busy"),
)
TILES = (("total_time_ns", "Total time"), *BARS[:3])
WHOLE = {  # shares that cannot exceed 1: the station whose they are, by way
    "link_busy_frac": ("link",) * 3,
    "engine_busy_frac": ("engine, ring", "CPU threads", "engine, ring"),
    "thread_busy_frac": ("thread",) * 3,
}
THICK = 0.62
KEY = "strips, bars: theory · dots: simulated"
ACCELERATORS = {  # fields that only some accelerators use
    **dict.fromkeys(
        ("request_pages", "wait_when_full", "zero_check", "cached_translation", "pagemap_cycles"), ("talk",)
    ),
    **dict.fromkeys(("preread_cycles", "cached_cycles", "coalesce_requests", "coalesce_ns"), ("talk",)),
    "ring_requests": ("talk", "IAA"),
    **dict.fromkeys(("mlock", "unlocked_frac", "io_fault_ns"), ("talk", "IAA")),
    **dict.fromkeys(("buffer_bytes", "software_below_bytes", "copy_cycles", "instances_count"), ("QATzip",)),
}
CPU_METHODS = {  # the same of the second way
    **dict.fromkeys(
        ("compress_threads_count", "decompress_threads_count", "compress_wait"), ("threads zlib",)
    ),
    **dict.fromkeys(("delta_bytes", "xbzrle_cache_bytes", "xbzrle_bytes_per_s"), ("xbzrle",)),
}
ENCRYPTION = {  # which accelerators use it where the stream is encrypted
    "tls_bytes_per_s": ("talk", "QATzip", "IAA"),
    **dict.fromkeys(("device_encrypts", "cipher_bits_per_s"), ("talk",)),
}


class Live(house.Picture):
    """A migration without compression, with CPU threads, with an accelerator."""

    size = (9.4, 4.8)

    def build(self, p: Params) -> None:
        """Strips of what is slowest above, as long as the migrations; bars below."""
        grid = self.figure.add_gridspec(2, len(BARS), height_ratios=(1.15, 1))
        self.course = self.figure.add_subplot(grid[0, :])
        house.quantity(self.course.xaxis, "total_time_ns", "Time since the migrate command")
        self.rows(self.course)
        self.course.set_yticks(range(len(WAYS)), WAYS)
        self.strips = [
            self.animate(self.course.add_collection(PolyCollection([], lw=0, alpha=0.85))) for _ in WAYS
        ]
        self.ends = [
            self.animate(house.direct_label(self.course, 0, k, "", size=9)) for k in range(len(WAYS))
        ]
        self.totals = self.animate(*self.course.plot([], [], clip_on=False, zorder=4, **house.SIMULATION))
        looks = [Patch(color=colour, alpha=0.85, label=name) for name, colour in stations.COLOURS.items()]
        self.course.set_title("What is slowest", loc="left")
        self.course.legend(
            handles=looks, loc="lower right", bbox_to_anchor=(1.0, 0.99), ncols=len(looks), handlelength=1.0,
            columnspacing=1.3, borderpad=0.1,
        )  # fmt: skip
        self.bars = [self._bars(self.figure.add_subplot(grid[1, k]), *bar) for k, bar in enumerate(BARS)]
        axes = self.bars[0][0]
        axes.set_yticks(range(len(WAYS)), WAYS)
        self.figure.text(0.992, 0.012, KEY, fontsize=8, color=house.FAINT, ha="right", va="bottom")
        for artist in self.artists:
            artist.set_in_layout(False)

    def rows(self, axes) -> None:
        """One row a way, the first on top."""
        axes.set_ylim(len(WAYS) - 0.5, -0.5)
        axes.set_yticks([])
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.grid(False, axis="y")

    def _bars(self, axes, output: str, title: str) -> tuple:
        self.rows(axes)
        house.quantity(axes.xaxis, output, title, ticks=3)
        axes.set_xlim(0, 1)
        owners = WHOLE.get(output)
        colours = [stations.COLOURS[owner] for owner in owners] if owners else [house.FAINT] * len(WAYS)
        made = [
            self.animate(axes.add_patch(Rectangle((0, k - 0.25), 0, 0.5, color=colour, alpha=0.85, lw=0)))
            for k, colour in enumerate(colours)
        ]
        dots = self.animate(*axes.plot([], [], clip_on=False, zorder=4, **house.SIMULATION))
        return axes, output, made, dots

    def show(self, p: Params, theory: Theory, samples: Samples | None = None) -> None:
        """Theory as strips and bars, the simulation's means as dots."""
        seen = samples.estimate() if samples is not None else {}
        self._show_course(theory, _means(seen, "total_time_ns"))
        for axes, output, made, dots in self.bars:
            values, means = getattr(theory, output), _means(seen, output)
            for bar, value in zip(made, values, strict=True):
                bar.set_width(value if np.isfinite(value) else 0.0)
            _put(dots, means)
            finite = [value for value in (*values, *means) if np.isfinite(value)]
            if output not in WHOLE:
                self.fit(axes, x=(0.0, *(finite or [1.0])))

    def _show_course(self, theory: Theory, means: list[float]) -> None:
        reach = [0.0]
        for k, (strip, text, course) in enumerate(zip(self.strips, self.ends, theory.courses, strict=True)):
            corners, colours = stations.boxes(course, k, THICK)
            strip.set_verts(corners)
            strip.set_facecolor(colours)
            end = course.fluid.total_time_ns
            last = max([end, *means[k : k + 1]]) if np.isfinite(means[k : k + 1]).all() else end
            reach.append(last)
            length = units.human("total_time_ns", end) if course.fluid.converged else "does not complete"
            text.set_text(f"{length}: {stations.in_words(course)}")
            text.xy = (last, k)
        _put(self.totals, means)
        self.fit(self.course, x=(0.0, 1.32 * max(reach)))

    def headline(self, p: Params, theory: Theory, samples: Samples | None = None) -> dict[str, str]:
        """The accelerator's results, then the others', and what it changes against none."""
        seen = samples.estimate() if samples is not None else {}
        none, cpu, device = range(len(WAYS))
        lines = {}
        for output, title in TILES:
            values, parts = getattr(theory, output), []
            mean = seen[f"{output}[{device}]"].value if seen else np.nan
            if np.isfinite(mean):
                parts.append(f"simulated {shown(output, mean)}")
            parts.append(
                f"none {shown(output, values[none])}: {change(output, values[device], values[none])}"
            )
            parts.append(f"CPU threads {shown(output, values[cpu])}")
            name = "QAT" if p.accelerator == "talk" else p.accelerator
            lines[f"{title}, {name}"] = " · ".join([shown(output, values[device]), *parts])
        return lines

    def relevant(self, p: Params, path: str) -> bool:
        """Leave out what the chosen accelerator and method of the CPUs do not use."""
        channels = p.accelerator != "talk" or p.cpu_method.startswith("multifd")
        if path in ("channels_count", "packet_pages", "multifd_counts_wire", "sync_each_iteration"):
            return channels
        if path in CPU_METHODS:
            return p.cpu_method in CPU_METHODS[path]
        if path in ENCRYPTION:
            return p.encrypted and p.accelerator in ENCRYPTION[path]
        if path in ("own_ratio", "own_cv_frac"):
            return "own" in (p.content, p.written_content)
        return p.accelerator in ACCELERATORS.get(path, (p.accelerator,))


def shown(output: str, value: float) -> str:
    """A value in words, also of a migration that does not complete."""
    return units.human(output, value) if np.isfinite(value) else "does not complete"


def change(output: str, value: float, base: float) -> str:
    """Change against a base: of shares in points, else in percent."""
    if not (np.isfinite(value) and np.isfinite(base) and base):
        return "no comparison"
    if output.endswith("_frac"):
        return f"{100 * (value - base):+.0f} points"
    return f"{100 * (value / base - 1):+.0f} %"


def _means(seen: dict, output: str) -> list[float]:
    return [seen[f"{output}[{k}]"].value for k in range(len(WAYS))] if seen else []


def _put(dots, means: list[float]) -> None:
    rows = [k for k, value in enumerate(means) if np.isfinite(value)]
    dots.set_data([means[k] for k in rows], rows)


def figure(p: Params, theory: Theory | None = None, samples: Samples | None = None) -> Figure:
    """The live picture, still."""
    return Live(p).still(p, theory or analyze(p), samples)


__all__ = ["Live", "change", "figure", "shown"]
