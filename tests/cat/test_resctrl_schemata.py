"""Writes to a schemata file: every refusal of rdtgroup_schemata_write and below (fs/resctrl/ctrlmondata.c)."""

import errno

import pytest
from resctrl_host import MIB, mount, refused_write

from nfvlab.cat.parts import AMD_ROME, HASWELL_EP, Bandwidth, Capability, Host
from nfvlab.cat.resctrl import Resctrl

ROOT = "    MB:0=100;1=100\n    L3:0=ff;1=ff\n"


@pytest.fixture
def fs():
    found = mount()
    found.mkdir("g")
    return found


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("\n", "Missing ':'\n"),  # rdtgroup_schemata_write
        ("L3\n", "Missing ':'\n"),
        ("L3=0:f\n", "Unknown or unsupported resource name 'L3=0'\n"),  # rdtgroup_parse_resource
        ("L3:0=f\n\n", "Missing ':'\n"),
        ("L3:\n", "Missing 'L3' value\n"),
        ("  L3 :\n", "Missing 'L3' value\n"),
        (":0=f\n", "Unknown or unsupported resource name ''\n"),
        ("L4:0=f\n", "Unknown or unsupported resource name 'L4'\n"),
        ("l3:0=f\n", "Unknown or unsupported resource name 'l3'\n"),
        ("L3CODE:0=f\n", "Unknown or unsupported resource name 'L3CODE'\n"),
        ("L2:0=f\n", "Unknown or unsupported resource name 'L2'\n"),
        ("L3:0\n", "Missing '=' or non-numeric domain\n"),  # parse_line
        ("L3: 0=f\n", "Missing '=' or non-numeric domain\n"),
        ("L3:0 =f\n", "Missing '=' or non-numeric domain\n"),
        ("L3:x=f\n", "Missing '=' or non-numeric domain\n"),
        ("L3:=f\n", "Missing '=' or non-numeric domain\n"),
        ("L3:-1=f\n", "Missing '=' or non-numeric domain\n"),
        ("L3:0x0=f\n", "Missing '=' or non-numeric domain\n"),
        ("L3:;0=f\n", "Missing '=' or non-numeric domain\n"),
        ("L3:0=f;;1=f\n", "Missing '=' or non-numeric domain\n"),
        ("L3: \n", "Missing '=' or non-numeric domain\n"),
        ("L3:99999999999999999999=f\n", "Missing '=' or non-numeric domain\n"),
        ("L3:2=f\n", "ok\n"),  # no such domain: no word
        ("MB:7=50\n", "ok\n"),
        ("L3:0=f;0=f\n", "Duplicate domain 0\n"),  # parse_cbm
        ("L3:0=f\nL3:0=f\n", "Duplicate domain 0\n"),
        ("L3:1=f;0=f;1=f\n", "Duplicate domain 1\n"),
        ("MB:1=50;1=50\n", "Duplicate domain 1\n"),  # parse_bw
        ("L3:0=\n", "Non-hex character in the mask \n"),  # cbm_validate
        ("L3:0= zz \n", "Non-hex character in the mask zz\n"),
        ("L3:0=f=f\n", "Non-hex character in the mask f=f\n"),
        ("L3:0=f,1=f\n", "Non-hex character in the mask f,1=f\n"),
        ("L3:0=0\n", "Mask out of range\n"),
        ("L3:0=100\n", "Mask out of range\n"),
        ("L3:0=55\n", "The mask 55 has non-consecutive 1-bits\n"),
        ("MB:0=\n", "Invalid MB value \n"),  # bw_validate
        ("MB:0=5x\n", "Invalid MB value 5x\n"),
        ("MB:0=0x32\n", "Invalid MB value 0x32\n"),
        ("MB:0=-10\n", "Invalid MB value -10\n"),
        ("MB:0=4294967296\n", "Invalid MB value 4294967296\n"),
        ("MB:0=9\n", "MB value 9 out of range [10,100]\n"),
        ("MB:0=101\n", "MB value 101 out of range [10,100]\n"),
        ("MB:0=4294967295\n", "MB value 4294967295 out of range [10,100]\n"),
        ("L3:0=é\n", "Non-hex character in the mask é\n"),
    ],
)
def test_a_bad_line_is_refused_in_the_kernel_s_words_and_changes_nothing(fs, text, status):
    before = fs.read("g/schemata")
    for prefix in ("", "MB:0=50\nL3:1=3\n") if "1=" not in text and "MB:0" not in text else ("",):
        refused_write(fs, "g/schemata", prefix + text, status)
        assert fs.read("g/schemata") == before


