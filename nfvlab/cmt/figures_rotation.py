"""The perf driver of Linux 4.1 to 4.13: more groups than RMIDs, each watched for a share of the time."""

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure


def watched(frame, *, rmid_count: int) -> Figure:
    """Share of the time a group has an RMID, against the number of groups: theory and the driver simulated."""
    with house.style():
        drawn = Figure(figsize=(8.6, 3.0), layout="constrained")
        left, right = drawn.subplots(1, 2)
        for axes, name in ((left, "theory"), (right, "wait_ns")):
            axes.plot(frame["groups"], frame[name], **house.THEORY, label="theory")
            seen = "simulated" if name == "theory" else f"simulated_{name}"
            axes.plot(
                frame["groups"],
                frame[seen],
                **house.SIMULATION | {"clip_on": False},
                label="driver simulated",
            )
            axes.axvline(rmid_count, color=house.FAINT, lw=1, ls=":")
            axes.set_xlabel("Groups")
            axes.set_xlim(0, 1.03 * frame["groups"].max())
        house.direct_label(left, rmid_count, 0.1, f"{rmid_count} RMIDs", size=8.5, color=house.FAINT)
        left.set_ylim(0, 1.05)
        right.set_ylim(bottom=0)
        house.quantity(left.yaxis, "watched_frac", "Watched, of the time", ticks=5)
        house.quantity(right.yaxis, "wait_ns", "Then unwatched for", ticks=5)
        left.legend(loc="upper right")
    last = frame.iloc[-1]
    drawn.alt = (
        f"Share of the time that a group is watched under the driver's rotation with {rmid_count} RMIDs, falling with "
        f"the number of groups: at {last['groups']:.0f} groups {last['theory']:.0%} in theory, {last['simulated']:.0%} "
        f"simulated, unwatched for {units.human('wait_ns', last['simulated_wait_ns'])} at a time."
    )
    return drawn


__all__ = ["watched"]
