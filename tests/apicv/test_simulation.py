"""The event simulation of four delivery modes: sums by hand without spread, conservation, and wrong versions."""

import math

import numpy as np
import pytest

from nfvlab.apicv import delivery as dl
from nfvlab.apicv import world as wd
from nfvlab.apicv.guest import Guest
from nfvlab.apicv.ledger import Ledger
from nfvlab.apicv.params import MODES, OUTPUTS, Params
from nfvlab.apicv.simulation import arrive, run, saturation_per_s, simulate
from nfvlab.apicv.world import World

# Powers of ten, so that a sum of stages shows which ones it holds; a TSC of 1 GHz, so that a cycle is a nanosecond.
COSTS = {
    "exit_cycles": 1e3,
    "entry_cycles": 2e3,
    "loop_cycles": 3e3,
    "sync_cycles": 1e2,
    "inject_cycles": 2e2,
    "eoi_cycles": 3e2,
    "deliver_cycles": 10.0,
    "return_cycles": 20.0,
    "halt_cycles": 30.0,
    "switch_cycles": 1e5,
    "wake_cycles": 2e5,
    "idle_exit_cycles": 3e5,
    "irq_cycles": 1e4,
    "post_cycles": 2e4,
    "ipi_cycles": 1.0,
    "notify_cycles": 5e2,
}
PLAIN = Params(tsc_hz=1e9, spread_frac=0.0, masked_frac=0.0, handler_ns=7.0, interrupts_per_s=10.0, **COSTS)
EMULATED, VIRTUAL, POSTED, VTD = range(4)


def one(p, mode, at=1e6, count=1, kind=None, gap=0.0):
    """A single interrupt (or several, `gap` apart) and what the ledger says."""
    ledger = Ledger(p, np.random.default_rng(0))
    times = [at + k * gap for k in range(count)]
    vectors = [0x30] * count
    world = World((kind or dl.DELIVERIES[mode])(), ledger, zip(times, vectors, range(count), strict=True))
    latency = [math.nan] * count
    guest = Guest(p, world, times, latency)
    guest.start()
    ledger.clear()
    try:
        while not (guest.sections and guest.delivered and not guest.pieces):  # sections go on for ever
            guest.step()
    except wd.Ended:
        pass
    return latency, ledger, guest


LATENCIES = {  # to H and through it, the message, then V
    EMULATED: 1 + 3e4 + 1 + 1e3 + 1e4 + 3e3 + 2e2 + 2e3 + 10,  # exit irq loop inject entry deliver
    VIRTUAL: 1 + 3e4 + 1 + 1e3 + 1e4 + 3e3 + 1e2 + 2e3 + 10,  # sync for inject
    POSTED: 1 + 3e4 + 1 + 5e2 + 10,  # notify deliver
    VTD: 1 + 5e2 + 10,
}


@pytest.mark.parametrize("mode", range(4))
def test_a_running_guest_gets_an_interrupt(mode):
    latency, ledger, _ = one(PLAIN, mode)
    assert latency == [LATENCIES[mode]]
    assert ledger.exits.total() == {EMULATED: 2, VIRTUAL: 1, POSTED: 0, VTD: 0}[mode]
    assert ledger.notifications == 1
    # beyond the latency without travel: return, and in emulated mode the EOI's exit (exit eoi loop entry)
    after = 20 + (1e3 + 3e2 + 3e3 + 2e3 if mode == EMULATED else 0)
    travel = 1 if mode == VTD else 2
    assert ledger.cost == LATENCIES[mode] - travel + after


BLOCKED = {  # H posts and wakes it with an IPI; or the device's wake-up vector does
    EMULATED: 1 + 3e4 + 2e5 + 1 + 3e5 + 1e5 + 3e3 + 2e2 + 2e3 + 10,
    VIRTUAL: 1 + 3e4 + 2e5 + 1 + 3e5 + 1e5 + 3e3 + 1e2 + 2e3 + 10,
    POSTED: 1 + 3e4 + 2e5 + 1 + 3e5 + 1e5 + 3e3 + 1e2 + 2e3 + 10,
    VTD: 1 + 3e5 + 1e4 + 2e5 + 1e5 + 3e3 + 1e2 + 2e3 + 10,
}


@pytest.mark.parametrize("mode", range(4))
def test_a_blocked_guest_is_woken(mode):
    latency, ledger, _ = one(PLAIN.replace(halting=True), mode, at=1e7)
    assert latency == [BLOCKED[mode]]
    assert ledger.notifications == 1
    assert ledger.halts == 2  # before it and after it


