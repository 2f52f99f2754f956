"""Pictures of a pre-copy migration: what is left to send against the stop rule, theory beside simulation."""

import numpy as np

from nfvlab import figures as house
from nfvlab.figures import Figure
from nfvlab.precopy.analytic import Theory, analyze
from nfvlab.precopy.params import PAGE_BYTES, Params
from nfvlab.precopy.scenarios import SCENARIOS
from nfvlab.precopy.simulation import Run, Samples


class Live(house.Picture):
    """What is left to send, by time, and what has been sent."""

    size = (8.6, 4.2)
    keys = ("total_time_ns", "downtime_ns", "pause_ns", "transferred_bytes", "dirty_sync_count")

    def build(self, p: Params) -> None:
        """Two axes: left to send, and sent."""
        self.left, self.sent = self.figure.subplots(1, 2)
        self.axis(self.left, x=("total_time_ns", "Time"), y=("remaining_bytes", "Left to send"))
        self.axis(self.sent, x=("total_time_ns", "Time"), y=("transferred_bytes", "Sent"))
        self.threshold = self.animate(
            *self.left.plot([], [], color=house.INK, lw=1.2, ls=":", label="stop rule")
        )
        self.theory_left = self.animate(*self.left.plot([], [], **house.THEORY, label="theory"))
        self.theory_sent = self.animate(*self.sent.plot([], [], **house.THEORY, label="theory"))
        self.dots = [
            self.animate(
                *axes.plot([], [], **house.SIMULATION | {"markersize": 3.5}, label="one simulated migration")
            )
            for axes in (self.left, self.sent)
        ]
        self.label_ends(self.left, self.threshold)
        self.sent.legend(handles=[self.theory_sent, self.dots[1]], loc="upper left")

    def show(self, p: Params, theory: Theory, samples: Samples | None = None) -> None:
        """The fluid course, the last threshold, and the windows of one simulated migration."""
        course = theory.course
        self.theory_left.set_data(course.curve_t_ns[1:], course.curve_left_bytes[1:])
        self.theory_sent.set_data(course.curve_t_ns, course.curve_transferred_bytes)
        threshold = course.round_threshold_bytes[-1] if course.round_threshold_bytes.size else np.nan
        self.threshold.set_data([0, course.total_time_ns], [threshold, threshold])
        for line, data in zip(
            self.dots, _rows(samples.runs[0] if samples is not None else None), strict=True
        ):
            line.set_visible(samples is not None)
            line.set_data(*data)
        self.fit(self.left, x=(0, 1.1 * course.total_time_ns), y=[course.curve_left_bytes])
        self.fit(self.sent, x=(0, 1.1 * course.total_time_ns), y=[course.curve_transferred_bytes])


def figure(p: Params, theory: Theory | None = None, samples: Samples | None = None) -> Figure:
    """The live picture, still."""
    return Live(p).still(p, theory or analyze(p), samples)


def _rows(run: Run | None):
    """(time, bytes left) and (time, bytes sent) of a simulated migration."""
    if run is None:
        return ([], []), ([], [])
    t = [row.t_ns for row in run.timeline]
    left = [row.remaining_pages * PAGE_BYTES for row in run.timeline]
    return (t, left), (t, [row.transferred_bytes for row in run.timeline])


__all__ = ["SCENARIOS", "Live", "figure"]
