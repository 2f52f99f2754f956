"""A recording on the model's picture: what QEMU said it had sent, poll by poll, over theory and simulation."""

from collections.abc import Sequence
from typing import Any

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure
from nfvlab.freepages.analytic import analyze
from nfvlab.freepages.figures import Live
from nfvlab.freepages.params import Params
from nfvlab.freepages.simulation import Samples


def recorded(p: Params, recordings: Sequence[tuple[str, Any]], samples: Samples | None = None) -> Figure:
    """The live picture of `p`, still, with polls drawn in.

    recordings: (label, polls), the polls a frame with t_ns and transferred_bytes, as `read_qemu` returns it.
    """
    live = Live(p)
    with house.style():
        drawn = live.still(p, analyze(p), samples)
        for label, polls in recordings:
            seen = polls.dropna(subset=["t_ns", "transferred_bytes"])
            t, sent = seen["t_ns"].to_numpy(), seen["transferred_bytes"].to_numpy()
            live.sent.plot(t, sent, **house.RECORDED | {"markersize": 3.5})
            middle = t.size // 2
            how = {"color": house.RECORDED["color"], "size": 9.5, "xytext": (8, -8)}
            house.direct_label(live.sent, t[middle], sent[middle], label, **how)
            end = units.human("transferred_bytes", sent[-1])
            drawn.alt += (
                f" {label}: {t.size} polls, the last after {units.human('t_ns', t[-1])} with {end} sent."
            )
    return drawn