@pytest.mark.parametrize("mode", range(4))
def test_a_polling_host_finds_it_at_once(mode):
    latency, ledger, _ = one(PLAIN.replace(halting=True, halt_poll_ns=9e6), mode, at=1e6)
    inject = 2e2 if mode == EMULATED else 1e2
    # the device's own message is an interrupt of the polling host's; from H there is none
    begin = 1 + (1e4 if mode == VTD else 3e4)
    assert latency == [begin + 3e3 + inject + 2e3 + 10]
    if mode == EMULATED:
        assert ledger.notifications == 0
    assert ledger.vcpu_cpu["switch"] == 1e5  # to idle, after the second poll found nothing


@pytest.mark.parametrize("mode", range(4))
def test_an_eoi_exit_costs_an_exit_and_an_entry(mode):
    plain, exits = (one(PLAIN.replace(eoi_exit_frac=share), mode)[1] for share in (0.0, 1.0))
    if mode == EMULATED:
        assert exits.cost == plain.cost
    else:
        assert exits.exits["virtualized EOI"] == 1
        assert exits.cost - plain.cost == 1e3 + 3e2 + 3e3 + 1e2 + 2e3


@pytest.mark.parametrize("mode", range(4))
def test_writes_of_the_tpr_exit_only_where_it_is_emulated(mode):
    plain, writes = (one(PLAIN.replace(tpr_writes_ratio=count), mode)[1] for count in (0.0, 2.0))
    assert writes.exits.total() - plain.exits.total() == (2 if mode == EMULATED else 0)
    assert writes.cost - plain.cost == (2 * (1e3 + 3e2 + 3e3 + 2e3) if mode == EMULATED else 0)


@pytest.mark.parametrize("mode", range(4))
def test_an_interrupt_during_the_handler_waits_for_its_end(mode):
    p = PLAIN.replace(handler_ns=1e6)
    latency, ledger, guest = one(p, mode, count=2, gap=5e5)
    assert guest.delivered == 2
    assert latency[0] == LATENCIES[mode]
    # the second one comes 5e5 after the first, during the handler; its handler begins after that handler's IRET
    extra = {
        # kick: exit irq loop entry, held; EOI: exit eoi loop entry; IRET; window: exit loop inject entry
        EMULATED: (1e3 + 1e4 + 3e3 + 2e3) + (1e3 + 3e2 + 3e3 + 2e3) + (1e3 + 3e3 + 2e2 + 2e3),
        VIRTUAL: 1e3 + 1e4 + 3e3 + 1e2 + 2e3,  # kick: exit irq loop sync entry, recognized, held by IF
        POSTED: 5e2,
        VTD: 5e2,
    }[mode]
    assert latency[1] == LATENCIES[mode] + 1e6 + 20 + extra - 5e5 + 10
    assert ledger.exits["interrupt window"] == (1 if mode == EMULATED else 0)


@pytest.mark.parametrize("mode", range(4))
def test_a_third_interrupt_merges_with_the_second(mode):
    p = PLAIN.replace(handler_ns=1e6)
    latency, ledger, guest = one(p, mode, count=3, gap=2e5)
    assert guest.delivered == 2
    assert latency[1] - latency[2] == 2e5  # both are in the same handler
    # posted: the notification harvested the second before the third came, so its own bit and notification were free
    assert ledger.notifications == (3 if mode in (POSTED, VTD) else 2)


def test_a_masked_section_costs_an_exit_where_the_host_must_wait_for_the_window():
    p = PLAIN.replace(masked_frac=0.99, masked_ns=1e6)
    for mode in range(4):
        _, ledger, guest = one(p, mode, at=5e5)
        assert guest.delivered == 1
        assert ledger.exits["interrupt window"] == (1 if mode == EMULATED else 0)


@pytest.mark.parametrize("mode", range(4))
def test_a_preempted_vcpu_takes_it_when_it_is_back(mode):
    class Once(Guest):
        def _until_preemption(self):
            return 1e5 if not getattr(self, "_was", False) else math.inf

        def _preempt(self):
            self._was = True
            self.away = 1e7 / self.ledger.exponential()  # exactly 1e7, whatever is drawn next
            self.ledger.exponential = lambda: 1e7 / self.away
            super()._preempt()

    ledger = Ledger(PLAIN, np.random.default_rng(0))
    world = World(dl.DELIVERIES[mode](), ledger, iter([(1e6, 0x30, 0)]))
    latency = [math.nan]
    guest = Once(PLAIN, world, [1e6], latency)
    guest.preempted = True
    guest.start()
    begin = world.now
    ledger.clear()
    with pytest.raises(wd.Ended):
        while True:
            guest.step()
    inject = 2e2 if mode == EMULATED else 1e2
    # preempted 1e5 after it began: exit, switch, away, switch, loop, inject or sync, entry, deliver
    came = begin + 1e5 + 1e3 + 1e5 + 1e7 + 1e5 + 3e3 + inject + 2e3 + 10
    assert latency[0] == pytest.approx(came - 1e6, abs=1e-3)
    assert ledger.notifications == 0
    assert ledger.exits.total() == (1 if mode == EMULATED else 0)  # the EOI's


