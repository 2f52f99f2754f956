"""analyze(): a migration three ways side by side, as a recursion over rounds at the pace of the slowest station."""

from dataclasses import dataclass, replace
from functools import lru_cache

from nfvlab import results
from nfvlab.precopy.fluid import Fluid
from nfvlab.qat import claims
from nfvlab.qat.compressed_rounds import DEVICE, PacedSender, follow
from nfvlab.qat.cpu_work import Channels, Threads, Xbzrle
from nfvlab.qat.device_work import Qatzip
from nfvlab.qat.iaa_work import Iaa
from nfvlab.qat.mva import bounds, mva
from nfvlab.qat.params import OUTPUTS, WAYS, Params
from nfvlab.qat.ring_work import Talk
from nfvlab.qat.work import Way
from nfvlab.results import Claim, approx, exact, output
from nfvlab.units import GiB

NAN = float("nan")
_LOOSE = approx(rel=0.05, where=claims.HERE)
STEADY = ("link", *DEVICE, "max-bandwidth")  # their pace does not go with the hosts'
CPU_WAYS = {"threads zlib": Threads, "multifd zlib": Channels, "multifd zstd": Channels, "xbzrle": Xbzrle}
DEVICE_WAYS = {"talk": Talk, "QATzip": Qatzip, "IAA": Iaa}


@dataclass(frozen=True)
class Course:
    """One way's course: the fluid's rounds, what was slowest when, and for which share of the pages' time.

    slowest: (from when on, ns, station); slowest_frac: (station, share of the time that pages take), largest first.
    through_frac: share of all pages that what compresses takes, rather than being full.
    """

    fluid: Fluid
    slowest: tuple[tuple[float, str], ...]
    slowest_frac: tuple[tuple[str, float], ...]
    through_frac: float


@dataclass(frozen=True, kw_only=True)
class Theory(results.Theory):
    """One value a way, in the order of WAYS; NaN where that way's migration does not complete.

    `courses`: how each goes. `preread_ns`: what reading all addresses takes, a part of the third way's setup.
    """

    params: Params
    total_time_ns: tuple[float, ...] = output(OUTPUTS["total_time_ns"], _LOOSE)
    downtime_ns: tuple[float, ...] = output(OUTPUTS["downtime_ns"], _LOOSE)
    transferred_bytes: tuple[float, ...] = output(OUTPUTS["transferred_bytes"], _LOOSE)
    wire_bytes: tuple[float, ...] = output(OUTPUTS["wire_bytes"], _LOOSE)
    source_cpu_frac: tuple[float, ...] = output(OUTPUTS["source_cpu_frac"], _LOOSE)
    destination_cpu_frac: tuple[float, ...] = output(OUTPUTS["destination_cpu_frac"], _LOOSE)
    dirty_sync_count: tuple[float, ...] = output(OUTPUTS["dirty_sync_count"], _LOOSE)
    converged_frac: tuple[float, ...] = output(OUTPUTS["converged_frac"], exact())
    raw_frac: tuple[float, ...] = output(OUTPUTS["raw_frac"], _LOOSE)
    thread_busy_frac: tuple[float, ...] = output(OUTPUTS["thread_busy_frac"], _LOOSE)
    engine_busy_frac: tuple[float, ...] = output(OUTPUTS["engine_busy_frac"], _LOOSE)
    link_busy_frac: tuple[float, ...] = output(OUTPUTS["link_busy_frac"], _LOOSE)
    courses: tuple[Course, ...]
    preread_ns: float

    def claim(self, name: str) -> Claim:
        """What is claimed of output `name`, "total_time_ns[2]", for this very migration."""
        field, _, index = name.rstrip("]").partition("[")
        p, way = self.params, int(index or 0)
        course, between = self.courses[way], 0.0
        if claims.regime(p, way) is claims.SPRINTS:
            between = getattr(self, field)[way] - sprinted(p)[field]
        streams = ways(p)[way].streams
        several = streams > 1 and course.fluid.converged
        held = min(streams * p.socket_bytes / self.wire_bytes[way], 1.0) if several else 0.0
        limited = streams > 1 and dict(course.slowest_frac).get("max-bandwidth", 0.0) > 0
        return claims.claim(p, course.fluid, field, way, between, held, limited)


def ways(p: Params) -> tuple[Way, ...]:
    """The three ways of the scenario."""
    return Way(p), CPU_WAYS[p.cpu_method](p), DEVICE_WAYS[p.accelerator](p)


def analyze(p: Params) -> Theory:
    """What to expect of one migration of `p`, each way."""
    made = ways(p)
    followed = [_followed(p, way) for way in made]
    columns = [
        _outputs(p, way, course.fluid, totals) for way, (course, totals) in zip(made, followed, strict=True)
    ]
    return Theory(
        params=p,
        **{name: tuple(column[name] for column in columns) for name in OUTPUTS},
        courses=tuple(course for course, _ in followed),
        preread_ns=made[2].preread_ns,
    )


