"""perf kvm stat of every version in our words; what contradicts itself is refused; time in HLT can be set aside."""

import math
import re
from pathlib import Path

import perf_kvm_samples as samples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perf_kvm_samples import EXITS, report

from nfvlab.readers import ReaderError
from nfvlab.readers.perf_kvm import looks_like_perf_kvm_stat, read_perf_kvm_stat, without_halt

RECORDINGS = Path(__file__).resolve().parents[2] / "data" / "recordings" / "perf_kvm_stat"
VERSIONS = ("v3.8", "v3.13", "v6.3")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("perf_kvm") / "report.txt"


def outcome(path, text: str):
    """(frame, meta), or the refusal."""
    path.write_text(text)
    try:
        return read_perf_kvm_stat(path)
    except ReaderError as error:
        assert str(error).isprintable() and error.what and error.remedy
        return error


@pytest.mark.parametrize("since", VERSIONS)
def test_events_in_our_words_and_units(scratch, since):
    scratch.write_text(report(since=since))
    frame, meta = read_perf_kvm_stat(scratch)
    rows = frame.set_index("event")
    assert set(rows.index) == set(EXITS) and set(frame["report"]) == {"vmexit"}
    for name, times in EXITS.items():
        assert rows.loc[name, "samples_count"] == len(times)
        assert rows.loc[name, "mean_ns"] == pytest.approx(sum(times) / len(times), abs=5.001)
        if since == "v3.8":
            assert math.isnan(rows.loc[name, "min_ns"]) and math.isnan(rows.loc[name, "max_ns"])
        else:
            assert rows.loc[name, "min_ns"] == pytest.approx(min(times), abs=5.001)
            assert rows.loc[name, "max_ns"] == pytest.approx(max(times), abs=5.001)
    # 900 and 1100 ns: the standard error of their mean is 100 ns, a tenth of it.
    assert rows.loc["PREEMPTION_TIMER", "mean_stderr_frac"] == pytest.approx(0.1)
    assert rows.loc["MSR_WRITE", "samples_frac"] == pytest.approx(8 / 18, abs=5.001e-5)
    only = meta.reports[0]
    assert only.samples_count == 18 and only.total_ns == pytest.approx(
        sum(map(sum, EXITS.values())), abs=5.001
    )
    assert (only.vms, only.vcpu, only.lost_count) == ("all VMs", None, 0)


def test_several_reports_and_what_they_are_of(scratch):
    text = report(vms="pid(s) 77", lost=3) + report({}, event="mmio") + report({}, event="ioport")
    text += report({"0x6e0:W": [700, 800]}, event="msr", vcpu=4)
    frame, meta = outcome(scratch, text)
    assert [made.report for made in meta.reports] == ["vmexit", "mmio", "ioport", "msr"]
    assert [made.samples_count for made in meta.reports] == [18, 0, 0, 2]
    assert (
        meta.reports[0].vms == "pid(s) 77" and meta.reports[0].lost_count == 3 and meta.reports[3].vcpu == 4
    )
    assert sorted(set(frame["number"])) == [0, 3] and "lost 3 records" in " ".join(meta.notes)
    last = frame.iloc[-1]
    assert last["event"] == "0x6e0:W" and math.isnan(last["min_ns"]) and last["max_ns"] == 800
    assert "minima of 0.00us are unknown" in " ".join(meta.notes)


def test_live_output_with_its_clock_and_its_messages(scratch):
    one = report(since="v3.13", clock="10:00:01.000123")
    two = report(since="v3.13", clock="10:00:02.000321").replace(
        " PREEMPTION", "unknown kvm exit code:65536 on VMX\n PREEMPTION"
    )
    two = two.replace("\n\nTotal", "\n123 VM 7, vcpu 0: MSR_WRITE event took 2000usec\n\nTotal")
    frame, meta = outcome(scratch, one + two)
    assert [made.clock for made in meta.reports] == ["10:00:01.000123", "10:00:02.000321"]
    assert len(frame) == 2 * len(EXITS) and sum("perf said" in note for note in meta.notes) == 2


def test_no_samples_is_legal_and_a_total_of_no_time(scratch):
    frame, meta = read_perf_kvm_stat(RECORDINGS / "zero_samples.txt")
    assert frame.empty and frame["mean_ns"].dtype == float
    assert [made.report for made in meta.reports] == ["vmexit", "mmio", "ioport"]
    assert without_halt(frame).empty
    frame, _ = outcome(scratch, report({"CPUID": [0, 0]}))  # a clock that stands still: -nan% of the time
    assert frame["samples_count"].tolist() == [2] and frame["time_frac"].isna().all()


