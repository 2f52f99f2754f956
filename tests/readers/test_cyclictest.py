"""Every form of cyclictest's output gives all samples, each in the bucket that holds it, in nanoseconds."""

import dataclasses

import latency_samples as samples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvlab.paths import data_dir
from nfvlab.readers import ReaderError
from nfvlab.readers.cyclictest import looks_like_cyclictest, read_cyclictest
from nfvlab.readers.latency import COLUMNS

RECORDINGS = data_dir() / "recordings" / "cyclictest"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("cyclictest") / "out"


def read(path, text: str, **more):
    path.write_text(text)
    return read_cyclictest(path, **more)


@pytest.mark.parametrize("path", sorted(RECORDINGS.iterdir()), ids=lambda path: path.name)
def test_every_recording_reads_and_holds_all_its_samples(path):
    assert looks_like_cyclictest(path.read_text())
    frame, meta = read_cyclictest(path)
    assert tuple(frame.columns) == COLUMNS and meta.kind == "wake-up latency"
    for thread in meta.threads:
        rows = frame[frame["thread"] == thread.thread]
        assert rows["count"].sum() == thread.cycles > 0
        assert rows["high_ns"].max() == thread.max_ns + meta.resolution_ns
        assert rows["low_ns"].min() <= thread.min_ns <= thread.mean_ns <= thread.max_ns


def test_json_and_histogram_of_one_recorded_run_agree():
    one, json = read_cyclictest(RECORDINGS / "cyclictest_1t.json")
    two, text = read_cyclictest(RECORDINGS / "cyclictest_1t_hist.txt")
    assert one.equals(two)
    assert one.iloc[-1].tolist() == [
        0,
        200e3,
        9503e3,
        213,
    ]  # "# Histogram Overflows: 00213"; the JSON has none
    assert json.threads[0].overflows == text.threads[0].overflows == 213
    assert (json.version, json.realtime, json.kernel) == ("2.40", False, "6.18.44")


def test_a_recorded_run_in_nanoseconds_with_an_empty_histogram():
    frame, meta = read_cyclictest(RECORDINGS / "cyclictest_ns.json")
    assert meta.resolution_ns == 1
    # -h 4000 is below the smallest latencies, 15058 and 20152: no sample lies between
    assert frame.to_numpy().tolist() == [[0, 15058, 5442677, 1992], [1, 20152, 7968639, 1903]]
    assert meta.threads[0].min_ns == 15058


def test_the_recorded_summary_is_one_bucket_a_thread():
    frame, meta = read_cyclictest(RECORDINGS / "cyclictest_2t_summary.txt")
    assert meta.form == "summary" and any("one bucket" in note for note in meta.notes)
    assert frame.to_numpy().tolist() == [[0, 21e3, 624e3, 3000], [1, 16e3, 2428e3, 1995]]
    assert [(t.priority, t.interval_ns, t.overflows) for t in meta.threads] == [
        (95, 1e6, None),
        (95, 1.5e6, None),
    ]


@pytest.mark.parametrize(
    ("name", "form", "step_ns", "samples"),
    [
        ("cyclictest_2t_sum.txt", "histogram", 1000, [1999, 1995]),
        ("cyclictest_2t_histfile.txt", "histogram", 1000, [2000, 2000]),
        ("cyclictest_ns_summary.txt", "summary", 1, [1000, 680]),
        ("cyclictest_2t_values.txt", "samples", 1000, None),
        ("cyclictest_2t_screen.txt", "summary", 1000, [500, 339]),
        ("cyclictest_no_histogram.json", "summary", 1000, [500]),
    ],
)
def test_the_other_forms_were_recorded_too(name, form, step_ns, samples):
    assert looks_like_cyclictest((RECORDINGS / name).read_text())
    frame, meta = read_cyclictest(RECORDINGS / name)
    assert (meta.form, meta.resolution_ns) == (form, step_ns)
    if samples:  # "# Total:" and "# Histogram Overflows:" added up, or C:
        assert [t.cycles for t in meta.threads] == samples
        assert frame.groupby("thread")["count"].sum().tolist() == samples


@st.composite
def runs(draw, smallest=0):
    end = draw(st.integers(1, 60))
    latencies = st.lists(st.integers(smallest, 3 * end + smallest), min_size=1, max_size=20)
    nsecs = draw(st.booleans())
    return samples.Cyclictest(draw(st.lists(latencies, min_size=1, max_size=4)), end + smallest, nsecs)


def expected(run: samples.Cyclictest, end: int | None) -> list[list[float]]:
    """The frame's rows, from the latencies."""
    unit = 1.0 if run.nsecs else 1000.0
    rows = []
    for thread, seen in enumerate(run.latencies):
        inside = sorted({x for x in seen if end is None or x < end})
        rows += [[thread, x * unit, (x + 1) * unit, seen.count(x)] for x in inside]
        over = 0 if end is None else sum(x >= end for x in seen)
        begin = end if inside else max(end or 0, min(seen))  # none lies below the smallest
        rows += [[thread, begin * unit, (max(seen) + 1) * unit, over]] if over else []
    return rows


@settings(max_examples=100)
@given(runs())
def test_json_recovers_the_overflows_that_it_leaves_out(scratch, run):
    assert looks_like_cyclictest(run.json())
    frame, meta = read(scratch, run.json())
    assert frame.to_numpy().tolist() == expected(run, run.end)
    assert "secret-name" not in repr(meta)
    assert [t.overflows for t in meta.threads] == [sum(x >= run.end for x in seen) for seen in run.latencies]
    assert {(t.interval_ns, t.cpu - t.thread) for t in meta.threads} == {(500e3, 0)}


