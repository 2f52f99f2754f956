"""Groups come and go: rdtgroup_mkdir, _rmdir, _rename, rdtgroup_init_alloc (fs/resctrl/rdtgroup.c), and their paths."""

import errno

import pytest
from resctrl_host import mount, refused, refused_write

from nfvlab.cat.fs.status import ResctrlError
from nfvlab.cat.parts import Capability, Host, Monitoring
from nfvlab.cat.resctrl import Resctrl

NO_MONITORS = {"monitoring": None}
SHARED_TOP = Capability(cbm_len=8, shareable_bits=0xC0, num_closids=4)


@pytest.fixture
def fs():
    return mount()


def masks(fs, path: str) -> str:
    """The L3 line's values."""
    return next(line.split(":")[1] for line in fs.read(f"{path}/schemata").splitlines() if "L3:" in line)


def test_a_new_group_shares_with_those_that_share(fs):
    fs.write("schemata", "L3:0=3\n")
    fs.mkdir("a")
    assert masks(fs, "a") == "0=ff;1=ff" and fs.read("a/mode") == "shareable\n"
    assert fs.read("a/schemata").startswith("    MB:0=100;1=100\n")


def test_a_new_group_gets_only_the_first_run_of_what_is_left():
    fs = mount(l3=Capability(cbm_len=8, num_closids=4, sparse_masks=True))
    fs.write("schemata", "L3:0=4;1=1\n")
    fs.write("mode", "exclusive\n")
    fs.mkdir("a")
    assert masks(fs, "a") == "0=3;1=fe"  # ways 3 to 7 of domain 0 are free as well


def test_a_new_group_may_get_the_ways_of_hardware_though_none_else_is_left():
    fs = mount(l3=SHARED_TOP)
    fs.write("schemata", "L3:0=3f;1=3f\n")
    fs.write("mode", "exclusive\n")
    fs.mkdir("a")
    assert masks(fs, "a") == "0=c0;1=c0"
    refused_write(fs, "a/mode", "exclusive\n", "Schemata overlaps\n")


@pytest.mark.parametrize(("mask", "domain"), [("L3:0=ff;1=f", 0), ("L3:0=f;1=ff", 1)])
def test_no_space_is_said_of_the_first_domain_without_any(mask, domain):
    fs = mount(l3=Capability(cbm_len=8, num_closids=4), monitoring=Monitoring(num_rmids=3))
    fs.write("schemata", f"{mask}\n")
    fs.write("mode", "exclusive\n")
    refused(lambda: fs.mkdir("a"), errno.ENOSPC, f"No space on L3:{domain}\n")
    assert not fs.exists("a") and fs.limbo == {1: (0, 1)}  # the RMID it had got goes through limbo
    fs.write("schemata", "L3:0=f;1=f\n")
    fs.mkdir("a")
    assert fs.ids("a") == (1, 2)


def test_too_few_bits_are_no_space():
    fs = mount(l3=Capability(cbm_len=8, num_closids=4, min_cbm_bits=2))
    fs.write("schemata", "L3:0=fe;1=fe\n")
    fs.write("mode", "exclusive\n")
    refused(lambda: fs.mkdir("a"), errno.ENOSPC, "No space on L3:0\n")


def test_with_cdp_a_new_group_avoids_code_and_data_of_exclusive_ones():
    fs = mount(options="cdp", l3=Capability(cbm_len=8, num_closids=4, cdp_capable=True))
    fs.write("schemata", "L3DATA:0=1;1=1\nL3CODE:0=2;1=2\n")
    fs.write("mode", "exclusive\n")
    fs.mkdir("a")
    assert fs.read("a/schemata") == "    MB:0=100;1=100\nL3DATA:0=fc;1=fc\nL3CODE:0=fc;1=fc\n"
    refused(lambda: fs.mkdir("b"), errno.ENOSPC, "Out of CLOSIDs\n")  # four classes are two


def test_classes_run_out_and_come_back(fs):
    for name in "abc":
        fs.mkdir(name)
    assert [fs.ids(name)[0] for name in ("", *"abc")] == [0, 1, 2, 3]
    refused(lambda: fs.mkdir("d"), errno.ENOSPC, "Out of CLOSIDs\n")
    assert fs.last_cmd_status == "Out of CLOSIDs\n" and not fs.exists("d")
    fs.rmdir("b")
    assert fs.last_cmd_status == "Out of CLOSIDs\n"  # rmdir does not touch the status
    fs.mkdir("d")
    assert fs.ids("d")[0] == 2 and fs.last_cmd_status == "ok\n"


