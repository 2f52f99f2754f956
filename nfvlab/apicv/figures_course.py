"""The course of one interrupt in the four modes, side by side."""

from nfvlab.apicv.course import GUEST_STAGES, Course, Segment, course
from nfvlab.apicv.params import MODES, Params
from nfvlab.figures import Figure
from nfvlab.realtime.figures_timeline import Piece, timeline

LANES = {"H": "other CPU", "V": "vCPU's CPU"}


def courses(p: Params) -> Figure:
    """One interrupt alone in each mode, at mean costs: which CPU does what, and when the handler begins."""
    found = [course(p, mode) for mode in range(len(MODES))]
    state = "halted" if p.halting else "running"
    return timeline(
        {each.mode: _pieces(each) for each in found},
        tuple(LANES.values()),
        {each.mode: each.handler_ns for each in found},
        what=f"One interrupt for a {state} vCPU",
    )


def _pieces(found: Course) -> list[Piece]:
    return [Piece(s.start_ns, s.end_ns, LANES[s.cpu], s.stage, _kind(s)) for s in found.segments]


def _kind(segment: Segment) -> str:
    if segment.cpu == "H":
        return "other"
    if segment.stage in GUEST_STAGES:
        return "guest"
    return segment.stage if segment.stage in ("application", "handler") else "host"


__all__ = ["courses"]
