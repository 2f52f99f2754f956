"""Free page hinting: device and driver against the protocol, against each other, and with wrong devices."""

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from nfvlab.freepages import hints
from nfvlab.freepages.hint_driver import PAGE_POISON, Driver, FreePageQueue, poison_val
from nfvlab.freepages.hints import (
    CMD_ID_DONE,
    CMD_ID_MAX,
    CMD_ID_MIN,
    CMD_ID_STOP,
    HINT_BLOCK_PAGES,
    Device,
    In,
    Notify,
    Out,
    Receipt,
    Status,
    after_notify,
    after_out,
    next_cmd_id,
)
from nfvlab.freepages.physmap import pc_map
from nfvlab.units import GiB

FIRST = CMD_ID_MIN + 1  # QEMU counts up before it asks
BLOCK = 4 << 20


class Recorder(Device):
    """A device that keeps the hints that took effect, with the command id they took effect under."""

    def __init__(self, **options):
        self.applied = []
        super().__init__(lambda first, pages: self.applied.append((first, pages, self.cmd_id)), **options)


def asked(device=None):
    """A device that has just asked for hints."""
    device = device or Recorder()
    device.sync(lambda: None)
    return device


def test_numbers_of_the_headers():
    assert (CMD_ID_STOP, CMD_ID_DONE, CMD_ID_MIN, CMD_ID_MAX) == (0, 1, 2**31, 2**32 - 1)
    assert HINT_BLOCK_PAGES * 4096 == BLOCK  # MAX_PAGE_ORDER 10 on x86
    assert [s.name for s in Status] == ["STOP", "REQUESTED", "START", "DONE"]
    assert [int(n) for n in Notify] == [0, 1, 2, 3, 4]


def test_a_whole_conversation():
    device = Recorder()
    device.notify(Notify.SETUP)
    assert device.status is Status.STOP and device.free_page_hint_cmd_id == CMD_ID_STOP
    asked(device)
    assert device.status is Status.REQUESTED and device.free_page_hint_cmd_id == FIRST
    assert device.receive_out(FIRST) and device.status is Status.START
    assert device.free_page_hint_cmd_id == 0  # QEMU fills in nothing while hinting
    assert device.receive_in(0x1000_0000, BLOCK)
    assert device.receive_in(0x2000_0000, BLOCK)
    assert device.receive_out(CMD_ID_STOP) and device.status is Status.STOP
    assert not device.receive_in(0x3000_0000, BLOCK)
    asked(device)
    assert device.free_page_hint_cmd_id == FIRST + 1
    device.set_running(False)
    device.sync(lambda: None)
    assert device.status is Status.DONE and device.free_page_hint_cmd_id == CMD_ID_DONE
    device.notify(Notify.COMPLETE)
    device.notify(Notify.CLEANUP)
    assert device.status is Status.DONE
    assert device.applied == [(0x10000, 1024, FIRST), (0x20000, 1024, FIRST)]


def test_a_hint_of_an_old_id_is_never_used():
    device = asked()
    device.receive_out(FIRST)
    device.receive_in(0, BLOCK)
    asked(device)  # a new epoch; what follows was put into the queue before the driver knew
    stale = device.receive_in(BLOCK, BLOCK)
    assert not stale and stale.used and f"{FIRST + 1:#x}, which has not come yet" in stale.reason
    assert not device.receive_out(CMD_ID_STOP)  # the stop sign of the old command must not stop the new one
    assert device.status is Status.REQUESTED
    assert not device.receive_out(FIRST)
    assert device.receive_out(FIRST + 1)
    assert device.receive_in(2 * BLOCK, BLOCK)
    assert [first for first, _, _ in device.applied] == [0, 2048]


@pytest.mark.parametrize("old", [FIRST, CMD_ID_STOP, CMD_ID_DONE, FIRST + 7])
def test_any_id_ends_hinting_even_the_same_one(old):
    device = asked()
    device.receive_out(FIRST)
    receipt = device.receive_out(old)
    assert receipt and "ends hinting" in receipt.reason
    assert device.status is Status.STOP and not device.receive_in(0, BLOCK)
    assert not device.receive_out(FIRST) and device.status is Status.STOP  # and it does not start again


def test_every_transition_of_the_id():
    for status in Status:
        for received in (CMD_ID_STOP, CMD_ID_DONE, FIRST, FIRST + 1):
            expected = status
            if status is Status.START:
                expected = Status.STOP
            elif status is Status.REQUESTED and received == FIRST:
                expected = Status.START
            assert after_out(status, FIRST, received) is expected


