"""schemata and size texts of every kernel's layout; anything else is refused with its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.readers import ReaderError
from nfvlab.readers.schemata import MASKS, parse_schemata

WANTED = {"L3": {0: 0xFFFFF, 1: 0xFF0}, "MB": {0: 100, 1: 50}}
LAYOUTS = {
    "4.10": "L3:0=fffff;1=ff0\nMB:0=100;1=50\n",
    "4.12": "    L3:0=fffff;1=00ff0\n    MB:0=  100;1=   50\n",
    "5.15": "    MB:0=  100;1=   50\n    L3:0=fffff;1=00ff0\n",
    "6.15": "    MB:0=100;1=50\n    L3:0=fffff;1=ff0\n",
    "no last line feed": "L3:0=fffff;1=ff0\nMB:0=100;1=50",
}


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_says_the_same(text):
    assert parse_schemata(text) == WANTED


def test_sizes_are_decimal_and_an_uninitialized_resource_has_no_domain():
    assert parse_schemata("L3:0=1048576\nMB:0=10\n", decimal=True) == {"L3": {0: 2**20}, "MB": {0: 10}}
    assert parse_schemata("L2:uninitialized\n") == {"L2": {}}
    assert parse_schemata("L3:0=10\n") == {"L3": {0: 16}}
    assert parse_schemata("\n") == {}


BAD = {
    "L3:0=ff\nL3:0=f\n": (2, "twice"),
    "L3:0=ff;0=f\n": (1, "domain 0 stands twice"),
    "L3\n": (1, "no 'resource:'"),
    "L3:\n": (1, "domain=value"),
    "L3:0\n": (1, "domain=value"),
    "L3:0=\n": (1, "hexadecimal"),
    "L3:0=fffg\n": (1, "hexadecimal"),
    "L3:0=-1\n": (1, "hexadecimal"),
    "L3:0=1ffffffff\n": (1, "above"),
    "L3:x=ff\n": (1, "domain"),
    "L3:-1=ff\n": (1, "domain"),
    "L3:0=ff;\n": (1, "domain=value"),
    "MB:0=a\n": (1, "whole number"),
    "MB:0=1.5\n": (1, "whole number"),
    "\n\nL9:0=ff\n": (3, "not known"),
    "L3:0=\u0661\n": (1, "hexadecimal"),
    "L3:0=ff;1=\x1b[2J\n": (1, "hexadecimal"),
}


@pytest.mark.parametrize("text", BAD, ids=repr)
def test_what_is_none_is_refused_with_its_line(text):
    line, says = BAD[text]
    with pytest.raises(ReaderError) as refused:
        parse_schemata(text, "web/schemata")
    assert refused.value.line == line and says in refused.value.what
    assert str(refused.value).startswith(f"web/schemata, line {line}: ") and str(refused.value).isprintable()


@given(
    st.dictionaries(
        st.sampled_from(MASKS), st.dictionaries(st.integers(0, 300), st.integers(1, 2**32 - 1), min_size=1)
    )
)
def test_what_a_kernel_writes_is_read_back(wanted):
    lines = [
        f"{name:>8}:" + ";".join(f"{d}={v:x}" for d, v in domains.items()) for name, domains in wanted.items()
    ]
    assert parse_schemata("\n".join(lines)) == wanted
