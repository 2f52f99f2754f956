"""`nfvlab read` of the real-time path's recordings: each is recognised, shown, and refused in a line where damaged."""

import re

import kvm_unit_tests_samples
import latency_samples
import perf_kvm_samples
import pytest
import rtla_samples
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvlab.cli import main
from nfvlab.paths import data_dir
from nfvlab.readers import ReaderError
from nfvlab.readers.cyclictest import read_cyclictest
from nfvlab.readers.jitterdebugger import read_jitterdebugger
from nfvlab.readers.kvm_unit_tests import read_kvm_unit_tests
from nfvlab.readers.oslat import read_oslat
from nfvlab.readers.perf_kvm import read_perf_kvm_stat
from nfvlab.readers.recognise import recognise
from nfvlab.readers.rtla import read_rtla

READERS = {
    "cyclictest": read_cyclictest,
    "oslat": read_oslat,
    "jitterdebugger": read_jitterdebugger,
    "rtla": read_rtla,
    "perf-kvm": read_perf_kvm_stat,
    "kvm-unit-tests": read_kvm_unit_tests,
}
FOLDERS = {"perf-kvm": "perf_kvm_stat", "kvm-unit-tests": "kvm_unit_tests"}
RECORDINGS = [
    pytest.param(kind, path, id=f"{kind}-{path.name}")
    for kind in READERS
    for path in sorted((data_dir() / "recordings" / FOLDERS.get(kind, kind)).glob("*"))
]
RUN = latency_samples.Cyclictest([[3, 3, 4, 6, 12], [2, 5, 41]], 10)
TURNS = latency_samples.Oslat([[300, 500, 1200, 44_000], [300, 7000]], size=8)
LATENCIES = latency_samples.jitterdebugger([[3, 5, 5, 1200], [4]])
TEXTS = {  # what each kind prints, and words of the table
    "cyclictest JSON": ("cyclictest", RUN.json(), "wake-up latency"),
    "cyclictest -H": ("cyclictest", RUN.hist(summed=True), "form      histogram"),
    "cyclictest T:": ("cyclictest", RUN.lines(), "form      summary"),
    "cyclictest -v": ("cyclictest", RUN.values(), "form      samples"),
    "oslat text": ("oslat", TURNS.text(), "noise of a CPU"),
    "oslat JSON": ("oslat", TURNS.json(), "measured  interruption"),
    "jitterdebugger": ("jitterdebugger", LATENCIES, "tool      jitterdebugger"),
    "timerlat": ("rtla", rtla_samples.hist(), "wake-up and switch"),
    "osnoise": ("rtla", rtla_samples.hist(rtla_samples.OSNOISE), "noise of a CPU"),
    "perf kvm": ("perf-kvm", perf_kvm_samples.report(), "shares are without HLT"),
    "vmexit": ("kvm-unit-tests", kvm_unit_tests_samples.vmexit(), "cycles an iteration"),
    "tscdeadline": ("kvm-unit-tests", kvm_unit_tests_samples.latency(), "before the deadline  1"),
}
TEXT = pytest.mark.parametrize("name", TEXTS)


