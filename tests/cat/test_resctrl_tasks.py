"""Tasks and CPUs: rdtgroup_tasks_write, rdtgroup_cpus_write and below (fs/resctrl/rdtgroup.c)."""

import errno

import pytest
from resctrl_host import mount, refused_write

from nfvlab.cat.parts import Host
from nfvlab.cat.resctrl import Resctrl


@pytest.fixture
def fs():
    found = mount()
    for path in ("a", "b", "a/mon_groups/m", "a/mon_groups/n"):
        found.mkdir(path)
    return found


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("10\n", [10]),
        ("10,11\n", [10, 11]),
        (" 10 , 11 \n", [10, 11]),
        ("0xa", [10]),
        ("012\n", [10]),
        ("0\n", [1]),
    ],
)
def test_tasks_move(fs, text, moved):
    fs.write("a/tasks", text)
    assert fs.read("a/tasks") == "".join(f"{pid}\n" for pid in moved)
    assert fs.read("tasks") == "".join(f"{pid}\n" for pid in (1, 10, 11) if pid not in moved)


@pytest.mark.parametrize("text", ["", "\n", "10,\n"])
def test_an_empty_list_or_tail_is_no_error(fs, text):
    fs.write("a/tasks", text)
    assert fs.last_cmd_status == "ok\n"


@pytest.mark.parametrize(
    ("text", "number", "status"),
    [
        ("99\n", errno.ESRCH, "No task 99\nError while processing task 99\n"),
        ("-5\n", errno.EINVAL, "Invalid pid -5\n"),
        ("x\n", errno.EINVAL, "Task list parsing error pid x\n"),
        ("10 11\n", errno.EINVAL, "Task list parsing error pid 10 11\n"),
        (",10\n", errno.EINVAL, "Task list parsing error pid \n"),
        ("11,,10\n", errno.EINVAL, "Task list parsing error pid \n"),
        ("2147483648\n", errno.EINVAL, "Task list parsing error pid 2147483648\n"),
        ("1e1\n", errno.EINVAL, "Task list parsing error pid 1e1\n"),
    ],
)
def test_a_bad_pid_is_refused(fs, text, number, status):
    refused_write(fs, "a/tasks", text, status, number=number)


def test_tasks_before_a_bad_one_stay_moved(fs):
    refused_write(
        fs, "a/tasks", "10,99,11\n", "No task 99\nError while processing task 99\n", number=errno.ESRCH
    )
    assert fs.read("a/tasks") == "10\n"


def test_a_monitoring_group_takes_tasks_of_its_control_group_only(fs):
    refused_write(
        fs,
        "a/mon_groups/m/tasks",
        "10\n",
        "Can't move task to different control group\nError while processing task 10\n",
    )
    fs.write("a/tasks", "10\n")
    fs.write("a/mon_groups/m/tasks", "10\n")
    assert fs.read("a/tasks") == fs.read("a/mon_groups/m/tasks") == "10\n"
    fs.write("a/mon_groups/n/tasks", "10\n")
    assert fs.read("a/mon_groups/m/tasks") == "" and fs.read("a/mon_groups/n/tasks") == "10\n"
    fs.write("b/tasks", "10\n")
    assert fs.read("a/tasks") == fs.read("a/mon_groups/n/tasks") == "" and fs.task_ids(10) == fs.ids("b")


def test_a_child_runs_where_its_parent_does(fs):
    fs.write("a/tasks", "10\n")
    fs.fork(10, 12)
    assert fs.read("a/tasks") == "10\n12\n"
    fs.exit(10)
    assert fs.read("a/tasks") == "12\n"
    refused_write(fs, "a/tasks", "10\n", "No task 10\nError while processing task 10\n", number=errno.ESRCH)
    for call in (
        lambda: fs.fork(10, 13),
        lambda: fs.fork(12, 12),
        lambda: fs.fork(12, 0),
        lambda: fs.exit(99),
    ):
        with pytest.raises(ValueError, match=r"pid = \d+"):
            call()


def test_cpus_move_between_groups(fs):
    assert fs.read("cpus") == "f\n" and fs.read("cpus_list") == "0-3\n" and fs.read("a/cpus") == "0\n"
    assert fs.read("a/cpus_list") == "\n"
    fs.write("a/cpus", "3\n")
    fs.write("b/cpus_list", "1-2\n")
    assert [fs.read(f"{g}cpus_list") for g in ("", "a/", "b/")] == ["3\n", "0\n", "1-2\n"]
    fs.write("b/cpus", "0\n")
    assert fs.read("cpus_list") == "1-3\n"


def test_cpus_are_not_dropped_from_the_default_group(fs):
    refused_write(fs, "cpus", "1\n", "Can't drop CPUs from default group\n")
    fs.write("a/cpus", "3\n")
    fs.write("cpus", "f\n")  # but it can take them back
    assert fs.read("cpus") == "f\n" and fs.read("a/cpus") == "0\n"


@pytest.mark.parametrize(
    ("name", "text", "number"),
    [
        ("cpus", "x\n", errno.EINVAL),
        ("cpus", "0x1\n", errno.EINVAL),
        ("cpus", "100\n", errno.EOVERFLOW),
        ("cpus", "1,00000000\n", errno.EOVERFLOW),
        ("cpus_list", "x\n", errno.EINVAL),
        ("cpus_list", "3-1\n", errno.EINVAL),
        ("cpus_list", "9\n", errno.ERANGE),
    ],
)
def test_a_bad_set_of_cpus_is_refused(fs, name, text, number):
    refused_write(fs, f"a/{name}", text, "Bad CPU list/mask\n", number=number)


def test_cpus_that_are_off_are_refused():
    fs = Resctrl(Host(part=mount().host.part, l3={0: (0, 1)}, cpus_count=8))
    fs.mkdir("a")
    refused_write(fs, "a/cpus", "4\n", "Can only assign online CPUs\n")
    refused_write(fs, "a/cpus_list", "1-2\n", "Can only assign online CPUs\n")
    assert fs.read("cpus") == "03\n"


def test_a_monitoring_group_has_cpus_of_its_parent(fs):
    refused_write(fs, "a/mon_groups/m/cpus", "1\n", "Can only add CPUs to mongroup that belong to parent\n")
    fs.write("a/cpus", "7\n")
    fs.write("a/mon_groups/m/cpus", "3\n")
    fs.write("a/mon_groups/n/cpus", "6\n")
    assert [fs.read(f"a/{g}cpus") for g in ("", "mon_groups/m/", "mon_groups/n/")] == ["7\n", "1\n", "6\n"]
    fs.write("b/cpus", "2\n")  # taken from the parent, so from its monitoring group as well
    assert [fs.read(f"a/{g}cpus") for g in ("", "mon_groups/m/", "mon_groups/n/")] == ["5\n", "1\n", "4\n"]
    fs.write("a/cpus", "f\n")  # a new set empties those below
    assert [fs.read(f"a/{g}cpus") for g in ("", "mon_groups/m/", "mon_groups/n/")] == ["f\n", "0\n", "0\n"]
