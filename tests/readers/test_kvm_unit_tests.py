"""vmexit and tscdeadline_latency of kvm-unit-tests in cycles of the guest's TSC; what is damaged is refused."""

import re
from pathlib import Path

import kvm_unit_tests_samples as samples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kvm_unit_tests_samples import CASES, LATENCIES, latency, vmexit

from nfvlab.readers import ReaderError
from nfvlab.readers.kvm_unit_tests import looks_like_kvm_unit_tests, read_kvm_unit_tests
from nfvlab.readers.kvm_unit_tests_lines import CASES as KNOWN

RECORDINGS = Path(__file__).resolve().parents[2] / "data" / "recordings" / "kvm_unit_tests"
WHOLE = {name: cycles for name, cycles, _, _ in CASES}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("kvm_unit_tests") / "log"


def outcome(path, text: str):
    """(frame, meta), or the refusal."""
    path.write_text(text)
    try:
        return read_kvm_unit_tests(path)
    except ReaderError as error:
        assert str(error).isprintable() and error.what and error.remedy
        return error


@pytest.mark.parametrize("parts", [False, True])
def test_cases_of_vmexit(scratch, parts):
    frame, meta = outcome(scratch, vmexit(parts=parts))
    whole = frame[frame["part"] == ""].set_index("name")["cycles"]
    assert whole.to_dict() == WHOLE and frame["cycles"].dtype == float
    found = {(row.name, row.part): row.cycles for row in frame[frame["part"] != ""].itertuples(index=False)}
    ipi = {(name, "ipi"): cycles for name, _, cycles, _ in CASES if cycles is not None}
    eoi = {(name, "eoi"): cycles for name, _, _, cycles in CASES if cycles is not None}
    assert found == (ipi | eoi if parts else {})
    assert meta.tests == ("vmexit",) and meta.skipped == ("x2apic_self_ipi_tpr", "wr_ibrs_msr")
    assert (meta.accel, meta.vcpus_count, meta.breakmax_cycles) == ("kvm", 2, None)
    assert any("left out: 7 lines" in note for note in meta.notes)


def test_latencies_in_order_and_below_zero(scratch):
    frame, meta = outcome(scratch, latency())
    assert frame["cycles"].tolist() == list(LATENCIES) and set(frame["test"]) == {"tscdeadline_latency"}
    assert meta.tests == ("tscdeadline_latency",) and meta.breakmax_cycles is None
    assert not any("may be cut" in note for note in meta.notes)
    _, meta = outcome(scratch, latency(summary=False))
    assert any("may be cut" in note for note in meta.notes)


def test_the_latency_above_breakmax_is_the_last(scratch):
    frame, meta = outcome(scratch, latency(LATENCIES[:5], breakmax=4000))
    assert frame["cycles"].tolist() == list(LATENCIES[:5]) and meta.breakmax_cycles == 4000


def test_only_the_latencies_as_grep_leaves_them(scratch):
    text = "".join(f"latency: {cycles}\n" for cycles in LATENCIES) + "hit max: 4500 < latency: 4600\n"
    assert looks_like_kvm_unit_tests(text)
    frame, _ = outcome(scratch, text)
    assert frame["cycles"].tolist() == [*LATENCIES, 4600]


def test_several_runs_in_a_file(scratch):
    frame, meta = outcome(scratch, vmexit() + latency(breakmax=9000) + vmexit() + latency((1, 2)))
    assert frame[frame["name"] == "cpuid"]["run"].tolist() == [0, 1]
    late = frame[frame["name"] == "latency"]
    assert late["run"].tolist() == [0] * len(LATENCIES) + [1, 1]
    assert meta.tests == ("vmexit", "tscdeadline_latency") and meta.vcpus_count is None


def test_figures_that_are_averages_of_people(scratch):
    frame, _ = outcome(scratch, "tscdeadline_immed 3018.5\ntscdeadline 4663.75\n")
    assert frame["cycles"].tolist() == [3018.5, 4663.75]


