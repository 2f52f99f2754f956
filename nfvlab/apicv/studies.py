"""What the notebook computes: modes and states side by side, rates, where it does not pay, and published figures."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nfvlab import units
from nfvlab.apicv import worth as machine
from nfvlab.apicv.analytic import analyze
from nfvlab.apicv.params import MODES, Params
from nfvlab.apicv.race import Demonstration
from nfvlab.apicv.simulation import EXIT_KINDS, Samples, simulate
from nfvlab.glossary import Table
from nfvlab.paths import data_file
from nfvlab.readers.hosts import read_host
from nfvlab.readers.published import read_published

if TYPE_CHECKING:
    from pandas import DataFrame

SHOWN = {
    "exits_ratio": "exits",
    "cost_cycles": "cycles",
    "latency_ns": "latency",
    "latency_p99_ns": "at 99 %",
    "cpu_frac": "of the CPU",
    "saturation_per_s": "at most",
}
RATED = ("cost_cycles", "latency_ns", "cpu_frac", "coalesced_frac")
WORTH_ROWS = ("timer-apicv-off", "timer-apicv-adv", "timer-apicv-immed", "timer-apicv-immed-adv")


def modes(p: Params) -> "DataFrame":
    """What an interrupt costs in each mode, in words; by theory."""
    import pandas as pd

    theory = analyze(p)
    rows = {
        mode: {word: units.human(name, getattr(theory, name)[k]) for name, word in SHOWN.items()}
        for k, mode in enumerate(MODES)
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("mode")


def states(scenarios: Mapping[str, Params], output: str) -> "DataFrame":
    """One output of every mode in each scenario, in words, and the first mode's over the last one's; by theory."""
    import pandas as pd

    rows = {}
    for name, p in scenarios.items():
        values = getattr(analyze(p), output)
        rows[name] = {mode: units.human(output, value) for mode, value in zip(MODES, values, strict=True)}
        rows[name] |= {"first by last": f"{values[0] / values[-1]:.2g}"}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("scenario")


def exit_kinds(samples: Samples) -> "DataFrame":
    """Simulated exits per interrupt by mode and kind."""
    import pandas as pd

    seen = samples.exits.mean(axis=0)
    return pd.DataFrame(seen.round(2), index=list(MODES), columns=list(EXIT_KINDS)).rename_axis("mode")


def by_rate(p: Params, rates: Sequence[float], *, seed: int, n: int) -> "DataFrame":
    """Tidy: interrupts_per_s, mode, output, theory, monte_carlo, stderr."""
    import pandas as pd

    rows = []
    for rate, child in zip(rates, np.random.SeedSequence(seed).spawn(len(rates)), strict=True):
        q = p.replace(interrupts_per_s=float(rate))
        theory, seen = analyze(q), simulate(q, rng=np.random.default_rng(child), n=n).estimate()
        for output in RATED:
            for k, mode in enumerate(MODES):
                found = seen[f"{output}[{k}]"]
                told = getattr(theory, output)[k]
                rows.append((float(rate), mode, output, told, found.value, found.stderr))
    columns = ["interrupts_per_s", "mode", "output", "theory", "monte_carlo", "stderr"]
    return pd.DataFrame(rows, columns=columns)


def in_words(frame: "DataFrame", output: str) -> "DataFrame":
    """A frame of `by_rate` for one output: a row a rate, simulated (theory)."""
    part = frame[frame["output"] == output]
    cells = [
        f"{units.human(output, row.monte_carlo)} ({units.human(output, row.theory)})"
        for row in part.itertuples()
    ]
    rates = [units.human("interrupts_per_s", rate) for rate in part["interrupts_per_s"]]
    shown = part.assign(cell=cells, rate=rates).pivot(index="interrupts_per_s", columns="mode", values="cell")
    shown.index = [units.human("interrupts_per_s", rate) for rate in shown.index]
    return shown[list(MODES)].rename_axis(index="interrupts", columns=None)


def gain(p: Params, knob: str, values: Sequence[float], rates: Sequence[float], output: str) -> "DataFrame":
    """How many times the emulated mode's output is that of VT-d posting: rows knob, columns rates; by theory."""
    import pandas as pd

    made = np.empty((len(values), len(rates)))
    for i, value in enumerate(values):
        for j, rate in enumerate(rates):
            found = getattr(analyze(p.replace(**{knob: float(value)}, interrupts_per_s=float(rate))), output)
            made[i, j] = found[0] / found[-1]
    return pd.DataFrame(made, index=list(values), columns=list(rates))


def gain_table(frame: "DataFrame", knob: str) -> "DataFrame":
    """A frame of `gain`, rounded and in words, at its edges and in the middle."""
    rows, columns = (sorted({0, len(axis) // 2, len(axis) - 1}) for axis in (frame.index, frame.columns))
    shown = frame.iloc[rows, columns].map(lambda value: f"{value:.2g} times")
    shown.index = [units.human(knob, value) for value in shown.index]
    shown.columns = [units.human("interrupts_per_s", value) for value in shown.columns]
    return shown.rename_axis(index=knob)


def races(proved: Demonstration) -> Table:
    """Versions of the descriptor's protocol: whether an interrupt can be lost, states tried, steps to the loss, why."""
    rows = []
    for row in proved.rows():
        _, _, how = row["verdict"].partition(" is lost: ")
        verdict = f"lost: {how}" if how else row["verdict"]
        steps = row["steps to the loss"]
        rows.append(
            {
                "version": row["version"],
                "verdict": verdict,
                "states": f"{row['states']:,}",
                "steps": "" if steps is None else str(steps),
                "because": row["because"],
            }
        )
    return Table(f"Tried: {proved.title}", rows)


def worth(p: Params) -> "DataFrame":
    """A timer interrupt through the state machine: stages without and with APICv, and the cycles saved, in words."""
    frame = machine.worth(p)
    return frame.assign(saved=[_cycles(value) for value in frame["saved_cycles"]]).drop(
        columns="saved_cycles"
    )


def worth_beside_published(host: str = "skylake-sp.toml") -> Table:
    """Cycles that APICv saves a timer interrupt: published, without less with; and the machine's own count."""
    frame, _ = read_published(data_file("published.csv"))
    rows = [
        {"what": frame.loc[row, "case"], "saved": _cycles(frame.loc[row, "without"] - frame.loc[row, "with"])}
        for row in WORTH_ROWS
    ]
    saved = float(machine.worth(with_host(Params(), host)).loc["sum", "saved_cycles"])
    rows.append({"what": "through the state machine, without less with", "saved": _cycles(saved)})
    return Table("What APICv saves a timer interrupt (Skylake-SP, kvm-unit-tests)", rows)


def with_host(p: Params, file: str) -> Params:
    """The scenario with the stage costs of a host file, as far as it has them."""
    costs, _ = read_host(data_file("hosts", file))
    return p.replace(**{name: value for name, value in costs.items() if name in p.specs()})


def _cycles(value: float) -> str:
    return units.human("cost_cycles", value)
