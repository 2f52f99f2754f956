"""perf stat's fields, with every separator and leading column, in our words and units; and what is damaged, refused."""

import math

import perf_samples as samples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perf_samples import CQM, MIXED, Count

from nfvlab.readers import ReaderError
from nfvlab.readers.perf import read_perf_stat
from nfvlab.readers.perf_words import CQM_EVENTS
from nfvlab.units import MB, MiB, ms, s

TIMES = ("1.000123456", "2.000234567")
NAMES = [count.event for count in MIXED]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("perf") / "stat.csv"


@pytest.fixture
def read(scratch):
    def run(text):
        scratch.write_text(text)
        return read_perf_stat(scratch)

    return run


def test_counts_in_our_units(read):
    frame, meta = read(samples.stat())
    rows = frame.set_index("event")
    assert frame["event"].tolist() == NAMES and frame["t_ns"].isna().all() and not meta.interval
    assert rows.loc["intel_cqm/llc_occupancy/", ["value", "suffix"]].tolist() == [11534336, "_bytes"]
    assert rows.loc["intel_cqm/total_bytes/", "value"] == 512.25 * MB  # the driver's scale is 1e-6
    assert rows.loc["uncore_imc_0/cas_count_read/", "value"] == 12.5 * MiB
    assert rows.loc["task-clock", ["value", "suffix"]].tolist() == [1000.53 * ms, "_ns"]
    assert rows.loc["instructions", ["value", "suffix"]].tolist() == [3449195817, "_count"]
    assert rows.loc["power/energy-pkg/", ["value", "suffix", "unit"]].tolist() == [0.35, "", "Joules"]
    assert "'Joules' is left" in " ".join(meta.notes) and meta.started == "Thu Mar  5 10:00:00 2026"


def test_what_was_not_counted_is_nan_and_said(read):
    frame, meta = read(samples.stat())
    rows = frame.set_index("event")
    assert rows.loc["LLC-load-misses", "status"] == "not counted" and math.isnan(
        rows.loc["LLC-load-misses", "value"]
    )
    assert rows.loc["mem-loads", "status"] == "not supported"
    assert "not counted: LLC-load-misses" in meta.notes and "not supported: mem-loads" in meta.notes


def test_run_time_share_and_metrics(read):
    frame, meta = read(samples.stat())
    row = frame.set_index("event").loc["instructions"]
    assert row["run_ns"] == 221979762 and row["running_frac"] == pytest.approx(0.3575)
    assert row["metrics"] == ((1.0, "insn per cycle"), (0.11, "stalled cycles per insn"))
    assert any("scaled up" in note for note in meta.notes)


PLACES = {
    "whole": ((),),
    "cpus": (("CPU0",), ("CPU1",), ("CPU12",)),
    "sockets": (("S0", "8"), ("S1", "8")),
    "cores": (("S0-D0-C0", "2"), ("S0-D0-C1", "2")),
    "dies": (("S0-D1", "8"),),
    "clusters": (("S0-D0-CLS4", "4"),),
    "caches": (("S0-D0-L3-ID0", "16"),),
    "nodes": (("N0", "8"), ("N1", "8")),
    "per core of -A": (("S0-D0-C0",),),
    "threads": (("qemu-kvm-1234",), ("vhost-1234-77",)),
}


@pytest.mark.parametrize("sep", [",", ";", "\t", "|", ":", " "])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("times", [(None,), TIMES], ids=["once", "interval"])
def test_every_leading_column_and_separator(read, sep, place, times):
    counts = [count for count in MIXED if sep not in count.event] if sep != " " else CQM
    if sep == " ":
        counts = [Count(c.value, c.unit, c.event) for c in counts]
    frame, meta = read(samples.stat(counts, sep=sep, times=times, where=PLACES[place]))
    assert len(frame) == len(counts) * len(PLACES[place]) * len(times) and meta.separator == sep
    assert frame["event"].tolist() == [count.event for count in counts] * len(PLACES[place]) * len(times)
    assert frame["where"].unique().tolist() == [(lead or ("",))[0] for lead in PLACES[place]]
    numbers = [float(lead[1]) for lead in PLACES[place] if len(lead) > 1]
    assert frame["units_count"].dropna().unique().tolist() == list(dict.fromkeys(numbers))
    assert meta.interval == (times == TIMES)
    if meta.interval:
        assert sorted(set(frame["t_ns"])) == [1000123456, 2000234567]
    if "instructions" in set(frame["event"]):
        assert {len(m) for m in frame.set_index("event").loc[["instructions"], "metrics"]} == {2}


