"""analyze(): what to expect of a migration, from the fluid limit of QEMU's migration thread."""

from dataclasses import dataclass

from nfvlab import results
from nfvlab.precopy.dirtying import unique_pages
from nfvlab.precopy.fluid import Fluid, fluid
from nfvlab.precopy.params import OUTPUTS, PAGE_BYTES, Params
from nfvlab.precopy.rates import costs, limited_bytes_per_s, throttled_visits_per_s
from nfvlab.precopy.regions import Region
from nfvlab.results import approx, output

HERE = "tests/precopy/test_twins.py"


@dataclass(frozen=True, kw_only=True)
class Theory(results.Theory):
    """Totals of one migration, and its course."""

    params: Params
    total_time_ns: float = output(OUTPUTS["total_time_ns"], approx(rel=0.05, where=HERE))
    downtime_ns: float = output(OUTPUTS["downtime_ns"], approx(rel=0.2, where=HERE))
    pause_ns: float = output(OUTPUTS["pause_ns"], approx(rel=0.2, where=HERE))
    transferred_bytes: float = output(OUTPUTS["transferred_bytes"], approx(rel=0.03, where=HERE))
    normal_pages: float = output(OUTPUTS["normal_pages"], approx(rel=0.03, where=HERE))
    duplicate_pages: float = output(OUTPUTS["duplicate_pages"], approx(rel=0.001, where=HERE))
    dirty_sync_count: float = output(OUTPUTS["dirty_sync_count"], approx(rel=0.1, where=HERE))
    converged_frac: float = output(OUTPUTS["converged_frac"], results.exact())
    course: Fluid
    sent_per_iteration_bytes: float
    dirtied_per_iteration_bytes: float


def analyze(p: Params, memory: tuple[Region, ...] | None = None) -> Theory:
    """Follow the fluid limit of one migration.

    `memory` replaces `regions(p)` as what the first pass has to send (in address order).
    """
    course = fluid(p, memory)
    quantum_ns = min(p.iterate_max_ns, p.downtime_limit_ns)
    again = costs(p).again
    sent = limited_bytes_per_s(p, again) * quantum_ns / 1e9
    visits = throttled_visits_per_s(p, p.throttle_max_frac if p.auto_converge else 0.0) * quantum_ns / 1e9
    nan = float("nan")
    return Theory(
        params=p,
        total_time_ns=course.total_time_ns,
        downtime_ns=course.downtime_ns if course.converged else nan,
        pause_ns=course.pause_ns if course.converged else nan,
        transferred_bytes=course.transferred_bytes,
        normal_pages=course.normal_pages,
        duplicate_pages=course.duplicate_pages,
        dirty_sync_count=course.dirty_sync_count,
        converged_frac=float(course.converged),
        course=course,
        sent_per_iteration_bytes=sent,
        dirtied_per_iteration_bytes=float(unique_pages(p, visits)) * PAGE_BYTES,
    )