def test_names_as_amd_has_them_and_names_twice(scratch):
    exits = {"DE excp": [500, 700], "interrupt": [300] * 5, "hlt": [9_000_000]}
    text = report(exits, since="v3.13")
    frame, _ = outcome(scratch, text)
    assert set(frame["event"]) == set(exits)
    text = report({"UNKNOWN": [1000, 3000], "UNKNOWM": [500]}).replace("UNKNOWM", "UNKNOWN")
    frame, _ = outcome(scratch, text)
    assert frame["event"].tolist() == ["UNKNOWN", "UNKNOWN"]


def test_without_halt_the_shares_are_of_what_is_left(scratch):
    amd = {"hlt": [10**7], "npf": [2000, 4000]}
    frame, _ = outcome(scratch, report() + report(amd) + report({"0x40:POUT": [900]}, event="ioport"))
    left = without_halt(frame)
    assert not set(left["event"]) & {"HLT", "hlt"} and len(left) == len(frame) - 2
    sums = left.groupby("number")[["samples_frac", "time_frac"]].sum()
    assert sums.to_numpy() == pytest.approx(1.0)
    first = left[left["number"] == 0].set_index("event")
    rest = sum(sum(times) for name, times in EXITS.items() if name != "HLT")
    assert first.loc["MSR_WRITE", "samples_frac"] == pytest.approx(8 / 15)
    assert first.loc["MSR_WRITE", "time_frac"] == pytest.approx(sum(EXITS["MSR_WRITE"]) / rest, rel=2e-3)
    assert frame["time_frac"].max() > 0.99  # and the frame given is as it was


times_ns = st.lists(st.integers(1, 10**9) | st.integers(1, 3000), min_size=1, max_size=8)


@given(
    st.dictionaries(
        st.text("ABCDE_ 0x:", min_size=1, max_size=15).map(str.strip).filter(bool), times_ns, max_size=6
    ),
    st.sampled_from(VERSIONS),
    st.sampled_from([None, 0, 7]),
)
def test_whatever_perf_can_print_is_read_back(scratch, exits, since, vcpu):
    exits = {re.sub(" +", " ", name): times for name, times in exits.items()}
    frame, meta = outcome(scratch, report(exits, since=since, vcpu=vcpu))
    read = dict(zip(frame["event"], frame.to_dict("records"), strict=True))
    assert set(read) == set(exits) and meta.reports[0].vcpu == vcpu
    for name, times in exits.items():
        assert read[name]["samples_count"] == len(times)
        assert read[name]["mean_ns"] == pytest.approx(sum(times) / len(times), abs=5.001)
        assert read[name]["time_frac"] == pytest.approx(
            sum(times) / sum(map(sum, exits.values())), abs=5.001e-5
        )


GOOD = report()
NAMED = {
    "a row is missing": (re.sub(r".*HLT.*\n", "", GOOD), "15 samples together"),
    "samples, too many": (GOOD.replace("    8 ", "    9 "), "9 of 18 samples are 50.00 %"),
    "share of samples": (GOOD.replace("22.22%", "22.32%"), "4 of 18 samples are 22.22 %"),
    "share of time": (GOOD.replace("99.10%", "98.10%"), "98.10 % of the time"),
    "nan without cause": (GOOD.replace("   99.10%", "     nan%"), "the total time is not zero"),
    "average above maximum": (GOOD.replace(" 1.10us", " 0.95us"), "is not between"),
    "average out of reach": (GOOD.replace(" 0.90us", " 0.30us"), "cannot have the average"),
    "one sample, two times": (
        GOOD.replace("16.38us     16.38us", "15.38us     16.38us"),
        "cannot have the average",
    ),
    "error of one sample": (
        GOOD.replace("16.38us ( +-   0.00%", "16.38us ( +-   1.00%"),
        "more than 1 samples",
    ),
    "error too wide": (GOOD.replace("10.00%", "31.00%"), "is more than 2 samples"),
    "total of samples": (GOOD.replace("Samples:18", "Samples:19"), "of 19 samples are"),
    "total of time": (GOOD.replace("time:15", "time:17"), "of the time is not"),
    "a decimal comma": (re.sub(r"([0-9])\.([0-9]{2})", r"\1,\2", GOOD), "is no row"),
    "no total": (GOOD[: GOOD.index("Total")], "truncated"),
    "two heads": (GOOD[: GOOD.index("Total")] + GOOD, "before the total of the one above"),
    "a row outside": (GOOD + GOOD.split("\n")[7] + "\n", "outside a report"),
    "a stranger in the table": (GOOD.replace("\n\nTotal", "\nSegmentation fault\n\nTotal"), "is no row"),
    "another architecture": (GOOD.replace("VM-EXIT", "HCALL-EVENT"), "the first column is 'HCALL-EVENT'"),
    "a negative time": (GOOD.replace("     0.99us", "    -0.99us"), "is no row"),
    "a wrapped time": (
        GOOD.replace("  106.09us", "18446744073709551.61us"),
        "cannot have the average|more than",
    ),
    "no line end": (GOOD.rstrip("\n"), "has no end"),
    "no report": ("Analyze\n", "no report"),
    "no samples": (GOOD.replace("         1 ", "         0 "), "without a sample"),
}


