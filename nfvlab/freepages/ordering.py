"""Which order of dirty logging, free pages and merging loses no write: every interleaving tried.

The talk's first rule is to start the dirty log before asking for the free pages: a page that the guest
takes and writes after it was reported is then in the log, and the merge brings it back into the migration
bitmap after the filter took it out. Reverse the order, or filter after the merge, and there is a run that
loses the page. Hints have the same rule in another form: each belongs to the time between two merges,
which its command id names.

`demonstrate()` tries the right orders and the wrong ones. What is proved is proved for worlds of this
size: one or two pages, a guest that takes a few steps, and a migration of up to three merges.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nfvlab.freepages import race_guest, race_world
from nfvlab.kernels.interleave import Verdict, explore
from nfvlab.params import html_table

_REST = ("send", "merge", "send", "stop", "merge", "drain")
_SYNC = ("before", "merge", "after")
_HINTS = ("start_log", *_SYNC, "send", *_SYNC, "send", "stop", *_SYNC, "drain")


@dataclass(frozen=True)
class Case:
    """One order of things: its name, the migration thread's program, and what is wrong, if anything."""

    name: str
    transport: str  # "bitmap" (one shot, the talk's) or "hints" (VIRTIO_BALLOON_F_FREE_PAGE_HINT)
    program: tuple[str, ...]
    safe: bool
    clear_log: bool = False
    deferred: bool = False
    patient: bool = True
    releases: int = 1
    stale: bool = False
    late: bool = False

    def check(self, pages: int = 1, guest_steps: int = 3) -> Verdict:
        """Try every interleaving with so many pages and steps of the guest."""
        thread = race_world.Thread(self.program, clear_log=self.clear_log, deferred=self.deferred)
        machines: dict[str, Callable] = {"guest": race_world.guest}
        if self.transport == "bitmap":
            machines["driver"] = race_guest.reporter
        else:
            machines["driver"] = race_guest.Hinter(patient=self.patient)
            machines["device"] = race_guest.Listener(thread, stale=self.stale, late=self.late)
        machines["migration"] = thread
        starts = race_world.beginnings(pages, guest_steps, self.releases)
        return explore(
            starts, machines, final=lambda w: race_world.lost(w) or None, done=thread.done, limit=5_000_000
        )


CASES = (
    Case(
        "log, then ask, filter, merge",
        "bitmap",
        ("start_log", "ask", "receive", "filter", "merge", *_REST),
        True,
    ),
    Case("ask, then log", "bitmap", ("ask", "receive", "start_log", "filter", "merge", *_REST), False),
    Case(
        "filter after the merge", "bitmap", ("start_log", "ask", "receive", "merge", "filter", *_REST), False
    ),
    Case(
        "filter once more in a later round",
        "bitmap",
        (
            "start_log",
            "ask",
            "receive",
            "filter",
            "merge",
            "send",
            "merge",
            "filter",
            "send",
            "stop",
            "merge",
            "drain",
        ),
        False,
    ),
    Case(
        "filter clears the dirty log too",
        "bitmap",
        ("start_log", "ask", "receive", "filter", "merge", *_REST),
        False,
        clear_log=True,
    ),
    Case("hints between merges", "hints", _HINTS, True, patient=False),
    Case("hints of an old command id are used", "hints", _HINTS, False, patient=False, stale=True),
    Case("hints of an old command id, pages kept until they are used", "hints", _HINTS, True, stale=True),
    Case("hints applied after the next merge", "hints", _HINTS, False, late=True),
    Case("hints clear the dirty log too", "hints", _HINTS, False, patient=False, clear_log=True),
    Case("deferred clearing, pages kept until the hint is used", "hints", _HINTS, True, deferred=True),
    Case("deferred clearing, pages given back before", "hints", _HINTS, False, deferred=True, patient=False),
)


@dataclass(frozen=True)
class Demonstration:
    """The verdicts on all cases."""

    pages: int
    guest_steps: int
    verdicts: tuple[tuple[Case, Verdict], ...] = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether every case came out as it should: the right orders proved, the wrong ones refuted."""
        return all(verdict.holds == case.safe for case, verdict in self.verdicts)

    def __getitem__(self, name: str) -> Verdict:
        """The verdict on a case, by its name."""
        return {case.name: verdict for case, verdict in self.verdicts}[name]

    def rows(self) -> list[dict[str, Any]]:
        """One row a case: transport, order, verdict, states, length of the shortest run that loses."""
        return [
            {
                "transport": case.transport,
                "order": case.name,
                "verdict": "no write is lost" if verdict.holds else verdict.reason,
                "states": verdict.states,
                "steps to the loss": len(verdict.trace) or None,
            }
            for case, verdict in self.verdicts
        ]

    def to_frame(self):
        """The rows as a pandas frame."""
        import pandas as pd

        return pd.DataFrame(self.rows()).astype({"steps to the loss": "Int64"})

    @cached_property
    def title(self) -> str:
        """What was tried."""
        pages = f"{self.pages} page" + "s" * (self.pages != 1)
        return f"every interleaving of {pages} and up to {self.guest_steps} steps of the guest"

    def __str__(self) -> str:
        lines = [self.title]
        for case, verdict in self.verdicts:
            lines += [f"{case.transport}: {case.name}", *(f"  {line}" for line in str(verdict).splitlines())]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = (
            {key: "" if value is None else str(value) for key, value in row.items()} for row in self.rows()
        )
        return html_table(self.title, rows)


def demonstrate(
    pages: int = 1, guest_steps: int = 3, *, progress: Callable[[Iterable[Case]], Iterable[Case]] = iter
) -> Demonstration:
    """Try every case. One page takes seconds; each page more takes twenty times as long.

    `progress` wraps the cases as they are tried (`tqdm.auto.tqdm`, say).
    """
    verdicts = tuple((case, case.check(pages, guest_steps)) for case in progress(CASES))
    return Demonstration(pages, guest_steps, verdicts)
