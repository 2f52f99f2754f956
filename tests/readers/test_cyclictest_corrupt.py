"""Damaged cyclictest output gives every sample or a ReaderError, never anything else."""

import latency_samples as samples
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nfvlab.readers import ReaderError
from nfvlab.readers.cyclictest import read_cyclictest
from nfvlab.readers.latency import Histogram, LatencyThread, latency_frame

RUN = samples.Cyclictest([[3, 3, 4, 6, 6, 6, 9, 12], [2, 5, 5, 5, 7, 40, 41]], 10)
SMALL = samples.Cyclictest([[3, 4, 4, 7], [2, 5]], 6)
TEXTS = {
    "json": SMALL.json(),
    "hist": SMALL.hist(),
    "sum": SMALL.hist(summed=True),
    "new": SMALL.hist(new=True),
    "lines": SMALL.lines(),
    "screens": SMALL.screens(),
    "values": SMALL.values(),
}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("corrupt") / "out"


def outcome(path, data: str | bytes):
    """The frame and what stands beside, or the error."""
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    try:
        return read_cyclictest(path)
    except ReaderError as error:
        assert str(error).isprintable() and error.what and error.remedy
        return error


def refused(path, data) -> bool:
    return isinstance(outcome(path, data), ReaderError)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("000006 000003\t000000\n", ""),  # a row is lost
        ("000008 000000\t000000\n", ""),  # a row of zeros is lost: all were printed
        ("000006 000003\t000000\n", "000006 000003\n"),  # a column
        ("000006 000003", "000006 000004"),  # a digit
        ("000006 000003", "000006 00000x"),
        ("000006 000003", "000006 -00003"),
        ("000006 ", "000005 "),  # twice
        ("000006 ", "000016 "),  # out of order
        ("# Total: 000000007", "# Total: 000000008"),
        ("# Min Latencies: 00003", "# Min Latencies: 00002"),
        ("# Min Latencies: 00003", "# Min Latencies: 00004"),
        ("# Max Latencies: 00012", "# Max Latencies: 00009"),
        ("# Avg Latencies: 00006", "# Avg Latencies: 00009"),
        ("# Avg Latencies: 00006 00015\n", "# Avg Latencies: 00006\n"),
        ("# Histogram Overflows: 00001", "# Histogram Overflows: 00002"),
        ("# Histogram Overflows: 00001 00002\n", ""),
        ("# Thread 0: 00007", "# Thread 0:"),
        ("# Thread 0: 00007", "# Thread 0: 00009"),  # there were 8 cycles
        ("# Thread 1: 00005 00006", "# Thread 1: 00006 00005"),
        ("# Thread 1: 00005 00006\n", ""),
        ("# Thread 1:", "# Thread 0:"),
        ("# Total", "strange\n# Total"),
        ("# Min", "000010 000000\t000000\n# Min"),
        ("# Histogram\n", "# Histogram\n# Histogram\n"),
    ],
)
def test_damaged_histograms_are_refused_with_their_line(scratch, wrong, right):
    text = RUN.hist()
    assert text.count(wrong) >= 1
    error = outcome(scratch, text.replace(wrong, right, 1))
    assert isinstance(error, ReaderError) and error.line


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("\t000003\n", "\t000004\n"),
        ("# Max Latencies: 00012 00041 00041", "# Max Latencies: 00012 00041 00040"),
        ("# Histogram Overflows: 00001 00002 00003", "# Histogram Overflows: 00001 00002 00004"),
        ("000000012\n", "000000013\n"),
    ],
)
def test_a_sum_that_the_threads_do_not_give_is_refused(scratch, wrong, right):
    text = RUN.hist(summed=True)
    assert wrong in text
    assert refused(scratch, text.replace(wrong, right, 1))


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ('"6": 3', '"6": -3'),
        ('"6": 3', '"6": 2.5'),
        ('"6": 3', '"6": "3"'),
        ('"6": 3', '"6": 9'),  # more than the cycles
        ('"6": 3', '"06": 3'),
        ('"6": 3', '"4": 3'),  # twice
        ('"6": 3', '"1": 3'),  # out of order
        ('"9": 1', '"10": 1'),  # beyond -h
        ('"9": 1', '"9": 3'),
        ('"cycles": 8', '"cycles": 6'),
        ('"cycles": 8', '"cycles": 7'),  # then the mean and the largest are others
        ('"min": 3', '"min": 4'),
        ('"max": 12', '"max": 8'),
        ('"avg": 6.12', '"avg": 7.12'),
        ('"avg": 6.12', '"avg": NaN'),
        ('"avg": 6.12', '"avg": -nan'),
        ('      "max": 12,\n', ""),
        ('"num_threads": 2', '"num_threads": 1'),
        ('    "1": {', '    "3": {'),
        ('"resolution_in_ns": 0', '"resolution_in_ns": 7'),
        ('"realtime": 1', '"realtime": "yes"'),
    ],
)
def test_damaged_json_is_refused(scratch, wrong, right):
    text = RUN.json()
    assert wrong in text
    assert refused(scratch, text.replace(wrong, right, 1))


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("T: 0", "T: 2"),
        ("Min:      3", "Min:     -3"),
        ("Min:      3", "Min:     99"),
        ("Avg:    6", "Avg:   66"),
        ("Act:   12", "Act:  120"),
        ("Max:", "Mux:"),
        ("C:      8", "C:      x"),
    ],
)
def test_damaged_lines_are_refused(scratch, wrong, right):
    text = RUN.lines()
    assert wrong in text
    assert refused(scratch, text.replace(wrong, right, 1))


