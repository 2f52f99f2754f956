"""Tables in words of what recordings changed in a scenario."""

import math

from nfvlab import units
from nfvlab.glossary import Table
from nfvlab.realtime.calibrated import Calibrated


def changes(found: Calibrated) -> Table:
    """A row a field that recordings changed: before, after, bounds, how much of it they tell, and which told."""
    rows = [
        {
            "field": change.name,
            "before": units.human(change.name, change.before),
            "after": units.human(change.name, change.after),
            "between": _between(change.name, *change.bounds),
            "told": units.human("told_frac", change.told_frac),
            "from": change.source,
        }
        for change in found.changes
    ]
    return Table("What the recordings say of the scenario", rows)


def limits(found: Calibrated) -> Table:
    """What was taken for granted, what the recordings cannot say, and what of them was not used."""
    sentences = {"assumed": found.assumed, "not told": found.untold, "not used": found.notes}
    rows = [{"": kind, "what": sentence} for kind, said in sentences.items() for sentence in said]
    return Table("How far to trust it", rows or [{"": "", "what": "nothing to add"}])


def _between(name: str, low: float, high: float) -> str:
    if low == high:
        return "given"
    most = "no bound" if math.isinf(high) else units.human(name, high)
    return f"{units.human(name, low)} … {most}"


__all__ = ["changes", "limits"]