def test_cgroups_variance_and_old_perf(read):
    frame, _ = read(samples.stat(cgroup="machine.slice/vm1"))
    assert set(frame["cgroup"]) == {"machine.slice/vm1"} and frame["event"].tolist() == NAMES
    frame, _ = read(samples.stat(variance=True))
    assert set(frame["variance_frac"]) == {0.0125}
    frame, _ = read(samples.stat(cgroup="vm", variance=True, where=(("S0", "4"),), times=TIMES))
    assert set(frame["cgroup"]) == {"vm"} and len(frame) == 2 * len(MIXED)
    frame, meta = read(samples.stat(running=False))
    assert frame["run_ns"].isna().all() and frame["value"].notna().sum() == len(MIXED) - 2
    frame, meta = read(samples.stat(CQM, running=False, unit=False))
    assert frame["value"].tolist() == [11534336, 512.25, 400] and set(frame["suffix"]) == {"_count"}
    assert any("the bare count" in note for note in meta.notes)


def test_an_events_name_with_separators_in_it(read):
    text = "5,,cpu/event=0x2e,umask=0x41,name=MISS/u,1000,100.00,,\n7,,instructions,1000,100.00,0.5,insn per cycle\n"
    frame, _ = read(text)
    assert frame["event"].tolist() == ["cpu/event=0x2e,umask=0x41,name=MISS/u", "instructions"]
    frame, _ = read("5::cycles:u:1000:100.00::\n6::sched:sched_switch:1000:100.00::\n")
    assert frame["event"].tolist() == ["cycles:u", "sched:sched_switch"]


def test_summary_lines_stand_apart(read):
    text = samples.stat(CQM, times=TIMES[:1]) + "".join(
        "summary," + line + "\n" for line in samples.stat(CQM, started=False).splitlines()
    )
    frame, _ = read(text)
    assert (
        frame["where"].tolist() == [""] * 3 + ["summary"] * 3
        and frame["t_ns"].isna().tolist() == [False] * 3 + [True] * 3
    )


def test_the_words_of_the_perf_driver():
    """A count of a driver's event x its scale is what perf prints in the unit: total_bytes 1 MB is a million bytes."""
    total = CQM_EVENTS["intel_cqm/total_bytes/"]
    assert (total.unit, total.snapshot, total.per_package) == ("MB", False, True)
    assert float(total.scale) * MB == 1
    assert (
        CQM_EVENTS["intel_cqm/llc_occupancy/"].snapshot
        and CQM_EVENTS["intel_cqm/llc_occupancy/"].scale is None
    )
    assert {event.config for event in CQM_EVENTS.values()} == {"event=0x01", "event=0x02", "event=0x03"}


GOOD = "5.25,MB,intel_cqm/total_bytes/,1000,100.00,,\n"
WRONG = {
    "5,25,MB,intel_cqm/total_bytes/,1000,100,00,,\n": "decimal comma",
    "5,25;MB;intel_cqm/total_bytes/;1000;100,00;;\n": "decimal comma",
    "1234,,cycles,1000,100,00,1,23,insn per cycle\n": "decimal point",
    "1234;;cycles;1000;99,50;;\n": "decimal point",
    GOOD.replace("5.25", "-5.25"): "below 0",
    GOOD + GOOD.replace("5.25", "nan"): "number belongs",
    GOOD + GOOD.replace("5.25", "inf"): "number belongs",
    GOOD + GOOD.replace("5.25", "1e9"): "number belongs",
    GOOD + GOOD.replace("5.25", "0x5"): "number belongs",
    GOOD + GOOD.replace("5.25", "9" * 19): "wrapped",
    GOOD + GOOD.replace("5.25", "<not there>"): "is '<not there>'",
    GOOD + GOOD.replace("1000", "-1"): "",
    GOOD + GOOD.replace("1000", "1.5"): "",
    GOOD + GOOD.replace("100.00", "100"): "decimal point",
    GOOD + GOOD.replace(",100.00,,", ""): "truncated",
    GOOD + GOOD.replace(",,\n", ",1.0\n"): "without its unit",
    GOOD + "5.25\n": "alone",
    "1.000000001," + GOOD + "1.000000001\n": "alone",
    "1.000000001," + GOOD + "1.000000001,\n": "alone",
    "1.000000000," + GOOD + "2.000000000,,,,,1.5,of all\n": "continues none above",
    GOOD + "x,y,z\n": "number belongs",
    GOOD + "1.000000001," + GOOD: "some have none",
    GOOD + "5.25,intel_cqm/total_bytes/\n": "some have none",
    GOOD + "#" + GOOD: "comment",
    "2.000000000," + GOOD + "1.000000000," + GOOD: "goes back",
    GOOD[:-3]: "may be cut",
    '{"counter-value" : "5.000000", "unit" : "", "event" : "cycles"}\n': "JSON",
    " Performance counter stats for 'sleep 1':\n\n       1.234   cycles\n": "for people",
    "           5,123      cycles\n": "for people",
    "# started on Thu\n\n": "no line of perf",
    "hello, world\n": "no line of perf",
}


