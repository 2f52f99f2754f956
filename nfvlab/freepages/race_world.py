"""A guest and a migration thread, small enough to try all orders of their steps (`kernels/interleave.py`).

A page is free, used, or held by the balloon driver, and its content is one that nobody needs (`NONE`), one
that the destination has (`SENT`) or one that it lacks (`STALE`). The guest takes pages, writes them and
frees them; while the dirty log is on, a write sets the page's bit in it. The migration thread runs a
program of the steps below over the migration bitmap, which starts full. At the end no page may be stale:
that is what "no write is lost" means.

Steps follow QEMU's migration/ram.c: `ram_init_bitmaps`, `migration_bitmap_sync`, `ram_save_host_page` (the
bit is cleared first, then the page is read). Pages go in any order, and a round may end with pages left
over.
"""

from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

from nfvlab.freepages.hints import CMD_ID_MIN, Notify, Status, after_notify

FREE, USED, HELD = "free", "used", "held"
NONE, STALE, SENT = "none", "stale", "sent"


class Hinting(NamedTuple):
    """The hinting side of a world: the device's status, the driver's progress and the queue between."""

    status: Status = Status.STOP
    cmd_id: int = CMD_ID_MIN
    active: int = 0  # the id that the driver hints under, or hinted under last
    busy: bool = False  # whether it is hinting
    queue: tuple[tuple[str, int], ...] = ()  # ("id", command id) and ("page", page), the oldest first
    waiting: tuple[int, ...] = ()  # hints accepted and not yet applied (a wrong device only)
    releases: int = 0  # pages that the driver may still give back early


class World(NamedTuple):
    """Everything that the machines share; per-page fields are tuples."""

    owner: tuple[str, ...]
    content: tuple[str, ...]
    bits: tuple[int, ...]  # the migration bitmap
    log: tuple[int, ...]  # the hypervisor's dirty log
    fetched: tuple[int, ...]  # bits of the log that were read but not yet cleared (deferred clearing only)
    logging: bool
    running: bool
    left: int  # steps that the guest may still take
    sending: int  # the page whose bit is cleared but which is not yet read, or -1
    at: int  # the migration thread's place in its program
    asked: bool = False
    report: tuple[int, ...] = ()  # the one-shot bitmap, as far as the walk has come
    hinting: Hinting = Hinting()


Steps = Iterator[tuple[str, World]]


def put(values: tuple, k: int, value) -> tuple:
    """The tuple with its k-th value changed."""
    return (*values[:k], value, *values[k + 1 :])


def beginnings(pages: int, guest_steps: int, releases: int = 0) -> list[World]:
    """All worlds to start from: each page free, or used with a content that the destination lacks."""
    every = []
    for owner in product((FREE, USED), repeat=pages):
        every.append(
            World(
                owner=owner,
                content=tuple(STALE if who == USED else NONE for who in owner),
                bits=(1,) * pages,
                log=(0,) * pages,
                fetched=(0,) * pages,
                logging=False,
                running=True,
                left=guest_steps,
                sending=-1,
                at=0,
                hinting=Hinting(releases=releases),
            )
        )
    return every


def guest(w: World) -> Steps:
    """Applications and kernel: take a free page, write a used one, free it."""
    if not w.running or not w.left:
        return
    w = w._replace(left=w.left - 1)
    for p, owner in enumerate(w.owner):
        if owner == FREE:
            yield f"takes page {p}", w._replace(owner=put(w.owner, p, USED), content=put(w.content, p, NONE))
        elif owner == USED:
            yield write(w, p)
            yield f"frees page {p}", w._replace(owner=put(w.owner, p, FREE), content=put(w.content, p, NONE))


def write(w: World, p: int) -> tuple[str, World]:
    """A write to page p, seen by the dirty log if that is on."""
    after = w._replace(content=put(w.content, p, STALE))
    if not w.logging:
        return f"writes page {p}, not logged", after
    return f"writes page {p}, logged", after._replace(log=put(w.log, p, 1))


