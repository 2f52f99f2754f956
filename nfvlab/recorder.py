"""Recording a live migration of one's own QEMU: query-migrate polled over QMP, each reply kept as it comes.

The recorder only asks (`qmp.ASKED` lists every command it sends): it starts no migration and sets nothing.
Every reply goes to the file at once, host names dropped, so what is there survives QEMU's end and our own.

Lines (schema nfvlab-qemu-polls/1): a header with what QEMU is and was set to; {"t_ms", "return": reply} a reply,
after the first {"settings"}, for they are often set just before; {"t_ms", "event", "data"} an event; {"end":
{"outcome", "t_ms", "replies"}}. t_ms counts from the start of the migration as QEMU dates it (a reply's arrival
less its total-time); it is null while that is not known.
"""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from typing import Any

from nfvlab.qmp import LIMITS, Gone, ask, connect, settings
from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.qemu_words import without_hosts
from nfvlab.recorder_file import open_output
from nfvlab.units import ms

SCHEMA = "nfvlab-qemu-polls/1"
EVENTS = ("STOP", "RESUME", "MIGRATION", "MIGRATION_PASS", "SHUTDOWN")
ENDED = ("completed", "failed", "cancelled")
SETTLE_S = 2.0
PATIENCE_S = 10.0


@dataclass(frozen=True)
class Recorded:
    """How a recording ended.

    outcome : completed, failed, cancelled; gone (QEMU went away), stopped (by a signal)
    replies : query-migrate replies in the file
    """

    path: str
    outcome: str
    replies: int


def record_migration(
    qmp: str,
    output: str | os.PathLike,
    *,
    interval_ns: float = 50 * ms,
    next_one: bool = False,
    force: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Recorded:
    """Poll query-migrate every interval_ns until the migration ends, QEMU goes away, or SIGINT or SIGTERM.

    qmp : path of the QMP socket, or host:port
    next_one : if a migration has already ended, wait for the next instead of recording that end
    force : replace `output` if it exists
    `ReaderError` if the socket or the output cannot be used; what is recorded by then stays.
    """
    return asyncio.run(_record(qmp, output, interval_ns / 1e9, next_one, force, say))


async def _record(qmp, output, interval_s, next_one, force, say) -> Recorded:
    client, stop = await connect(qmp), asyncio.Event()
    from qemu.qmp import EventListener

    listener = EventListener(EVENTS)
    client.register_listener(listener)
    try:
        header = {"schema": SCHEMA, "interval_ms": interval_s * 1e3, **await settings(client, qmp)}
        old = await ask(client, "query-migrate") if next_one else None
        with open_output(output, force) as file, _signals(stop):
            tape = _Tape(file, output, listener)
            tape.write(header)
            say("waiting for a migration (Ctrl-C ends the recording)")
            outcome = await _poll(client, tape, stop, interval_s, old, say)
            tape.end(outcome)
    except Gone as gone:
        raise ReaderError(qmp, None, str(gone), "Start QEMU again, then the recorder") from None
    finally:
        with contextlib.suppress(Exception):  # it re-raises why the connection ended, which we know
            await asyncio.wait_for(client.disconnect(), 5)
    return Recorded(os.fsdecode(output), outcome, tape.replies)


@contextlib.contextmanager
def _signals(stop: asyncio.Event):
    """SIGINT and SIGTERM set `stop`, where signals can be handled (the main thread)."""
    loop, handled = asyncio.get_running_loop(), []
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stop.set)
            handled.append(number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


async def _poll(client, tape: "_Tape", stop: asyncio.Event, interval_s: float, old: dict | None, say) -> str:
    """Outcome of the migration after the one that `old` is of; every reply and event is on the tape by then."""
    loop = asyncio.get_running_loop()
    tick, seen, give_up = loop.time(), None, None
    while not stop.is_set():
        try:
            reply = await _unless(stop, ask(client, "query-migrate"), say)
        except Gone as gone:
            say(str(gone))
            return "gone"
        if stop.is_set():
            break
        if not isinstance(reply, dict):
            say("QEMU does not answer query-migrate")
            return "gone"
        status = reply.get("status", "none")
        earlier = reply == old and status in ENDED
        if status != seen:
            say(f"status {printable(str(status))}" + (", of an earlier migration" if earlier else ""))
        seen = status
        if status != "none" and not earlier:
            old = None
            tape.reply(reply)
            if tape.replies == 1:
                with contextlib.suppress(Gone):  # the next question will find out
                    tape.write({"settings": {command: await ask(client, command) for command in LIMITS}})
            if status in ENDED:
                give_up = give_up or loop.time() + SETTLE_S
                if _settled(reply) or loop.time() > give_up:
                    return status
        tick = max(tick + interval_s, loop.time())
        await _unless(stop, asyncio.sleep(tick - loop.time()))
    return "stopped"


def _settled(reply: dict) -> bool:
    """Whether QEMU has computed the totals that it shows only after `completed`."""
    ram = reply.get("ram")
    return reply.get("status") != "completed" or bool(
        reply.get("total-time") and isinstance(ram, dict) and ram.get("transferred")
    )


async def _unless(stop: asyncio.Event, work, say: Callable[[str], None] | None = None) -> Any:
    """The result of `work`, or None once `stop` is set; says so if it takes long."""
    doing, waiting = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        patience_s = None if say is None else PATIENCE_S
        either = {"return_when": asyncio.FIRST_COMPLETED}
        done, _ = await asyncio.wait({doing, waiting}, timeout=patience_s, **either)
        if not done:
            say(f"QEMU has not answered for {PATIENCE_S:g} s (Ctrl-C ends the recording)")
            await asyncio.wait({doing, waiting}, **either)
        return doing.result() if doing.done() else None
    finally:
        for task in (doing, waiting):
            task.cancel()
        await asyncio.gather(doing, waiting, return_exceptions=True)


class _Tape:
    """The file, and the clock that begins with the migration."""

    def __init__(self, file: FileIO, path: str | os.PathLike, listener):
        self.file, self.path, self.listener = file, path, listener
        self.replies = 0
        self.zero: float | None = None

    def write(self, line: dict) -> None:
        data = json.dumps(without_hosts(line), separators=(",", ":")).encode() + b"\n"
        try:
            why = None if self.file.write(data) == len(data) else "it took part of a line"
        except OSError as error:
            why = error.strerror
        if why:
            what = f"writing failed after {self.replies} replies: {why}"
            raise ReaderError(self.path, None, what, "Make room; what was written can be read")

    def now(self) -> float | None:
        return None if self.zero is None else round((time.monotonic() - self.zero) * 1e3, 3)

    def reply(self, reply: dict) -> None:
        total_ms = reply.get("total-time")
        if self.zero is None and isinstance(total_ms, int | float):
            self.zero = time.monotonic() - total_ms / 1e3
        self.write({"t_ms": self.now(), "return": reply})
        self.replies += 1
        if self.zero is not None:
            self.events()

    def events(self) -> None:
        """Write the events that came, dated by QEMU's own clock."""
        for event in self.listener.clear():
            stamp, at = event.get("timestamp", {}), self.now()
            if at is not None and isinstance(stamp.get("seconds"), int):
                since = time.time() - stamp["seconds"] - stamp.get("microseconds", 0) / 1e6
                at = round(at - since * 1e3, 3)
            self.write({"t_ms": at, "event": event["event"], "data": event.get("data", {})})

    def end(self, outcome: str) -> None:
        self.events()
        self.write({"end": {"outcome": outcome, "t_ms": self.now(), "replies": self.replies}})
