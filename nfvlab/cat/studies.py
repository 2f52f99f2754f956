"""What the notebook computes: tidy tables over settings, ways and sizes; in words where a reader looks at them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nfvlab import units
from nfvlab.cat import propose
from nfvlab.cat.analytic import Theory, analyze
from nfvlab.cat.params import Params
from nfvlab.cat.simulation import simulate
from nfvlab.llc import che
from nfvlab.llc.components import flows
from nfvlab.llc.figures import tenant_name
from nfvlab.llc.params import Tenant

if TYPE_CHECKING:
    from pandas import DataFrame

QUANTITIES = {
    "miss_frac": "misses",
    "code_miss_frac": "misses of code",
    "packets_per_s": "packets",
    "unit_p99_ns": "time at 99 %",
}
LEAST = 1e-5  # a share of misses below it reads 0 %


def settings(scenarios: Mapping[str, Params]) -> "DataFrame":
    """What each tenant gets in each setting, in words: rows (tenant, quantity), a column a setting; by theory."""
    import pandas as pd

    columns = {label: _shown(analyze(p)) for label, p in scenarios.items()}
    return pd.DataFrame(columns).rename_axis(["tenant", "quantity"])


def _shown(theory: Theory) -> dict[tuple[str, str], str]:
    rows, speeds = {}, propose.speeds(theory.params, theory)
    for k in range(len(theory.params.tenants)):
        name = tenant_name(theory.params, k)
        for output, words in QUANTITIES.items():
            value = getattr(theory, output)[k]
            if np.isfinite(value):
                rows[name, words] = units.human(output, value if value > LEAST else 0.0)
        rows[name, "speed of that alone"] = units.human("speed_frac", speeds[k])
    return rows


def measured(scenarios: Mapping[str, Params], *, seed: int, n: int) -> "DataFrame":
    """Simulated misses and speed of each tenant in each setting, with theory's in brackets, in words."""
    import pandas as pd

    columns = {}
    children = np.random.SeedSequence(seed).spawn(len(scenarios))
    for (label, p), child in zip(scenarios.items(), children, strict=True):
        theory = analyze(p)
        seen = simulate(p, rng=np.random.default_rng(child), n=n).estimate()
        values = {name: estimate.value for name, estimate in seen.items()}
        cells = {}
        for k, speed in enumerate(propose.speeds(p, theory)):
            pairs = {
                "misses": (values[f"miss_frac[{k}]"], theory.miss_frac[k]),
                "speed of that alone": (propose.speed(p, k, values), speed),
            }
            for word, pair in pairs.items():
                said, told = (units.human("x_frac", x if x > LEAST else 0.0) for x in pair)
                cells[tenant_name(p, k), word] = f"{said} ({told})"
        columns[label] = cells
    return pd.DataFrame(columns).rename_axis(["tenant", "simulated (theory)"])


def by_ways(p: Params, ways: Iterable[int], *, tenant: int = 0, seed: int, n: int) -> "DataFrame":
    """Misses of one tenant by the ways of its mask, the others in those that are left: theory, simulation, plain Che.

    Columns ways, theory, monte_carlo, stderr, che: misses per reference. Plain Che takes the tenant alone in a fully
    associative cache of as many lines.
    """
    import pandas as pd

    ways = list(ways)
    rows = []
    for count, child in zip(ways, np.random.SeedSequence(seed).spawn(len(ways)), strict=True):
        q = given(p, tenant, count)
        seen = simulate(q, rng=np.random.default_rng(child), n=n).estimate()[f"miss_frac[{tenant}]"]
        row = {"ways": count, "theory": analyze(q).miss_frac[tenant], "monte_carlo": seen.value}
        rows.append({**row, "stderr": seen.stderr, "che": plain_che(p, p.tenants[tenant], count)})
    return pd.DataFrame(rows)


def side_by_side(frames: Mapping[str, "DataFrame"]) -> "DataFrame":
    """Frames of `by_ways` in words, one below the other."""
    import pandas as pd

    rows = {}
    for label, frame in frames.items():
        for row in frame.itertuples():
            shown = {"theory": row.theory, "simulated": row.monte_carlo, "plain Che": row.che}
            rows[label, row.ways] = {name: units.human("miss_frac", value) for name, value in shown.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["workload", "ways"])


def plain_che(p: Params, t: Tenant, ways: int) -> float:
    """Misses per reference of a tenant alone in a fully associative cache with the lines of so many ways."""
    kept, _ = flows(t)
    laws = [flow.law for flow in kept]
    speeds = [flow.speed for flow in kept]
    hits = che.hits(laws, speeds, ways * p.cache_sets)
    return float(1 - np.average(hits, weights=speeds))


