"""Schemata text: read from any kernel, written as each kernel writes it (show_doms, schemata_list_add)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resctrl_host import mount

from nfvlab.cat import schemata
from nfvlab.cat.parts import AMD_ROME, SKYLAKE_SP, Host
from nfvlab.cat.resctrl import Resctrl
from nfvlab.cat.schemata import LAYOUTS, V4_10, V4_12, V5_15, V6_15, Columns, SchemataError

WIDE = {"L3": {0: 0x7F, 1: 0xFFFFF}, "MB": {0: 10, 1: 100}}


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        (V4_10, "L3:0=7f;1=fffff\nMB:0=10;1=100\n"),
        (V4_12, "    L3:0=0007f;1=fffff\n    MB:0=   10;1=  100\n"),
        (V5_15, "    MB:0=   10;1=  100\n    L3:0=0007f;1=fffff\n"),
        (V6_15, "    MB:0=10;1=100\n    L3:0=7f;1=fffff\n"),
    ],
)
def test_four_kernels_write_four_ways(layout, text):
    assert schemata.write(WIDE, layout, Columns(name=6)) == text
    assert schemata.read(text) == WIDE


# What real machines printed (test/data of intel/goresctrl, kernels of the 5.15 layout), some domains left out.
@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("    MB:0=  100;1=  100\n    L2:0=0ffff;1=0ffff\n    L3:0=fffff;1=fffff\n", Columns(name=6)),
        (
            "L3DATA:0=001ff;1=001ff;2=001ff;3=001ff\nL3CODE:0=001ff;1=001ff;2=001ff;3=001ff\n",
            Columns(value=5),
        ),
        ("MB:0=4294967295;1=4294967295;2=4294967295;3=4294967295\n", Columns()),
    ],
)
def test_recorded_text_is_written_again_to_the_letter(text, columns):
    assert schemata.write(schemata.read(text), V5_15, columns) == text


@st.composite
def contents(draw):
    names = draw(st.lists(st.sampled_from(schemata.NAMES), min_size=1, unique=True))
    domains = draw(st.lists(st.integers(0, 200), min_size=1, max_size=4, unique=True))
    return {name: {d: draw(st.integers(0, 2**32 - 1)) for d in domains} for name in names}


@given(contents(), st.sampled_from(sorted(LAYOUTS)), st.integers(0, 9), st.integers(0, 9))
def test_what_is_written_is_read_again(values, layout, name, value):
    text = schemata.write(values, LAYOUTS[layout], Columns(name, value))
    assert schemata.read(text) == {n: dict(sorted(v.items())) for n, v in values.items()}
    assert list(schemata.read(text)) == schemata.in_order(values, LAYOUTS[layout])


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("options", ["", "cdp", "mba_MBps"])
def test_a_mount_takes_what_it_shows(layout, options):
    fs = mount(options=options, layout=layout)
    name = "L3CODE" if options == "cdp" else "L3"
    fs.write("schemata", f"{name}:0=3;1=18\nMB:1=30\n")
    text = fs.read("schemata")
    fs.mkdir("g")
    fs.write("g/schemata", text)
    assert fs.read("g/schemata") == text
    assert schemata.read(text)[name] == {0: 3, 1: 0x18} and schemata.read(text)["MB"][1] == 30


def test_values_are_as_wide_as_the_widest_resource():
    sky, rome = (Resctrl(Host.of(part, sockets=1), layout=V5_15) for part in (SKYLAKE_SP, AMD_ROME))
    sky.write("schemata", "L3:0=1\nMB:0=10\n")
    assert sky.read("schemata") == "    MB:0= 10\n    L3:0=001\n"
    assert rome.read("schemata") == "    MB:0=2048\n    L3:0=ffff\n"


def test_size_text_is_decimal():
    assert schemata.read(mount().read("size"), base=10)["L3"] == {0: 8 << 20, 1: 8 << 20}


def test_a_group_in_setup_has_no_values():
    text = "MB:uninitialized\nL3:uninitialized\n"
    assert (
        schemata.read(text) == {"MB": None, "L3": None} and schemata.write(schemata.read(text), V6_15) == text
    )


def test_lines_to_paste():
    assert schemata.paste({"MB": {1: 50}, "L3": {1: 0xF, 0: 0xFF000}}) == "L3:0=ff000;1=f\nMB:1=50\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: no ':' in ''"),
        ("L3:0=f\n\nMB:0=10\n", "line 2: no ':'"),
        ("L4:0=f\n", "'L4' is no resource"),
        ("L3:0=f\nL3:1=f\n", "line 2: L3 stands twice"),
        ("L3:0=f;0=f\n", "domain 0 of L3 stands twice"),
        ("L3:0\n", "no '=' in '0' of L3"),
        ("L3:0=fg\n", "'0=fg' of L3 is not domain=value with a hex mask"),
        ("MB:0=fa\n", "'0=fa' of MB is not domain=value with a decimal number"),
        ("L3:x=f\n", "'x=f' of L3"),
        ("L3:0=f;;1=f\n", "no '=' in '' of L3"),
    ],
)
def test_what_is_no_schemata_file_is_refused_by_line_and_rule(text, words):
    with pytest.raises(SchemataError, match=r"\. Give it as the kernel prints it") as caught:
        schemata.read(text)
    assert words in str(caught.value)


def test_an_unknown_name_is_not_written():
    with pytest.raises(ValueError, match="'L4' is no resource"):
        schemata.write({"L4": {0: 1}})
