"""oslat's output gives every sample in a bucket that holds it, whatever the version, width and bias; or a refusal."""

import latency_samples as samples
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nfvlab.paths import data_dir
from nfvlab.readers import ReaderError
from nfvlab.readers.latency import COLUMNS
from nfvlab.readers.oslat import looks_like_oslat, read_oslat

RECORDINGS = data_dir() / "recordings" / "oslat"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("oslat") / "out"


def read(path, text: str):
    path.write_text(text)
    return read_oslat(path)


def held(frame, run: samples.Oslat, thread: int) -> list[int]:
    """How many of the thread's true latencies each row holds; with the newest rounding the upper end belongs to it."""
    rows = frame[frame["thread"] == thread]
    seen = np.array(run.latencies[thread])
    if run.rounding == "up":
        return [
            int(((seen > low) & (seen <= high)).sum())
            for low, high in zip(rows.low_ns, rows.high_ns, strict=True)
        ]
    return [
        int(((seen >= low) & (seen < high)).sum())
        for low, high in zip(rows.low_ns, rows.high_ns, strict=True)
    ]


def test_recorded_json_and_text_of_one_run_agree():
    one, about = read_oslat(RECORDINGS / "oslat_1c.json")
    two, text = read_oslat(RECORDINGS / "oslat_1c.txt")
    assert tuple(one.columns) == COLUMNS
    assert one.equals(two)
    assert one.iloc[0].tolist() == [0, 0, 1000, 115759326]  # "001 (us)" holds what is below 1 µs
    assert one.iloc[-1].tolist() == [0, 31000, 11442e3, 1427]  # "032 (us)" and everything beyond
    thread = about.threads[0]
    assert (thread.cpu, thread.cycles, thread.max_ns, thread.duration_ns) == (1, 115761791, 11442e3, 5e9)
    assert thread.cycles == one["count"].sum() and thread.overflows is None
    assert (about.tool, about.version, text.version, about.kind) == ("oslat", "2.40", "2.40", "interruption")


@pytest.mark.parametrize(("name", "bias_ns"), [("oslat_bias", 1000), ("oslat_2c", 1000)])
def test_recorded_json_and_text_with_a_bias_agree(name, bias_ns):
    one, about = read_oslat(RECORDINGS / f"{name}.json")
    two, text = read_oslat(RECORDINGS / f"{name}.txt")
    assert one.equals(two)
    assert text.bias_ns == bias_ns  # "Global bias set to 1 (us)"
    assert (
        one["low_ns"].min() <= 1000 < one["high_ns"].min()
    )  # "Minimum: 1 (us)" is in the first bucket, "002"
    assert [t.cycles for t in about.threads] == one.groupby("thread")["count"].sum().tolist()


@pytest.mark.parametrize(
    "name", ["oslat_1c.json", "oslat_1c.txt", "oslat_bias.json", "oslat_2c.txt", "oslat_zero_omit.txt"]
)
def test_recordings_are_recognised(name):
    assert looks_like_oslat((RECORDINGS / name).read_text())


@st.composite
def runs(draw):
    rounding = draw(st.sampled_from(["plus 1", "down", "up"]))
    width = 1000 if rounding == "plus 1" else draw(st.sampled_from([1000, 2000, 5000, 100, 250, 1500]))
    size = draw(st.integers(5, 40))
    span = size * width * 2
    threads = draw(st.lists(st.lists(st.integers(1, span), min_size=1, max_size=30), min_size=1, max_size=4))
    threads = [[draw(st.integers(1, 999)), *seen] for seen in threads]  # a busy loop takes less than 1 µs
    return samples.Oslat(threads, rounding, width, size)


@settings(max_examples=150)
@given(runs(), st.booleans())
def test_every_sample_is_in_the_bucket_that_holds_it(scratch, run, omit):
    for text in (run.json(), run.text(omit=omit)):
        assert looks_like_oslat(text)
        frame, meta = read(scratch, text)
        assert "secret-name" not in repr(meta)
        for thread, seen in enumerate(run.latencies):
            rows = frame[frame["thread"] == thread]
            about = meta.threads[thread]
            assert about.cycles == len(seen) == rows["count"].sum()
            assert about.priority == 90 and about.cpu == thread + 2
            assert about.max_ns == run.rounded(max(seen)) * run.step
            if (
                run.step == 1000 or run.rounding == "down"
            ):  # in ns the newest versions cannot be told: 1 ns off
                assert held(frame, run, thread) == rows["count"].tolist()