@pytest.mark.parametrize("text", WRONG, ids=repr)
def test_a_rule_that_is_broken_is_named(scratch, text):
    scratch.write_text(text)
    with pytest.raises(ReaderError) as refused:
        read_perf_stat(scratch)
    assert WRONG[text] in refused.value.what and refused.value.line and str(refused.value).isprintable()
    if "decimal" in WRONG[text]:
        assert "LC_ALL=C" in refused.value.remedy


@pytest.mark.parametrize(
    "data", [b"", b"\n \n", GOOD.encode() + b"\x00\n", GOOD.encode() + b"\xe9\n"], ids=repr
)
def test_what_is_no_text_is_refused(scratch, data):
    scratch.write_bytes(data)
    with pytest.raises(ReaderError):
        read_perf_stat(scratch)


def test_a_file_above_the_limit_is_refused(scratch):
    scratch.write_text(GOOD * 100)
    with pytest.raises(ReaderError, match="above the limit"):
        read_perf_stat(scratch, max_bytes=1000)


def outcome(path, data: bytes):
    path.write_bytes(data)
    try:
        return read_perf_stat(path)[0]
    except ReaderError as error:
        assert str(error).isprintable() and error.what and error.remedy
        return None


SIMPLE = [count for count in MIXED if len(count.metrics) < 2]
TEXTS = {
    "plain": samples.stat(SIMPLE, started=False),
    "interval": samples.stat(SIMPLE, times=TIMES[:1], where=(("S0", "8"),), started=False),
    "threads": samples.stat(SIMPLE, where=(("vhost-12",),), sep=";", started=False),
    "cgroup": samples.stat(SIMPLE, cgroup="vm", variance=True, sep="|", started=False),
}


@pytest.mark.parametrize("name", TEXTS)
def test_cut_anywhere_it_keeps_whole_lines_only(scratch, name):
    text = TEXTS[name]
    for cut in range(len(text)):
        frame = outcome(scratch, text[:cut].encode())
        assert (frame is not None) == (cut > 0 and text[cut - 1] == "\n"), cut
        assert frame is None or len(frame) == text[:cut].count("\n")


@settings(max_examples=300)
@given(st.data())
def test_any_character_changed_added_or_lost_drops_no_row(scratch, data):
    text = TEXTS[data.draw(st.sampled_from(sorted(TEXTS)))]
    at = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(st.text('0123456789 \n\t,;|.-#"<>/:SCPUnMB%\x1bé\x00', max_size=2))
    text = text[:at] + new + text[at + data.draw(st.integers(0, 2)) :]
    frame = outcome(scratch, text.encode())
    assert frame is None or len(frame) == len(SIMPLE)


@settings(max_examples=200)
@given(st.sampled_from(sorted(TEXTS)), st.data())
def test_any_bytes_overwritten(scratch, name, data):
    raw = bytearray(TEXTS[name].encode())
    at = data.draw(st.integers(0, len(raw) - 1))
    junk = data.draw(st.binary(min_size=1, max_size=3))
    raw[at : at + len(junk)] = junk
    frame = outcome(scratch, bytes(raw))
    assert frame is None or len(frame) == len(SIMPLE)


def test_a_second_is_a_second(read):
    frame, _ = read("1.500000000," + GOOD)
    assert frame["t_ns"][0] == 1.5 * s
