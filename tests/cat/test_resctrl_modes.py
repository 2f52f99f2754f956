"""Modes and pseudo-locked regions: rdtgroup_mode_write (fs/resctrl/rdtgroup.c), fs/resctrl/pseudo_lock.c."""

import errno

import pytest
from resctrl_host import MIB, mount, refused, refused_write

from nfvlab.cat.parts import Capability, Monitoring

SHAREABLE_L3 = Capability(cbm_len=8, num_closids=4, cdp_capable=True)  # no ways for I/O


def room(**changes):
    """Two groups `a` and `b` on a mount whose default group leaves them four ways."""
    fs = mount(**{"l3": SHAREABLE_L3, **changes})
    fs.write("schemata", "L3:0=f0;1=f0\n")
    fs.mkdir("a")
    fs.write("a/schemata", "L3:0=3;1=3\n")
    fs.mkdir("b")
    fs.write("b/schemata", "L3:0=c;1=c\n")
    return fs


@pytest.mark.parametrize("text", ["", "exclusive", "shareable"])
def test_a_mode_ends_with_a_newline(text):
    refused_write(room(), "a/mode", text)


@pytest.mark.parametrize("text", ["\n", "Exclusive\n", "exclusive \n", "pseudo-locked\n", "shareable\n\n"])
def test_other_modes_are_not_known(text):
    refused_write(room(), "a/mode", text, "Unknown or unsupported mode\n")


def test_a_group_alone_on_its_ways_may_be_exclusive_and_shareable_again():
    fs = room()
    for mode in ("exclusive", "exclusive", "shareable", "shareable"):
        fs.write("a/mode", f"{mode}\n")
        assert fs.read("a/mode") == f"{mode}\n" and fs.last_cmd_status == "ok\n"


def test_a_group_that_shares_ways_may_not():
    fs = room()
    fs.write("b/schemata", "L3:1=e\n")  # in one domain only
    refused_write(fs, "a/mode", "exclusive\n", "Schemata overlaps\n")
    assert fs.read("a/mode") == "shareable\n"


def test_ways_that_hardware_fills_are_shared_with_it():
    fs = mount()
    fs.write("schemata", "L3:0=c0;1=c0\n")
    refused_write(fs, "mode", "exclusive\n", "Schemata overlaps\n")
    fs.write("schemata", "L3:0=3f;1=3f\n")
    fs.write("mode", "exclusive\n")  # alone, off the ways of I/O


def test_with_cdp_the_other_s_code_counts_too():
    fs = mount(options="cdp", l3=SHAREABLE_L3)
    fs.mkdir("a")
    fs.write("schemata", "L3DATA:0=f0;1=f0\nL3CODE:0=3;1=f0\n")
    fs.write("a/schemata", "L3DATA:0=3;1=3\nL3CODE:0=c;1=c\n")
    refused_write(fs, "a/mode", "exclusive\n", "Schemata overlaps\n")
    fs.write("schemata", "L3CODE:0=f0\n")
    fs.write("a/mode", "exclusive\n")


def test_exclusive_needs_a_cache():
    fs = mount(l3=None)
    refused_write(fs, "mode", "exclusive\n", "Cannot be exclusive without CAT/CDP\n")


def test_pseudo_locking_is_refused_in_the_kernel_s_order():
    fs = room(pseudo_lock=False)
    refused_write(fs, "mode", "pseudo-locksetup\n", "Cannot pseudo-lock default group\n")
    refused_write(fs, "a/mode", "pseudo-locksetup\n", "Pseudo-locking not supported\n")
    fs = room()
    fs.mkdir("a/mon_groups/m")
    fs.write("a/tasks", "10\n")
    fs.write("a/cpus", "1\n")
    refused_write(fs, "a/mode", "pseudo-locksetup\n", "Monitoring in progress\n")
    fs.rmdir("a/mon_groups/m")
    refused_write(fs, "a/mode", "pseudo-locksetup\n", "Tasks assigned to resource group\n")
    fs.write("tasks", "10\n")
    refused_write(fs, "a/mode", "pseudo-locksetup\n", "CPUs assigned to resource group\n")
    fs.write("a/cpus", "\n")
    fs.write("a/mode", "pseudo-locksetup\n")
    fs = mount(options="cdp", pseudo_lock=False)
    fs.mkdir("a")
    refused_write(fs, "a/mode", "pseudo-locksetup\n", "CDP enabled\n")


