"""No posted interrupt is lost: proved for KVM as it is, refuted with the shortest run for each wrong version.

The property: when nothing can move any more, each vector that was posted has had its handler started since, and
neither PIR nor IRR holds a request, be the vCPU in its guest or asleep. It is proved for worlds of this size:
up to two interrupts from any posters, on one vector or two, two physical CPUs, and one exit, one HLT and one
preemption in any order.

"blocks as Linux 5.16" is what the source of `pi_pre_block` and `vmx_vcpu_pi_load` of that time says when written as
these machines; the run that loses needs a host kernel that preempts between the last check and `schedule`. Linux
5.17 replaced it and does not name such a loss as the reason.

>>> print(prove("sleeps as if preempted", kinds=("VT-d",)).lines()[-1])
7  VT-d  posts vector 0, no notification
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nfvlab.apicv.race_vcpu import Vcpu, irqs_off
from nfvlab.apicv.race_world import CPUS, KINDS, PhysicalCpu, Producer, World, beginnings, lost
from nfvlab.kernels.interleave import Machine, Verdict, explore
from nfvlab.params import html_table

KVM_KINDS = tuple(kind for kind in KINDS if kind != "VT-d urgent")  # KVM leaves URG = 0

MUTANTS = {
    "does not set ON when loaded": "what was posted silently while the vCPU was preempted is never harvested",
    "ignores ON when it blocks": "the notification went out with the active vector, and no handler wakes the vCPU",
    "takes PIR before it clears ON": "a request between the two finds ON set and is not notified",
    "reads PIR, then zeroes it": "a request between the two is wiped out",
    "keeps SN when loaded": "VT-d goes on posting silently while the guest runs",
    "reads PIR before it clears SN": "a request between the two is posted silently",
    "keeps NDST when it moves": "notifications go to the CPU that the vCPU has left",
    "sleeps as if preempted": "a blocked vCPU with SN = 1 is never notified",
    "harvests with interrupts on": "the host takes a notification after the harvest and before the entry",
    "sets the mode last": "KVM posts after the harvest, reads OUTSIDE_GUEST_MODE and sends nothing",
    "host's handler clears ON": "the harvest at the next entry sees ON = 0 and leaves PIR alone",
    "wake-up handler looks at PIR": "ON may be set, by IPI virtualization's second access, over an empty PIR",
    "KVM heeds SN read first": "the vCPU is loaded between KVM's look at SN and its post",
    "blocks as Linux 5.16": "preempted between check and sleep: loading sets ON, and nothing looks at ON again",
}
VARIANTS = {
    "keeps NV when loaded": "notifications make the guest exit, and the next entry harvests: slow, and safe",
    "checks before it waits": "the look at ON on the way to sleep catches what the check has missed",
    "KVM heeds SN read last": "loading clears SN and then looks at PIR, which holds the request already",
}

_VCPU = {"blocks as Linux 5.16": {"pre_block": True}}
_CPU = {
    "host's handler clears ON": {"handler_clears_on": True},
    "wake-up handler looks at PIR": {"wakes_by": "PIR"},
}
_PRODUCER = {
    "KVM heeds SN read first": {"heeds_sn": "before"},
    "KVM heeds SN read last": {"heeds_sn": "after"},
}


def machines(mutant: str | None = None) -> dict[str, Machine]:
    """The machines of a world by name: producers, physical CPUs and the vCPU thread."""
    if mutant is not None and mutant not in MUTANTS | VARIANTS:
        raise ValueError(f"mutant {mutant!r}: must be one of {', '.join(MUTANTS | VARIANTS)}, or None")
    parts: dict[str, Machine] = {}
    for kind in KINDS:
        parts[kind] = Producer(kind, **_PRODUCER.get(mutant, {}))
    for cpu in CPUS:
        parts[f"pCPU {cpu}"] = PhysicalCpu(cpu, irqs_off, **_CPU.get(mutant, {}))
    elsewhere = mutant is None or mutant in _VCPU | _CPU | _PRODUCER
    parts["vCPU"] = Vcpu(*() if elsewhere else (mutant,), **_VCPU.get(mutant, {}))
    return parts


def check(w: World) -> str | None:
    """What is lost at an end, or None."""
    return lost(w) or None


def prove(
    mutant: str | None = None,
    *,
    exits: int = 1,
    halts: int = 1,
    preemptions: int = 1,
    kinds: tuple[str, ...] = KVM_KINDS,
    limit: int = 5_000_000,
) -> Verdict:
    """Try every interleaving of KVM as it is, or of one of `MUTANTS` and `VARIANTS`.

    The vCPU exits, halts and is preempted at most so many times; `kinds` are the posters of `KINDS` that take
    part, two at a time. Takes seconds; one exit more takes about three times as long.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"poster {kind!r}: must be one of {', '.join(KINDS)}")
    return explore(beginnings(exits, halts, preemptions, kinds), machines(mutant), final=check, limit=limit)


@dataclass(frozen=True)
class Demonstration:
    """The verdicts on KVM as it is (named "KVM"), on its mutants and its harmless variants."""

    verdicts: dict[str, Verdict] = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether every mutant is refuted and the rest proved."""
        return all(verdict.holds == (name not in MUTANTS) for name, verdict in self.verdicts.items())

    def __getitem__(self, name: str) -> Verdict:
        """The verdict on one of them."""
        return self.verdicts[name]

    @cached_property
    def title(self) -> str:
        """What was tried."""
        return "every interleaving of two posters, two physical CPUs and a vCPU"

    def rows(self) -> list[dict[str, Any]]:
        """One row each: name, verdict, states, length of the shortest run that loses, and why."""
        return [
            {
                "version": name,
                "verdict": "nothing is lost" if verdict.holds else verdict.reason,
                "states": verdict.states,
                "steps to the loss": len(verdict.trace) or None,
                "because": (MUTANTS | VARIANTS).get(
                    name, "SN before PIR, ON before PIR, ON on the way to sleep"
                ),
            }
            for name, verdict in self.verdicts.items()
        ]

    def to_frame(self):
        """The rows as a pandas frame."""
        import pandas as pd

        return pd.DataFrame(self.rows()).astype({"steps to the loss": "Int64"})

    def __str__(self) -> str:
        lines = [self.title]
        for name, verdict in self.verdicts.items():
            lines += [name, *(f"  {line}" for line in str(verdict).splitlines())]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = (
            {key: "" if value is None else str(value) for key, value in row.items()} for row in self.rows()
        )
        return html_table(self.title, rows)


def demonstrate(
    *, progress: Callable[[Iterable[str | None]], Iterable[str | None]] = iter, **worlds
) -> Demonstration:
    """`prove` KVM as it is, each mutant and each variant; `worlds` are passed on. Takes about a minute."""
    names = (None, *MUTANTS, *VARIANTS)
    return Demonstration({name or "KVM": prove(name, **worlds) for name in progress(names)})
