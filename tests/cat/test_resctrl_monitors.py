"""RMIDs, limbo, counters and the info files: fs/resctrl/monitor.c, and the show functions of fs/resctrl/rdtgroup.c."""

import errno

import pytest
from resctrl_host import MIB, mount, refused, refused_write

from nfvlab.cat.parts import EVENTS, HASWELL_EP, SKYLAKE_SP, Bandwidth, Capability, Host, Monitoring
from nfvlab.cat.resctrl import Resctrl

KIB = 1024
THREE = {"monitoring": Monitoring(num_rmids=3)}


def test_rmids_run_out_and_are_busy_until_a_second_has_passed():
    fs = mount(**THREE)
    fs.mkdir("a")
    fs.mkdir("mon_groups/m")
    refused(lambda: fs.mkdir("b"), errno.ENOSPC, "Out of RMIDs\n")  # all in use
    fs.rmdir("a")
    refused(lambda: fs.mkdir("b"), errno.EBUSY, "Out of RMIDs\n")  # one waits, however clean it is
    refused(lambda: fs.mkdir("mon_groups/n"), errno.EBUSY, "Out of RMIDs\n")
    fs.tick()
    fs.mkdir("b")
    assert fs.ids("b") == (1, 1) and fs.ids("mon_groups/m") == (0, 2)


def test_an_rmid_leaves_limbo_when_every_domain_is_below_the_threshold():
    fs = mount(**THREE)
    threshold = int(fs.read("info/L3_MON/max_threshold_occupancy"))
    assert threshold == 8 * MIB // 3 // (64 * KIB) * 64 * KIB  # a third of the cache, in whole counts
    fs.mkdir("a")
    fs.set_occupancy(0, 1, threshold)
    fs.set_occupancy(1, 1, threshold + MIB)
    fs.rmdir("a")
    fs.tick()
    assert fs.limbo == {1: (0, 1)}  # the threshold itself is too much
    fs.set_occupancy(0, 1, threshold - 1)
    fs.tick()
    assert fs.limbo == {1: (1,)}
    fs.set_occupancy(0, 1, 8 * MIB)  # a domain that has seen it clean does not look again
    fs.set_occupancy(1, 1, "Unavailable")
    fs.tick(3)
    assert fs.limbo == {1: (1,)}  # what cannot be read is not clean
    fs.set_occupancy(1, 1, 0)
    fs.tick()
    assert fs.limbo == {} and fs.free_rmids == (2, 1)  # the one free for longest goes first


def test_a_threshold_of_zero_lets_nothing_go():
    fs = mount(**THREE)
    fs.write("info/L3_MON/max_threshold_occupancy", "0\n")
    fs.mkdir("a")
    fs.rmdir("a")
    fs.tick(10)
    assert fs.limbo == {1: (0, 1)}


def test_without_occupancy_there_is_no_limbo():
    fs = mount(monitoring=Monitoring(num_rmids=3, events=("mbm_total_bytes",)))
    fs.mkdir("a")
    fs.rmdir("a")
    assert (
        fs.limbo == {} and fs.free_rmids == (2, 1) and fs.listdir("mon_data/mon_L3_00") == ["mbm_total_bytes"]
    )


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("x\n", errno.EINVAL),
        ("", errno.EINVAL),
        ("-1", errno.EINVAL),
        ("4294967296", errno.ERANGE),
        ("99999999999999999999", errno.ERANGE),
        (f"{8 * MIB + 1}\n", errno.EINVAL),
    ],
)
def test_a_bad_threshold_is_refused_without_a_word(text, number):
    fs = mount()
    before = fs.read("info/L3_MON/max_threshold_occupancy")
    refused_write(fs, "schemata", "x\n", "Missing ':'\n")
    refused_write(fs, "info/L3_MON/max_threshold_occupancy", text, "Missing ':'\n", number=number)
    assert fs.read("info/L3_MON/max_threshold_occupancy") == before


@pytest.mark.parametrize(
    ("text", "kept"), [("65536", 65536), ("0x1ffff\n", 65536), ("200000\n", 196608), ("010", 0)]
)
def test_a_threshold_is_cut_to_whole_counts(text, kept):
    fs = mount()
    fs.write("info/L3_MON/max_threshold_occupancy", text)
    assert fs.read("info/L3_MON/max_threshold_occupancy") == f"{kept}\n"