@pytest.mark.parametrize("text", ["", "L3:0=f", "L3:0=f\0", b""])
def test_without_a_newline_at_the_end_nothing_is_even_begun(fs, text):
    refused_write(fs, "g/schemata", "L4:0=f\n", "Unknown or unsupported resource name 'L4'\n")
    refused_write(
        fs, "g/schemata", text, "Unknown or unsupported resource name 'L4'\n"
    )  # still that of before


@pytest.mark.parametrize(
    ("text", "masks"),
    [
        ("L3:0=f\n", "0=f;1=ff"),
        ("L3:0=f;1=3c\n", "0=f;1=3c"),
        ("L3:1=3c;0=f;\n", "0=f;1=3c"),
        (" \tL3 :0= 0xF ;1=+3c\n", "0=f;1=3c"),
        ("L3:+0=f;001=3c\n", "0=f;1=3c"),
        ("L3:0=f\nL3:1=3c\n", "0=f;1=3c"),
        ("L3:0=f;\0garbage\n", "0=f;1=ff"),  # a string ends at a zero byte
    ],
)
def test_what_the_kernel_takes_is_taken(fs, text, masks):
    fs.write("g/schemata", text)
    assert fs.read("g/schemata") == f"    MB:0=100;1=100\n    L3:{masks}\n" and fs.last_cmd_status == "ok\n"
    assert fs.read("schemata") == ROOT


@pytest.mark.parametrize(("asked", "given"), [(10, 10), (11, 20), (91, 100), (100, 100), (55, 60)])
def test_bandwidth_goes_up_to_its_step(fs, asked, given):
    fs.write("g/schemata", f"MB:0={asked}\n")
    assert fs.read("g/schemata") == f"    MB:0={given};1=100\n    L3:0=ff;1=ff\n"


def test_a_step_may_lead_past_the_maximum():
    # roundup(100, 30) = 120: nobody looks again.
    fs = mount(mb=Bandwidth(num_closids=4, bandwidth_gran=30))
    fs.write("schemata", "MB:0=100\n")
    assert "MB:0=120" in fs.read("schemata")


def test_bandwidth_that_is_not_linear_is_not_supported_where_it_must_be():
    fs = mount(mb=Bandwidth(num_closids=4, delay_linear=False))
    refused_write(fs, "schemata", "MB:0=50\n", "No support for non-linear MB domains\n")


def test_amd_takes_holes_the_empty_mask_and_bandwidth_in_its_own_unit():
    fs = Resctrl(Host.of(AMD_ROME))
    fs.write("schemata", "L3:0=a5a5;1=0\nMB:0=0;1=2048\n")
    assert fs.read("schemata") == "    MB:0=0;1=2048\n    L3:0=a5a5;1=0\n"
    refused_write(fs, "schemata", "MB:0=2049\n", "MB value 2049 out of range [0,2048]\n")


def test_haswell_wants_two_bits():
    fs = Resctrl(Host.of(HASWELL_EP, sockets=1))
    refused_write(fs, "schemata", "L3:0=1\n", "Need at least 2 bits in the mask\n")
    fs.write("schemata", "L3:0=3\n")
    assert fs.read("schemata") == "L3:0=3\n"  # neither CDP nor bandwidth: the column is two wide


def test_a_mask_may_not_meet_an_exclusive_one(fs):
    fs.write("g/schemata", "L3:0=3;1=3\n")
    fs.write("schemata", "L3:0=fc;1=fc\n")
    fs.write("g/mode", "exclusive\n")
    refused_write(fs, "schemata", "L3:0=7e\n", "Overlaps with exclusive group\n")
    fs.write("schemata", "L3:0=4\n")
    refused_write(fs, "g/schemata", "L3:1=7\n", "Overlaps with other group\n")
    refused_write(fs, "g/schemata", "L3:0=c0\n", "Overlaps with other group\n")  # ways that I/O fills
    fs.write("g/schemata", "L3:0=2\n")


