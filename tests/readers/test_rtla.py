"""rtla timerlat and osnoise hist of every version in buckets that hold the latencies; contradictions are refused."""

import math
import re
from pathlib import Path

import pytest
import rtla_samples as samples
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rtla_samples import EMPTY, EMPTY_OLD, OSNOISE, TIMERLAT, hist

from nfvlab.readers import ReaderError
from nfvlab.readers.latency import COLUMNS
from nfvlab.readers.rtla import looks_like_rtla, one_context, read_rtla

RECORDINGS = Path(__file__).resolve().parents[2] / "data" / "recordings" / "rtla"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("rtla") / "hist.txt"


def outcome(path, text: str):
    """(frame, meta), or the refusal."""
    path.write_text(text)
    try:
        return read_rtla(path)
    except ReaderError as error:
        assert str(error).isprintable() and error.what and error.remedy
        return error


def holds(frame, meta, data, unit_ns):
    """Whether every latency is in a bucket of its own column, and no bucket has others."""
    for thread, ((context, cpu), values) in enumerate(data.items()):
        assert meta.contexts[thread] == context and meta.threads[thread].cpu == cpu
        rows = frame[frame["thread"] == thread]
        assert rows["count"].sum() == len(values) == meta.threads[thread].cycles
        for row in rows.itertuples():
            inside = [v for v in values if row.low_ns <= v * unit_ns < row.high_ns]
            assert len(inside) == row.count


