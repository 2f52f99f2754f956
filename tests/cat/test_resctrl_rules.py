"""What holds after any sequence of calls, and wrong variants that must be noticed."""

import collections
import copy
import random

import pytest
from resctrl_host import mount

from nfvlab.cat import schemata
from nfvlab.cat.fs import groups, monitors, schemata_write
from nfvlab.cat.fs.controls import PEER
from nfvlab.cat.fs.status import ResctrlError
from nfvlab.cat.parts import Capability, Monitoring

WAYS, TOP = 6, 0x20
L3 = Capability(cbm_len=WAYS, shareable_bits=TOP, num_closids=8, cdp_capable=True)
GROUPS = ("", "a", "b", "c")

RUNS = [f"{((1 << n) - 1) << i:x}" for n in range(1, WAYS + 1) for i in range(WAYS - n + 1)]


def a_line(rng: random.Random, names: list[str]) -> str:
    """A line of a schemata file, good more often than not."""
    if rng.random() < 0.1:
        return rng.choice(["L2:0=1", "L3", "L3:", "MB:0=5", "MB:1=200"])
    if rng.random() < 0.2:
        return f"MB:{rng.randrange(2)}={rng.randrange(10, 101)}"
    cells = []
    for domain in rng.sample(["0", "1"], rng.randint(1, 2)):
        odd = rng.random() < 0.1
        cells.append(f"{domain}={rng.choice(['', 'x', '5', '40', '0']) if odd else rng.choice(RUNS)}")
    return f"{rng.choice(names)}:{';'.join(cells)}"


def a_call(rng: random.Random, names: list[str]) -> tuple[str, ...]:
    """What somebody does next."""
    kind = rng.choices(
        ["schemata", "mode", "tasks", "cpus", "mkdir", "rmdir", "tick"], [12, 6, 2, 2, 4, 1, 1]
    )[0]
    group = rng.choice(GROUPS)
    if kind == "schemata":
        return kind, group, "\n".join(a_line(rng, names) for _ in range(rng.randint(1, 3)))
    if kind in ("mkdir", "rmdir", "tick"):
        return kind, rng.choice(["a", "b", "c", "a/mon_groups/m"])
    words = {
        "mode": ["exclusive", "exclusive", "shareable", "no"],
        "tasks": ["10", "11", "10,11", "99", "-1"],
        "cpus": ["1", "3", "c", "f", "10", "0"],
    }
    return kind, group, rng.choice(words[kind])


def run(fs, call) -> bool:
    """Whether the call was accepted."""
    try:
        if call[0] in ("mkdir", "rmdir"):
            getattr(fs, call[0])(call[1])
        elif call[0] == "tick":
            fs.tick()
        else:
            fs.write(f"{call[1]}/{call[0]}", f"{call[2]}\n")
    except ResctrlError:
        return False
    return True


def everything(fs) -> dict[str, object]:
    """What a call could change: the groups, their files, the RMIDs."""
    found: dict[str, object] = {"limbo": fs.limbo, "free": fs.free_rmids}
    for name in (*GROUPS, "a/mon_groups/m"):
        if fs.exists(name):
            files = ["cpus", "tasks"] if "/" in name else ["cpus", "tasks", "mode", "schemata"]
            found |= {f"{name}/{file}": fs.read(f"{name}/{file}") for file in files}
    return found


def masks(fs) -> dict[str, dict[tuple[int, str], int]]:
    """{group: {(domain, CODE, DATA or nothing): mask}}."""
    found = {}
    for name in GROUPS:
        if fs.exists(name):
            text = schemata.read(fs.read(f"{name}/schemata"))
            rows = {line: values for line, values in text.items() if values and line.startswith("L3")}
            found[name] = {(d, line[2:]): m for line, values in rows.items() for d, m in values.items()}
    return found


