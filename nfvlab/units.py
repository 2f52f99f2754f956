"""Quantities: one unit per dimension, carried by the suffix of a name.

Inside the package a duration is always in nanoseconds, a size in bytes, a bandwidth in bytes per second; the
name says so (`downtime_ns`, `ram_bytes`, `link_bytes_per_s`). The constants below make such values readable
where they are written (`8 * GiB`, `300 * ms`, `10 * Gbps`), `human` and `axis_unit` where they are read.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

KiB, MiB, GiB, TiB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
kB, MB, GB, TB = 10**3, 10**6, 10**9, 10**12
ns, us, ms, s, minute = 1.0, 1e3, 1e6, 1e9, 60e9
Hz, kHz, MHz, GHz = 1.0, 1e3, 1e6, 1e9
kbps, Mbps, Gbps, Tbps = 125.0, 125e3, 125e6, 125e9  # bits per second, as the bytes per second they carry
kBps, MBps, GBps = 1e3, 1e6, 1e9


class UnknownUnit(ValueError):
    """A name that does not end in a unit this package knows."""


@dataclass(frozen=True)
class Dimension:
    """What a suffix means: the quantity, its unit, and the larger units people read it in.

    `steps` are (factor, label) in rising order, the factor in `unit`; values below `whole` stay in the first.
    """

    quantity: str
    unit: str
    steps: tuple[tuple[float, str], ...]
    whole: float = 0.0

    def step(self, size: float) -> tuple[float, str]:
        """Factor and label of the unit in which a value of this size reads best."""
        best = self.steps[0]
        for factor, label in self.steps[1:]:
            if size >= self.whole and size >= factor * (1 - 5e-4):  # 999.6 ms reads "1 s", not "1000 ms"
                best = (factor, label)
        return best


def _multiples(unit: str) -> tuple[tuple[float, str], ...]:
    return ((1, unit), (1e3, f"k{unit}"), (1e6, f"M{unit}"), (1e9, f"G{unit}"))


def _plain(quantity: str) -> Dimension:
    return Dimension(quantity, "", ((1, ""), (1e6, "million"), (1e9, "billion")))


_TIME = ((1, "ns"), (1e3, "µs"), (1e6, "ms"), (1e9, "s"), (60e9, "min"), (3600e9, "h"))
_SIZE = ((1, "B"), (KiB, "KiB"), (MiB, "MiB"), (GiB, "GiB"), (TiB, "TiB"))
_BITS = ((0.125, "bit/s"), (kbps, "kbit/s"), (Mbps, "Mbit/s"), (Gbps, "Gbit/s"), (Tbps, "Tbit/s"))

_HARDWARE = ("bits", "blocks", "cores", "lines", "sets", "slots", "ways")
_TRAFFIC = ("packets", "pages", "requests", "vcpus", "vms")

SUFFIXES: dict[str, Dimension] = {
    "_ns": Dimension("time", "ns", _TIME),
    "_bytes": Dimension("size", "bytes", _SIZE),
    "_hz": Dimension("frequency", "Hz", _multiples("Hz")),
    "_cycles": Dimension("clock cycles", "cycles", _multiples("cycles"), whole=1e4),
    "_per_s": Dimension("rate", "1/s", ((1, "/s"), (1e3, "k/s"), (1e6, "M/s"), (1e9, "G/s"))),
    "_packets_per_s": Dimension("packet rate", "packets/s", _multiples("pps")),
    "_bytes_per_s": Dimension("bandwidth", "bytes/s", _BITS),
    "_bits_per_s": Dimension("bit rate", "bit/s", _multiples("bit/s")),
    "_cycles_per_byte": Dimension("work per byte", "cycles/byte", ((1, "cycles/byte"),)),
    "_frac": Dimension("fraction", "of 1", ((0.01, "%"),)),
    "_ratio": _plain("ratio"),
    "_count": _plain("count"),
    "_shift": _plain("binary shift"),
    "_order": _plain("buddy order (2^order pages)"),
    "_exponent": _plain("exponent"),
    "_level": _plain("level"),
    "_mask": Dimension("bit mask", "", ((1, ""),)),
    **{
        f"_{noun}": Dimension(f"number of {noun}", noun, _multiples(noun), whole=1e4)
        for noun in (*_HARDWARE, *_TRAFFIC)
    },
}


def dimension(name: str) -> Dimension:
    """The dimension a name declares by its longest known suffix; `UnknownUnit` if it declares none."""
    stem = f"_{name.partition('[')[0]}"  # "miss_frac[1]" is one of several
    matches = [suffix for suffix in SUFFIXES if stem.endswith(suffix)]
    if not matches:
        raise UnknownUnit(
            f"{name!r} does not end in a known unit; known suffixes: {' '.join(sorted(SUFFIXES))}"
        )
    return SUFFIXES[max(matches, key=len)]


def _digits(number: float) -> str:
    """Three significant digits, without an exponent where a person would not write one."""
    text = f"{number:.3g}"
    return f"{number:.0f}" if "e+" in text and abs(number) < 1e6 else text


def human(name: str, value: float) -> str:
    """A value in the unit a person would choose: `human("downtime_ns", 3e8)` is "300 ms"."""
    dim = dimension(name)
    number = float(value)
    if math.isnan(number):
        return "undefined"
    if dim is SUFFIXES["_mask"] and math.isfinite(number):
        return f"{int(value):#x}"
    factor, label = dim.step(abs(number)) if math.isfinite(number) else dim.steps[0]
    if math.isinf(number):
        digits = "∞" if number > 0 else "-∞"
    elif dim.whole and abs(number) < dim.whole and number == int(number):
        digits = str(int(number))
    else:
        digits = _digits(number / factor)
    return f"{digits} {label}".rstrip()


def axis_unit(name: str, values: Iterable[float]) -> tuple[float, str]:
    """Scale and label of an axis or slider over `values`: divide by the scale, show the label."""
    flat = values.ravel().tolist() if hasattr(values, "ravel") else values
    sizes = [abs(float(value)) for value in flat]
    return dimension(name).step(max((size for size in sizes if math.isfinite(size)), default=0.0))
