"""analyze(): what to expect of a migration, from the fluid limit of QEMU's migration thread."""

from collections.abc import Callable
from dataclasses import dataclass

from nfvlab import results
from nfvlab.precopy import claims
from nfvlab.precopy.dirtying import unique_pages
from nfvlab.precopy.fluid import Fluid, fluid
from nfvlab.precopy.params import OUTPUTS, PAGE_BYTES, Params
from nfvlab.precopy.rates import costs, mean_bytes_per_s, visits_per_s
from nfvlab.precopy.rates import iteration_ns as longest_iteration_ns
from nfvlab.precopy.regions import Region
from nfvlab.precopy.rounds import Rounds
from nfvlab.results import Claim, approx, exact, output

NAN = float("nan")
_TIME = approx(rel=0.01, where=claims.HERE)
_STOP = approx(rel=0.1, where=claims.HERE)
_SIZE = approx(rel=5e-4, where=claims.HERE)


@dataclass(frozen=True, kw_only=True)
class Theory(results.Theory):
    """Totals of one migration (NaN if it does not complete), and its course whether it completes or not.

    It converges if in a `quantum_ns` (an iteration, or the downtime limit if that is shorter) the guest dirties
    less, `dirtied_bytes`, than is sent, `sent_bytes`: dirtying is concave in time, so the shortest possible round is
    the one that gains least. (Slightly more will do: what is dirtied may be marked already.) The tolerances are
    those of `claims.claim`.
    """

    params: Params
    total_time_ns: float = output(OUTPUTS["total_time_ns"], _TIME)
    downtime_ns: float = output(OUTPUTS["downtime_ns"], _STOP)
    pause_ns: float = output(OUTPUTS["pause_ns"], _STOP)
    transferred_bytes: float = output(OUTPUTS["transferred_bytes"], _SIZE)
    normal_pages: float = output(OUTPUTS["normal_pages"], _SIZE)
    duplicate_pages: float = output(OUTPUTS["duplicate_pages"], _SIZE)
    dirty_sync_count: float = output(OUTPUTS["dirty_sync_count"], _STOP)
    converged_frac: float = output(OUTPUTS["converged_frac"], exact())
    course: Fluid
    quantum_ns: float
    dirtied_bytes: float
    sent_bytes: float

    def claim(self, name: str) -> Claim:
        """What is claimed of output `name` for this very migration."""
        return claims.claim(self.params, self.course, name)

    def doubts(self) -> tuple[str, ...]:
        """Where the fluid leaves this migration to chance, in sentences."""
        return claims.doubts(self.params, self.course)


def analyze(
    p: Params,
    memory: tuple[Region, ...] | None = None,
    wait_ns: float = 0.0,
    kind: Callable[..., Rounds] = Rounds,
) -> Theory:
    """Follow the fluid limit of one migration.

    `memory` replaces `regions(p)` as what the first pass has to send, in address order; between the first
    synchronisation and the first page, `wait_ns` pass. `kind` makes the rounds, for a guest that does more than write.
    """
    course = fluid(p, memory, wait_ns, kind)
    quantum_ns = min(longest_iteration_ns(p), p.downtime_limit_ns)
    throttle = p.throttle_max_frac if p.auto_converge else 0.0
    dirtied = float(unique_pages(p, visits_per_s(p, throttle) * quantum_ns / 1e9)) * PAGE_BYTES
    done = course.converged
    return Theory(
        params=p,
        total_time_ns=course.total_time_ns if done else NAN,
        downtime_ns=course.downtime_ns if done else NAN,
        pause_ns=course.pause_ns if done else NAN,
        transferred_bytes=course.transferred_bytes if done else NAN,
        normal_pages=course.normal_pages if done else NAN,
        duplicate_pages=course.duplicate_pages if done else NAN,
        dirty_sync_count=course.dirty_sync_count if done else NAN,
        converged_frac=float(done),
        course=course,
        quantum_ns=quantum_ns,
        dirtied_bytes=dirtied,
        sent_bytes=mean_bytes_per_s(p, costs(p).again) * quantum_ns / 1e9,
    )