def test_names_and_places(fs):
    fs.mkdir("a")
    for taken in ("a", "info", "mon_groups", "mon_data", "tasks", "schemata", "", ".", "a/mon_groups"):
        refused(lambda taken=taken: fs.mkdir(taken), errno.EEXIST)
    refused(lambda: fs.mkdir("new\nline"), errno.EINVAL)
    refused(lambda: fs.mkdir("x/y"), errno.ENOENT)
    refused(lambda: fs.mkdir("tasks/y"), errno.ENOTDIR)
    refused(lambda: fs.mkdir("n" * 256), errno.ENAMETOOLONG)
    refused(lambda: fs.mkdir("a/b"), errno.EPERM)  # monitoring groups stand in mon_groups
    refused(lambda: fs.mkdir("mon_data/b"), errno.EPERM)
    refused(lambda: fs.mkdir("mon_groups/mon_groups"), errno.EPERM)
    refused(lambda: fs.mkdir("info/b"), errno.ENODEV)
    refused(lambda: fs.mkdir("info/L3/b"), errno.ENODEV)
    fs.mkdir("/sys/fs/resctrl/a/mon_groups/mon_data/")
    fs.mkdir("ü b")
    assert "ü b" in fs.listdir() and fs.listdir("a/mon_groups") == ["mon_data"]
    assert fs.exists("a/../a/./mon_groups/mon_data/tasks") and not fs.exists("a/mon_groups/mon_data/schemata")


def test_mkdir_in_the_wrong_place_clears_the_status_only_where_a_group_owns_it(fs):
    def dirty():
        refused_write(fs, "mode", "x\n", "Unknown or unsupported mode\n")

    fs.mkdir("a")
    for path, number, status in (
        ("info/b", errno.ENODEV, "Unknown or unsupported mode\n"),
        ("new\nline", errno.EINVAL, "Unknown or unsupported mode\n"),
        ("a", errno.EEXIST, "Unknown or unsupported mode\n"),
        ("a/b", errno.EPERM, "ok\n"),
    ):
        dirty()
        refused(lambda path=path: fs.mkdir(path), number, status)


def test_without_monitors_any_name_is_free_and_nothing_is_nested():
    fs = mount(**NO_MONITORS)
    assert fs.listdir() == ["cpus", "cpus_list", "info", "mode", "schemata", "size", "tasks"]
    fs.mkdir("mon_groups")
    refused(lambda: fs.mkdir("mon_groups/m"), errno.EPERM)
    assert fs.listdir("mon_groups") == ["cpus", "cpus_list", "mode", "schemata", "size", "tasks"]
    assert "L3_MON" not in fs.listdir("info")


def test_without_allocation_there_are_only_monitoring_groups():
    fs = mount(l3=None, mb=None)
    refused(lambda: fs.mkdir("a"), errno.EPERM)
    fs.mkdir("mon_groups/m")
    fs.write("mon_groups/m/tasks", "10\n")
    assert fs.read("mon_groups/m/tasks") == "10\n" and fs.read("schemata") == "" and fs.read("tasks") == ""


def test_rmdir_takes_groups_only(fs):
    fs.mkdir("a")
    fs.mkdir("a/mon_groups/m")
    refused(lambda: fs.rmdir(""), errno.EBUSY)
    refused(lambda: fs.rmdir("x"), errno.ENOENT)
    refused(lambda: fs.rmdir("a/tasks"), errno.ENOTDIR)
    for path in (
        "info",
        "info/L3",
        "mon_groups",
        "mon_data",
        "mon_data/mon_L3_00",
        "a/mon_data",
        "a/mon_groups",
    ):
        refused(lambda path=path: fs.rmdir(path), errno.EPERM)
    refused(lambda: fs.rmdir("a/mon_groups/m/mon_data"), errno.EPERM)
    fs.rmdir("a/mon_groups/m")
    fs.rmdir("a")
    assert not fs.exists("a")


def test_a_group_goes_with_its_monitoring_groups(fs):
    fs.mkdir("a")
    fs.mkdir("a/mon_groups/m")
    fs.write("a/tasks", "10,11\n")
    fs.write("a/mon_groups/m/tasks", "11\n")
    fs.write("a/cpus", "3\n")
    fs.write("a/mon_groups/m/cpus", "1\n")
    fs.rmdir("a")
    assert fs.read("tasks") == "1\n10\n11\n" and fs.read("cpus_list") == "0-3\n"
    assert [fs.task_ids(pid) for pid in (10, 11)] == [(0, 0), (0, 0)] and set(fs.limbo) == {1, 2}


def test_a_monitoring_group_gives_its_tasks_to_its_parent(fs):
    fs.mkdir("a")
    fs.mkdir("a/mon_groups/m")
    fs.write("a/tasks", "10\n")
    fs.write("a/mon_groups/m/tasks", "10\n")
    assert fs.task_ids(10) == (1, 2)
    fs.rmdir("a/mon_groups/m")
    assert fs.task_ids(10) == (1, 1) and fs.read("a/tasks") == "10\n"