def test_with_cdp_code_may_not_meet_the_other_s_data():
    fs = mount(options="cdp")
    fs.mkdir("g")
    fs.write("schemata", "L3CODE:0=f0;1=f0\nL3DATA:0=f0;1=f0\n")
    fs.write("g/schemata", "L3CODE:0=1;1=1\nL3DATA:0=2;1=2\n")
    fs.write("g/mode", "exclusive\n")
    refused_write(fs, "schemata", "L3CODE:0=2\n", "Overlaps with exclusive group\n")
    refused_write(fs, "schemata", "L3DATA:0=1\n", "Overlaps with exclusive group\n")
    refused_write(fs, "g/schemata", "L3DATA:0=10\n", "Overlaps with other group\n")
    fs.write("g/schemata", "L3DATA:0=1\n")  # its own code is no other's
    refused_write(fs, "schemata", "L3:0=f0\n", "Unknown or unsupported resource name 'L3'\n")
    assert fs.read("g/schemata") == "    MB:0=100;1=100\nL3DATA:0=1;1=2\nL3CODE:0=1;1=1\n"


def test_a_class_that_a_resource_does_not_have_cannot_be_written():
    fs = mount(mb=Bandwidth(num_closids=2))
    assert fs.read("info/MB/num_closids") == "2\n" and fs.read("info/L3/num_closids") == "4\n"
    fs.mkdir("a")
    with pytest.raises(OSError, match="Out of CLOSIDs"):  # the least of all resources counts
        fs.mkdir("b")


def test_the_software_controller_takes_any_number_at_once_and_sees_no_duplicate():
    fs = mount(options="mba_MBps")
    assert fs.read("schemata") == "    MB:0=4294967295;1=4294967295\n    L3:0=ff;1=ff\n"
    fs.write("schemata", "MB:0=1;0=2345\n")
    assert fs.read("schemata").startswith("    MB:0=2345;")
    refused_write(fs, "schemata", "MB:0=77\nL3:0=f00\n", "Mask out of range\n")
    assert (
        fs.read("schemata") == "    MB:0=77;1=4294967295\n    L3:0=ff;1=ff\n"
    )  # set before the bad line was read
    refused_write(fs, "schemata", "MB:0=4294967296\n", "Invalid MB value 4294967296\n")


def test_more_than_a_page_is_too_much(fs):
    refused_write(fs, "g/schemata", "L3:" + "0" * 4091 + "=f\n", number=errno.E2BIG)
    fs.write("g/schemata", "L3:" + "0" * 4089 + "=f;\n")  # 4096 bytes


def test_a_long_word_fills_the_status_to_511_bytes(fs):
    head = "Unknown or unsupported resource name '"
    refused_write(fs, "g/schemata", "x" * 1000 + ":0=f\n", head + "x" * (511 - len(head)))


def test_l2_has_its_own_domains_and_cdp():
    fs = mount(l2=Capability(cbm_len=4, num_closids=4, cdp_capable=True), l2_bytes=MIB, options="cdpl2")
    assert fs.read("schemata") == (
        "    MB:0=100;1=100\nL2DATA:0=f;1=f;2=f;3=f\nL2CODE:0=f;1=f;2=f;3=f\n    L3:0=ff;1=ff\n"
    )
    fs.write("schemata", "L2CODE:3=1\nL2DATA:0=8\n")
    assert fs.read("info/L2CODE/bit_usage") == "0=SSSS;1=SSSS;2=SSSS;3=000S\n"
    assert fs.read("info/L2CODE/num_closids") == "2\n" and fs.read("info/L3/num_closids") == "4\n"


def test_shares_are_written_in_goresctrl_s_words(fs):
    fs.allocate("g", {"L3": {"all": "50%", "1": "0-1"}, "MB": "30%"})
    assert fs.read("g/schemata") == "    MB:0=30;1=30\n    L3:0=f;1=3\n"
