"""An interrupt stage by stage, and a lock's fatal run step by step, as a `Stepper` shows them."""

import numpy as np

from nfvlab import units
from nfvlab.stepper import Step, Stepper
from nfvlab.vfio import figures_timeline as timeline
from nfvlab.vfio.locks import VARIANTS, World
from nfvlab.vfio.params import Params
from nfvlab.vfio.simulation import Segment

WHY = {  # stage: what runs, and where it stands
    "travel": "a message-signalled interrupt is a write to memory; it crosses the chip to the CPU's APIC",
    "remapping": "the IOMMU finds the entry of its table and posts into the vCPU's descriptor (VT-d, 5.2)",
    "VM exit": "external-interrupt exiting: the interrupt takes the CPU out of the guest",
    "interrupt": "the CPU's entry code, and the end of interrupt at the physical APIC",
    "primary handler": "the default primary handler only says IRQ_WAKE_THREAD (kernel/irq/manage.c)",
    "wake-up": "try_to_wake_up puts a thread on its CPU's run queue and asks for a reschedule",
    "context switch": "schedule() takes the thread of the highest priority that is ready",
    "vfio_msihandler": "it signals the eventfd: drivers/vfio/pci/vfio_pci_intrs.c",
    "irqfd": "irqfd_wakeup runs under the eventfd's lock and finds the route: virt/kvm/eventfd.c",
    "post": "the vector's bit in PIR, then ON",
    "other work": "the work queue has other work first",
    "vcpu_run": "back in KVM's loop, on the way into the guest",
    "PIR sync": "what was posted goes from PIR into VIRR before the entry",
    "VM entry": "the entry evaluates pending virtual interrupts and delivers",
    "notification": "the notification vector: the processor in the guest takes PIR into VIRR, without an exit",
    "delivery": "through the guest's IDT to its handler's first instruction",
    "guest": "the guest does its own work",
    "idle exit": "the CPU leaves its C-state first",
    "job": "a job of the competing load has the CPU, by its priority or by its turn",
    "burst": "somebody else's time slice; SN is set, so that nobody is notified",
    "interrupts off": "the host runs with interrupts off; the vector waits",
    "not preemptible": "a section that cannot be preempted",
    "SMI": "the firmware has all CPUs",
}


def walk(p: Params, path: str) -> Stepper:
    """One interrupt on a path, every stage at its mean: who ran it, why, and what each CPU was about."""
    (way,) = timeline.ways(p, [path])
    segments = [s for s in sorted(way.segments) if s.start_ns < way.latency_ns]
    steps = [_stage(segment, segments) for segment in segments if segment.stage != "guest"]
    return Stepper(f"An interrupt, {path}", steps)


def _stage(segment: Segment, segments: list[Segment]) -> Step:
    lasts, at = (
        units.human("x_ns", value) for value in (segment.end_ns - segment.start_ns, segment.start_ns)
    )
    place = f" on {segment.cpu}" if segment.cpu else ""
    now = {
        cpu: next(
            (f"{s.who}: {s.stage}" for s in segments if s.cpu == cpu and _covers(s, segment)), "nothing"
        )
        for cpu in ("V", "H", "")
    }
    registers = {"time": at, "CPU V": now["V"], "CPU H": now["H"], "on its way": now[""]}
    return Step(segment.stage, f"{segment.who}{place}, {lasts}", WHY[segment.stage], registers)


def _covers(one: Segment, other: Segment) -> bool:
    middle = np.nextafter(other.start_ns, np.inf)
    return one.start_ns <= middle < one.end_ns


def fatal(name: str) -> Stepper:
    """The shortest run in which a handler's variant of `locks` does not end well; ValueError if it always does."""
    variants = {variant.name: variant for variant in VARIANTS}
    if name not in variants:
        raise ValueError(f"{name!r} is no variant: give one of {', '.join(variants)}")
    verdict = variants[name].check()
    if verdict.holds:
        raise ValueError(f"{name!r}: every run ends well, there is none to show; give one that is not safe")
    steps = [Step("nobody has begun", "", "", _world(World()))]
    for step in verdict.trace:
        last = step is verdict.trace[-1]
        steps.append(
            Step(f"{step.machine} {step.action}", verdict.reason if last else "", "", _world(step.state))
        )
    return Stepper(name, steps)


def _world(world: World) -> dict[str, str]:
    return {
        "lock is held by": world.holder or "nobody",
        "counter": str(world.counter),
        "local writer": world.local,
        "remote writer": world.remote,
        "handler": world.handler,
    }


__all__ = ["WHY", "fatal", "walk"]
