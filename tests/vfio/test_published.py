"""Published numbers beside the theory's."""

from nfvlab import paths
from nfvlab.readers.published import read_published
from nfvlab.vfio.analytic import analyze
from nfvlab.vfio.scenarios import SCENARIOS

ROUNDING_NS = 1000.0  # the published averages are whole microseconds: their difference is right to one


def test_a_thread_hop_is_a_microsecond_or_two_cheaper_than_the_published_one():
    """A miss, stated: 3 us were published, on a host that is not named; the default costs here make it half of that.

    That hop lay between a timer and a sleeping vCPU: a thread woken, and switched to. The default costs of a wake-up
    and a switch are assumed, not measured under PREEMPT_RT, where both take locks that sleep. With the switch back to a
    busy vCPU thread, the published figure is met to its rounding.
    """
    frame, _ = read_published(paths.data_file("published.csv"))
    row = frame.loc["thread-hop"]
    worth = row["without"] - row["with"]
    woken, busy = (analyze(SCENARIOS[name]).latency_ns for name in ("halting guest", "isolated CPU"))
    hop, round_trip = woken[1] - woken[2], busy[1] - busy[2]
    assert hop < round_trip  # a busy vCPU thread is switched back to as well
    assert 0 < worth - hop < 2 * ROUNDING_NS
    assert worth - ROUNDING_NS <= round_trip <= worth + ROUNDING_NS
