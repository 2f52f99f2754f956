"""Lines tried before they are pasted: replayed in the order given they are accepted, and what is refused is said."""

import re

import numpy as np
import pytest
from resctrl_host import refused_write

from nfvlab.cat.parts import Capability
from nfvlab.cat.pasted import EXCLUSIVE, SHAREABLE, Write, mounted, try_out
from nfvlab.cat.phases import Phase

PART = Capability(cbm_len=20, min_cbm_bits=2, shareable_bits=0xC0000, cdp_capable=True)
BYTES = 40 * 2**20


def phase(masks, **modes):
    """Masks of groups in domain 0."""
    return Phase(0.0, 1.0, {(g, 0): m for g, m in masks.items()}, {g: modes.get(g, SHAREABLE) for g in masks})


def lines(**masks):
    return {group: f"L3:0={mask:05x}" for group, mask in masks.items()}


def replayed(now, tried):
    fs = mounted(now, PART, BYTES)
    for write in tried.writes:
        fs.write(write.path, write.text + "\n")
    return fs


def test_the_state_is_the_recordings():
    fs = mounted(phase({"/": 0x3, "vm": 0xFF00, "rt": 0xF0}, vm=EXCLUSIVE, rt="pseudo-locked"), PART, BYTES)
    assert fs.read("schemata").strip() == "L3:0=3" and fs.read("vm/schemata").strip() == "L3:0=ff00"
    assert fs.read("vm/mode") == "exclusive\n" and fs.read("mode") == "shareable\n"
    refused_write(fs, "schemata", "L3:0=f0\n", "Overlaps with exclusive group\n")


def test_groups_that_share_need_no_order():
    now = phase({"/": 0xFFFFF, "vm": 0xFFFFF})
    tried = try_out({"/": "L3:0=00003", "vm": "L3:0=ff000"}, now, PART, BYTES)
    assert tried.accepted and [write.group for write in tried.writes] == ["/", "vm"]
    assert replayed(now, tried).read("vm/schemata").strip() == "L3:0=ff000"


def test_who_goes_into_an_exclusive_groups_ways_waits_for_it():
    now = phase({"/": 0x3, "vm": 0xFF00, "web": 0xF0}, vm=EXCLUSIVE)
    tried = try_out(lines(web=0xF000, vm=0x0F00), now, PART, BYTES)
    assert tried.accepted and [write.group for write in tried.writes] == ["vm", "web"]
    assert replayed(now, tried).read("web/schemata").strip() == "L3:0=f000"


def test_exclusive_groups_that_swap_are_shareable_meanwhile():
    now = phase({"/": 0x3, "a": 0xFF00, "b": 0xF0}, a=EXCLUSIVE, b=EXCLUSIVE)
    tried = try_out(lines(a=0xF0, b=0xFF00), now, PART, BYTES)
    assert tried.accepted
    fs = replayed(now, tried)
    assert [fs.read(f"{g}/schemata").strip() for g in "ab"] == ["L3:0=f0", "L3:0=ff00"]
    assert [fs.read(f"{g}/mode") for g in "ab"] == ["exclusive\n"] * 2


def test_what_is_refused_is_said_with_the_kernels_words():
    now = phase({"/": 0x3, "vm": 0xFF00, "rt": 0xF0}, rt=EXCLUSIVE)
    tried = try_out(lines(vm=0xFFF0), now, PART, BYTES)
    (why,) = tried.refused
    assert not tried.accepted and "L3:0=0fff0 into vm/schemata" in why
    assert "Overlaps with exclusive group" in why
    (why,) = try_out(lines(vm=0x1), now, PART, BYTES).refused
    assert re.search(r"bits in the mask", why)


def test_exclusive_use_of_io_ways_is_refused():
    now = phase({"/": 0x3, "vm": 0xFF00}, vm=EXCLUSIVE)
    tried = try_out(lines(vm=0xFF000), now, PART, BYTES)
    assert not tried.accepted and "exclusive" in " ".join(tried.refused)


@pytest.mark.parametrize("seed", range(20))
def test_any_division_of_any_groups_can_be_pasted(seed):
    rng = np.random.default_rng(seed)
    names = ["/", "a", "b", "c", "d"]

    def division():
        cut = [0, *sorted(rng.choice(np.arange(1, 9), 4, replace=False).tolist()), 9]
        blocks = [(1 << 2 * b) - (1 << 2 * a) for a, b in zip(cut[:-1], cut[1:], strict=True)]
        return dict(zip(names, rng.permutation(blocks).tolist(), strict=True))

    modes = {name: EXCLUSIVE for name in names[1:] if rng.random() < 0.6}
    now, wanted = phase(division(), **modes), division()
    tried = try_out({g: f"L3:0={m:05x}" for g, m in wanted.items()}, now, PART, BYTES)
    assert tried.accepted, tried.refused
    fs = replayed(now, tried)
    for name, mask in wanted.items():
        assert fs.read(Write(name, "schemata", "").path).strip() == f"L3:0={mask:x}"
        assert fs.read(Write(name, "mode", "").path).strip() == modes.get(name, SHAREABLE)


def test_commands_survive_any_name():
    hostile = Write("a b; $(reboot)'", "schemata", "L3CODE:0=f\nL3DATA:0=f")
    assert hostile.command() == (
        "printf 'L3CODE:0=f\\nL3DATA:0=f\\n' > '/sys/fs/resctrl/a b; $(reboot)'\"'\"'/schemata'"
    )
    assert Write("/", "schemata", "L3:0=f").command() == "printf 'L3:0=f\\n' > /sys/fs/resctrl/schemata"