def test_a_control_group_counts_with_its_monitoring_groups():
    fs = mount()
    fs.mkdir("a")
    fs.mkdir("a/mon_groups/m")
    fs.set_occupancy(1, 1, 3 * 64 * KIB + 5)
    fs.set_occupancy(1, 2, 64 * KIB)
    fs.set_traffic(1, 1, total_bytes=10 * MIB, local_bytes=2 * MIB)
    fs.set_traffic(1, 2, total_bytes=MIB)
    data = "mon_data/mon_L3_01"
    assert fs.read(f"a/{data}/llc_occupancy") == f"{4 * 64 * KIB}\n"
    assert fs.read(f"a/mon_groups/m/{data}/llc_occupancy") == f"{64 * KIB}\n"
    assert fs.read(f"a/{data}/mbm_total_bytes") == f"{11 * MIB}\n"
    assert fs.read(f"a/{data}/mbm_local_bytes") == f"{2 * MIB}\n"
    assert fs.read("a/mon_data/mon_L3_00/mbm_total_bytes") == "0\n" == fs.read(f"{data}/llc_occupancy")


def test_a_counter_that_cannot_be_read_is_named_unless_another_can():
    fs = mount()
    fs.mkdir("a")
    fs.set_occupancy(0, 1, "Unavailable")
    assert fs.read("a/mon_data/mon_L3_00/llc_occupancy") == "Unavailable\n"
    fs.mkdir("a/mon_groups/m")
    assert fs.read("a/mon_data/mon_L3_00/llc_occupancy") == "0\n"
    fs.set_occupancy(0, 2, "Error")
    assert fs.read("a/mon_data/mon_L3_00/llc_occupancy") == "Error\n"  # the last one read


def test_a_new_group_counts_traffic_from_its_start_and_inherits_stale_lines():
    fs = mount(**THREE)
    fs.mkdir("a")
    fs.set_traffic(0, 1, total_bytes=5 * MIB)
    fs.set_occupancy(0, 1, 128 * KIB)
    fs.rmdir("a")
    fs.tick()
    fs.mkdir("b")  # RMID 2
    fs.mkdir("c")  # RMID 1 again
    assert fs.ids("c")[1] == 1 and fs.read("c/mon_data/mon_L3_00/mbm_total_bytes") == "0\n"
    assert fs.read("c/mon_data/mon_L3_00/llc_occupancy") == f"{128 * KIB}\n"
    fs.set_traffic(0, 1, total_bytes=6 * MIB)
    assert fs.read("c/mon_data/mon_L3_00/mbm_total_bytes") == f"{MIB}\n"


@pytest.mark.parametrize(
    "call",
    [
        lambda fs: fs.set_occupancy(2, 0, 0),
        lambda fs: fs.set_occupancy(0, 8, 0),
        lambda fs: fs.set_occupancy(0, 0, -1),
        lambda fs: fs.set_occupancy(0, 0, "gone"),
        lambda fs: fs.set_traffic(0, 0, total_bytes=4),
    ],
)
def test_counters_that_cannot_be_are_refused(call):
    fs = mount()
    fs.set_traffic(0, 0, total_bytes=5)
    with pytest.raises(ValueError, match=r"\. Give "):
        call(fs)


def test_info_of_a_part():
    fs = Resctrl(Host.of(SKYLAKE_SP))
    info = {path: fs.read(f"info/{path}") for path in ("L3/cbm_mask", "L3/min_cbm_bits", "L3/num_closids")}
    assert info == {"L3/cbm_mask": "7ff\n", "L3/min_cbm_bits": "1\n", "L3/num_closids": "16\n"}
    assert fs.read("info/L3/shareable_bits") == "600\n" and fs.read("info/L3/sparse_masks") == "0\n"
    values = [fs.read(f"info/MB/{name}") for name in fs.listdir("info/MB")]
    assert fs.listdir("info/MB") == [
        "bandwidth_gran",
        "delay_linear",
        "min_bandwidth",
        "num_closids",
        "thread_throttle_mode",
    ]
    assert values == ["10\n", "1\n", "10\n", "8\n", "max\n"]
    assert fs.listdir("info/L3_MON") == ["max_threshold_occupancy", "mon_features", "num_rmids"]
    assert fs.read("info/L3_MON/mon_features") == "".join(f"{event}\n" for event in EVENTS)
    assert fs.read("info/L3_MON/num_rmids") == "144\n" and fs.listdir("info") == [
        "L3",
        "L3_MON",
        "MB",
        "last_cmd_status",
    ]
    cdp = Resctrl(Host.of(SKYLAKE_SP), options="cdp")
    assert cdp.listdir("info") == ["L3CODE", "L3DATA", "L3_MON", "MB", "last_cmd_status"]
    assert cdp.read("info/L3CODE/num_closids") == "8\n"