def test_what_is_doubtful_is_said(scratch):
    _, meta = outcome(scratch, vmexit(accel="tcg"))
    assert any("not KVM's" in note for note in meta.notes) and meta.accel == "tcg"
    frame, meta = outcome(scratch, vmexit().replace("self_ipi_sti_nop 1730", "0020self_ipi_sti_nop 1730", 1))
    assert any("4 digits stand before self_ipi_sti_nop" in note for note in meta.notes)
    assert frame[frame["part"] == ""]["name"].tolist() == list(WHOLE)
    frame, meta = outcome(scratch, vmexit() + "loadiwkey 300\n")
    assert frame["name"].iloc[-1] == "loadiwkey" and any(
        "loadiwkey is no case" in note for note in meta.notes
    )
    _, meta = outcome(
        scratch, latency().replace("SUMMARY: 1 tests", "SUMMARY: 1 tests, 1 unexpected failures")
    )
    assert any("unexpected failures" in note for note in meta.notes)
    _, meta = outcome(scratch, latency().replace("PASS:", "FAIL:"))
    assert "kvm-unit-tests said: FAIL: apic existence" in meta.notes


names = st.sampled_from(sorted(KNOWN))
cycles = st.integers(1, 2**31 - 1)


@given(st.lists(st.tuples(names, cycles), min_size=1, max_size=20), st.booleans(), st.booleans())
def test_whatever_vmexit_can_print_is_read_back(scratch, cases, boot, parts):
    made = [(name, n, n // 3, n - n // 3) for name, n in cases]
    text = vmexit(made, parts=parts, boot=samples.BOOT if boot else "", accel="kvm" if boot else None)
    frame, _ = outcome(scratch, text)
    whole = frame[frame["part"] == ""]
    assert list(zip(whole["name"], whole["cycles"], strict=True)) == cases
    assert len(frame) == len(cases) * (3 if parts else 1)
    assert not frame.duplicated(["run", "test", "name", "part"]).any()
    assert looks_like_kvm_unit_tests(text)


@given(st.lists(st.integers(-(10**6), 10**12), min_size=1, max_size=50), st.integers(0, 10**6))
def test_whatever_tscdeadline_latency_can_print_is_read_back(scratch, late, breakmax):
    above = [n for n, value in enumerate(late) if breakmax and value > breakmax]
    late = late[: above[0] + 1] if above else late
    frame, meta = outcome(scratch, latency(late, breakmax=breakmax))
    assert frame["cycles"].tolist() == late and meta.breakmax_cycles == (breakmax or None)
    assert looks_like_kvm_unit_tests(latency(late))


GOOD = vmexit()
LATE = latency(LATENCIES[:5], breakmax=4000)
NAMED = {
    "a sign": (GOOD.replace("cpuid 1230", "cpuid -1230"), "not between 1"),
    "zero": (GOOD.replace("cpuid 1230", "cpuid 0"), "not between 1"),
    "more than an int": (GOOD.replace("cpuid 1230", "cpuid 2147483648"), "not between 1"),
    "no number": (GOOD.replace("cpuid 1230", "cpuid"), "begins as a figure"),
    "two numbers": (GOOD.replace("cpuid 1230", "cpuid 12 30"), "begins as a figure"),
    "hexadecimal": (GOOD.replace("cpuid 1230", "cpuid 0x4ce"), "begins as a figure"),
    "other digits": (GOOD.replace("cpuid 1230", "cpuid ١٢٣"), "begins as a figure"),
    "two lines in one": (GOOD.replace("1230\n", "1230"), "begins as a figure"),
    "a number alone": (GOOD.replace("cpuid 1230", "1230"), "begins as a figure"),
    "a decimal comma": (GOOD.replace("cpuid 1230", "cpuid 1230,5"), "begins as a figure"),
    "a part without its whole": (GOOD.replace("self_ipi_sti_nop 1730\n", "", 1), "does not stand below"),
    "a part of another": (GOOD.replace("ipi self_ipi_sti_nop", "ipi self_ipi_tpr"), "does not stand below"),
    "a part twice": (GOOD.replace("  eoi self_ipi", "  ipi self_ipi"), "does not stand below"),
    "parts above the whole": (GOOD.replace("_nop 980", "_nop 1720"), "more than its 1730 cycles"),
    "a negative part": (GOOD.replace("_nop 980", "_nop -980"), "more than its"),
    "a negative part of many": (GOOD.replace("immed 22", "immed -22"), "not between 0"),
    "no line end": (GOOD[:-1], "has no end"),
    "every case skipped": (vmexit(()), "every case was skipped"),
    "nothing": ("PASS vmexit_cpuid\n", "no figure"),
    "a latency without figures": (LATE.replace("latency: 2350", "latency: "), "begins as a figure"),
    "a latency of letters": (LATE.replace("latency: 2350", "latency: 23x0"), "begins as a figure"),
    "a latency that wrapped": (LATE.replace("2350", "9000000000000000000").replace("=4000", "=0"), "wrapped"),
    "above breakmax, not said": (LATE.replace("hit max: 4000 < ", ""), "above breakmax=4000"),
    "said, not above breakmax": (LATE.replace("latency: 4021", "latency: 3021"), "with breakmax=4000"),
    "another breakmax": (LATE.replace("breakmax=4000", "breakmax=3000"), "with breakmax=3000"),
    "not the last": (LATE.replace("SUMMARY", "latency: 12\nSUMMARY"), "which is the last"),
    "no such timer": (
        "breakmax=0\ntsc deadline timer not detected, aborting\n",
        "no TSC-deadline timer",
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_what_breaks_a_rule_is_refused(scratch, name):
    text, says = NAMED[name]
    assert text not in (GOOD, LATE)
    error = outcome(scratch, text)
    assert isinstance(error, ReaderError) and re.search(says, error.what), error


@pytest.mark.parametrize("text", [GOOD, LATE], ids=["vmexit", "latency"])
def test_cut_anywhere_it_keeps_whole_lines_only(scratch, text):
    for cut in range(len(text)):
        made = outcome(scratch, text[:cut])
        if not isinstance(made, ReaderError):
            assert text[cut - 1] == "\n"
            figures = re.findall(r"^(?: +(?:ipi|eoi) )?[\w:-]+ [0-9]+$|latency: .*", text[:cut], re.M)
            assert len(made[0]) == len(figures)


@settings(max_examples=400)
@given(st.data())
def test_any_character_changed_added_or_lost_drops_no_figure(scratch, data):
    text, count = data.draw(st.sampled_from([(GOOD, 12), (LATE, 5)]))
    at = data.draw(st.integers(text.index("cr4"), len(text) - 1))
    new = data.draw(st.text("0123456789 \n\t.-:<()cilxyz_é\x00", max_size=2))
    made = outcome(scratch, text[:at] + new + text[at + data.draw(st.integers(0, 2)) :])
    if not isinstance(made, ReaderError):
        frame, meta = made
        said = any("no case of a vmexit.c" in note or "no figures" in note for note in meta.notes)
        assert len(frame) == count or said


@pytest.mark.parametrize(
    "data", [b"", b"\n \n", GOOD.encode() + b"\x00\n", GOOD.encode() + b"\xe9\n"], ids=repr
)
def test_what_is_no_text_is_refused(scratch, data):
    scratch.write_bytes(data)
    with pytest.raises(ReaderError):
        read_kvm_unit_tests(scratch)


def test_the_look_of_it():
    assert looks_like_kvm_unit_tests("cpuid 1230\n") and looks_like_kvm_unit_tests(LATE)
    assert not looks_like_kvm_unit_tests("speed 12\nlatency: 12\n") and not looks_like_kvm_unit_tests("\n")
    assert not looks_like_kvm_unit_tests("cpuid: 1230\n")


def test_the_format_samples_are_what_the_writer_writes():
    assert (RECORDINGS / "vmexit.txt").read_text() == vmexit()
    assert (RECORDINGS / "tscdeadline_latency.txt").read_text() == LATE
    for path in RECORDINGS.iterdir():
        frame, meta = read_kvm_unit_tests(path)
        assert meta.path == str(path) and len(frame)