@settings(max_examples=100)
@given(runs(), st.booleans(), st.booleans())
def test_text_of_old_and_new_versions_with_and_without_the_sum(scratch, run, summed, new):
    unit = "ns" if run.nsecs else "us"
    text = run.hist(summed=summed, new=new)
    assert looks_like_cyclictest(text)
    frame, meta = read(scratch, f"# {run.command}\n{text}")
    assert frame.to_numpy().tolist() == expected(run, run.end)
    alone, _ = read(scratch, text, unit=unit)
    printed = [x for seen in run.latencies for x in seen if x < run.end]
    end = max(printed, default=-1) + 1 if new and len(set(printed)) < run.end else run.end
    assert alone.to_numpy().tolist() == expected(run, end)


@settings(max_examples=60)
@given(runs())
def test_a_screen_that_refreshes_ends_as_the_lines_at_the_end(scratch, run):
    frame, meta = read(scratch, run.lines())
    again, _ = read(scratch, run.screens())
    assert frame.equals(again)
    assert meta.resolution_ns == (1 if run.nsecs else 1000)  # by the widths of Act: and Avg:
    unit = meta.resolution_ns
    assert frame.to_numpy().tolist() == [
        [thread, min(seen) * unit, (max(seen) + 1) * unit, len(seen)]
        for thread, seen in enumerate(run.latencies)
    ]


@settings(max_examples=60)
@given(runs())
def test_values_of_verbose_are_a_histogram_without_an_end(scratch, run):
    assert looks_like_cyclictest(run.values())
    frame, _ = read(scratch, run.values(), unit="ns" if run.nsecs else "us")
    assert frame.to_numpy().tolist() == expected(run, None)


def test_a_screen_and_a_histogram_give_both_what_they_have(scratch):
    run = samples.Cyclictest([[1, 2, 70], [3, 3, 3]], 50, nsecs=True)
    frame, meta = read(scratch, run.screens() + run.hist())
    assert meta.form == "histogram" and meta.resolution_ns == 1
    assert frame.to_numpy().tolist() == expected(run, 50)
    assert [t.priority for t in meta.threads] == [95, 95]


def test_json_without_a_histogram_is_a_summary(scratch):
    run = samples.Cyclictest([[5, 9], [4]])
    frame, meta = read(scratch, run.json(histogram=False))
    assert meta.form == "summary"
    assert frame.to_numpy().tolist() == [[0, 5000, 10000, 2], [1, 4000, 5000, 1]]


@pytest.mark.parametrize(
    "command",
    [
        "cyclictest -h50",
        "./cyclictest -mSp90h50",
        "cyclictest --histogram 50",
        "/usr/bin/cyclictest --histofall=50",
    ],
)
def test_the_histograms_end_is_found_however_it_is_spelled(scratch, command):
    run = samples.Cyclictest([[5, 60]])
    frame, _ = read(scratch, run.json(command=command.replace("p90h50", "h50")))
    assert frame.iloc[-1].tolist() == [0, 50e3, 61e3, 1]


def test_without_a_command_overflows_begin_after_the_last_bucket(scratch):
    text = samples.Cyclictest([[5, 60]]).json().replace('"cmdline:"', '"was"')
    frame, meta = read(scratch, text)
    assert frame.iloc[-1].tolist() == [0, 6e3, 61e3, 1]
    assert any("end is not in the file" in note for note in meta.notes)


def test_the_unit_is_asked_for_only_where_nothing_tells(scratch):
    run = samples.Cyclictest([[150, 160]], 200)
    with pytest.raises(ReaderError, match="unit='us' or unit='ns'"):
        read(scratch, run.hist())
    assert read(scratch, run.hist(), unit="ns")[1].resolution_ns == 1
    assert read(scratch, run.hist(), unit="us")[1].resolution_ns == 1000
    assert read(scratch, f"# cyclictest -N -h 200\n{run.hist()}")[1].resolution_ns == 1
    fast, meta = read(scratch, samples.Cyclictest([[99, 160]], 200).hist())  # 99 ns: no host is so fast
    assert meta.resolution_ns == 1000 and any("µs" in note for note in meta.notes)


def test_a_unit_that_the_file_denies_is_refused(scratch):
    run = dataclasses.replace(samples.Cyclictest([[5, 9]]), nsecs=True)
    for text in (run.json(), run.lines(), f"# {run.command}\n{run.hist()}"):
        with pytest.raises(ReaderError, match="not in us"):
            read(scratch, text, unit="us")
    with pytest.raises(ReaderError, match="are in us, not in ns"):
        read(scratch, run.json(command="cyclictest -h 50"))
    with pytest.raises(ValueError, match="'ms'"):
        read(scratch, run.json(), unit="ms")


def test_a_thread_without_a_sample_has_no_row_and_no_latency(scratch):
    line = "T: 1 (18001) P:95 I:1000 C:      0 Min:1000000 Act:    0 Avg:    0 Max:       0\n"
    frame, meta = read(scratch, samples.Cyclictest([[5, 9]]).lines() + line)
    assert frame["thread"].tolist() == [0]
    assert meta.threads[1].cycles == 0 and meta.threads[1].min_ns is None and meta.threads[1].max_ns is None


def test_a_minimum_that_cyclictest_only_started_from_is_no_minimum(scratch):
    text = samples.Cyclictest([[1_500_000, 1_600_000]], 50, nsecs=True).json()
    frame, meta = read(scratch, text.replace('"min": 1500000', '"min": 1000000'))
    assert meta.threads[0].min_ns is None and any("starts its minimum" in note for note in meta.notes)