SATURATED = {  # the next request is there at the handler's first instruction
    EMULATED: 7 + (1e3 + 1e4 + 3e3 + 2e3) + (1e3 + 3e2 + 3e3 + 2e3) + 20 + (1e3 + 3e3 + 2e2 + 2e3) + 10,
    VIRTUAL: 7 + (1e3 + 1e4 + 3e3 + 1e2 + 2e3) + 20 + 10,
    POSTED: 7 + 5e2 + 20 + 10,
    VTD: 7 + 5e2 + 20 + 10,
}


@pytest.mark.parametrize("mode", range(4))
def test_saturation_is_one_over_the_way_round(mode):
    seen = saturation_per_s(PLAIN, dl.DELIVERIES[mode], np.random.default_rng(0))
    assert seen == pytest.approx(1e9 / SATURATED[mode], rel=1e-9)


@pytest.mark.parametrize("change", [{}, {"halting": True}, {"away_frac": 0.3}, {"vector_count": 5}])
@pytest.mark.parametrize("rate", [2e4, 4e5])
def test_no_interrupt_is_lost(change, rate):
    p = Params(interrupts_per_s=rate, away_ns=1e5, **change)
    samples = simulate(p, rng=np.random.default_rng(5), n=2)
    assert np.isfinite(samples.latency_ns_each).all()
    assert (samples.latency_ns_each > 0).all()
    assert ((samples.values("coalesced_frac[0]") >= 0) & (samples.values("coalesced_frac[0]") < 1)).all()


def test_modes_come_in_the_order_of_what_they_spare():
    samples = simulate(Params(), rng=np.random.default_rng(6), n=4)
    estimate = samples.estimate()
    assert set(estimate) == {f"{name}[{k}]" for name in OUTPUTS for k in range(len(MODES))}
    for output in ("exits_ratio", "cost_cycles", "latency_ns"):
        values = [estimate[f"{output}[{k}]"].value for k in range(4)]
        assert values == sorted(values, reverse=True)


def test_periodic_arrivals_keep_their_distance():
    times, vectors = arrive(
        PLAIN.replace(arrivals="periodic", vector_count=3, interrupts_per_s=3e3), np.random.default_rng(1), 60
    )
    for vector in np.unique(vectors):
        assert np.diff(times[vectors == vector]) == pytest.approx(1e6)
    assert (np.diff(times) >= 0).all() and len(times) == 60


def test_the_same_seed_gives_the_same_samples():
    first, second = (simulate(Params(), rng=np.random.default_rng(9), n=2) for _ in range(2))
    assert first == second


class ForgottenOn(dl.Posted):
    """Notifies although a notification is outstanding."""

    def post(self, world, vector, arrival):
        super().post(world, vector, arrival)
        if not world.ledger.notifications:
            return
        world.send(dl.POSTED_INTR_VECTOR)


class AlwaysKicks(dl.Emulated):
    """Kicks although the bit was set."""

    def post(self, world, vector, arrival):
        super().post(world, vector, arrival)
        self.kicked = False
        if world.where in dl.GUEST_MODES:
            world.send(dl.KICK_VECTOR)


class EoiWithoutExit(dl.Emulated):
    """Emulated, but the EOI does not exit."""

    controls = dl.VirtualDelivery.controls
    windowed = controls


class SnIgnored(dl.VtdPosted):
    """The IOMMU notifies while the vCPU is preempted."""

    def post(self, world, vector, arrival):
        self.descriptor = self.descriptor._replace(sn=False)
        super().post(world, vector, arrival)


@pytest.mark.parametrize(
    ("right", "wrong", "p", "count"),
    [
        (POSTED, ForgottenOn, PLAIN, 1),
        (EMULATED, AlwaysKicks, PLAIN, 1),
        (EMULATED, EoiWithoutExit, PLAIN, 1),
    ],
)
def test_wrong_versions_show_in_the_ledger(right, wrong, p, count):
    good, bad = one(p, right, count=count)[1], one(p, right, count=count, kind=wrong)[1]
    assert (good.notifications, good.exits, good.cost) != (bad.notifications, bad.exits, bad.cost)


def test_an_iommu_that_ignores_sn_is_seen_in_the_notifications():
    p = Params(away_frac=0.5, away_ns=5e4, interrupts_per_s=2e3)  # alone: nothing else keeps ON set
    arrivals = arrive(p, np.random.default_rng(2), 440)
    good = run(p, dl.VtdPosted, arrivals, np.random.default_rng(3))
    bad = run(p, SnIgnored, arrivals, np.random.default_rng(3))
    assert bad["notifications_ratio"] > good["notifications_ratio"] + 0.05