def ring_rates(way: Talk | Threads) -> tuple[float, float]:
    """Pages per second of the talk's ring or of compress threads, for touched pages of a first pass that waits.

    First for constant times, the upper asymptotic bound; then for exponential ones, by exact mean-value analysis.
    """
    stations, delay_ns, customers = way.ring(way.page(way.p.content, True))
    scale = way.turn_pages * 1e9
    constant = bounds(stations, delay_ns, customers).high
    return constant * scale, mva(stations, delay_ns, customers).per_ns * scale


@lru_cache(maxsize=16)
def sprinted(p: Params) -> dict[str, float]:
    """The second way's outputs if compress threads were met as in a sprint, whatever blocks the migration thread.

    Threads that are not waited for finish while the socket blocks it, and are passed by while it runs. How long it is
    blocked goes by the pages before it: pages taken together arrive together, and block it together. So any share
    between the average's and a sprint's may last.
    """
    way = Threads(p)
    way.sprints = True
    course, sums = _followed(p, way)
    return _outputs(p, way, course.fluid, sums)


@dataclass(frozen=True)
class Sums:
    """Over all pages of a migration: times (ns), bytes, pages."""

    wire_bytes: float
    thread_ns: float
    source_cpu_ns: float
    destination_cpu_ns: float
    engine_busy_ns: float
    link_ns: float
    content: float
    raw: float


def _followed(p: Params, way: Way) -> tuple[Course, Sums]:
    fluid, sender = follow(p, way)
    return _course(fluid, sender), _sums(way, sender)


def _sums(way: Way, sender: PacedSender) -> Sums:
    """What all pages come to. Where a varying station sets the pace, most pages meet it when it is fast.

    What the sockets still hold at the end has not been on the link.
    """
    p, total = way.p, [0.0] * 8
    for kind in sender.kinds.values():
        work, flow = kind.flow.work, kind.flow
        varies = kind.slowest not in STEADY or flow.drains_ns
        host = 1 + p.speed_cv_frac**2 if varies else 1.0
        link = 1 + p.link_cv_frac**2 if kind.slowest == "link" else 1.0
        each = (
            work.wire_bytes,
            work.thread_ns / host,
            (work.thread_ns + work.workers_ns) / host + flow.spin_ns,
            (work.reader_ns + work.loaders_ns) / host,
            way.engine_busy_ns(work) / host,
            work.link_ns / link,
            work.content,
            work.raw,
        )
        total = [have + kind.pages * more for have, more in zip(total, each, strict=True)]
    sums = Sums(*total)
    return replace(sums, link_ns=max(sums.link_ns - sender.unsent_link_ns(), 0.0))


def _course(fluid: Fluid, sender: PacedSender) -> Course:
    times: dict[str, float] = {}
    pages = through = 0.0
    for kind in sender.kinds.values():
        pace_ns = max(kind.source_ns, kind.drain_ns)
        times[kind.slowest] = times.get(kind.slowest, 0.0) + kind.pages * pace_ns
        pages, through = pages + kind.pages, through + kind.pages * kind.flow.through_frac
    total = sum(times.values()) or 1.0
    shares = sorted(((name, time / total) for name, time in times.items()), key=lambda pair: -pair[1])
    return Course(fluid, tuple(sender.slowest), tuple(shares), through / pages if pages else 1.0)


def _outputs(p: Params, way: Way, fluid: Fluid, sums: Sums) -> dict[str, float]:
    if not fluid.converged:
        return dict.fromkeys(OUTPUTS, NAN) | {"converged_frac": 0.0}
    total_ns = fluid.total_time_ns
    syncs_ns = fluid.dirty_sync_count * (p.sync_ns + p.sync_per_gib_ns * p.ram_bytes / GiB)
    other_ns = syncs_ns + way.preread_ns
    return {
        "total_time_ns": total_ns,
        "downtime_ns": fluid.downtime_ns,
        "transferred_bytes": fluid.transferred_bytes,
        "wire_bytes": sums.wire_bytes,
        "source_cpu_frac": (sums.source_cpu_ns + other_ns) / total_ns,
        "destination_cpu_frac": sums.destination_cpu_ns / total_ns,
        "dirty_sync_count": fluid.dirty_sync_count,
        "converged_frac": 1.0,
        "raw_frac": sums.raw / sums.content if sums.content else 0.0,
        "thread_busy_frac": (sums.thread_ns + other_ns) / total_ns,
        "engine_busy_frac": sums.engine_busy_ns / total_ns,
        "link_busy_frac": sums.link_ns / total_ns,
    }


__all__ = ["WAYS", "Course", "Theory", "analyze", "ring_rates", "ways"]
