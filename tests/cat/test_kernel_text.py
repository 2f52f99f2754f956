"""Numbers and CPU sets as the kernel reads them: lib/kstrtox.c, lib/bitmap-str.c, lib/vsprintf.c, lib/seq_buf.c."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.cat.fs import cpulist
from nfvlab.cat.fs.kstrto import U32_MAX, U64_MAX, BadNumber, signed, strim, strsep, unsigned
from nfvlab.cat.fs.status import LastCommand, Refused


@pytest.mark.parametrize(
    ("text", "base", "value"),
    [
        ("0", 10, 0),
        ("+7", 10, 7),
        ("007", 10, 7),
        ("7\n", 10, 7),
        ("18446744073709551615", 10, U64_MAX),
        ("0x1F", 0, 31),
        ("010", 0, 8),
        ("0", 0, 0),
        ("0X1f", 16, 31),
    ],
)
def test_kstrtoul_reads(text, base, value):
    assert unsigned(text, base) == value


@pytest.mark.parametrize(
    ("text", "base", "number"),
    [
        ("", 10, errno.EINVAL),
        ("-1", 10, errno.EINVAL),
        ("++1", 10, errno.EINVAL),
        ("1 ", 10, errno.EINVAL),
        (" 1", 10, errno.EINVAL),
        ("0x1", 10, errno.EINVAL),
        ("1\n\n", 10, errno.EINVAL),
        ("18446744073709551616", 10, errno.ERANGE),
        ("18446744073709551616x", 10, errno.ERANGE),  # too large is seen before what follows
        ("08", 0, errno.EINVAL),
        ("0x", 0, errno.EINVAL),
        ("0xg", 0, errno.EINVAL),
        ("٣", 10, errno.EINVAL),
    ],
)
def test_kstrtoul_refuses(text, base, number):
    with pytest.raises(BadNumber) as caught:
        unsigned(text, base)
    assert caught.value.errno == number


def test_kstrtoint_has_a_sign_and_32_bits():
    assert [signed(t, 0) for t in ("-5", "+5", "-0x10", "2147483647", "-2147483648")] == [
        -5,
        5,
        -16,
        2**31 - 1,
        -(2**31),
    ]
    for text, number in (("2147483648", errno.ERANGE), ("-2147483649", errno.ERANGE), ("--5", errno.EINVAL)):
        with pytest.raises(BadNumber) as caught:
            signed(text, 0)
        assert caught.value.errno == number
    with pytest.raises(BadNumber):
        unsigned(str(U32_MAX + 1), top=U32_MAX)


def test_strsep_and_strim():
    assert (
        strsep("a:b:c", ":") == ("a", "b:c")
        and strsep("a", ":") == ("a", None)
        and strsep("", ":") == ("", None)
    )
    assert strsep(None, ":") == (None, None) and strim(" \t\v\f\r\na b\xa0 ") == "a b"


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("0-3,8", 0x10F),
        ("0-31:2/8", 0x03030303),
        ("all", 2**40 - 1),
        ("ALL", 2**40 - 1),
        ("N", 1 << 39),
        ("38-N", 3 << 38),
        ("all:1/20", 1 | 1 << 20),
        ("", 0),
        (",, 1 ,\n", 2),
        ("1 2", 6),
        ("1\n2", 2),  # a line that ends after a region ends the list
        ("\n2", 4),
        ("0-3:1/2\n5", 0x25),  # but not after a pattern
        ("3-3", 8),
    ],
)
def test_a_cpu_list_is_read(text, cpus):
    assert cpulist.parse_list(text, 40) == cpus


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("x", errno.EINVAL),
        ("3-1", errno.EINVAL),
        ("0-", errno.EINVAL),
        ("-1", errno.EINVAL),
        ("0-3:1", errno.EINVAL),
        ("0-3:1/0", errno.EINVAL),
        ("0-3:3/2", errno.EINVAL),
        ("0-3x", errno.EINVAL),
        ("0x3", errno.EINVAL),
        ("40", errno.ERANGE),
        ("0-40", errno.ERANGE),
        ("4294967296", errno.EOVERFLOW),
        ("99999999999999999999", errno.EOVERFLOW),
        ("4294967295", errno.EINVAL),  # its successor is 0, no length of a group
    ],
)
def test_a_cpu_list_is_refused(text, number):
    with pytest.raises(Refused) as caught:
        cpulist.parse_list(text, 40)
    assert caught.value.errno == number


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("f", 15),
        ("0", 0),
        ("", 0),
        ("1,2", 1 << 32 | 2),
        ("ff,00000001", 0xFF << 32 | 1),
        (" 1 , f ", 1 << 32 | 15),
    ],
)
def test_a_cpu_mask_is_read(text, cpus):
    assert cpulist.parse_mask(text, 40) == cpus


def test_eight_digits_swallow_what_stands_before_them():
    assert cpulist.parse_mask("x12345678", 40) == 0x12345678


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0x1", errno.EINVAL),
        ("g", errno.EINVAL),
        ("123456789", errno.EOVERFLOW),
        ("1,0,0", errno.EOVERFLOW),
        ("100,0", errno.EOVERFLOW),  # CPU 40 of 40
    ],
)
def test_a_cpu_mask_is_refused(text, number):
    with pytest.raises(Refused) as caught:
        cpulist.parse_mask(text, 40)
    assert caught.value.errno == number


@given(st.integers(1, 130).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, 2**n - 1))))
def test_cpu_sets_are_read_as_they_are_printed(given_):
    count, cpus = given_
    assert cpulist.parse_mask(cpulist.mask_text(cpus, count), count) == cpus
    assert cpulist.parse_list(cpulist.list_text(cpus), count) == cpus


def test_a_mask_of_48_cpus_is_printed_in_two_words():
    assert cpulist.mask_text(0xFFFFE98A2F85, 48) == "ffff,e98a2f85"  # intel-cmt-cat issue 49
    assert cpulist.mask_text(1, 3) == "1" and cpulist.mask_text(1, 33) == "0,00000001"
    assert cpulist.list_text(0) == "" and cpulist.list_text(0x1D1A) == "1,3-4,8,10-12"


def test_the_status_adds_up_and_stops_at_511_bytes():
    status = LastCommand()
    assert status.read() == "ok\n"
    status.add("one\n")
    status.add("two\n")
    assert status.read() == "one\ntwo\n"
    status.add("x" * 600)
    status.add("late\n")
    assert status.read() == "one\ntwo\n" + "x" * 503
    status.clear()
    assert status.read() == "ok\n"
