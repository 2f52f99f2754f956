"""The JSON of a tool is found among other lines, where it stands, and what is cut or doubled is not taken for whole."""

import json

import latency_samples as samples
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.readers import ReaderError
from nfvlab.readers.cyclictest import looks_like_cyclictest, read_cyclictest
from nfvlab.readers.oslat import looks_like_oslat, read_oslat
from nfvlab.readers.printed_json import printed_json, tool_document

RUN = samples.Cyclictest([[5, 7, 5, 60, 9, 12, 7], [2, 41, 3, 3, 9, 30, 17]], 50)
ABOVE = "# /dev/cpu_dma_latency set to 0us\npolicy: fifo: loadavg: 1.79 2.42\n\n"


@pytest.fixture
def put(tmp_path):
    def write(text):
        path = tmp_path / "out"
        path.write_text(text)
        return path

    return write


lines = st.lists(
    st.text(st.characters(codec="ascii", exclude_characters="{}\r"), max_size=20).map(lambda s: s + "\n")
)
trees = st.dictionaries(
    st.text(max_size=5),
    st.integers() | st.dictionaries(st.text(max_size=3), st.text(max_size=5), max_size=3),
    min_size=1,
)


@given(lines, trees, lines)
def test_an_object_is_found_on_its_lines(above, tree, below):
    text = json.dumps(tree, indent=2) + "\n"
    whole = "".join(above) + text + "".join(below)
    documents, notes = tool_document("x", whole, "")
    assert documents.values == (tree,)
    assert documents.lines == (1 + "".join(above).count("\n"),)
    assert bool(notes) == bool("".join(above + below).strip())


def test_there_is_none():
    assert printed_json("T: 0 (1) P: 9\n") is None
    assert printed_json("a { b\n }\n") is None
    with pytest.raises(ReaderError, match="no JSON. Give it"):
        tool_document("x", "hello\n", "Give it")


def test_json_in_one_line_stays_whole():
    text = json.dumps({"a": {"b": 1}}) + "\n"
    assert printed_json(text) == text
    assert printed_json("\n " + text) == "\n " + text


@pytest.mark.parametrize(
    ("text", "says", "line"),
    [
        ("x\n{\n}\n{\n}\n", "more than one", 4),
        ("{\n}\n{\n", "truncated", 4),
        ("x\n{\n 1", "not JSON", 3),
        ('x\n{\n "a": 1,\n', "truncated", 4),
        ('x\n{\n "a": [\n', "truncated", 4),
        ("[1]\n", "no JSON", 1),
    ],
)
def test_what_is_cut_or_doubled_is_refused_on_its_line(text, says, line):
    with pytest.raises(ReaderError) as caught:
        tool_document("x", text, "r")
    assert says in caught.value.what and caught.value.line == line


def test_only_a_mean_may_be_nan():
    assert tool_document("x", '{"avg": -nan, "b": {"avg": nan}}', "")[0].values == (
        {"avg": None, "b": {"avg": None}},
    )
    assert tool_document("x", '{"avg": "nan"}', "")[0].values == ({"avg": "nan"},)
    for text in ('{"min": nan}', '{"avg": nand}', '{"avg": NaN}'):
        with pytest.raises(ReaderError):
            tool_document("x", text, "")


@pytest.mark.parametrize("below", ["", RUN.hist(), RUN.lines()], ids=["alone", "histogram", "T: lines"])
@pytest.mark.parametrize("above", [ABOVE, RUN.screens(), ""], ids=["quiet", "screens", "nothing"])
def test_cyclictest_prints_its_json_among_other_lines(put, above, below):
    alone, meta = read_cyclictest(put(RUN.json()))
    text = above + RUN.json() + below
    frame, among = read_cyclictest(put(text))
    assert looks_like_cyclictest(text)
    assert frame.equals(alone) and among.threads == meta.threads and among.form == "json"
    assert bool(among.notes[len(meta.notes) :]) == bool(above + below)


def test_a_problem_below_other_lines_names_the_line_of_the_file(put):
    with pytest.raises(ReaderError) as caught:
        read_cyclictest(put(ABOVE + RUN.json().replace('"cycles": 7', '"cycles": 3', 1)))
    text = (ABOVE + RUN.json()).split("\n")
    assert text[caught.value.line - 1].strip() == '"cycles": 7,'


def test_without_h_the_samples_lie_between_the_extremes(put):
    text = RUN.json(command="cyclictest -q -S --json=-")
    for at, seen in enumerate(RUN.latencies):
        rows = ",".join(f'\n        "{x}": {n}' for x, n in sorted(RUN.inside(at).items()))
        assert rows in text and seen
        text = text.replace("{" + rows + "\n      }", "{      }")
    frame, meta = read_cyclictest(put(text))
    assert meta.form == "summary"
    assert frame.to_numpy().tolist() == [[0, 5000, 61000, 7], [1, 2000, 42000, 7]]


@pytest.mark.parametrize("mean", ["-nan", "0.00"])
def test_a_thread_of_cyclictest_without_a_cycle(put, mean):
    silent = '    "2": {\n      "histogram": {      },\n      "cycles": 0,\n      "min": 1000000,\n      "max": 0,\n'
    silent += f'      "avg": {mean},\n      "cpu": 2,\n      "node": 0\n    }}\n  }}\n}}\n'
    text = RUN.json().replace('"num_threads": 2', '"num_threads": 3')
    frame, meta = read_cyclictest(put(text.removesuffix("    }\n  }\n}\n") + "    },\n" + silent))
    assert meta.threads[2].cycles == 0 and meta.threads[2].mean_ns is meta.threads[2].min_ns is None
    assert set(frame["thread"]) == {0, 1}


def test_oslat_says_its_bias_in_the_table_only(put):
    run = samples.Oslat([[2300, 2500, 9000] * 9], bias=1000)
    table, meta = read_oslat(put(run.text()))
    alone, without = read_oslat(put(run.json()))
    for text in (run.json() + run.text(), run.text() + run.json()):
        frame, both = read_oslat(put(text))
        assert looks_like_oslat(text)
        assert frame.equals(table) and both.bias_ns == meta.bias_ns == 1000 and without.bias_ns is None
    below, noted = read_oslat(put("Pre-heat for 1 seconds...\n" + run.json()))
    assert below.equals(alone) and any("left out: 1 lines" in note for note in noted.notes)