class Thread:
    """The migration thread with its program, a tuple of names of the methods below.

    `clear_log`: applying free pages clears their dirty log too (wrong). `deferred`: the log is read
    without being cleared and a page's bit of it is cleared just before the page is read, as with KVM's
    manual dirty log protection; it starts with all bits set.
    """

    def __init__(self, program: tuple[str, ...], *, clear_log: bool = False, deferred: bool = False):
        self.program = program
        self.clear_log = clear_log
        self.deferred = deferred
        self.steps: list[Callable[[World], Steps]] = [getattr(self, name) for name in program]

    def __call__(self, w: World) -> Steps:
        """The possible next steps."""
        return self.steps[w.at](w) if w.at < len(self.steps) else iter(())

    def done(self, w: World) -> bool:
        """Whether the program has come to its end."""
        return w.at == len(self.steps)

    def start_log(self, w: World) -> Steps:
        """`memory_global_dirty_log_start`."""
        log = (1,) * len(w.log) if self.deferred else w.log
        yield "starts the dirty log", _next(w._replace(logging=True, log=log))

    def ask(self, w: World) -> Steps:
        """Ask the guest for its free-page bitmap."""
        yield "asks for the free pages", _next(w._replace(asked=True))

    def receive(self, w: World) -> Steps:
        """Wait for the whole of it."""
        if len(w.report) == len(w.owner):
            yield f"receives the bitmap: free are {_pages(w.report)}", _next(w)

    def filter(self, w: World) -> Steps:
        """Take the free pages out of the migration bitmap."""
        for p, free in enumerate(w.report):
            w = self.drop(w, p) if free else w
        yield f"filters out {_pages(w.report)}", _next(w)

    def merge(self, w: World) -> Steps:
        """`migration_bitmap_sync`: the dirty log goes into the migration bitmap."""
        bits = tuple(bit | logged for bit, logged in zip(w.bits, w.log, strict=True))
        after = _next(w._replace(bits=bits))
        if self.deferred:
            yield f"reads the log: {_pages(w.log)}", after._replace(fetched=w.log)
        else:
            yield f"merges the log: {_pages(w.log)}", after._replace(log=(0,) * len(w.log))

    def before(self, w: World) -> Steps:
        """PRECOPY_NOTIFY_BEFORE_BITMAP_SYNC."""
        yield "invalidates the hints", _next(_notified(w, Notify.BEFORE_BITMAP_SYNC))

    def after(self, w: World) -> Steps:
        """PRECOPY_NOTIFY_AFTER_BITMAP_SYNC."""
        w = _notified(w, Notify.AFTER_BITMAP_SYNC)
        command = (
            f"asks for hints, command {w.hinting.cmd_id - CMD_ID_MIN}" if w.running else "hinting is done"
        )
        yield command, _next(w)

    def send(self, w: World) -> Steps:
        """A round: send some of the pages left."""
        yield from self.some(w)
        if w.sending < 0:
            yield "ends the round", _next(w)

    def drain(self, w: World) -> Steps:
        """The last round: send all pages left."""
        yield from self.some(w)
        if w.sending < 0 and not any(w.bits):
            yield "has sent everything", _next(w)

    def stop(self, w: World) -> Steps:
        """The guest stops."""
        yield "stops the guest", _next(w._replace(running=False))

    def some(self, w: World) -> Steps:
        """One step of sending one page."""
        if w.sending >= 0:
            p = w.sending
            content = SENT if w.content[p] == STALE else w.content[p]
            yield f"sends page {p}", w._replace(content=put(w.content, p, content), sending=-1)
            return
        for p, bit in enumerate(w.bits):
            if bit:
                after = self.reprotect(w._replace(bits=put(w.bits, p, 0)), p)
                yield f"turns to page {p}", after._replace(sending=p)

    def drop(self, w: World, p: int) -> World:
        """Page p is not to be sent for its present content."""
        w = self.reprotect(w._replace(bits=put(w.bits, p, 0)), p)
        return w._replace(log=put(w.log, p, 0)) if self.clear_log else w

    def reprotect(self, w: World, p: int) -> World:
        """Clear what was read of page p's log, if that was put off."""
        if not w.fetched[p]:
            return w
        return w._replace(log=put(w.log, p, 0), fetched=put(w.fetched, p, 0))


def lost(w: World) -> str:
    """What the destination lacks at the end, if anything."""
    pages = [str(p) for p, content in enumerate(w.content) if content == STALE]
    return f"the last write to page {' and '.join(pages)} is lost" if pages else ""


def _next(w: World) -> World:
    return w._replace(at=w.at + 1)


def _notified(w: World, event: Notify) -> World:
    status, cmd_id = after_notify(w.hinting.status, w.hinting.cmd_id, event, w.running)
    return w._replace(hinting=w.hinting._replace(status=status, cmd_id=cmd_id))


def _pages(flags: tuple[int, ...]) -> str:
    marked = [str(p) for p, flag in enumerate(flags) if flag]
    return f"page {' and '.join(marked)}" if marked else "no page"