@pytest.fixture
def show(capsys):
    def run(path):
        status = main(["read", str(path)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("read") / "out"


@pytest.mark.parametrize(("kind", "path"), RECORDINGS)
def test_every_recording_is_recognised_and_shown(show, kind, path):
    assert recognise(path) == kind
    status, text, error = show(path)
    assert (status, error) == (0, "") and text.startswith("file ") and "use       notebooks/0" in text
    assert all(line.isprintable() for line in text.split("\n"))


@TEXT
def test_every_form_is_recognised_among_the_others_and_shown(show, scratch, name):
    kind, text, words = TEXTS[name]
    scratch.write_text(text)
    assert recognise(scratch) == kind
    status, said, error = show(scratch)
    assert (status, error) == (0, "") and words in said and "secret-name" not in said
    for other, read in READERS.items():
        if other != kind:
            with pytest.raises(ReaderError):
                read(scratch)


@TEXT
def test_lines_may_end_as_on_windows(scratch, name):
    kind, text, _ = TEXTS[name]
    scratch.write_text(text)
    frame, _ = READERS[kind](scratch)
    scratch.write_bytes(text.replace("\n", "\r\n").encode())
    assert recognise(scratch) == kind
    again, _ = READERS[kind](scratch)
    assert frame.equals(again)


def test_a_unit_that_the_file_does_not_say_is_asked_for_and_taken(capsys, scratch):
    scratch.write_text(latency_samples.Cyclictest([[3000, 3001, 4500]], 6000, nsecs=True).hist())
    assert main(["read", str(scratch)]) != 0
    assert "nfvlab read --unit ns" in capsys.readouterr().err
    assert main(["read", "--unit", "ns", str(scratch)]) == 0
    assert "in steps of 1 ns" in capsys.readouterr().out


def test_figures_in_human_units(show, scratch):
    scratch.write_text(TURNS.text())
    _, text, _ = show(scratch)
    assert re.search(r"thread 0 CPU 2 +4 ", text) and "oslat 2.40" in text
    assert "noise_per_s" in text and "not told:" in text
    scratch.write_text(perf_kvm_samples.report())
    _, text, _ = show(scratch)
    # HLT aside, 15 exits took 137 760 ns, MSR_WRITE 11 445 of them
    assert re.search(r"MSR_WRITE +8 +53.3 % +8.31 % ", text)
    scratch.write_text(kvm_unit_tests_samples.latency())
    _, text, _ = show(scratch)
    assert re.search(r"median +2300 cycles", text) and re.search(r"min +-14 cycles", text)


def outcome(kind, path):
    """The frame, or the refusal in one printable line; anything else is a failure."""
    try:
        return READERS[kind](path)[0]
    except ReaderError as error:
        assert str(error).isprintable() and error.what and error.remedy
        return error


@TEXT
def test_cut_after_any_line_it_is_refused_or_smaller(scratch, name):
    kind, text, _ = TEXTS[name]
    lines = text.splitlines(keepends=True)
    for cut in range(len(lines)):
        scratch.write_text("".join(lines[:cut]))
        outcome(kind, scratch)


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"\x00\x01\xff\xfe", b"\x7fELF" * 50, b"{", b"[" * 50_000, b"{}"]
)
@pytest.mark.parametrize("kind", READERS)
def test_junk_is_refused(scratch, kind, data):
    scratch.write_bytes(data)
    assert isinstance(outcome(kind, scratch), ReaderError)


HUGE = ("9" * 19, "9" * 400, "1e999", "-1", "-9223372036854775808", "NaN", "Infinity", "0x10", "1_000", "٣")


@settings(max_examples=400)
@given(st.data())
def test_numbers_out_of_all_bounds_never_break_a_reader(scratch, data):
    kind, text, _ = TEXTS[data.draw(st.sampled_from(sorted(TEXTS)))]
    numbers = list(re.finditer(r"[0-9]+", text))
    for found in sorted(
        data.draw(st.sets(st.sampled_from(numbers), min_size=1, max_size=3)), key=lambda m: -m.start()
    ):
        text = text[: found.start()] + data.draw(st.sampled_from(HUGE)) + text[found.end() :]
    scratch.write_text(text)
    outcome(kind, scratch)


@settings(max_examples=400)
@given(st.data())
def test_lines_lost_doubled_swapped_or_made_binary_never_break_a_reader(scratch, data):
    kind, text, _ = TEXTS[data.draw(st.sampled_from(sorted(TEXTS)))]
    lines = text.encode().split(b"\n")
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        other = lines[data.draw(st.integers(0, len(lines) - 1))]
        junk = data.draw(st.binary(max_size=8))
        lines[at : at + 1] = data.draw(
            st.sampled_from(
                [[], [lines[at]] * 2, [other], [lines[at] + junk], [junk, lines[at]], [lines[at][:3]]]
            )
        )
        lines = lines or [b""]
    scratch.write_bytes(b"\n".join(lines))
    outcome(kind, scratch)