def check_exclusive(fs) -> int:
    """How many groups are exclusive; their ways are neither another's, code or data, nor hardware's."""
    by_group = masks(fs)
    exclusive = [name for name in by_group if fs.read(f"{name}/mode") == "exclusive\n"]
    for name, mine in by_group.items():
        if name in exclusive:
            assert not any(mask & TOP for mask in mine.values()), name
            others = [
                (key, m) for other, theirs in by_group.items() if other != name for key, m in theirs.items()
            ]
            assert not [1 for (d, _), m in mine.items() for (e, _), n in others if d == e and m & n], name
    return len(exclusive)


@pytest.mark.parametrize("options", ["", "cdp"])
def test_no_sequence_of_calls_breaks_a_promise(options):
    seen = collections.Counter()
    for seed in range(8):
        _live(random.Random(seed), options, seen)
    often = [seen["schemata", True], seen["schemata", False], seen["mkdir", True], seen["mkdir", False]]
    assert min(often) > 10 and seen["exclusive"] > 50, f"the calls try too little: {seen}"


def _live(rng: random.Random, options: str, seen: collections.Counter) -> None:
    fs = mount(l3=L3, options=options, monitoring=Monitoring(num_rmids=5))
    names = ["L3CODE", "L3DATA"] if options else ["L3"]
    for group, mask in (("", "18"), ("a", "1"), ("b", "6")):
        if group:
            fs.mkdir(group)
        fs.write(f"{group}/schemata", "".join(f"{name}:0={mask};1={mask}\n" for name in names))
    for _ in range(50):
        call, before = a_call(rng, names), everything(fs)
        accepted = run(fs, call)
        seen[call[0], accepted] += 1
        seen["exclusive"] += check_exclusive(fs)
        if not accepted and call[0] not in (
            "mkdir",
            "tasks",
        ):  # an RMID goes to limbo; tasks before a bad one stay
            assert everything(fs) == before, f"a refused {call} changed something"
        existing = [name for name in (*GROUPS, "a/mon_groups/m") if fs.exists(name)]
        used = [fs.ids(name)[1] for name in existing]
        assert sorted([*used, *fs.limbo, *fs.free_rmids]) == list(range(5)), "an RMID is lost or given twice"
        control = [name for name in existing if "/" not in name]
        assert len({fs.ids(name)[0] for name in control}) == len(control), "two groups share a class"
        assert sorted(p for name in control for p in fs.read(f"{name}/tasks").split()) == ["1", "10", "11"]
        assert sum(int(fs.read(f"{name}/cpus"), 16) for name in control) == 0xF, (
            "a CPU is lost or twice there"
        )
        for name, mine in masks(fs).items():
            assert {f"{m:x}" for m in mine.values()} <= set(RUNS), f"{name}: no run"


# Wrong variants: each check passes on the code as it is, and fails on the mutant.


def exclusive_respects_the_peer():
    fs = mount(l3=L3, options="cdp")
    fs.mkdir("a")
    fs.write("schemata", "L3DATA:0=10;1=10\nL3CODE:0=1;1=10\n")
    fs.write("a/schemata", "L3DATA:0=1;1=1\nL3CODE:0=2;1=2\n")
    assert not run(fs, ("mode", "a", "exclusive"))


def exclusive_respects_hardware():
    fs = mount(l3=L3)
    assert not run(fs, ("mode", "", "exclusive"))


def nothing_is_applied_before_all_is_parsed():
    fs = mount(l3=L3)
    assert not run(fs, ("schemata", "", "L3:0=3\nL3:1=fff"))
    assert masks(fs)[""] == {(0, ""): 0x3F, (1, ""): 0x3F}


def a_new_group_gets_one_run():
    fs = mount(l3=Capability(cbm_len=WAYS, num_closids=8))
    fs.write("schemata", "L3:0=4;1=4\n")
    fs.write("mode", "exclusive\n")
    fs.mkdir("a")
    assert masks(fs)["a"] == {(0, ""): 3, (1, ""): 3}


def bandwidth_goes_up():
    fs = mount()
    fs.write("schemata", "MB:0=11\n")
    assert "0=20" in fs.read("schemata")