def test_every_transition_of_the_migration():
    for status in Status:
        for running in (True, False):
            sync = after_notify(status, FIRST, Notify.AFTER_BITMAP_SYNC, running)
            assert sync == ((Status.REQUESTED, FIRST + 1) if running else (Status.DONE, FIRST))
            assert after_notify(status, FIRST, Notify.BEFORE_BITMAP_SYNC, running) == (Status.STOP, FIRST)
            assert after_notify(status, FIRST, Notify.CLEANUP, running) == (Status.DONE, FIRST)
            for event in (Notify.SETUP, Notify.COMPLETE):
                assert after_notify(status, FIRST, event, running) == (status, FIRST)


def test_ids_wrap_around_above_the_reserved_ones():
    device = Recorder()
    device.cmd_id = CMD_ID_MAX - 1
    for expected in (CMD_ID_MAX, CMD_ID_MIN, CMD_ID_MIN + 1):
        assert asked(device).free_page_hint_cmd_id == expected
        assert device.receive_out(expected)
    assert next_cmd_id(CMD_ID_MAX) == CMD_ID_MIN


def test_the_driver_is_told_exactly_when_the_configuration_changes():
    device = Recorder()
    told = []
    for event in (
        Notify.SETUP,  # nothing
        Notify.BEFORE_BITMAP_SYNC,  # STOP already
        Notify.AFTER_BITMAP_SYNC,  # an id
        Notify.BEFORE_BITMAP_SYNC,  # STOP
        Notify.AFTER_BITMAP_SYNC,  # the next id
        Notify.CLEANUP,  # DONE
        Notify.CLEANUP,  # DONE already
    ):
        before = device.config_changes
        device.notify(event)
        told.append(device.config_changes - before)
    assert told == [0, 0, 1, 1, 1, 1, 0]


def test_hints_during_the_merge_are_dropped():
    device = asked()
    device.receive_out(FIRST)
    seen = []
    device.sync(lambda: seen.append(device.receive_in(0, BLOCK)))
    assert not seen[0] and "status STOP" in seen[0].reason and device.applied == []


def test_a_stopped_guest_blocks_the_queue():
    device = asked()
    device.receive_out(FIRST)
    device.set_running(False)
    receipt = device.receive_in(0, BLOCK)
    assert not receipt and not receipt.used and device.status is Status.START
    queue = FreePageQueue(4)
    queue.add(In.of(0))
    queue.serve(device)
    assert len(queue.available) == 1 and queue.used == 0
    device.set_running(True)
    assert queue.serve(device) and queue.used == 1 and device.applied == [(0, 1024, FIRST)]


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x01\x00\x80"])
def test_a_short_command_id_breaks_the_device_until_reset(data):
    device = asked()
    assert not device.receive_out(data) and device.broken
    assert not device.receive_out(FIRST).used and not device.receive_in(0, BLOCK).used
    device.reset()
    assert device.status is Status.STOP and device.cmd_id == FIRST
    assert asked(device).receive_out(FIRST + 1)


def test_only_the_first_four_bytes_of_an_id_count():
    assert asked().receive_out(FIRST.to_bytes(4, "little") + b"more")


def test_an_empty_hint_breaks_the_device():
    device = asked()
    device.receive_out(FIRST)
    assert not device.receive_in(0, 0) and device.broken


@pytest.mark.parametrize(
    "address, length, pages",
    [
        (0, 4096, [(0, 1)]),
        (4096, 8192, [(1, 2)]),
        (1, 4096, []),  # no whole page
        (1, 8191, [(1, 1)]),
        (4095, 8194, [(1, 2)]),
        (0, 4095, []),
    ],
)
def test_hints_are_rounded_inwards(address, length, pages):
    device = asked()
    device.receive_out(FIRST)
    assert bool(device.receive_in(address, length)) == bool(pages)
    assert [(first, n) for first, n, _ in device.applied] == pages