@pytest.mark.parametrize("total", [False, True])
@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("nano", [False, True])
def test_timerlat_by_context_and_cpu(scratch, total, zeros, nano):
    unit = 1.0 if nano else 1000.0
    frame, meta = outcome(scratch, hist(total=total, zeros=zeros, nano=nano))
    assert list(frame.columns) == [*COLUMNS, "context"] and meta.resolution_ns == unit
    holds(frame, meta, TIMERLAT, unit)
    assert meta.tool == "rtla timerlat hist" and meta.contexts == ("irq", "thread", "irq", "thread")
    last = meta.threads[3]
    assert (last.min_ns, last.max_ns, last.mean_ns) == (4 * unit, 1200 * unit, (1520 // 6) * unit)
    assert last.overflows == 2 and last.duration_ns == 93_610e9  # 1 day, 2 hours, 10 seconds
    beyond = frame[frame["thread"] == 3].iloc[-1]
    # Without --with-zeros the rows end at 31, the longest latency within the histogram; with them at 255.
    assert beyond["low_ns"] == (256 if zeros else 32) * unit and beyond["high_ns"] == 1201 * unit


def test_osnoise_counts_in_buckets(scratch):
    frame, meta = outcome(scratch, hist(OSNOISE, zeros=True))
    holds(frame, meta, OSNOISE, 1000.0)
    assert meta.kind == "interruption" and set(frame["context"]) == {"noise"}
    assert meta.threads[0].mean_ns == pytest.approx(2400) and meta.threads[1].max_ns == 260e3
    _, meta = outcome(scratch, hist(OSNOISE, weighted=False))
    assert meta.threads[0].mean_ns is None and any("adds up buckets" in note for note in meta.notes)


@pytest.mark.parametrize("text", [EMPTY, EMPTY_OLD])
def test_osnoise_without_noise_is_legal(scratch, text):
    frame, meta = outcome(scratch, text)
    assert frame.empty and list(frame.columns) == [*COLUMNS, "context"] and meta.threads == ()
    assert "no CPU has a sample" in meta.notes


@pytest.mark.parametrize("dash", [False, True])
def test_a_context_without_a_sample(scratch, dash):
    data = {("irq", 0): [6], ("thread", 0): [21], ("user", 0): []}
    frame, meta = outcome(scratch, hist(data, dash=dash, total=dash))
    holds(frame, meta, data, 1000.0)
    assert meta.threads[2].cycles == 0 and meta.threads[2].min_ns is None and meta.threads[2].mean_ns is None


def test_without_summary_overflows_have_no_end(scratch):
    frame, meta = outcome(scratch, hist(summary=False))
    assert math.isinf(frame["high_ns"].max()) and meta.threads[3].max_ns is None
    assert meta.threads[3].cycles == 6 and any("no summary" in note for note in meta.notes)


def test_one_context_has_the_columns_of_every_latency_tool(scratch):
    frame, meta = outcome(scratch, hist())
    rows, about = one_context(frame, meta, "thread")
    assert list(rows.columns) == list(COLUMNS) and rows["count"].sum() == 12
    assert [thread.cpu for thread in about.threads] == [0, 2] and about.kind == "timer thread latency"
    with pytest.raises(ValueError, match="'user' is not in this recording; it has: irq, thread"):
        one_context(frame, meta, "user")


def test_messages_around_the_histogram(scratch):
    after = "rtla timerlat hit stop tracing\n## CPU 2 hit stop tracing, analyzing it ##\n  Saving trace to t.txt\n"
    frame, meta = outcome(scratch, hist(before="TestOutput\n1", after=after))
    holds(frame, meta, TIMERLAT, 1000.0)
    assert "rtla said: TestOutput" in meta.notes and "rtla said: Saving trace to t.txt" in meta.notes
    _, meta = outcome(scratch, hist(after="a line\n" * 12))
    assert "left out: 4 more lines around the histogram" in meta.notes
    _, meta = outcome(
        scratch, hist().replace("   1 02:00", "   0 -1:00")
    )  # as old versions print in some time zones
    assert meta.threads[0].duration_ns is None


def test_the_width_is_the_widest_that_the_figures_allow(scratch):
    data = {("irq", 0): [0, 12, 27], ("thread", 0): [33, 41, 58]}
    frame, meta = outcome(scratch, hist(data, width=10))
    assert set(frame["high_ns"] - frame["low_ns"]) == {10e3} and not meta.notes
    data = {("irq", 0): [0, 10, 20]}
    frame, meta = outcome(scratch, hist(data, width=5))
    assert set(frame["high_ns"] - frame["low_ns"]) == {10e3} and "not certain" in meta.notes[0]
    frame, meta = outcome(scratch, hist({("irq", 0): [0, 7]}, width=10))
    assert frame["high_ns"].tolist() == [8e3] and "not certain" in meta.notes[0]


latencies = st.lists(st.integers(0, 40) | st.integers(0, 3000), max_size=12)
tables = st.dictionaries(
    st.tuples(st.sampled_from(["irq", "thread", "user"]), st.integers(0, 130)), latencies
)


@given(tables, st.sampled_from([1, 3, 10, 64]), st.booleans(), st.booleans(), st.booleans())
def test_whatever_timerlat_can_print_is_read_back(scratch, data, width, zeros, nano, total):
    frame, meta = outcome(
        scratch, hist(data, width=width, entries=20, zeros=zeros, nano=nano, total=total and data)
    )
    holds(frame, meta, data, 1.0 if nano else 1000.0)


@given(
    st.dictionaries(st.tuples(st.just("noise"), st.integers(0, 130)), latencies.filter(len), min_size=1),
    st.sampled_from([1, 3, 10]),
    st.booleans(),
    st.booleans(),
)
def test_whatever_osnoise_can_print_is_read_back(scratch, data, width, zeros, weighted):
    frame, meta = outcome(scratch, hist(data, width=width, entries=20, zeros=zeros, weighted=weighted))
    if width == 1 or zeros:
        holds(frame, meta, data, 1000.0)
    assert frame["count"].sum() == sum(map(len, data.values()))


GOOD = hist()
NOISE = hist(OSNOISE)
NAMED = {
    "a row is missing": (re.sub(r"\n9 .*", "", GOOD), "hold 5 samples, but 6 were taken"),
    "a row twice": (re.sub(r"(\n9 .*)", r"\1\1", GOOD), "does not rise"),
    "a count": (re.sub(r"(\n9 .*)1 ", r"\g<1>2 ", GOOD), "samples, but 6 were taken"),
    "a cell is missing": (re.sub(r"(\n9 +)0 ", r"\1", GOOD), "3 values for 4 columns"),
    "a negative cell": (re.sub(r"(\n9 +)0 ", r"\1-1 ", GOOD), "no such line"),
    "over": (re.sub(r"(over: .*)2 ", r"\g<1>1 ", GOOD), "samples, but 6 were taken"),
    "the minimum": (GOOD.replace("min:          0", "min:          1"), "the minimum of IRQ-000 is 1"),
    "the maximum": (GOOD.replace("max:          2", "max:          1"), "the maximum of IRQ-000 is 1"),
    "the maximum, not beyond": (GOOD.replace("1200 \nALL", "  30 \nALL"), "beyond the rows"),
    "the average": (re.sub(r"(avg: +0 +)8", r"\g<1>9", GOOD, count=1), "the average of Thr-000 is 9"),
    "a dash": (re.sub(r"(avg: +0 +)8", r"\g<1>x", GOOD, count=1), "avg of Thr-000 is 'x'"),
    "the total": (GOOD.replace("12 \nmin", "13 \nmin"), "ALL: count of thread is 13"),
    "the least of all": (
        re.sub(r"(min:   .*)3 (\navg: .*\nmax: .*\n)$", r"\g<1>2 \2", GOOD),
        "ALL: min of thread",
    ),
    "names of the total": (GOOD.replace("  IRQ       Thr", "  Thr       IRQ"), "ALL:"),
    "the unit": (GOOD.replace("microseconds", "seconds"), "the unit is"),
    "no unit": (re.sub("# Time.*\n", "", GOOD), "no line `# Time unit"),
    "a column of osnoise": (GOOD.replace("IRQ-002", "CPU-002"), "no column of timerlat"),
    "a column twice": (GOOD.replace("IRQ-002", "IRQ-000"), "a column stands twice"),
    "--no-header": (GOOD.split("\n", 4)[4], "no line `# RTLA"),
    "--no-index": (GOOD.replace("Index", ""), "--no-index"),
    "two runs": (GOOD + GOOD, "a second histogram"),
    "the order of the lines": (
        re.sub(r"(min: .*\n)(avg: .*\n)", r"\2\1", GOOD, count=1),
        "where rtla prints min",
    ),
    "a line twice": (re.sub(r"(min: .*\n)", r"\1\1", GOOD, count=1), "where rtla prints avg"),
    "a stranger": (GOOD.replace("over:", "Segmentation fault\nover:"), "no such line"),
    "a row after the end": (GOOD + "3 1 2 3 4\n", "no such line"),
    "truncated in the rows": (GOOD[: GOOD.index("over")], "truncated"),
    "truncated in the summary": (GOOD[: GOOD.index("avg")], "truncated"),
    "truncated in the total": (GOOD[: GOOD.rindex("max")], "truncated"),
    "no line end": (GOOD[:-1], "has no end"),
    "the average of osnoise": (NOISE.replace("2.40", "2.50"), "the average of CPU-001 is 2.50"),
    "the maximum of osnoise": (NOISE.replace("max:          7", "max:          8"), "the maximum of CPU-001"),
}


@pytest.mark.parametrize("name", NAMED)
def test_what_breaks_a_rule_is_refused(scratch, name):
    text, says = NAMED[name]
    assert text not in (GOOD, NOISE)
    error = outcome(scratch, text)
    assert isinstance(error, ReaderError) and says in error.what, error


@pytest.mark.parametrize("text", [GOOD, NOISE], ids=["timerlat", "osnoise"])
def test_cut_anywhere_no_sample_is_lost(scratch, text):
    whole = sum(map(len, (TIMERLAT if text == GOOD else OSNOISE).values()))
    for cut in range(len(text)):
        made = outcome(scratch, text[:cut])
        if not isinstance(made, ReaderError):
            assert text[cut - 1] == "\n" and made[0]["count"].sum() == whole, cut


@settings(max_examples=400)
@given(st.data())
def test_any_character_changed_added_or_lost_loses_no_sample(scratch, data):
    text, whole = data.draw(st.sampled_from([(GOOD, 24), (NOISE, 10)]))
    at = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(st.text("0123456789 \n\t.-:#IRQThrCPUover\x1bé\x00", max_size=2))
    changed = text[:at] + new + text[at + data.draw(st.integers(0, 2)) :]
    assume(changed != text)
    made = outcome(scratch, changed)
    if not isinstance(made, ReaderError):
        assert made[0]["count"].sum() == whole


@pytest.mark.parametrize(
    "data", [b"", b"\n \n", GOOD.encode() + b"\x00\n", GOOD.encode() + b"\xe9\n"], ids=repr
)
def test_what_is_no_text_is_refused(scratch, data):
    scratch.write_bytes(data)
    with pytest.raises(ReaderError):
        read_rtla(scratch)


def test_the_look_of_it():
    assert looks_like_rtla(GOOD) and looks_like_rtla(EMPTY) and looks_like_rtla(hist(before="1"))
    assert not looks_like_rtla("# Histogram\n") and not looks_like_rtla("                    Timer Latency\n")


def test_published_histograms_agree_with_themselves():
    frame, meta = read_rtla(RECORDINGS / "timerlat_hist_doc.txt")
    # 600002 wake-ups of 1 ms in ten minutes, five CPUs, twice each.
    assert frame["count"].sum() == 10 * 600_002 and not meta.notes
    assert [thread.max_ns for thread in meta.threads if thread.cpu == 1] == [15e3, 58e3]
    frame, meta = read_rtla(RECORDINGS / "osnoise_hist_doc.txt")
    assert set(frame["high_ns"] - frame["low_ns"]) == {10e3} and len(meta.threads) == 12
    frame, meta = read_rtla(RECORDINGS / "timerlat_hist_user.txt")
    assert meta.contexts == ("irq", "thread", "user") * 3


def test_the_format_samples_are_what_the_writer_writes():
    assert (RECORDINGS / "timerlat_overflows.txt").read_text() == hist()
    assert (RECORDINGS / "osnoise.txt").read_text() == samples.hist(OSNOISE)
    for path in RECORDINGS.iterdir():
        frame, meta = read_rtla(path)
        assert meta.path == str(path) and len(frame)