def the_threshold_itself_is_too_much():
    fs = mount()
    fs.mkdir("a")
    fs.set_occupancy(0, 1, int(fs.read("info/L3_MON/max_threshold_occupancy")))
    fs.rmdir("a")
    fs.tick()
    assert fs.limbo


def the_longest_free_rmid_goes_first():
    fs = mount(monitoring=Monitoring(num_rmids=4))
    fs.mkdir("a")
    fs.rmdir("a")
    fs.tick()
    fs.mkdir("a")
    assert fs.ids("a")[1] == 2


def a_group_in_setup_has_no_say():
    fs = mount(l3=Capability(cbm_len=WAYS, num_closids=8))
    fs.write("schemata", "L3:0=30;1=30\n")
    for name in ("a", "b"):
        fs.mkdir(name)
        fs.write(f"{name}/schemata", "L3:0=3;1=3\n")
    fs.write("a/mode", "pseudo-locksetup\n")
    assert run(fs, ("mode", "b", "exclusive"))


def _apply_line_by_line(line, group, schemas, classes, parse=schemata_write._line):
    parse(line, group, schemas, classes)
    for schema in schemas:
        schema.resource.apply(group.closid)


def _overlaps_within_hardware(self, *args, exclusive, whole=groups.Classes.overlaps):
    """Forgets the shareable bits."""
    schema = copy.copy(args[0])
    resource = copy.copy(schema.resource)
    resource.capability = Capability(cbm_len=WAYS, num_closids=8, cdp_capable=True)
    object.__setattr__(schema, "resource", resource)
    return whole(self, schema, *args[1:], exclusive=exclusive)


MUTANTS = {
    "exclusive looks at its own kind only": (
        exclusive_respects_the_peer,
        lambda patch: [patch.setitem(PEER, kind, kind) for kind in PEER],
    ),
    "exclusive forgets hardware": (
        exclusive_respects_hardware,
        lambda patch: patch.setattr(groups.Classes, "overlaps", _overlaps_within_hardware),
    ),
    "each line is applied at once": (
        nothing_is_applied_before_all_is_parsed,
        lambda patch: patch.setattr(schemata_write, "_line", _apply_line_by_line),
    ),
    "a new group gets every free way": (
        a_new_group_gets_one_run,
        lambda patch: patch.setattr(groups, "first_run", lambda mask: mask),
    ),
    "bandwidth is rounded down": (
        bandwidth_goes_up,
        lambda patch: patch.setattr(schemata_write, "_bandwidth", lambda text, r: int(text) // 10 * 10),
    ),
    "an RMID at the threshold is clean": (
        the_threshold_itself_is_too_much,
        lambda patch: patch.setattr(monitors.Monitors, "_count", lambda self, *key: self.counter(*key) - 1),
    ),
    "the last freed RMID is given first": (
        the_longest_free_rmid_goes_first,
        lambda patch: patch.setattr(
            monitors, "deque", type("Stack", (list,), {"popleft": lambda s: s.pop(), "append": list.append})
        ),
    ),
    "a group in setup counts": (
        a_group_in_setup_has_no_say,
        lambda patch: patch.setattr(
            groups.Classes, "others", lambda self, i: [(j, self.mode(j)) for j in self.taken() if j != i]
        ),
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_variant_is_noticed(name, monkeypatch):
    check, mutate = MUTANTS[name]
    check()
    mutate(monkeypatch)
    with pytest.raises(AssertionError):
        check()


def test_the_one_way_round_the_promise_is_the_kernel_s():
    """rdtgroup_mode_write does not look at the masks of a group that leaves pseudo-locksetup for shareable."""
    fs = mount(l3=Capability(cbm_len=WAYS, num_closids=8))
    fs.write("schemata", "L3:0=30;1=30\n")
    for name in ("a", "b"):
        fs.mkdir(name)
        fs.write(f"{name}/schemata", "L3:0=3;1=3\n")
    fs.write("a/mode", "pseudo-locksetup\n")
    fs.write("b/mode", "exclusive\n")
    check_exclusive(fs)
    fs.write("a/mode", "shareable\n")
    with pytest.raises(AssertionError):
        check_exclusive(fs)
