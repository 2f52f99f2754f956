"""A file may be anything: a refusal says why, where and what to do, and there is no other exception."""

import errno
import gzip
import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.readers import ReaderError
from nfvlab.readers.errors import printable
from nfvlab.readers.files import MAX_DEPTH, load_documents, load_json, load_text


@pytest.fixture
def put(tmp_path):
    def write(data, name="run.json"):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


def refusal(path, load=load_json, **options) -> ReaderError:
    with pytest.raises(ReaderError) as caught:
        load(path, **options)
    error = caught.value
    assert error.what and error.remedy and str(path) in str(error)
    return error


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('{"a": 1,\n "b": NaN}', 2, "NaN"),
        ('{"a": 1,\n "NaN": [1,\n -Infinity]}', 3, "-Infinity"),
        ('{"a": "NaN",\n "b": 1e999}', 2, "range of a double"),
        ('{"a": 1,\n "b": {"a": 2,\n "a": 3}}', 3, "'a' stands twice"),
        ('[{"a": 1}, {"a": 1},\n {"b": 1, "b": 2}]', 2, "'b' stands twice"),
        ('{"a": 1,\n', 2, "truncated"),
        ('{"a": 1,\n"b": "open', 2, "truncated"),
        ('{"a": 1,\n"b": tru', 2, "truncated"),
        ('{"a": 1,\n"b": [1, 2', 2, "truncated"),
        ("{'a': 1}", 1, "not JSON"),
        ('{"a": 1}\n{"b": oops}\n', 2, "not JSON"),
        ('{"a": 1}\n{"b": 2}\n', 2, "more than one"),
        ('{"a": 1}\n{"b": ', 2, "more than one"),
        ('{"a": "\\ud800"}', None, "half a character"),
        ("7" * 5000, 1, "not a usable number"),
        ("\n\n" + "1e400", 3, "range of a double"),
    ],
)
def test_json_that_is_not_strict_names_its_line(put, text, line, says):
    error = refusal(put(text))
    assert says in error.what
    assert error.line == line


@pytest.mark.parametrize("depth", [MAX_DEPTH, 900, 100_000])
@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused(put, depth, left, right):
    assert "nested deeper" in refusal(put(left * depth + "[0]" + right * depth)).what


def test_the_deepest_nesting_allowed_is_read(put):
    assert load_json(put("[" * MAX_DEPTH + "]" * MAX_DEPTH))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b" \n\t\r\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (gzip.compress(b'{"a": 1}', mtime=0), "gzip"),
        (b"\x28\xb5\x2f\xfd rest", "zstd"),
        (b"PK\x03\x04 rest", "zip"),
        (b"\x7fELF\x02\x01\x01\x00\x00", "NUL"),
        ('{"a": 1}'.encode("utf-16"), "UTF-16"),
        ('{"a": "é"}'.encode("latin-1"), "not UTF-8"),
    ],
)
def test_what_is_not_text_is_refused(put, data, says):
    assert says in refusal(put(data), load_text).what


def test_the_line_of_a_bad_byte_is_named(put):
    assert refusal(put(b'{\n"a":\n"\xff"}')).line == 3
    assert refusal(put(b'{\n"a":\n"\x00"}')).line == 3


def test_a_byte_order_mark_and_crlf_are_read(put):
    assert load_json(put(b'\xef\xbb\xbf{"a":\r\n1}\r\n')) == {"a": 1}


def test_places_that_are_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for path, says in [
        (tmp_path, "directory"),
        (tmp_path / "none.json", "no such file"),
        (tmp_path / "none" / "x.json", "no such file"),
        (tmp_path / "pipe", "not a regular file"),
        (tmp_path / "loop", "loop"),
        (tmp_path / ("x" * 300), "too long"),
        ("/dev/zero", "not a regular file"),
    ]:
        assert says in refusal(path).what
    with pytest.raises(ReaderError, match="null byte"):
        load_json("a\x00b")


@pytest.mark.parametrize(
    ("number", "says"), [(errno.EACCES, "no permission"), (errno.EIO, "Input/output error")]
)
def test_a_file_that_may_not_be_opened(put, monkeypatch, number, says):
    path = put("{}")

    def refuse(*args):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        error = refusal(path)
    assert says in error.what


def test_a_file_above_the_limit_is_refused_unread(put, tmp_path):
    assert load_json(put("[1]"), max_bytes=3) == [1]
    assert "above the limit of 2" in refusal(put("[1]"), max_bytes=2).what
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(1 << 40)  # sparse
    error = refusal(huge)
    assert str(1 << 40) in error.what and "max_bytes" in error.remedy


def test_documents_come_one_after_another_with_their_lines(put):
    text = '{"a": 1}\n\n{"b":\n 2} [3]\n{"c": {"d": [4,\n5]}}\n'
    documents = load_documents(put(text))
    assert documents.values == ({"a": 1}, {"b": 2}, [3], {"c": {"d": [4, 5]}})
    assert documents.lines == (1, 3, 4, 5)
    assert documents.cut_line is None
    assert documents.line((3, "c", "d", 1)) == 6
    assert documents.line((3, "c", "missing")) == 5
    assert documents.line((1, "b")) == 4


def test_a_last_line_that_is_cut_off_is_told_apart(put):
    documents = load_documents(put('{"a": 1}\n{"b": 2}\n{"c": 3'))
    assert documents.values == ({"a": 1}, {"b": 2})
    assert documents.cut_line == 3
    assert refusal(put('{"a": 1}\n{"b": \n'), load_documents).line == 3  # not at the end of a line: damage


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_a_reader_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(data)
    try:
        documents = load_documents(path)
    except ReaderError as error:
        assert str(error).isprintable()
    else:
        assert documents.values


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
trees = st.recursive(scalars, lambda kids: st.lists(kids) | st.dictionaries(st.text(), kids), max_leaves=20)


@given(trees, st.integers(0, 2) | st.none())
def test_strict_json_is_read_as_python_wrote_it(tmp_path_factory, tree, indent):
    path = tmp_path_factory.getbasetemp() / "tree.json"
    path.write_text(json.dumps(tree, indent=indent))
    assert load_json(path) == tree


@given(trees, st.data())
def test_every_value_is_found_on_its_line(tmp_path_factory, tree, data):
    path = tmp_path_factory.getbasetemp() / "tree.json"
    mark, at, here = "the mark of this test", (0,), tree
    while isinstance(here, dict | list) and here:
        key = data.draw(st.sampled_from(list(here) if isinstance(here, dict) else list(range(len(here)))))
        at, above, here = (*at, key), here, here[key]
    if len(at) > 1:
        above[at[-1]] = mark
    text = json.dumps(tree if len(at) > 1 else mark, indent=1)
    path.write_text(text)
    lines = text.splitlines()
    assert mark in lines[load_documents(path).line(at) - 1]


def test_errors_are_one_safe_line(put):
    error = refusal(put('{"\\u001b[31m\\n": 1, "\\u001b[31m\\n": 2}'))
    assert str(error).isprintable()
    assert "\x1b" not in str(ReaderError("a\x1b\n.json", None, "what", "remedy"))
    assert len(printable("x" * 1000)) == 200


def test_errors_and_files_need_only_the_standard_library():
    code = "import sys, nfvlab.readers.files, nfvlab.readers; print({'numpy', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
