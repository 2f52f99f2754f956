"""Notebooks run afresh: into self-contained pages, and back into their files without a changed byte."""

import base64
import struct
import zlib
from html.parser import HTMLParser

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from nfvlab import cli
from nfvlab.commands import report
from nfvlab.commands._execute import WIDGET_VIEW


def tiny_png() -> bytes:
    """One grey pixel, chunk by chunk as the PNG specification lays them out."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixel = zlib.compress(b"\0\x80")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


PNG = base64.b64encode(tiny_png()).decode()
ALT = 'two lines, "fast" & <slow>'
PANEL = f"""import ipywidgets
class Panel:
    def _repr_mimebundle_(self, include=None, exclude=None):
        data = dict(ipywidgets.HTML("live")._repr_mimebundle_())
        data |= {{"text/plain": "panel: 3 pages", "image/png": {PNG!r}}}
        return data, {{"image/png": {{"alt": {ALT!r}, "width": 9}}}}
Panel()"""
FIRST = """# The *first* page

A `summary` of [it](second.ipynb).

![a dot](dot.png) and $x_1 < 2$, then

$$\\sum_{i=0}^n \\frac{a}{b}$$

See [the other](second.ipynb#Part-two) or [a page](https://example.org/).

<details><summary>Hint</summary>

Count `twice`.
</details>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two notebooks, one of which fails in its third cell, and a picture."""
    folder = tmp_path_factory.mktemp("notebooks")
    (folder / "dot.png").write_bytes(tiny_png())
    good = [new_markdown_cell(FIRST), new_code_cell(PANEL), new_code_cell("print('6 ×', 7)\nprint('pages')")]
    nbformat.write(new_notebook(cells=good), folder / "first.ipynb")
    bad = [new_markdown_cell("# Second"), new_code_cell("x = 0"), new_code_cell("y = 1\ny / x")]
    nbformat.write(new_notebook(cells=bad), folder / "second.ipynb")
    return folder


@pytest.fixture(scope="module")
def reported(folder, tmp_path_factory):
    """Exit status and folder of a report on both."""
    output = tmp_path_factory.mktemp("reports")
    names = [str(folder / name) for name in ("first.ipynb", "second.ipynb")]
    return cli.main(["report", *names, "-o", str(output)]), output


class Loads(HTMLParser):
    """What a browser would fetch: read independently of the code under test."""

    def __init__(self):
        super().__init__()
        self.loads, self.links, self.alts, self.pictures = [], [], [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "a":
            self.links.append(attrs.get("href", ""))
        elif tag == "img":
            self.alts.append(attrs.get("alt"))
            self.pictures.append(attrs.get("src"))
        if tag != "a":
            sources = [attrs.get(name) or "" for name in ("src", "href", "srcset", "data", "poster")]
            self.loads += [value for value in sources if value and not value.startswith("data:")]


def test_a_page_loads_nothing_and_keeps_pictures_words_and_formulas(reported):
    text = (reported[1] / "first.html").read_text(encoding="utf-8")
    page = Loads()
    page.feed(text)
    assert page.loads == []
    assert "<script" not in text and "@import" not in text and "url(http" not in text
    assert page.alts == ["a dot", ALT]
    assert text.count("<math") == 2 and "<msub>" in text and "<mfrac>" in text and "$" not in text
    assert page.pictures == [f"data:image/png;base64,{PNG}"] * 2
    assert "6 × 7\npages" in text and WIDGET_VIEW not in text
    assert "<title>The first page · nfvlab</title>" in text


def test_links_between_notebooks_become_links_between_pages(reported):
    page = Loads()
    page.feed((reported[1] / "first.html").read_text(encoding="utf-8"))
    assert "second.html" in page.links and "second.html#Part-two" in page.links
    assert "https://example.org/" in page.links, "a link is followed by the reader, not loaded"


def test_what_is_folded_in_a_notebook_is_folded_on_its_page(reported):
    text = (reported[1] / "first.html").read_text(encoding="utf-8")
    inside = text.partition("<details>")[2].partition("</details>")[0]
    assert "Hint" in inside and "twice" in inside


def test_a_failing_notebook_is_named_with_its_cell(folder, tmp_path, capsys):
    assert cli.main(["report", str(folder / "second.ipynb"), "-o", str(tmp_path)]) == 1
    printed = capsys.readouterr().err
    assert "second.ipynb, cell 3 ('y = 1'): ZeroDivisionError: division by zero" in printed
    assert "Traceback" not in printed
    assert not (tmp_path / "second.html").exists()


def test_a_failure_does_not_keep_the_others_from_their_pages(reported):
    status, output = reported
    assert status == 1
    assert sorted(path.name for path in output.iterdir()) == ["first.html", "index.html"]
    index = (output / "index.html").read_text(encoding="utf-8")
    page = Loads()
    page.feed(index)
    assert page.links == ["first.html"] and page.loads == []
    assert "The first page" in index and "A summary of it." in index


@pytest.mark.parametrize(
    "markup",
    [
        '<img alt="x" src="https://example.org/x.png">',
        '<img alt="x" srcset="x2.png 2x" src="data:,">',
        '<script src="https://example.org/x.js"></script>',
        '<link rel="stylesheet" href="style.css">',
        "<style>@import 'https://example.org/x.css';</style>",
        '<p style="background: url(https://example.org/x.png)">x</p>',
        '<iframe src="https://example.org/"></iframe>',
        '<svg><use href="https://example.org/x.svg#a"/></svg>',
    ],
)
def test_a_page_that_would_load_something_is_refused(markup, folder):
    notebook = new_notebook(cells=[new_markdown_cell(f"# X\n\n{markup}")])
    with pytest.raises(report.NotSelfContained, match=r"x[.]ipynb: the page would load .*(x[2.]|style|org)"):
        report.to_html(notebook, folder / "x.ipynb", pages=set())


def test_a_second_run_changes_no_byte_and_drops_what_varies(folder, tmp_path, capsys):
    path = tmp_path / "first.ipynb"
    path.write_text((folder / "first.ipynb").read_text())
    (tmp_path / "dot.png").write_bytes(tiny_png())
    assert cli.main(["notebooks", str(path)]) == 0
    once = path.read_bytes()
    assert cli.main(["notebooks", str(path)]) == 0
    assert path.read_bytes() == once
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()] == [
        "first.ipynb: changed",
        "first.ipynb: unchanged",
    ]
    notebook = nbformat.read(path, as_version=4)
    assert [cell.execution_count for cell in notebook.cells[1:]] == [1, 2]
    assert WIDGET_VIEW not in once.decode() and "widgets" not in notebook.metadata
    assert "version" not in notebook.metadata.language_info
    assert notebook.cells[1].outputs[0].metadata["image/png"]["alt"] == ALT


def test_a_tagged_cell_s_picture_is_stored_for_the_readme(tmp_path):
    cell = new_code_cell(PANEL, metadata={"tags": ["figure:panel"]})
    nbformat.write(new_notebook(cells=[cell, new_code_cell(PANEL)]), tmp_path / "tagged.ipynb")
    assert cli.main(["notebooks", str(tmp_path / "tagged.ipynb")]) == 0
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["panel.png"]
    assert (tmp_path / "figures" / "panel.png").read_bytes() == tiny_png()


def test_a_notebook_that_fails_keeps_its_file(folder, capsys):
    path = folder / "second.ipynb"
    before = path.read_bytes()
    assert cli.main(["notebooks", str(path)]) == 1
    assert path.read_bytes() == before
    assert "second.ipynb, cell 3" in capsys.readouterr().err


def test_cells_without_an_id_get_one_that_stays(tmp_path):
    from nfvlab.commands._execute import read

    path = tmp_path / "old.ipynb"
    path.write_text(
        '{"cells": [{"cell_type": "markdown", "metadata": {}, "source": "x"}], "metadata": {}, '
        '"nbformat": 4, "nbformat_minor": 4}'
    )
    assert read(path).cells[0].id == read(path).cells[0].id


def test_a_notebook_that_is_not_there_is_a_message(capsys):
    assert cli.main(["report", "no_such"]) == 2
    assert "no notebook 'no_such'" in capsys.readouterr().err
