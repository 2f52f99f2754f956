"""Hosts to mount resctrl on, and how to hold it to a refusal."""

import errno

import pytest

from nfvlab.cat.fs.status import ResctrlError
from nfvlab.cat.parts import Bandwidth, Capability, Host, Monitoring, Part
from nfvlab.cat.resctrl import Resctrl

MIB = 1 << 20
PLAIN = Part(name="plain", l3_bytes=16 * MIB, l3=Capability(cbm_len=16, num_closids=4))


def part(**changes) -> Part:
    """Eight ways of 1 MiB, the top two shared with I/O, four classes, bandwidth, eight RMIDs; or something like it."""
    fields = {
        "name": "test",
        "l3_bytes": 8 * MIB,
        "l3": Capability(cbm_len=8, shareable_bits=0xC0, num_closids=4, cdp_capable=True),
        "mb": Bandwidth(num_closids=4),
        "monitoring": Monitoring(num_rmids=8),
        "pseudo_lock": True,
    }
    return Part(**(fields | changes))


def mount(*, options="", sockets=2, cores=2, tasks=(1, 10, 11), layout=None, **changes) -> Resctrl:
    """A mounted host of `part(**changes)`."""
    kept = {} if layout is None else {"layout": layout}
    return Resctrl(
        Host.of(part(**changes), sockets=sockets, cores=cores), options=options, tasks=tasks, **kept
    )


def refused(call, number: int, status: str = "ok\n") -> None:
    """`call()` fails with this errno, and the status reads so afterwards."""
    with pytest.raises(ResctrlError) as caught:
        call()
    got, wanted = (errno.errorcode.get(n, n) for n in (caught.value.errno, number))
    assert (got, caught.value.status) == (wanted, status)


def refused_write(fs: Resctrl, path: str, text, status: str = "ok\n", number: int = errno.EINVAL) -> None:
    """A write fails, and info/last_cmd_status says so."""
    refused(lambda: fs.write(path, text), number, status)
    assert fs.last_cmd_status == status