def test_bit_usage_has_a_letter_for_every_use():
    l3 = Capability(cbm_len=8, shareable_bits=0xC0, num_closids=4)
    fs = mount(l3=l3)
    fs.mkdir("e")
    fs.mkdir("p")
    fs.write("schemata", "L3:0=70;1=40\n")
    fs.write("e/schemata", "L3:0=8;1=8\n")
    fs.write("p/schemata", "L3:0=3;1=3\n")
    fs.write("e/mode", "exclusive\n")
    fs.write("p/mode", "pseudo-locksetup\n")
    assert fs.read("info/L3/bit_usage") == "0=HXSSE000;1=HX00E000\n"
    fs.write("p/schemata", "L3:0=3\n")
    assert fs.read("info/L3/bit_usage") == "0=HXSSE0PP;1=HX00E000\n"


def test_size_counts_whole_bytes_a_way():
    fs = Resctrl(Host.of(HASWELL_EP, sockets=1))
    assert fs.read("size") == f"L3:0={30 * MIB // 20 * 20}\n"
    fs.write("schemata", "L3:0=3\n")
    assert fs.read("size") == f"L3:0={30 * MIB // 20 * 2}\n"
    odd = mount(l3=Capability(cbm_len=7, num_closids=4), sockets=1, mb=None)
    assert odd.read("size") == f"L3:0={8 * MIB // 7 * 7}\n" != f"L3:0={8 * MIB}\n"


def test_events_can_be_configured_on_some_parts():
    fs = mount(monitoring=Monitoring(num_rmids=4, config_mask=0x7F))
    path = "info/L3_MON/mbm_total_bytes_config"
    assert fs.read("info/L3_MON/mon_features").splitlines() == [
        "llc_occupancy",
        "mbm_total_bytes",
        "mbm_total_bytes_config",
        "mbm_local_bytes",
        "mbm_local_bytes_config",
    ]
    assert (
        fs.read(path) == "0=0x7f;1=0x7f\n"
        and fs.read("info/L3_MON/mbm_local_bytes_config") == "0=0x15;1=0x15\n"
    )
    fs.set_traffic(0, 0, total_bytes=5 * MIB)
    fs.write(path, "0=33;\n")
    assert fs.read(path) == "0=0x33;1=0x7f\n" and fs.read("mon_data/mon_L3_00/mbm_total_bytes") == "0\n"
    for text, status in (
        ("x=1\n", "Missing '=' or non-numeric domain id\n"),
        ("=1\n", "Missing '=' or non-numeric domain id\n"),
        ("0\n", "Non-numeric event configuration value\n"),
        ("0=\n", "Non-numeric event configuration value\n"),
        ("0=g\n", "Non-numeric event configuration value\n"),
        ("0=80\n", "Invalid event configuration: max valid mask is 0x7f\n"),
        ("5=1\n", "ok\n"),
    ):
        refused_write(fs, path, text, status)
    refused_write(fs, path, "1=1;0=80\n", "Invalid event configuration: max valid mask is 0x7f\n")
    assert fs.read(path) == "0=0x33;1=0x01\n"  # domain by domain: the first one is done
    refused_write(fs, path, "0=1", "Invalid event configuration: max valid mask is 0x7f\n")


def test_the_software_controller_steers_by_an_event():
    fs = mount(options="mba_MBps,debug")
    fs.mkdir("a")
    assert fs.read("a/mba_MBps_event") == "mbm_local_bytes\n"
    fs.write("a/mba_MBps_event", "mbm_total_bytes\n")
    assert fs.read("a/mba_MBps_event") == "mbm_total_bytes\n"
    refused_write(fs, "a/mba_MBps_event", "llc_occupancy\n", "Unsupported event id 'llc_occupancy'\n")
    refused_write(fs, "a/mba_MBps_event", "mbm_local_bytes", "Unsupported event id 'llc_occupancy'\n")
    fs.mkdir("a/mon_groups/m")
    assert "mba_MBps_event" not in fs.listdir("a/mon_groups/m")
    assert (fs.read("a/ctrl_hw_id"), fs.read("a/mon_groups/m/mon_hw_id")) == ("1\n", "2\n")
    local = mount(options="mba_MBps", monitoring=Monitoring(num_rmids=4, events=("mbm_total_bytes",)))
    assert local.read("mba_MBps_event") == "mbm_total_bytes\n"
    refused_write(local, "mba_MBps_event", "mbm_local_bytes\n", "Unsupported event id 'mbm_local_bytes'\n")


def test_slow_memory_is_one_more_bandwidth():
    amd = Bandwidth(min_bandwidth=0, max_bandwidth=2048, bandwidth_gran=1, needs_linear=False, num_closids=4)
    fs = mount(smba=amd)
    fs.write("schemata", "SMBA:0=7\n")
    assert fs.read("schemata") == "  SMBA:0=7;1=2048\n    MB:0=100;1=100\n    L3:0=ff;1=ff\n"
