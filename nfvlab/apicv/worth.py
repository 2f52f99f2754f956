"""What APICv is worth to one timer interrupt: the same interrupt through the state machine, without and with it.

The host has an exit of the guest's in hand (its timer expired) and requests the timer's vector; then it enters, the
guest's handler runs and writes its EOI. What happened is counted as it happened, and priced with the cost table.
kvm-unit-tests' `vmexit tscdeadline` is a loop of just this (published.csv, rows timer-apicv-*).
"""

import math
from typing import TYPE_CHECKING

import numpy as np

from nfvlab.apicv.delivery import Emulated, Posted
from nfvlab.apicv.guest import Guest
from nfvlab.apicv.ledger import STAGES, Ledger
from nfvlab.apicv.params import Params
from nfvlab.apicv.simulation import FIRST_VECTOR
from nfvlab.apicv.world import World

if TYPE_CHECKING:
    import pandas

WITHOUT, WITH = Emulated, Posted


def one_timer_interrupt(p: Params, kind: type) -> Ledger:
    """The ledger of one interrupt that the vCPU's own thread requests while it handles an exit."""
    exact = p.replace(spread_frac=0.0, halting=False, away_frac=0.0, masked_frac=0.0, handler_ns=0.0)
    ledger = Ledger(
        exact, np.random.default_rng(0)
    )  # nothing is drawn: no spread, no fraction of a TPR write
    world = World(kind(), ledger, iter(()))
    guest = Guest(exact, world, [0.0], [math.nan])
    world.posting_at = world.now
    world.delivery.post(world, FIRST_VECTOR, 0)
    guest.start()
    while guest.pieces:
        guest.step()
    return ledger


def worth(p: Params) -> "pandas.DataFrame":
    """One row a stage: how often without and with APICv, and the cycles that APICv saves. The last row is the sum."""
    import pandas as pd

    books = [one_timer_interrupt(p, kind).vcpu_cpu for kind in (WITHOUT, WITH)]
    rows = []
    for stage, name in STAGES.items():
        without, with_ = (book.get(stage, 0.0) for book in books)
        price = getattr(p, name)
        if without or with_:
            rows.append((stage, round(without / price), round(with_ / price), without - with_))
    frame = pd.DataFrame(rows, columns=["stage", "without", "with", "saved_cycles"]).set_index("stage")
    frame.loc["sum"] = [*frame[["without", "with"]].sum(), frame["saved_cycles"].sum()]
    return frame.astype({"without": int, "with": int})


__all__ = ["one_timer_interrupt", "worth"]