def given(p: Params, tenant: int, ways: int) -> Params:
    """So many of the lowest ways for one tenant, all others in the ways above."""
    low = (1 << ways) - 1
    rest = ((1 << p.cache_ways) - 1) ^ low
    masks = [low if k == tenant or not rest else rest for k in range(len(p.tenants))]
    tenants = zip(p.tenants, masks, strict=True)
    return p.replace(tenants=tuple(t.replace(data_mask=m, code_mask=m) for t, m in tenants))


def hurts(p: Params, sizes: Sequence[float], ways: Sequence[int], *, tenant: int = 0) -> "DataFrame":
    """Speed of a tenant with ways of its own over that without any masks: rows data_bytes, ways, gain_ratio."""
    import pandas as pd

    rows = []
    for size in sizes:
        q = _with(p, tenant, data_bytes=float(size))
        free = propose.speeds(propose.without_masks(q))[tenant]
        for count in ways:
            gain = propose.speeds(given(q, tenant, count))[tenant] / free
            rows.append({"data_bytes": float(size), "ways": count, "gain_ratio": gain})
    return pd.DataFrame(rows)


def code_and_data(
    p: Params, shares: Sequence[float], sizes: Sequence[float], *, tenant: int = 0
) -> "DataFrame":
    """What the best split of a tenant's ways into code and data gains over sharing them: code_frac, code_bytes, gain.

    gain_ratio: speed with the best split, of all, over that with one mask; code_ways: how many are for code in it.
    """
    import pandas as pd

    rows = []
    for share in shares:
        for size in sizes:
            q = _with(p, tenant, code_frac=float(share), code_bytes=float(size))
            together = propose.speeds(q.replace(cdp=False))[tenant]
            best = max(range(1, _count(q, tenant)), key=lambda w, q=q: _apart(q, tenant, w))
            gain = _apart(q, tenant, best) / together
            row = {
                "code_frac": float(share),
                "code_bytes": float(size),
                "gain_ratio": gain,
                "code_ways": best,
            }
            rows.append(row)
    return pd.DataFrame(rows)


def _count(p: Params, tenant: int) -> int:
    return p.tenants[tenant].data_mask.bit_count()


def _apart(p: Params, tenant: int, code_ways: int) -> float:
    """Speed with the topmost `code_ways` of the tenant's ways for its code, the others for its data."""
    t = p.tenants[tenant]
    low = (t.data_mask & -t.data_mask).bit_length() - 1
    count = _count(p, tenant)
    code = ((1 << code_ways) - 1) << (low + count - code_ways)
    data = ((1 << (count - code_ways)) - 1) << low
    return propose.speeds(_with(p.replace(cdp=True), tenant, data_mask=data, code_mask=code))[tenant]


def rings(p: Params, ring_counts: Sequence[int], io_ways: Sequence[int], *, tenant: int = 0) -> "DataFrame":
    """Data misses of a forwarder by the size of its ring and the ways that devices fill: rows, theory only.

    Columns ring_count, io_ways, ring_bytes, data_miss_frac.
    """
    import pandas as pd

    rows = []
    for count in io_ways:
        mask = ((1 << count) - 1) << (p.cache_ways - count)
        for size in ring_counts:
            t = p.tenants[tenant]
            q = _with(
                p.replace(io_mask=mask), tenant, ring_count=size, backlog_count=min(t.backlog_count, size - 1)
            )
            ring = size * -(-t.frame_bytes // 64) * 64
            miss = analyze(q).data_miss_frac[tenant]
            rows.append({"ring_count": size, "io_ways": count, "ring_bytes": ring, "data_miss_frac": miss})
    return pd.DataFrame(rows)


def ring_table(frame: "DataFrame") -> "DataFrame":
    """The same in words: a row a ring, a column for each number of ways that devices fill."""
    wide = frame.pivot(index=["ring_count", "ring_bytes"], columns="io_ways", values="data_miss_frac")
    shown = wide.map(lambda value: units.human("miss_frac", value))
    shown.index = [f"{count} buffers, {units.human('ring_bytes', size)}" for count, size in wide.index]
    return shown.rename(columns=lambda count: f"{count} ways")


def _with(p: Params, tenant: int, **fields) -> Params:
    tenants = list(p.tenants)
    tenants[tenant] = tenants[tenant].replace(**fields)
    return p.replace(tenants=tuple(tenants))
