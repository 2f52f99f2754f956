"""jitterdebugger's JSON gives every sample in the bucket that holds it, or a refusal."""

import latency_samples as samples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvlab.readers import ReaderError
from nfvlab.readers.jitterdebugger import looks_like_jitterdebugger, read_jitterdebugger

LATENCIES = st.lists(st.lists(st.integers(0, 3000), min_size=1, max_size=20), min_size=1, max_size=4)
RUN = [[3, 3, 4, 1000, 1200, 2000], [7, 9]]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("jitterdebugger") / "results.json"


def read(path, text: str):
    path.write_text(text)
    return read_jitterdebugger(path)


@settings(max_examples=100)
@given(LATENCIES, st.sampled_from([(1000, None), (1000, 1), (1000, 2), (1000, 3), (1, 3)]))
def test_every_sample_is_in_the_bucket_that_holds_it(scratch, threads, kind):
    step, version = kind
    threads = [[x * (400 if step == 1 else 1) for x in seen] for seen in threads]
    text = samples.jitterdebugger(threads, step=step, version=version)
    assert looks_like_jitterdebugger(text)
    frame, meta = read(scratch, text)
    assert meta.resolution_ns == step and "secret-name" not in repr(meta)
    for thread, seen in enumerate(threads):
        rows = frame[frame["thread"] == thread]
        true = [x * step for x in seen]
        assert rows["count"].tolist() == [
            sum(low <= x < high for x in true) for low, high in zip(rows.low_ns, rows.high_ns, strict=True)
        ]
        about = meta.threads[thread]
        assert about.cycles == len(seen) == rows["count"].sum()
        assert about.overflows == sum(x >= 1_000_000 for x in true)
        assert (about.min_ns, about.max_ns, about.cpu) == (min(true), max(true), None)


def test_samples_beyond_the_histogram_are_one_bucket(scratch):
    frame, _ = read(scratch, samples.jitterdebugger(RUN))
    assert frame[frame["thread"] == 0].to_numpy().tolist() == [
        [0, 3000, 4000, 2],
        [0, 4000, 5000, 1],
        [0, 1e6, 2001e3, 3],
    ]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ('"4": 1', '"4": -1'),
        ('"4": 1', '"4": 9'),
        ('"4": 1', '"4": 1.5'),
        ('"4": 1', '"3": 1'),
        ('"4": 1', '"2": 1'),
        ('"4": 1', '"1000": 1'),
        ('"4": 1', '"04": 1'),
        ('"count": 6', '"count": 2'),
        ('"count": 6', '"count": 60'),
        ('"count": 2', '"count": 0'),
        ('"min": 3', '"min": 2'),
        ('"max": 2000', '"max": 900'),
        ('"max": 9', '"max": 8'),
        ('"avg": 8.00', '"avg": 9.00'),
        ('"avg": 8.00', '"avg": -nan'),
        ('      "max": 9,\n', ""),
        ('    "1": {', '    "2": {'),
        ('"resolution_in_ns": 1000', '"resolution_in_ns": 7'),
    ],
)
def test_damaged_output_is_refused(scratch, wrong, right):
    text = samples.jitterdebugger(RUN)
    assert wrong in text
    with pytest.raises(ReaderError):
        read(scratch, text.replace(wrong, right, 1))


def test_what_is_cut_is_refused(scratch):
    text = samples.jitterdebugger(RUN)
    for cut in range(0, len(text.rstrip()), 3):
        with pytest.raises(ReaderError):
            read(scratch, text[:cut])


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("affinity: 0,1 = 2 [0x3]\n\n" + 2 * samples.jitterdebugger(RUN), "one run"),
        ("T: 0 (  614) A: 0 C:     13476 Min:         3 Avg:    3.08 Max:        10 \n", "JSON"),
        ("hello\n", "results.json"),
        ("{}", "results.json"),
        ('{"cpu": {}}', ""),
        ("", ""),
    ],
)
def test_other_files_are_refused_with_a_remedy(scratch, text, remedy):
    with pytest.raises(ReaderError) as caught:
        read(scratch, text)
    assert remedy in caught.value.remedy


def test_json_below_the_lines_of_a_terminal_is_read_alike(scratch):
    alone, meta = read(scratch, samples.jitterdebugger(RUN))
    text = "affinity: 0,1 = 2 [0x3]\nT: 0 (  614) A: 0 C:  6 Min:  3\n\x1b[1A\x1b[K" + samples.jitterdebugger(
        RUN
    )
    frame, below = read(scratch, text)
    assert frame.equals(alone) and below.threads == meta.threads
    assert any("left out: 2 lines" in note for note in below.notes)


@pytest.mark.parametrize("mean", ["-nan", "nan", "0.00"])
def test_a_thread_that_took_no_sample_has_no_row(scratch, mean):
    silent = (
        '    "2": {\n      "histogram": {      },\n      "count": 0,\n      "min": 18446744073709551615,\n'
    )
    silent += f'      "max": 0,\n      "avg": {mean}\n    }}\n  }}\n}}\n'
    text = samples.jitterdebugger(RUN).removesuffix("    }\n  }\n}\n") + "    },\n" + silent
    frame, meta = read(scratch, text)
    assert meta.threads[2].cycles == 0 and meta.threads[2].mean_ns is None
    assert set(frame["thread"]) == {0, 1}
    with pytest.raises(ReaderError, match="is 0"):
        read(scratch, text.replace('"histogram": {      }', '"histogram": {\n        "4": 1\n      }'))
