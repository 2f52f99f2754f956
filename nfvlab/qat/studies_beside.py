"""Theory, simulated runs, published and recorded ones in one table, in words."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from nfvlab import units
from nfvlab.qat import mva
from nfvlab.qat.figures import shown
from nfvlab.qat.params import OUTPUTS, WAYS
from nfvlab.qat.published import OUTPUTS as MULTI_THREAD
from nfvlab.qat.recordings import method_of
from nfvlab.units import ms, s

if TYPE_CHECKING:
    from pandas import DataFrame

    from nfvlab.predict import Prediction
    from nfvlab.qat import multi_thread
    from nfvlab.twin import Comparison


def twins_table(found: "Comparison") -> "DataFrame":
    """A twin table with a row an output: theory and simulation of each way side by side, and the ways that fail."""
    import pandas as pd

    rows = {row.field: row for row in found.rows}
    table = {}
    for output in OUTPUTS:
        three = [rows[f"{output}[{k}]"] for k in range(len(WAYS))]
        line = {
            f"{way}, {side}": shown(output, value)
            for way, row in zip(WAYS, three, strict=True)
            for side, value in (("theory", row.theory), ("simulated", row.monte_carlo))
        }
        fails = ", ".join(way for way, row in zip(WAYS, three, strict=True) if not row.ok)
        table[output] = line | {"claim, QAT": three[-1].claim.words(output), "fails": fails or "none"}
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("output")


def ring_rates(
    stations: Sequence[mva.Station], delay_ns: float, depths: Iterable[int], pages: int
) -> "DataFrame":
    """Pages per second of a ring of stations, in words, a row a depth: bounds for any times, and by mean values.

    pages: of a request.
    """
    import pandas as pd

    rows = {}
    for depth in depths:
        low, high = mva.bounds(stations, delay_ns, depth)
        mean = mva.mva(stations, delay_ns, depth).per_ns
        found = {"at least": low, "exponential times": mean, "constant times": high}
        rows[depth] = {title: f"{per_ns * pages * s / 1e3:,.0f} k/s" for title, per_ns in found.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("requests in flight")


def simulated_table(figures: Iterable["multi_thread.Figure"]) -> "DataFrame":
    """The multi-thread rows in words: published, the simulated runs' median and range, and whether it is within."""
    import pandas as pd

    rows = {}
    for figure in figures:
        output = MULTI_THREAD[figure.row.rpartition("-")[2]]
        low, high = (units.human(output, value) for value in (figure.low, figure.high))
        rows[figure.case, f"{figure.row}, {figure.side}"] = {
            "published": units.human(output, figure.published),
            "simulated": units.human(output, figure.simulated),
            "runs": f"{low} to {high}",
            "error": units.human("error_frac", figure.error_frac),
            "within 15 %": figure.verdict,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["case", "row"])


def recorded_table(predictions: Iterable["Prediction"], metas: Iterable) -> "DataFrame":
    """Recorded migrations beside their predictions, in words: total time and bytes on the wire, with their errors."""
    import pandas as pd

    rows = {}
    for found, meta in zip(predictions, metas, strict=True):
        row = {"method": method_of(meta)}
        for title, name, output, unit in (
            ("total time", "total-time", "total_time_ns", ms),
            ("on the wire", "wire_bytes", "wire_bytes", 1.0),
        ):
            values = {"recorded": found.measured.get(name), "predicted": found.predicted.get(name)}
            for side, value in values.items():
                row[f"{title}, {side}"] = "" if value is None else units.human(output, value * unit)
            error = found.error(name)
            row[f"{title}, error"] = "" if error != error else f"{100 * error:+.0f} %"
        rows[found.name] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("recording")