@settings(max_examples=100)
@given(
    st.lists(st.lists(st.integers(1, 60_000), min_size=1, max_size=30), min_size=1, max_size=3),
    st.integers(1, 5),
)
def test_a_bias_does_not_move_latencies(scratch, threads, bias):
    run = samples.Oslat(threads, "plus 1", 1000, 32, bias * 1000)
    frame, meta = read(scratch, run.text())
    assert meta.bias_ns == bias * 1000
    for thread in range(len(threads)):
        assert held(frame, run, thread) == frame.loc[frame["thread"] == thread, "count"].tolist()


def test_json_with_a_bias_says_that_it_does_not_know_it(scratch):
    run = samples.Oslat([[1500, 2500, 9000, 99_000]], "plus 1", bias=2000)
    frame, meta = read(scratch, run.json())
    assert meta.bias_ns is None and any("--bias" in note for note in meta.notes)
    assert held(frame, run, 0) == frame["count"].tolist()


def test_a_mean_that_oslat_itself_spoils_is_left_out(scratch):
    run = samples.Oslat([[150, 250, 99_000]], "down", 100, 32)
    _, meta = read(scratch, run.json())
    assert meta.threads[0].mean_ns is None and any("mean" in note for note in meta.notes)


RUN = samples.Oslat([[500] * 50 + [1500, 7300, 40_000, 41_000], [300] * 20 + [2500]], size=8)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("    007 (us):\t 0 0\n", ""),  # a row is lost
        ("    003 (us):\t 0 1\n", "    003 (us):\t 0\n"),  # a count is lost
        ("    003 (us):\t 0 1\n", "    003 (us):\t 0 x\n"),
        ("    003 (us):\t 0 1\n", "    003 (us):\t 0 -1\n"),
        ("    003 (us):\t 0 1\n", "    002 (us):\t 0 1\n"),  # twice
        ("    003 (us):\t 0 1\n", "    003 (us):\t 0 9\n"),  # then the mean is another
        ("001 (us):\t 50 20", "001 (us):\t 90 20"),
        (" (including overflows)", ""),
        ("     Minimum:\t 1 1 (us)\n", ""),
        ("     Minimum:\t 1 1 (us)\n", "     Minimum:\t 2 1 (us)\n"),
        ("     Maximum:\t 42 3 (us)\n", "     Maximum:\t 42 2 (us)\n"),
        ("    Duration:\t 5.000 5.000 (sec)\n", ""),
        ("        Core:\t 2 3\n", ""),
        ("Test starts", "        Core:\t 2 3\nTest starts"),
        ("     Average", "    strange\n     Average"),
    ],
)
def test_damaged_text_is_refused_with_its_line(scratch, wrong, right):
    text = RUN.text()
    assert wrong in text
    with pytest.raises(ReaderError) as caught:
        read(scratch, text.replace(wrong, right, 1))
    assert caught.value.remedy and str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ('"1": 50', '"1": 500'),
        ('"1": 50', '"1": -50'),
        ('"1": 50', '"1": 5.5'),
        ('"1": 50', '"01": 50'),
        ('"2": 1', '"9": 1'),
        ('"min": 1', '"min": 3'),
        ('"max": 3', '"max": 2'),
        ('"max": 42', '"max": 400000'),
        ('"num_threads": 2', '"num_threads": 3'),
        ('    "1": {', '    "2": {'),
        ('"avg": 1', '"avg": 2'),
        ('      "max": 42,\n', ""),
    ],
)
def test_damaged_json_is_refused(scratch, wrong, right):
    text = RUN.json()
    assert wrong in text
    with pytest.raises(ReaderError):
        read(scratch, text.replace(wrong, right, 1))


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_is_cut_is_refused(scratch, form):
    text = getattr(RUN, form)()
    for cut in range(0, len(text.rstrip()), 7):
        with pytest.raises(ReaderError):
            read(scratch, text[:cut])


@settings(max_examples=300)
@given(st.data())
def test_no_changed_character_gives_anything_but_a_frame_or_a_refusal(scratch, data):
    text = data.draw(st.sampled_from([RUN.json(), RUN.text(), RUN.text(omit=True)]))
    at = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(st.sampled_from(["", "0", "9", "-", ".", "\n", " ", "x", "\x1b", "é", "1" * 30]))
    assume(new != text[at])
    try:
        frame, meta = read(scratch, text[:at] + new + text[at + 1 :])
    except ReaderError:
        return
    for thread in meta.threads:
        assert frame.loc[frame["thread"] == thread.thread, "count"].sum() == thread.cycles


@pytest.mark.parametrize("text", ["", "hello\n", "{}", '{"thread": {}}', "oslat V 2.40\n", "\x00\x01", "[1]"])
def test_other_files_are_refused(scratch, text):
    with pytest.raises(ReaderError):
        read(scratch, text)