def test_a_group_in_setup_has_no_tasks_no_cpus_no_rmid_and_no_masks():
    fs = room()
    _, rmid = fs.ids("a")
    fs.write("a/mode", "pseudo-locksetup\n")
    assert fs.read("a/mode") == "pseudo-locksetup\n" and rmid in fs.limbo
    assert fs.read("a/schemata") == "MB:uninitialized\nL3:uninitialized\n"
    assert fs.read("a/size") == "    MB:0=0;1=0\n    L3:0=0;1=0\n"
    for name in ("tasks", "cpus", "cpus_list"):
        refused(lambda name=name: fs.read(f"a/{name}"), errno.EACCES)
        refused(lambda name=name: fs.write(f"a/{name}", "1\n"), errno.EACCES)
    for name in ("tasks", "cpus", "cpus_list"):
        fs.chmod(f"a/{name}", 0o644)
        refused_write(fs, f"a/{name}", "1\n", "Pseudo-locking in progress\n")
    refused(lambda: fs.mkdir("a/mon_groups/m"), errno.EINVAL, "Pseudo-locking in progress\n")
    refused_write(fs, "a/schemata", "MB:0=50\n", "Cannot pseudo-lock MBA resource\n")
    assert fs.read("info/L3/bit_usage") == "0=SSSSSS00;1=SSSSSS00\n"  # its old ways are nobody's


def test_a_region_is_locked_and_its_class_is_free_again():
    fs = room()
    fs.write("a/mode", "pseudo-locksetup\n")
    refused_write(fs, "a/schemata", "L3:0=7\n", "Overlaps with other group\n")
    fs.write("a/schemata", "L3:0=3;1=3\n")  # the first domain counts, the rest is not read
    assert fs.read("a/mode") == "pseudo-locked\n" and fs.read("a/schemata") == "L3:0=3\n"
    assert fs.read("a/size") == f"    L3:0={2 * MIB}\n"
    assert fs.read("a/cpus") == "3\n" and fs.read("a/cpus_list") == "0-1\n"
    refused(lambda: fs.write("a/cpus", "1\n"), errno.EACCES)
    refused(lambda: fs.read("a/tasks"), errno.EACCES)
    assert fs.read("info/L3/bit_usage") == "0=SSSSSSPP;1=SSSSSS00\n"
    refused_write(fs, "a/schemata", "L3:0=1\n", "Resource group is pseudo-locked\n")
    for mode in ("shareable", "exclusive", "pseudo-locksetup", "x"):
        refused_write(fs, "a/mode", f"{mode}\n", "Cannot change pseudo-locked group\n")
    fs.write("a/mode", "pseudo-locked\n")
    refused(lambda: fs.mkdir("a/mon_groups/m"), errno.EINVAL, "Pseudo-locking in progress\n")
    refused_write(fs, "schemata", "L3:0=f2\n", "The mask f2 has non-consecutive 1-bits\n")
    refused_write(fs, "b/schemata", "L3:0=e\n", "CBM overlaps with pseudo-locked region\n")
    fs.write("b/schemata", "L3:1=e\n")
    fs.mkdir("c")  # takes the class that `a` gave back, and not the region
    assert fs.ids("c")[0] == fs.ids("a")[0] and fs.read("c/schemata").endswith("L3:0=fc;1=ff\n")


def test_one_region_in_a_hierarchy():
    l2 = Capability(cbm_len=4, num_closids=4)
    fs = mount(l3=SHAREABLE_L3, l2=l2, l2_bytes=MIB)
    fs.write("schemata", "L3:0=f0;1=f0\nL2:0=c;1=c;2=c;3=c\n")
    for name in "ab":
        fs.mkdir(name)
        fs.write(f"{name}/schemata", "L3:0=f0;1=f0\nL2:0=c;1=c;2=c;3=c\n")
        fs.write(f"{name}/mode", "pseudo-locksetup\n")
    fs.write("a/schemata", "L2:1=1\n")
    refused_write(fs, "b/schemata", "L3:0=1\n", "Pseudo-locked region in hierarchy\n")  # CPU 1 is below it
    refused_write(
        fs, "b/schemata", "L2:1=zz\n", "Pseudo-locked region in hierarchy\n"
    )  # seen before the mask
    fs.write("b/schemata", "L2:0=1\n")
    assert fs.read("b/schemata") == "L2:0=1\n"
    assert fs.read("info/L2/bit_usage") == "0=SS0P;1=SS0P;2=SS00;3=SS00\n"


