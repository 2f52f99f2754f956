"""The guest's balloon driver and the device in the worlds of `race_world`: one-shot bitmap, and hints."""

from dataclasses import dataclass

from nfvlab.freepages.hints import CMD_ID_MIN, CMD_ID_STOP, Status, after_out, config_cmd_id
from nfvlab.freepages.race_world import FREE, HELD, NONE, Steps, Thread, World, put


def reporter(w: World) -> Steps:
    """The driver of the one-shot bitmap: it walks the free lists page by page, while the guest runs on."""
    p = len(w.report)
    if w.running and w.asked and p < len(w.owner):
        free = int(w.owner[p] == FREE)
        yield f"reports page {p} {'free' if free else 'in use'}", w._replace(report=(*w.report, free))


@dataclass(frozen=True)
class Hinter:
    """The driver of the hints: under each new id it allocates free pages and hints them.

    `patient`: it gives a page back early only after the device has used the hint. virtio allows it to do
    so before (1.2, 5.5.6.6.1), and Linux's shrinker does.
    """

    patient: bool = False

    def __call__(self, w: World) -> Steps:
        """The possible next steps."""
        h = w.hinting
        if not w.running:
            return
        if not h.busy:
            asked = config_cmd_id(h.status, h.cmd_id)
            if asked >= CMD_ID_MIN and asked != h.active:
                after = h._replace(active=asked, busy=True, queue=(*h.queue, ("id", asked)))
                yield f"reads and sends id {_name(asked)}", w._replace(hinting=after)
        else:
            for p, owner in enumerate(w.owner):
                if owner == FREE:
                    after = h._replace(queue=(*h.queue, ("page", p)))
                    held = w._replace(owner=put(w.owner, p, HELD), content=put(w.content, p, NONE))
                    yield f"allocates and hints page {p}", held._replace(hinting=after)
            after = h._replace(busy=False, queue=(*h.queue, ("id", CMD_ID_STOP)))
            yield "sends the stop id", w._replace(hinting=after)
        if h.releases:
            for p, owner in enumerate(w.owner):
                if owner == HELD and not (self.patient and ("page", p) in h.queue):
                    after = h._replace(releases=h.releases - 1)
                    yield f"gives page {p} back early", w._replace(owner=put(w.owner, p, FREE), hinting=after)


@dataclass(frozen=True)
class Listener:
    """The device: it takes the oldest buffer of the queue, and applies a hint that counts.

    Three ways to be wrong: `stale` uses hints that come before the id just asked for, `late` may apply an
    accepted hint at any later time, and a `thread` with `clear_log` clears the dirty log of hinted pages
    too.
    """

    thread: Thread
    stale: bool = False
    late: bool = False

    def __call__(self, w: World) -> Steps:
        """The possible next steps."""
        h = w.hinting
        if not w.running:
            return
        for p in h.waiting:
            rest = tuple(q for q in h.waiting if q != p)
            yield f"applies the hint of page {p}", self._applied(w, p, rest)
        if not h.queue:
            return
        (kind, value), queue = h.queue[0], h.queue[1:]
        w = w._replace(hinting=h._replace(queue=queue))
        if kind == "id":
            status = after_out(h.status, h.cmd_id, value)
            yield (
                f"takes id {_name(value)}: {status.name}",
                w._replace(hinting=w.hinting._replace(status=status)),
            )
        elif h.status is not Status.START and not (self.stale and h.status is Status.REQUESTED):
            yield f"drops the hint of page {value}", w
        elif self.late:
            waiting = tuple(sorted({*h.waiting, value}))
            yield (
                f"accepts the hint of page {value}",
                w._replace(hinting=w.hinting._replace(waiting=waiting)),
            )
        else:
            yield f"applies the hint of page {value}", self._applied(w, value, h.waiting)

    def _applied(self, w: World, p: int, waiting: tuple[int, ...]) -> World:
        """`qemu_guest_free_page_hint`: the page need not be sent for its present content."""
        w = self.thread.drop(w, p)
        return w._replace(hinting=w.hinting._replace(waiting=waiting))


def _name(cmd_id: int) -> str:
    """A command id as people count them."""
    return "STOP" if cmd_id == CMD_ID_STOP else str(cmd_id - CMD_ID_MIN)