@pytest.mark.parametrize("name", NAMED)
def test_what_contradicts_itself_is_refused(scratch, name):
    text, says = NAMED[name]
    assert text != GOOD
    error = outcome(scratch, text)
    assert isinstance(error, ReaderError) and re.search(says, error.what), error
    assert error.line


def test_the_total_of_the_time_is_held_even_where_every_share_fits(scratch):
    # Two events of 0.00 % each: only the sum can tell.
    exits = {"A": [10**9], "B": [1000] * 4, "C": [2000] * 4}
    good = report(exits)
    assert not isinstance(outcome(scratch, good), ReaderError)
    error = outcome(scratch, good.replace("1000012.00us.", "1000013.00us."))
    assert isinstance(error, ReaderError) and "together, the total says 1000013.00 us" in error.what


@pytest.mark.parametrize("since", VERSIONS)
def test_cut_anywhere_it_is_refused_or_whole(scratch, since):
    text = report(since=since)
    for cut in range(len(text)):
        made = outcome(scratch, text[:cut])
        whole = text[:cut].rstrip("\n").endswith("us.") and text[:cut].endswith("\n")
        assert isinstance(made, ReaderError) != whole, cut


@settings(max_examples=400)
@given(st.data())
def test_any_character_changed_added_or_lost_drops_no_row(scratch, data):
    text = report(since=data.draw(st.sampled_from(VERSIONS))) + report({"0x60:PIN": [900]}, event="ioport")
    at = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(st.text('0123456789 \n\t.,%us()+-:TAV"\x1bé\x00', max_size=2))
    made = outcome(scratch, text[:at] + new + text[at + data.draw(st.integers(0, 2)) :])
    if not isinstance(made, ReaderError):
        frame, meta = made
        assert len(frame) == len(EXITS) + 1 and len(meta.reports) == 2
        assert sorted(frame["samples_count"]) == [1, 1, 2, 3, 4, 8]
        assert meta.reports[0].total_ns == pytest.approx(sum(map(sum, EXITS.values())), abs=10.001)


@settings(max_examples=150)
@given(st.data())
def test_any_line_lost_or_doubled(scratch, data):
    lines = report().split("\n")[:-1]
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at : at + 1] = [lines[at]] * data.draw(st.sampled_from([0, 2]))
    made = outcome(scratch, "\n".join(lines) + "\n")
    if not isinstance(made, ReaderError):
        assert len(made[0]) == len(EXITS)


@pytest.mark.parametrize(
    "data", [b"", b"\n \n", GOOD.encode() + b"\x00\n", GOOD.encode() + b"\xe9\n"], ids=repr
)
def test_what_is_no_text_is_refused(scratch, data):
    scratch.write_bytes(data)
    with pytest.raises(ReaderError):
        read_perf_kvm_stat(scratch)


def test_the_look_of_it():
    assert all(looks_like_perf_kvm_stat(report(since=since)) for since in VERSIONS)
    assert looks_like_perf_kvm_stat(report(clock="10:00:00.000000"))
    assert not looks_like_perf_kvm_stat("Samples% of nothing\n") and not looks_like_perf_kvm_stat("T: 0\n")


def test_the_format_samples_are_what_the_writer_writes():
    made = report() + report({"0xfee000b0:W": [2100, 1900], "0xfebc1000:R": [8000]}, event="mmio", lost=2)
    assert (RECORDINGS / "exits_and_mmio.txt").read_text() == made
    assert (RECORDINGS / "exits_3_13.txt").read_text() == samples.report(since="v3.13", vcpu=1)
    made = report(samples.EMULATED) + report(samples.EOIS, event="msr")
    assert (RECORDINGS / "exits_and_msr.txt").read_text() == made
    for path in RECORDINGS.iterdir():
        frame, meta = read_perf_kvm_stat(path)
        assert meta.path == str(path) and frame["samples_count"].sum() == sum(
            r.samples_count for r in meta.reports
        )