def test_a_mask_claims_its_domain_even_if_a_later_line_fails():
    fs = room()
    fs.write("a/mode", "pseudo-locksetup\n")
    refused_write(fs, "a/schemata", "L3:0=3\nL3:9=3\n")  # no such domain
    refused_write(fs, "a/schemata", "L3:0=3\n", "Pseudo-locked region in hierarchy\n")
    fs.write("a/schemata", "L3:1=1\n")
    assert fs.read("info/L3/bit_usage") == "0=SSSSSS0P;1=SSSSSS0P\n"  # both, until the group goes
    fs.rmdir("a")
    assert fs.read("info/L3/bit_usage") == "0=SSSSSS00;1=SSSSSS00\n"


def test_a_region_is_at_most_four_mebibytes():
    fs = mount(l3=SHAREABLE_L3, l3_bytes=16 * MIB)
    fs.write("schemata", "L3:0=f0;1=f0\n")
    fs.mkdir("a")
    fs.write("a/mode", "pseudo-locksetup\n")
    refused_write(fs, "a/schemata", "L3:0=7\n", "Requested region exceeds maximum size\n", number=errno.E2BIG)
    assert fs.read("a/mode") == "pseudo-locksetup\n"
    fs.write("a/schemata", "L3:0=3\n")
    assert fs.read("a/mode") == "pseudo-locked\n"


def test_a_locked_group_is_removed_with_its_region():
    fs = room()
    fs.write("a/mode", "pseudo-locksetup\n")
    fs.write("a/schemata", "L3:0=3\n")
    fs.rmdir("a")
    assert not fs.exists("a") and fs.read("info/L3/bit_usage") == "0=SSSSSS00;1=SSSSSS00\n"
    fs.mkdir("a")
    fs.write("a/mode", "pseudo-locksetup\n")
    fs.rmdir("a")
    fs.mkdir("a")
    assert fs.ids("a")[0] == 1  # the class came back both times


def test_leaving_setup_needs_an_rmid():
    fs = mount(l3=SHAREABLE_L3, monitoring=Monitoring(num_rmids=2))
    fs.mkdir("a")
    fs.write("a/mode", "pseudo-locksetup\n")
    refused_write(fs, "a/mode", "shareable\n", "Out of RMIDs\n", number=errno.EBUSY)
    fs.tick()
    fs.write("a/mode", "shareable\n")
    fs.write("a/tasks", "10\n")
    assert fs.read("a/tasks") == "10\n" and fs.read("a/schemata") == "    MB:0=100;1=100\n    L3:0=ff;1=ff\n"


def test_setup_may_be_left_for_exclusive_if_the_old_masks_allow():
    fs = room()
    fs.write("a/mode", "pseudo-locksetup\n")
    fs.write("a/mode", "exclusive\n")
    assert fs.read("a/mode") == "exclusive\n"
    fs.write("a/mode", "pseudo-locksetup\n")
    fs.write("b/schemata", "L3:0=f\n")
    refused_write(fs, "a/mode", "exclusive\n", "Schemata overlaps\n")


def test_nobody_looks_at_the_masks_of_a_group_that_becomes_shareable_again():
    fs = room()
    fs.write("a/mode", "pseudo-locksetup\n")
    fs.write("b/schemata", "L3:0=f\n")
    fs.write("b/mode", "exclusive\n")
    fs.write("a/mode", "shareable\n")  # two ways are now exclusive to b, and a's as well: so does the kernel
    assert fs.read("b/mode") == "exclusive\n" and "L3:0=3;" in fs.read("a/schemata")
    assert fs.read("info/L3/bit_usage").startswith("0=SSSSEESS;")
