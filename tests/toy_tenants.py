"""A feature in small whose scenario has parts: tenants, each with ways of a cache and a demand for them."""

import sys
import types
from dataclasses import dataclass

import numpy as np

from nfvlab import params, results, stats
from nfvlab.params import ASSUMED, param
from nfvlab.results import exact, indexed, output
from nfvlab.units import KiB, MiB


@dataclass(frozen=True, kw_only=True)
class Tenant(params.Params):
    """Who shares the cache."""

    kind: str = param("steady", "how it goes about its data", choices=("steady", "bursts"), source=ASSUMED)
    data_bytes: float = param(
        8 * MiB, "data", domain=(1, 1e12), typical=(64 * KiB, 64 * MiB), log=True, source=ASSUMED
    )
    burst_count: int = param(4, "bursts", domain=(1, 100), typical=(1, 20), source=ASSUMED)
    data_mask: int = param(0xFFF, "ways it may fill", domain=(1, 2**32 - 1), source=ASSUMED)


@dataclass(frozen=True, kw_only=True)
class Params(params.Params):
    """Tenants on a cache."""

    cache_ways: int = param(12, "ways", domain=(1, 32), typical=(4, 20), source=ASSUMED)
    way_bytes: float = param(
        1 * MiB, "a way", domain=(1, 1e12), typical=(64 * KiB, 4 * MiB), log=True, source=ASSUMED
    )
    tenants: tuple[Tenant, ...] = param((Tenant(), Tenant()), "who", domain=(1, 8), source=ASSUMED)

    def rules(self):
        for position, tenant in enumerate(self.tenants):
            if tenant.data_mask >> self.cache_ways:
                rule = f"names ways above {self.cache_ways - 1}"
                yield params.Problem(
                    "data_mask", tenant.data_mask, rule, "clear them", f"tenants[{position}]"
                )


OUTPUTS = {"fit_frac": "share of the data that its ways hold", "ways_count": "ways in use"}


@dataclass(frozen=True, kw_only=True)
class Theory(results.Theory):
    """What fits."""

    fit_frac: tuple[float, ...] = output(OUTPUTS["fit_frac"], exact())
    ways_count: float = output(OUTPUTS["ways_count"], exact())


@dataclass(frozen=True, kw_only=True)
class Samples(results.Samples):
    """One row a trial: line by line, whether it found a place."""

    fit_frac: np.ndarray

    def estimate(self) -> dict[str, stats.Estimate]:
        used = np.bitwise_or.reduce([tenant.data_mask for tenant in self.params.tenants])
        fits = {name: stats.mean(x) for name, x in indexed("fit_frac", self.fit_frac.T).items()}
        return {**fits, "ways_count": stats.mean(np.full(self.n, float(int(used).bit_count())))}


def _share(p: Params, tenant: Tenant) -> float:
    return min(1.0, p.way_bytes * tenant.data_mask.bit_count() / tenant.data_bytes)


def analyze(p: Params) -> Theory:
    used = 0
    for tenant in p.tenants:
        used |= tenant.data_mask
    return Theory(params=p, fit_frac=tuple(_share(p, t) for t in p.tenants), ways_count=used.bit_count())


def simulate(p: Params, *, rng: np.random.Generator, n: int) -> Samples:
    share = np.array([_share(p, tenant) for tenant in p.tenants])
    return Samples(
        params=p,
        entropy=results.provenance(rng),
        n=n,
        fit_frac=rng.binomial(1000, share, (n, len(share))) / 1e3,
    )


SCENARIOS = {
    "two": Params(),
    "four": Params(tenants=tuple(Tenant(data_mask=0b111 << 3 * k) for k in range(4))),
    "bursts": Params(tenants=(Tenant(kind="bursts", data_mask=0xFF0), Tenant(data_mask=0xF))),
}


def _live() -> types.ModuleType:
    from nfvlab import figures as house

    class Live(house.Picture):
        """How much of each tenant's data fits."""

        def build(self, p: Params) -> None:
            self.axes = self.figure.subplots()
            self.axis(self.axes, y=("fit_frac", "Fits"))
            self.bars = self.animate(*self.axes.plot([], [], **house.THEORY))
            self.dots = self.animate(*self.axes.plot([], [], **house.SIMULATION))
            self.axes.set(xlim=(-0.5, 7.5), ylim=(0, 1))

        def show(self, p: Params, theory: Theory, samples: Samples | None = None) -> None:
            self.bars.set_data(range(len(theory.fit_frac)), theory.fit_frac)
            self.dots.set_visible(samples is not None)
            if samples is not None:
                self.dots.set_data(range(len(theory.fit_frac)), samples.fit_frac.mean(axis=0))

        actions = {"Share the ways evenly": lambda p: even(p)}

        def relevant(self, p: Params, path: str) -> bool:
            return not path.endswith("burst_count") or p.tenants[int(path[8])].kind == "bursts"

        def ways(self, p: Params) -> tuple[int, int, str]:
            return p.cache_ways, 0b11 << (p.cache_ways - 2), "devices"

    def figure(p: Params, theory: Theory | None = None, samples: Samples | None = None) -> house.Figure:
        return Live(p).still(p, theory or analyze(p), samples)

    module = types.ModuleType(f"{__name__}.figures")
    module.Live, module.figure = Live, figure
    return module


def even(p: Params) -> Params:
    """As many ways for each, one block after another."""
    each = max(1, p.cache_ways // len(p.tenants))
    blocks = [((1 << each) - 1) << each * k for k in range(len(p.tenants))]
    return p.replace(tenants=tuple(t.replace(data_mask=m) for t, m in zip(p.tenants, blocks, strict=True)))


def __getattr__(name: str):
    """`figures` and `figure` on first use, as a feature package has them."""
    if name not in ("figures", "figure"):
        raise AttributeError(name)
    made = _live()
    sys.modules[made.__name__] = made
    globals().update(figures=made, figure=made.figure)
    return globals()[name]
