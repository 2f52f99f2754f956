"""What the optimiser proposes, written into a resctrl: accepted on every part, and the groups can then be exclusive."""

import dataclasses

import numpy as np
import pytest

from nfvlab.cat.allocate import allocate
from nfvlab.cat.parts import PARTS, Host
from nfvlab.cat.resctrl import Resctrl, ResctrlError

WITH_L3 = [name for name, part in PARTS.items() if part.l3]
GROUPS = ("first", "second", "third")


def curves(part, seed):
    """Falling curves of three classes, with cliffs."""
    return -np.sort(-(np.random.default_rng(seed).random((3, part.l3.cbm_len + 1)) ** 4), axis=1)


def parked(fs, part, found, resources):
    """A resctrl with the groups, the default group moved out of their way to whatever is left, I/O ways first."""
    used = sum({*found.masks, *(found.code_masks or ())})
    free = part.l3.full_mask & ~used
    for name in resources:
        fs.write("schemata", f"{name}:0={free:x};1={free:x}\n")
    for name in GROUPS:
        fs.mkdir(name)
    return fs


def write(fs, found):
    for name, text in found.schemata((0, 1)).items():
        for line in text.split("\n"):
            fs.write(f"{name}/schemata", line + "\n")
            assert fs.last_cmd_status == "ok\n"


@pytest.mark.parametrize("name", WITH_L3)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("objective", ["throughput", "fairness"])
def test_masks_are_accepted_and_may_be_exclusive(name, seed, objective):
    part = dataclasses.replace(
        PARTS[name], l2=None
    )  # exclusive groups must not overlap in any cache: only L3 here
    # Two ways stay with the default group: it is one of the classes of service, and must have some way of its own.
    room = {} if part.l3.shareable_bits else {"taken_mask": 0b11}
    found = allocate(curves(part, seed), part.l3, objective=objective, names=GROUPS, **room)
    fs = parked(Resctrl(Host.of(part)), part, found, ["L3"])
    write(fs, found)
    for group in GROUPS:
        fs.write(f"{group}/mode", "exclusive\n")
        assert fs.read(f"{group}/mode") == "exclusive\n"


@pytest.mark.parametrize("name", [name for name in WITH_L3 if PARTS[name].l3.cdp_capable])
def test_code_and_data_masks_are_accepted(name):
    part = PARTS[name]
    found = allocate(curves(part, 1), part.l3, code_costs=curves(part, 2) / 4, names=GROUPS)
    fs = parked(Resctrl(Host.of(part), options="cdp"), part, found, ["L3DATA", "L3CODE"])
    write(fs, found)
    told = fs.read("first/schemata").replace(" ", "").split("\n")
    assert f"L3CODE:0={found.code_masks[0]:x};1={found.code_masks[0]:x}" in told
    assert f"L3DATA:0={found.masks[0]:x};1={found.masks[0]:x}" in told


def test_masks_on_io_ways_are_refused_exclusive_use():
    part = PARTS["Xeon Scalable, 24.75 MiB"]
    found = allocate(curves(part, 0), part.l3, names=GROUPS, use_io_ways=True, taken_mask=0b11)
    assert sum(found.io_ways) == 2
    fs = parked(Resctrl(Host.of(part)), part, found, ["L3"])
    write(fs, found)
    on_io = GROUPS[int(np.argmax(found.io_ways))]
    with pytest.raises(ResctrlError):
        fs.write(f"{on_io}/mode", "exclusive\n")
