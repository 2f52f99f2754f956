"""What the notebook computes with both sides: on and off, four effects one by one, gains by interval and steps."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nfvlab import units
from nfvlab.glossary import Table
from nfvlab.results import with_error
from nfvlab.timer.analytic import analyze
from nfvlab.timer.figures import early_frac
from nfvlab.timer.params import OUTPUTS, TIMERS, Params
from nfvlab.timer.rounds import HARDWARE, HRTIMER, refused
from nfvlab.timer.simulation import simulate

if TYPE_CHECKING:
    from pandas import DataFrame

SHOWN = {
    "latency_ns": "mean latency",
    "latency_p999_ns": "99.9 % within",
    "cost_cycles": "cycles",
    "exits_ratio": "exits",
    "switches_ratio": "switches",
}


def on_and_off(scenarios: Mapping[str, Params]) -> "DataFrame":
    """Both timers in each scenario, in words; by theory: rows (scenario, timer)."""
    import pandas as pd

    rows = {}
    for label, p in scenarios.items():
        theory = analyze(p)
        for k, timer in enumerate(TIMERS):
            rows[label, timer] = {
                word: units.human(name, getattr(theory, name)[k]) for name, word in SHOWN.items()
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["scenario", "timer"])


# -- the talk's four points, one by one ----------------------------------------------------------------------------

EFFECT_COLUMNS = ("latency_ns", "cost_cycles", "exits_ratio", "switches_ratio")


def effects(p: Params, *, seed: int, n: int) -> "DataFrame":
    """From the hrtimer in a thread to the preemption timer on the fast path, one effect more in each row.

    Each row is simulated. An effect that the mechanism has only together with others is had by giving the hrtimer's
    stage the cost of the preemption timer's. Columns: each of EFFECT_COLUMNS as theory and monte_carlo, and stderr.
    """
    import pandas as pd

    register = {"hrtimer_arm_cycles": p.hv_arm_cycles}
    at_zero = register | {"hrtimer_irq_cycles": p.hv_expire_cycles}
    steps = (
        ("the hrtimer expires in a thread", p.replace(softirq=True), HRTIMER),
        ("no context switch: in the host's interrupt", p, HRTIMER),
        ("arming writes a field, no hrtimer", p.replace(**register), HRTIMER),
        ("exit at zero, no host interrupt", p.replace(**at_zero), HRTIMER),
        ("counted in non-root mode, in steps", p, HARDWARE),
        ("fast path: no loop around both exits", p.replace(fastpath=True), HARDWARE),
    )
    rows = []
    for (label, q, timer), child in zip(steps, np.random.SeedSequence(seed).spawn(len(steps)), strict=True):
        theory = analyze(q)
        seen = simulate(q, rng=np.random.default_rng(child), n=n).estimate()
        row = {"step": label}
        for name in EFFECT_COLUMNS:
            estimate = seen[f"{name}[{timer}]"]
            row |= {f"{name}_theory": getattr(theory, name)[timer], f"{name}_monte_carlo": estimate.value}
            row[f"{name}_stderr"] = estimate.stderr
        rows.append(row)
    return pd.DataFrame(rows).set_index("step")


def effects_table(frame: "DataFrame") -> "DataFrame":
    """A frame of `effects` in words: simulated values, and what each row saves over the one above it."""
    import pandas as pd

    rows, above = {}, None
    for label, row in frame.iterrows():
        latency, cost = row["latency_ns_monte_carlo"], row["cost_cycles_monte_carlo"]
        rows[label] = {
            "mean latency": units.human("latency_ns", latency),
            "saved": "" if above is None else units.human("latency_ns", above[0] - latency),
            "cycles a round": units.human("cost_cycles", cost),
            "saved ": "" if above is None else units.human("cost_cycles", above[1] - cost),
            "exits": units.human("exits_ratio", row["exits_ratio_monte_carlo"]),
            "switches": units.human("switches_ratio", row["switches_ratio_monte_carlo"]),
        }
        above = latency, cost
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("one effect more in each row")


# -- where it pays -------------------------------------------------------------------------------------------------


def by_interval(scenarios: Mapping[str, Params], intervals_ns: Sequence[float]) -> "DataFrame":
    """What the preemption timer saves over the interval: rows scenario, interval_ns, saved_ns, saved_cycles,
    hardware_frac, way (the most frequent one)."""
    import pandas as pd

    rows = []
    for label, p in scenarios.items():
        for interval in intervals_ns:
            theory = analyze(p.replace(interval_ns=float(interval)))
            off, on = theory.latency_ns
            ways = theory.way_frac[HARDWARE]
            rows.append(
                {
                    "scenario": label,
                    "interval_ns": float(interval),
                    "saved_ns": float(off - on),
                    "saved_cycles": float(theory.cost_cycles[HRTIMER] - theory.cost_cycles[HARDWARE]),
                    "hardware_frac": float(theory.hardware_frac[HARDWARE]),
                    "way": max(ways, key=ways.get),
                }
            )
    return pd.DataFrame(rows)


def by_shift(p: Params, shifts: Sequence[int], *, seed: int, n: int) -> "DataFrame":
    """The preemption timer's latency and the hrtimer's over X: rows shift, hrtimer_ns, theory_ns, monte_carlo_ns,
    stderr_ns, early_frac, refused."""
    import pandas as pd

    rows = []
    for shift, child in zip(shifts, np.random.SeedSequence(seed).spawn(len(shifts)), strict=True):
        q = p.replace(timer_shift=int(shift))
        theory = analyze(q)
        seen = simulate(q, rng=np.random.default_rng(child), n=n).estimate()["latency_ns[1]"]
        rows.append(
            {
                "shift": int(shift),
                "hrtimer_ns": float(theory.latency_ns[HRTIMER]),
                "theory_ns": float(theory.latency_ns[HARDWARE]),
                "monte_carlo_ns": seen.value,
                "stderr_ns": seen.stderr,
                "early_frac": early_frac(theory, HARDWARE),
                "refused": refused(q),
            }
        )
    return pd.DataFrame(rows)


def shift_table(frame: "DataFrame") -> "DataFrame":
    """A frame of `by_shift` in words."""
    import pandas as pd

    rows = {
        int(row["shift"]): {
            "preemption timer": units.human("latency_ns", row["theory_ns"]),
            "simulated": units.human("latency_ns", row["monte_carlo_ns"]),
            "hrtimer": units.human("latency_ns", row["hrtimer_ns"]),
            "before the deadline": units.human("early_frac", row["early_frac"]),
            "": "refused: the hrtimer serves" if row["refused"] else "",
        }
        for _, row in frame.iterrows()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("X")


def interval_table(frame: "DataFrame") -> "DataFrame":
    """A frame of `by_interval` in words: what is saved, and the way that most rounds go."""
    cells = [
        f"{units.human('saved_ns', row.saved_ns)} ({row.way})"
        if abs(row.saved_ns) >= 0.5
        else f"0 ns ({row.way})"
        for row in frame.itertuples()
    ]
    wide = frame.assign(cell=cells).pivot(index="interval_ns", columns="scenario", values="cell")
    wide = wide[list(dict.fromkeys(frame["scenario"]))]
    wide.index = [units.human("interval_ns", value) for value in wide.index]
    return wide.rename_axis("interval").rename_axis(None, axis=1)


# -- published -----------------------------------------------------------------------------------------------------


def published() -> Table:
    """`published.compare` in words: a row a figure, ours beside it, and why one is missed."""
    from nfvlab.timer.published import compare

    rows = []
    for (row, side), line in compare().iterrows():
        rows.append(
            {
                "figure": row,
                "side": side,
                "published": _figure(line["published"], line["unit"]),
                "ours": _figure(line["ours"], line["unit"]),
                "off by": f"{100 * line['difference_frac']:+.1f} %",
                "claimed": f"± {100 * line['tolerance_frac']:g} %",
                "how": line["how"],
                "reproduced": "yes" if line["reproduced"] else "no",
            }
        )
    return Table("Published figures beside ours", rows)


def missed() -> Table:
    """The published figures that are missed, and why."""
    from nfvlab.timer.published import compare

    frame = compare()
    lines = frame[~frame["reproduced"]].iterrows()
    return Table(
        "Missed", [{"figure": row, "side": side, "why": line["note"]} for (row, side), line in lines]
    )


def _figure(value: float, unit: str) -> str:
    return f"{100 * value:.0f} %" if unit == "percent" else f"{value:.0f} {unit}"


def ways(p: Params) -> Table:
    """The ways of a scenario's rounds on either timer, with their shares; by theory."""
    theory = analyze(p)
    rows = [
        {"timer": timer, "way": name, "share": units.human("way_frac", share)}
        for timer, shares in zip(TIMERS, theory.way_frac, strict=True)
        for name, share in shares.items()
        if share >= 1e-6
    ]
    return Table("Ways of a round", rows)


def simulated(p: Params, names: Sequence[str] = tuple(OUTPUTS), *, seed: int, n: int) -> Table:
    """Outputs of one scenario as the simulation has them, with their errors: a column a timer."""
    seen = simulate(p, rng=np.random.default_rng(seed), n=n).estimate()
    rows = [
        {"output": OUTPUTS[name]}
        | {timer: with_error(name, seen[f"{name}[{k}]"]) for k, timer in enumerate(TIMERS)}
        for name in names
    ]
    return Table(f"Simulated, {n} replications", rows)