def test_a_command_with_absurd_values_is_read_as_without_them(scratch):
    text = RUN.json(command="cyclictest -i x -h " + "9" * 5000)
    frame, meta = outcome(scratch, text)
    assert frame["count"].sum() == 15 and meta.threads[0].interval_ns is None


def test_two_runs_in_a_file_are_refused(scratch):
    assert refused(scratch, RUN.hist() + RUN.hist())
    assert refused(scratch, RUN.json() + RUN.json())
    assert refused(scratch, RUN.lines() + SMALL.lines())
    assert refused(scratch, RUN.values() + RUN.values())


def test_values_that_are_reduced_or_lost_are_refused(scratch):
    assert refused(scratch, RUN.values().replace("       0:       3:       6\n", ""))


@pytest.mark.parametrize("name", TEXTS)
def test_cut_anywhere_no_sample_is_lost_unseen(scratch, name):
    text = TEXTS[name]
    whole, _ = outcome(scratch, text)
    for cut in range(len(text.rstrip())):
        read = outcome(scratch, text[:cut])
        if isinstance(read, ReaderError):
            continue
        assert text[cut - 1] == "\n"
        if name in ("lines", "screens", "values"):  # whole lines of these are a shorter run
            assert read[0]["count"].sum() <= whole["count"].sum()
        else:  # the oldest versions end where the overflows have been counted
            assert read[0].equals(whole) and text[:cut].splitlines()[-1].startswith("# Histogram Overflows:")


@settings(max_examples=500)
@given(st.data())
def test_any_character_changed_added_or_lost_gives_a_whole_run_or_a_refusal(scratch, data):
    text = TEXTS[data.draw(st.sampled_from(sorted(TEXTS)))]
    at = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(
        st.sampled_from(["", "0", "9", "-", ".", "\n", "\t", " ", "x", "\x1b", "\r", "é", "1" * 30])
    )
    keep = data.draw(st.booleans())
    assume(new != text[at])
    read = outcome(scratch, text[: at + keep] + new + text[at + 1 :])
    if not isinstance(read, ReaderError):
        frame, meta = read
        for thread in meta.threads:
            assert frame.loc[frame["thread"] == thread.thread, "count"].sum() == thread.cycles


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x01\x02",
        b"hello\n",
        b"{}",
        b'{"thread": {}}',
        b'{"thread": []}',
        b'{"thread": {"0": 3}}',
        b"[" * 500,
        b"# Histogram\n",
        b"# Total: 000\n",
        b"T:\n",
        b"\x1f\x8b\x08gzip",
        b"T: 0 (1) P:9 I:1 C: " + b"9" * 400 + b"\n",
        RUN.json().encode() + RUN.json().encode(),
        b"warming up\n" + RUN.json().encode() + RUN.json().encode()[:-30],
        RUN.json().replace('"avg": 15.00', '"avg": -nan').encode(),
    ],
)
def test_other_files_are_refused(scratch, data):
    assert refused(scratch, data)


def test_a_large_histogram_is_read_in_time(scratch):
    seen = list(range(0, 200_000, 2))
    run = samples.Cyclictest([seen, seen], 200_000)
    frame, _ = read_cyclictest(_written(scratch, run.hist()))
    assert len(frame) == 2 * len(seen)


def _written(path, text: str):
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("histograms", "what"),
    [
        ([{"cycles": 3}], "hold 2 samples, but 3"),
        ([{"low_ns": [5, 0], "high_ns": [6, 1]}], "overlaps"),
        ([{"low_ns": [0, 1], "high_ns": [2, 3]}], "overlaps"),
        ([{"low_ns": [0, 1], "high_ns": [0, 3]}], "a bucket from 0 to 0"),
        ([{"low_ns": [0, float("nan")], "high_ns": [1, 3]}], "a bucket from nan"),
        ([{"count": [3, -1]}], "below 0"),
        ([{}, {}], "stands twice"),
    ],
)
def test_the_frame_refuses_what_is_no_histogram(scratch, histograms, what):
    def made(cycles=2, low_ns=(0, 1), high_ns=(1, 2), count=(1, 1)):
        about = LatencyThread(thread=0, cycles=cycles)
        return Histogram(about=about, low_ns=low_ns, high_ns=high_ns, count=count, line=7)

    with pytest.raises(ReaderError, match=what) as caught:
        latency_frame(scratch, [made(**more) for more in histograms])
    assert caught.value.line == 7
