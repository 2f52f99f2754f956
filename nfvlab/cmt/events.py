"""Monitoring through perf, as the 4.x kernels had it: the events of the PMU `intel_cqm`, their scale and unit.

From arch/x86/events/intel/cqm.c (4.1 occupancy, 4.7 bandwidth; gone in 4.14, when resctrl took over). perf prints the
count times `scale`, in `unit`. All three are per package (`per-pkg`), and llc_occupancy is a snapshot: not a difference
over the interval, but what is there at its end.
"""

from dataclasses import dataclass

from nfvlab.cmt import counters

PMU = "intel_cqm"
MEGA_SCALE = 1e-6  # of the bandwidth events: bytes to the MB of their unit


@dataclass(frozen=True)
class Event:
    """One event of the PMU: what sysfs says of it, and what perf prints."""

    name: str
    event_id: int
    unit: str
    scale: float
    snapshot: bool = False

    @property
    def perf_name(self) -> str:
        """As it is given to perf stat -e: "intel_cqm/llc_occupancy/"."""
        return f"{PMU}/{self.name}/"

    def printed(self, count: int) -> float:
        """The number that perf prints for a count."""
        return count * self.scale

    def sysfs(self) -> dict[str, str]:
        """Files of /sys/bus/event_source/devices/intel_cqm/events that describe it, and their text."""
        files = {
            self.name: f"event=0x{self.event_id:02x}",
            f"{self.name}.per-pkg": "1",
            f"{self.name}.unit": self.unit,
            f"{self.name}.scale": f"{self.scale:.0f}" if self.scale >= 1 else "1e-6",
        }
        return files | ({f"{self.name}.snapshot": "1"} if self.snapshot else {})


def events(unit_bytes: int) -> dict[str, Event]:
    """The three events of a part whose upscaling factor is `unit_bytes`, by the name that perf takes.

    The driver counts occupancy in units and lets perf multiply (its scale is the factor); bandwidth it counts in bytes,
    and the scale only makes megabytes of them.
    """
    if unit_bytes < 1:
        raise ValueError(f"unit_bytes = {unit_bytes}: the upscaling factor is at least 1 byte")
    made = (
        Event("llc_occupancy", counters.LLC_OCCUPANCY, "Bytes", float(unit_bytes), snapshot=True),
        Event("total_bytes", counters.MBM_TOTAL, "MB", MEGA_SCALE),
        Event("local_bytes", counters.MBM_LOCAL, "MB", MEGA_SCALE),
    )
    return {event.perf_name: event for event in made}