def test_monitoring_groups_can_be_renamed_and_moved(fs):
    for path in ("a", "b", "a/mon_groups/m", "b/mon_groups/n"):
        fs.mkdir(path)
    fs.write("a/tasks", "10\n")
    fs.write("a/mon_groups/m/tasks", "10\n")
    fs.rename("a/mon_groups/m", "a/mon_groups/k")
    fs.rename("a/mon_groups/k", "b/mon_groups/k")
    assert fs.listdir("b/mon_groups") == ["k", "n"] and fs.listdir("a/mon_groups") == []
    assert fs.task_ids(10) == (2, 3) and fs.ids("b/mon_groups/k") == (2, 3)
    fs.rename("b/mon_groups/k", "b/mon_groups/k")
    for old, new, number, status in (
        ("a", "c", errno.EPERM, "Source must be a MON group\n"),
        ("a/mon_data", "b/mon_groups/x", errno.EPERM, "Source must be a MON group\n"),
        ("b/mon_groups/k/mon_data", "b/mon_groups/x", errno.EPERM, "Source must be a MON group\n"),
        ("b/mon_groups/k", "c", errno.EPERM, "Destination must be a mon_groups subdirectory\n"),
        (
            "b/mon_groups/k",
            "b/mon_groups/mon_groups",
            errno.EPERM,
            "Destination must be a mon_groups subdirectory\n",
        ),
        ("b/mon_groups/k", "b/mon_groups/n", errno.EEXIST, "ok\n"),
        ("a/tasks", "a/x", errno.EPERM, "Source and destination must be directories"),
        ("info", "x", errno.ENOENT, "Source and destination must be directories"),
        ("b/mon_groups/k", "info/x", errno.ENOENT, "Source and destination must be directories"),
        ("b/mon_groups/x", "a/mon_groups/x", errno.ENOENT, "Source and destination must be directories"),
        ("b/mon_groups/k", "tasks", errno.ENOTDIR, "Source and destination must be directories"),
        ("", "x", errno.EBUSY, "Source and destination must be directories"),
    ):
        refused(lambda old=old, new=new: fs.rename(old, new), number, status)
    fs.write("b/cpus", "3\n")
    fs.write("b/mon_groups/k/cpus", "1\n")
    refused(
        lambda: fs.rename("b/mon_groups/k", "a/mon_groups/k"),
        errno.EPERM,
        "Cannot move a MON group that monitors CPUs\n",
    )
    fs.rename("b/mon_groups/k", "b/mon_groups/j")


def test_files_are_opened_only_for_what_they_are(fs):
    for path in ("size", "info/last_cmd_status", "info/L3/cbm_mask", "mon_data/mon_L3_00/llc_occupancy"):
        refused(lambda path=path: fs.write(path, "1\n"), errno.EACCES)
    for path in ("", "info", "mon_data"):
        refused(lambda path=path: fs.read(path), errno.EISDIR)
        refused(lambda path=path: fs.write(path, "1\n"), errno.EISDIR)
    refused(lambda: fs.read("x"), errno.ENOENT)
    refused(lambda: fs.read("tasks/x"), errno.ENOTDIR)
    refused(lambda: fs.listdir("tasks"), errno.ENOTDIR)
    fs.chmod("mode", 0o000)
    refused(lambda: fs.read("mode"), errno.EACCES)
    refused(lambda: fs.chmod("info/L3/cbm_mask", 0), errno.EPERM)


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ("cdp", {"l3": SHARED_TOP}),
        ("cdpl2", {}),
        ("mba_MBps", {"mb": None}),
        ("mba_MBps", {"monitoring": Monitoring(num_rmids=8, events=("llc_occupancy",))}),
        ("mba_MBps", NO_MONITORS),
        ("nothing", {}),
    ],
)
def test_options_that_the_host_cannot_do_are_refused(options, changes):
    refused(lambda: mount(options=options, **changes), errno.EINVAL)


def test_an_error_says_what_and_why(fs):
    with pytest.raises(ResctrlError) as caught:
        fs.write("schemata", "L3:0=f00\n")
    error = caught.value
    assert str(error) == "EINVAL on 'schemata': Invalid argument; last_cmd_status: Mask out of range"
    assert (
        isinstance(error, OSError) and error.filename == "schemata" and error.strerror == "Invalid argument"
    )
    with pytest.raises(ValueError, match="no group"):
        fs.ids("info")


def test_domain_numbers_are_the_host_s():
    fs = Resctrl(Host(part=mount().host.part, l3={7: (2, 5), 3: (0, 9)}))
    assert fs.read("size") == f"    MB:3=100;7=100\n    L3:3={8 << 20};7={8 << 20}\n"
    assert fs.read("cpus") == "225\n" and fs.listdir("mon_data") == ["mon_L3_03", "mon_L3_07"]
