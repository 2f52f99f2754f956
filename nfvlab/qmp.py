"""Asking a QEMU's monitor: connect, put questions, tell why not. Nothing here changes anything in QEMU."""

import asyncio
import os
import re
from typing import Any

from nfvlab.readers.errors import ReaderError, printable

FIRST = ("query-version", "query-status", "query-memory-size-summary", "query-cpus-fast")
LIMITS = (
    "query-migrate-capabilities",
    "query-migrate-parameters",
)  # people set them just before they migrate
ASKED = ("qmp_capabilities", *FIRST, *LIMITS, "query-migrate")
CONNECT_S = 5.0


class Gone(Exception):
    """QEMU, or its monitor, went away."""


async def connect(qmp: str):
    """A connected `QMPClient`; qmp is the path of a unix socket, or host:port."""
    from qemu.qmp import QMPClient, QMPError

    client = QMPClient("nfvlab")
    found = re.fullmatch(r"(?:tcp:)?(\[[0-9A-Fa-f:.]+\]|[^/:\s]+):(\d{1,5})", qmp)
    address = (found[1].strip("[]"), int(found[2])) if found and not os.path.exists(qmp) else qmp
    busy = "If another client (libvirt?) holds it, give QEMU a second one: -qmp unix:PATH,server=on,wait=off"
    try:
        await asyncio.wait_for(client.connect(address), CONNECT_S)
    except TimeoutError:
        raise ReaderError(qmp, None, f"no QMP greeting within {CONNECT_S:g} s", busy) from None
    except (QMPError, OSError, ValueError, OverflowError) as error:
        why = printable(str(getattr(error, "exc", None) or error))
        start = "Start QEMU with -qmp unix:PATH,server=on,wait=off and give that path"
        raise ReaderError(qmp, None, f"cannot talk QMP to it: {why}", start) from None
    return client


async def ask(client, command: str) -> Any:
    """One reply; None where QEMU does not know the command."""
    from qemu.qmp import ExecuteError, QMPError

    try:
        return await client.execute(command)
    except ExecuteError:
        return None
    except (QMPError, OSError, EOFError) as error:
        raise Gone(f"QEMU went away: {printable(str(error)) or type(error).__name__}") from None


async def settings(client, qmp: str) -> dict[str, Any]:
    """Replies to what is asked first, by command; `ReaderError` for the destination of a migration."""
    replies = {command: await ask(client, command) for command in (*FIRST, *LIMITS)}
    state = replies["query-status"]
    if isinstance(state, dict) and state.get("status") == "inmigrate":
        what = "this QEMU waits for an incoming migration: it is the destination"
        raise ReaderError(qmp, None, what, "Give the source's QMP socket")
    return replies