def test_hints_outside_ram_are_dropped():
    device = asked(Recorder(memory_map=pc_map(8 * GiB)))
    device.receive_out(FIRST)
    assert device.receive_in(2 * GiB - BLOCK, BLOCK)
    assert not device.receive_in(2 * GiB, BLOCK)  # the PCI hole
    assert not device.receive_in(2 * GiB - BLOCK // 2, BLOCK)  # half of it
    assert device.receive_in(10 * GiB - BLOCK, BLOCK)
    assert not device.receive_in(10 * GiB, BLOCK)
    assert [n for _, n, _ in device.applied] == [1024, 1024]


def test_with_postcopy_nothing_is_asked():
    device = asked(Recorder(postcopy=True))
    assert device.status is Status.STOP and device.config_changes == 0
    assert not device.receive_out(FIRST) and not device.receive_in(0, BLOCK)


class Guest:
    """A driver with a list of free blocks, and everything that a test wants to know of them."""

    def __init__(self, blocks, queue_size=1024, device=None):
        self.free = list(blocks)
        self.written = []
        self.device = device or Recorder()
        self.queue = FreePageQueue(queue_size)
        self.driver = Driver(self.queue, self.allocate, self.free.append, self.written.append)
        self.told = 0

    def allocate(self):
        return self.free.pop(0) if self.free else None

    def listen(self):
        """Take the interrupt of a configuration change."""
        if self.told != self.device.config_changes:
            self.told = self.device.config_changes
            self.driver.config_changed()

    def settle(self):
        """Let driver and device run until nothing moves."""
        for _ in range(10_000):
            self.listen()
            stepped = self.driver.step(self.device)
            if self.queue.serve(self.device) is None and not stepped:
                return
        raise AssertionError("never settles")


def test_driver_and_device_together():
    blocks = [1024 * k for k in range(10)]
    guest = Guest(blocks)
    guest.device.notify(Notify.SETUP)
    guest.device.sync(lambda: None)
    guest.settle()
    assert [first for first, _, _ in guest.device.applied] == blocks
    assert guest.free == [] and guest.driver.free_page_list == blocks == guest.written
    assert guest.device.status is Status.STOP  # the driver ran out of blocks and said so
    guest.device.sync(lambda: None)
    guest.settle()
    assert len(guest.device.applied) == 10 and guest.device.cmd_id == FIRST + 1  # nothing more to hint
    guest.device.set_running(False)
    guest.device.sync(lambda: None)
    guest.device.set_running(True)  # the guest runs on, at the destination with the same configuration
    guest.settle()
    assert guest.free == blocks[::-1] and guest.driver.free_page_list == []  # the last one first
    assert guest.driver.errors == []


def test_the_driver_stops_as_soon_as_it_reads_another_id():
    guest = Guest([1024 * k for k in range(10)])
    guest.device.sync(lambda: None)
    guest.listen()
    for _ in range(4):  # read the id, send it, hint two blocks
        guest.driver.step(guest.device)
    guest.device.notify(Notify.BEFORE_BITMAP_SYNC)
    guest.listen()
    while guest.driver.step(guest.device):
        pass
    sent = list(guest.queue.available)
    assert sent == [Out.of(FIRST), In.of(0), In.of(1024), Out.of(CMD_ID_STOP)]
    guest.device.notify(Notify.AFTER_BITMAP_SYNC)
    for _ in sent:
        assert not guest.queue.serve(guest.device)  # all of it is of the old command
    assert guest.device.status is Status.REQUESTED and guest.device.applied == []
    guest.settle()
    assert [first for first, _, _ in guest.device.applied] == [1024 * k for k in range(2, 10)]


def test_the_start_id_is_the_one_read_when_it_is_sent():
    """A stop between reading the id and sending it: the driver hints under the id 0, in vain."""
    guest = Guest([0, 1024])
    guest.device.sync(lambda: None)
    guest.listen()
    guest.driver.step(guest.device)  # it has read the first id
    guest.device.notify(Notify.BEFORE_BITMAP_SYNC)
    guest.settle()
    assert guest.driver.cmd_id_active == CMD_ID_STOP
    assert guest.driver.free_page_list == [0, 1024] and guest.device.applied == []


def test_a_full_queue_keeps_a_place_for_the_id():
    guest = Guest([1024 * k for k in range(6)], queue_size=4)
    guest.device.sync(lambda: None)
    guest.listen()
    for _ in range(9):
        guest.driver.step(guest.device)
    kinds = [type(buffer) for buffer in guest.queue.available]
    assert kinds == [Out, In, In] and guest.queue.num_free == 1
    assert guest.free[-1] != 0 and len(guest.free) == 4  # blocks went round while the queue was full
    assert guest.driver.errors == []


def test_a_queue_with_no_place_left_loses_the_id_and_says_so():
    guest = Guest([], queue_size=2)
    guest.device.sync(lambda: None)
    guest.listen()
    while guest.driver.step(guest.device):
        pass
    assert guest.queue.num_free == 0
    guest.device.sync(lambda: None)
    guest.listen()
    guest.driver.step(guest.device)
    guest.driver.step(guest.device)
    assert guest.driver.errors == ["failed to send a start id: the queue is full"]


def test_the_shrinker_takes_whole_blocks_back_early():
    guest = Guest([0, 1024, 2048])
    guest.device.sync(lambda: None)
    guest.settle()
    assert guest.driver.shrink(1) == 1024 and guest.free == [2048]
    assert guest.driver.shrink(1025) == 2048 and guest.free == [2048, 1024, 0]
    assert guest.driver.shrink(5) == 0


def test_poison_is_offered_only_by_a_guest_that_initialises():
    assert poison_val(init_on_free=False, page_poisoning=False) is None
    assert poison_val(init_on_free=True, page_poisoning=True) == 0
    assert poison_val(init_on_free=False, page_poisoning=True) == PAGE_POISON == 0xAAAAAAAA


class StaleHints(Recorder):
    """Mutant: a device that uses hints while it waits for the new id."""

    def _in(self, buffer):
        if self.status is Status.REQUESTED:
            self.hint(buffer.address // 4096, buffer.length // 4096)
            return Receipt(True, "taken")
        return super()._in(buffer)


class AnyIdStarts(Recorder):
    """Mutant: a device that starts on any id that is not reserved."""

    def _out(self, buffer):
        received = int.from_bytes(buffer.data, "little")
        if self.status is Status.REQUESTED and received >= CMD_ID_MIN:
            self.status = Status.START
            return Receipt(True, "started")
        return super()._out(buffer)


class NeverStops(Recorder):
    """Mutant: a device that goes on hinting over the merge of the dirty log."""

    def notify(self, event):
        if event is not Notify.BEFORE_BITMAP_SYNC:
            super().notify(event)
        if event is Notify.AFTER_BITMAP_SYNC and self.running:
            self.status = Status.START


class StaleStop(Recorder):
    """Mutant: the stop sign of the command before ends the one just asked for."""

    def _out(self, buffer):
        if self.status is Status.REQUESTED and buffer != Out.of(self.cmd_id):
            self.status = Status.STOP
            return Receipt(True, "stopped")
        return super()._out(buffer)


class Conversation(RuleBasedStateMachine):
    """A driver that sends anything at all; what is used must be of the command just asked for."""

    device_class = Recorder

    @initialize()
    def begin(self):
        self.device = self.device_class()
        self.queue = FreePageQueue(64)
        self.sent = []  # per hint: the last id sent before it, or None
        self.last = None
        self.hints_used = 0
        self.started = False

    @rule(offset=st.integers(-2, 1))
    def send_an_id(self, offset):
        self.last = self.device.cmd_id + offset
        self.queue.add(Out.of(self.last))

    @rule(id=st.sampled_from([CMD_ID_STOP, CMD_ID_DONE]))
    def send_a_stop(self, id):
        self.last = id
        self.queue.add(Out.of(id))

    @rule()
    def send_a_hint(self):
        if self.queue.add(In.of(1024 * len(self.sent))):
            self.sent.append(self.last)

    @rule()
    def serve(self):
        self.queue.serve(self.device)
        self.queue.collect()

    @rule()
    def sync(self):
        self.device.sync(lambda: None)

    @invariant()
    def only_hints_of_the_id_asked_for(self):
        for first, _, cmd_id in self.device.applied[self.hints_used :]:
            assert self.sent[first // 1024] == cmd_id
        self.hints_used = len(self.device.applied)


def run_conversation(device_class):
    class Case(Conversation):
        pass

    Case.device_class = device_class
    quick = settings(max_examples=150, stateful_step_count=30, phases=[Phase.generate])
    run_state_machine_as_test(Case, settings=quick)


def test_whatever_the_driver_sends_only_hints_of_the_id_asked_for_are_used():
    run_conversation(Recorder)


@pytest.mark.parametrize("mutant", [StaleHints, AnyIdStarts, NeverStops])
def test_devices_that_use_hints_of_another_id_are_found_out(mutant):
    with pytest.raises(AssertionError):
        run_conversation(mutant)


def test_a_device_that_takes_the_old_stop_sign_for_a_new_one_gets_no_hints():
    for device_class, hinted in ((Recorder, 8), (StaleStop, 0)):
        guest = Guest([1024 * k for k in range(10)], device=device_class())
        guest.device.sync(lambda: None)
        guest.listen()
        for _ in range(4):
            guest.driver.step(guest.device)
        guest.device.sync(lambda: None)
        guest.settle()
        assert len(guest.device.applied) == hinted


@given(st.integers(0, 12), st.integers(2, 9), st.lists(st.sampled_from("dDsS"), max_size=60))
def test_no_block_is_ever_lost_or_held_twice(n_blocks, queue_size, schedule):
    """Any schedule of driver (d), device (D), syncs (s) and the shrinker (S)."""
    blocks = [1024 * k for k in range(n_blocks)]
    guest = Guest(blocks, queue_size)
    for who in schedule:
        guest.listen()
        if who == "d":
            guest.driver.step(guest.device)
        elif who == "D":
            guest.queue.serve(guest.device)
        elif who == "s":
            guest.device.sync(lambda: None)
        else:
            guest.driver.shrink(1)
        assert sorted(guest.free + guest.driver.free_page_list) == blocks
    guest.device.notify(Notify.CLEANUP)
    guest.settle()
    assert sorted(guest.free) == blocks and guest.driver.free_page_list == []


def test_the_module_names_its_sources():
    assert "hw/virtio/virtio-balloon.c" in hints.__doc__ and "5.5.6.6" in hints.__doc__
