"""What the notebook computes of readings: tidy tables over scenarios and knobs, theory beside simulation."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nfvlab import cmt, units
from nfvlab.cmt.counters import KernelCounter, correction_of, hardware_count
from nfvlab.cmt.events import events
from nfvlab.cmt.params import Params
from nfvlab.cmt.quantised import interval_for_error
from nfvlab.cmt.watching import read, watch
from nfvlab.glossary import Table
from nfvlab.llc.engine import Engine
from nfvlab.llc.figures import tenant_name
from nfvlab.paths import data_file
from nfvlab.units import MiB

if TYPE_CHECKING:
    from pandas import DataFrame

ONE_PERCENT = 0.01


def told(scenarios: Mapping[str, Params]) -> "DataFrame":
    """What the counters tell of every tenant, in words, by theory: rows (scenario, tenant)."""
    import pandas as pd

    rows = {}
    for label, p in scenarios.items():
        theory = cmt.analyze(p)
        for k in range(len(p.tenants)):
            rows[label, tenant_name(p, k)] = {
                title: _shown(name, getattr(theory, name)[k])
                for title, name in (
                    ("holds", "occupancy_bytes"),
                    ("read as", "reading_bytes"),
                    ("traffic", "bandwidth_bytes_per_s"),
                    ("read as ", "total_bytes_per_s"),
                    ("of it local", "local_bytes_per_s"),
                    ("one reading ±", "rate_error_frac"),
                )
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["scenario", "tenant"])


def fates(scenarios: Mapping[str, Params]) -> "DataFrame":
    """What becomes of an RMID when its tenant ends, in words, by theory: a row a scenario."""
    import pandas as pd

    rows = {}
    for label, p in scenarios.items():
        theory = cmt.analyze(p)
        rows[label] = {
            "below the threshold after": never(theory.clean_ns),
            "given out again after": never(theory.clean_wait_ns),
            "charged to the next owner": _shown("stale_bytes", theory.stale_bytes),
            "new groups refused": _shown("refused_frac", np.round(theory.refused_frac, 6)),
            "RMIDs in limbo": _shown("limbo_count", theory.limbo_count),
            "no turn missed up to": _shown("longest_interval_ns", theory.longest_interval_ns),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("scenario")


def never(value_ns: float) -> str:
    """A time in words that may be infinite."""
    return units.human("clean_wait_ns", value_ns) if np.isfinite(value_ns) else "never"


def _shown(name: str, value: float) -> str:
    return "undefined" if np.isnan(value) else units.human(name, value)


def perf_events(unit_bytes: int) -> Table:
    """The events of the PMU intel_cqm on a part with this upscaling factor, and what perf makes of a count of 1000."""
    rows = []
    for name, event in events(unit_bytes).items():
        files = event.sysfs()
        rows.append(
            {
                "perf stat -e": name,
                "IA32_QM_EVTSEL": files[event.name],
                "scale": files[f"{event.name}.scale"],
                "unit": event.unit,
                "kind": "level" if event.snapshot else "running count",
                "a count of 1000 prints": f"{event.printed(1000):g} {event.unit}",
            }
        )
    return Table(f"Events of intel_cqm, upscaling factor {units.human('x_bytes', unit_bytes)}", rows)


def watched(p: Params, finest_ns: float, *, seed: int, n: int) -> list:
    """n runs of a host that can be read every `finest_ns` or any multiple of it: (run, generator) each."""
    q = p.replace(sample_ns=finest_ns)
    made = []
    for child in np.random.default_rng(seed).spawn(n):
        of_host, of_counters = child.spawn(2)
        engine = Engine(q, q.tenants, of_host, remote_fracs=[t.remote_frac for t in q.tenants])
        made.append((watch(q, engine), of_counters))
    return made


def readings(
    p: Params,
    multiples: Sequence[int],
    *,
    finest_ns: float,
    seed: int,
    n: int,
    theory_at: Iterable[float] = (),
) -> "DataFrame":
    """Readings of mbm_total_bytes by sampling interval: each tenant's mean and error, both relative to its traffic.

    Simulated at multiples of `finest_ns`, of the same n runs, and by theory there and at further intervals. Columns
    tenant, interval_ns, side ("theory", "simulated"), mean_frac, error_frac, units (of the counter, in an interval).
    """
    import pandas as pd

    runs, rows = watched(p, finest_ns, seed=seed, n=n), []
    for m in multiples:
        q = p.replace(sample_ns=m * finest_ns)
        parts = [read(q, seen, rng) for seen, rng in runs]
        true = np.mean([part["true_per_s"].mean(axis=0) for part in parts], axis=0)
        shares = np.concatenate([part["total_per_s"] for part in parts]) / true
        error = np.sqrt(np.mean((shares - 1) ** 2, axis=0))
        rows += _rows(q, "simulated", true, shares.mean(axis=0), error)
    for interval in sorted({*(m * finest_ns for m in multiples), *theory_at}):
        q = p.replace(sample_ns=float(interval))
        theory = cmt.analyze(q)
        true = np.array(theory.bandwidth_bytes_per_s)
        rows += _rows(q, "theory", true, np.array(theory.total_bytes_per_s) / true, theory.rate_error_frac)
    return pd.DataFrame(rows)


def _rows(q: Params, side: str, true, mean, error) -> list[dict]:
    return [
        {
            "tenant": tenant_name(q, k),
            "interval_ns": q.sample_ns,
            "side": side,
            "mean_frac": float(mean[k]),
            "error_frac": float(error[k]),
            "units": true[k] * q.sample_ns / 1e9 / q.upscale_bytes,
        }
        for k in range(len(q.tenants))
    ]


def rule_of_thumb(p: Params, error_frac: float = ONE_PERCENT) -> "DataFrame":
    """The interval from which on whole units alone cost a reading no more than this, in words, a row a tenant."""
    import pandas as pd

    rows = {}
    for k, rate in enumerate(cmt.analyze(p).bandwidth_bytes_per_s):
        interval = interval_for_error(error_frac, rate, 0.0, p.upscale_bytes)
        rows[tenant_name(p, k)] = {
            "traffic": units.human("bandwidth_bytes_per_s", rate),
            f"interval for {error_frac:.0%}": never(interval),
            "units that pass in it": f"{rate * interval / 1e9 / p.upscale_bytes:.1f}",
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("tenant")


def in_words(frame: "DataFrame", what: str) -> "DataFrame":
    """A column of `readings` ("mean_frac", "error_frac") in words: a row an interval, a column a tenant and side."""
    wide = frame.pivot(index="interval_ns", columns=["tenant", "side"], values=what).dropna()
    shown = wide.map(lambda share: units.human(what, share))
    shown.index = [units.human("interval_ns", t) for t in shown.index]
    order = [(tenant, side) for tenant in dict.fromkeys(frame["tenant"]) for side in ("theory", "simulated")]
    return shown[order].rename_axis("interval").rename_axis(columns=[None, None])


def corrections(total_bytes: float = 1024 * MiB, unit_bytes: int = 64 * 1024) -> "DataFrame":
    """The published factors, part by part, and what the kernel's reading is of `total_bytes` on it, as shares.

    The RMID read is the part's last. Index cores; columns rmid_count, rmid_threshold, factor, affected_frac (of the
    RMIDs), uncorrected_frac, corrected_frac.
    """
    import pandas as pd

    from nfvlab.readers.mbm_correction import read_mbm_correction

    table, _ = read_mbm_correction(data_file("mbm_correction.csv"))
    rows = {}
    for cores, row in table.iterrows():
        part, rmid = correction_of(int(cores)), int(row["rmid_count"]) - 1
        factor = part.factor if part.applies(rmid) else 1.0
        msr = hardware_count(total_bytes, unit_bytes=unit_bytes, width=24, factor=factor)
        shares = [KernelCounter(rmid, unit_bytes, 24, fix).read(msr) / total_bytes for fix in (None, part)]
        rows[int(cores)] = {
            "rmid_count": int(row["rmid_count"]),
            "rmid_threshold": part.rmid_threshold,
            "factor": part.factor,
            "affected_frac": (rmid - part.rmid_threshold) / row["rmid_count"],
            "uncorrected_frac": shares[0],
            "corrected_frac": shares[1],
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("cores")


def corrections_in_words(frame: "DataFrame") -> Table:
    """The parts that miscount, in words."""
    rows = [
        {
            "cores": str(cores),
            "RMIDs that miscount": f"{row.rmid_threshold + 1:.0f} to {row.rmid_count - 1:.0f}",
            "factor": f"{row.factor:.6f}",
            "read without it": f"{row.uncorrected_frac:.2%}",
            "read with it": f"{row.corrected_frac:.2%}",
        }
        for cores, row in frame[frame["factor"] != 1].iterrows()
    ]
    good = ", ".join(str(cores) for cores in frame.index[frame["factor"] == 1])
    rows.append(
        {
            "cores": good,
            "RMIDs that miscount": "none",
            "factor": "1",
            "read without it": "",
            "read with it": "",
        }
    )
    return Table("Parts of errata SKX99 and BDF102: a GiB of traffic, as it is read", rows)


def nodes(p: Params, shares: Iterable[float], *, seed: int, n: int) -> "DataFrame":
    """Local over total bytes, as read, where so large a share of every tenant's pages is on the other node.

    Columns tenant, remote_frac, theory, simulated, low, high (of the n runs).
    """
    import pandas as pd

    rows = []
    for share in shares:
        q = p.replace(tenants=tuple(t.replace(remote_frac=float(share)) for t in p.tenants))
        theory = cmt.analyze(q)
        parts = [read(q, seen, rng) for seen, rng in watched(q, q.sample_ns, seed=seed, n=n)]
        seen = np.array([part["local_per_s"].sum(axis=0) / part["total_per_s"].sum(axis=0) for part in parts])
        for k in range(len(q.tenants)):
            rows.append(
                {
                    "tenant": tenant_name(q, k),
                    "remote_frac": float(share),
                    "theory": theory.local_bytes_per_s[k] / theory.total_bytes_per_s[k],
                    "simulated": seen[:, k].mean(),
                    "low": seen[:, k].min(),
                    "high": seen[:, k].max(),
                }
            )
    return pd.DataFrame(rows)


def nodes_in_words(frame: "DataFrame") -> "DataFrame":
    """`nodes` in words: rows tenant, a column for each share of remote pages."""
    cells = [
        f"{row.theory:.0%} · {row.simulated:.1%} ({row.low:.1%} to {row.high:.1%})"
        for row in frame.itertuples()
    ]
    shown = frame.assign(cell=cells, remote=[f"{x:.0%} of pages remote" for x in frame["remote_frac"]])
    wide = shown.pivot(index="tenant", columns="remote", values="cell")
    return wide[list(dict.fromkeys(shown["remote"]))].rename_axis(columns=None)
