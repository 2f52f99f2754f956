"""The notebooks as they are stored: run from top to bottom, normalised, described, of one form."""

import ast
import re

import nbformat
import pytest

from nfvlab import catalog, cli
from nfvlab.commands._execute import chosen, normalise
from nfvlab.commands._execute import read as read_notebook
from nfvlab.commands.notebooks import tagged_figures
from nfvlab.paths import CHECKOUT, notebooks_dir

HEADINGS = [
    "Question",
    "Mechanism",
    "Knobs",
    "Theory",
    "Simulation",
    "Twins",
    "What it buys",
    "Your host",
    "Left out",
    "Exercises and references",
]
PATHS = sorted(notebooks_dir().glob("*.ipynb")) if notebooks_dir().is_dir() else []
FEATURES = [feature for feature in catalog.FEATURES if feature.built]
every_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
every_feature = pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)


def cells(path, kind):
    return [cell for cell in read_notebook(path).cells if cell.cell_type == kind]


def outputs(path):
    return [output for cell in cells(path, "code") for output in cell.outputs]


def headings(path, level):
    """The headings of one level, those inside code fences left out."""
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    text = re.sub(r"(?ms)^(```|~~~).*?^\1", "", text)
    return re.findall(rf"(?m)^{'#' * level} +(.+?) *$", text)


def test_there_are_the_tour_and_one_notebook_a_built_feature():
    expected = ["00_start_here.ipynb", *(feature.notebook for feature in FEATURES)]
    assert [path.name for path in chosen()] == expected


@every_notebook
def test_every_code_cell_was_run_once_in_order_without_an_error(path):
    code = cells(path, "code")
    assert code and [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert [output.output_type for output in outputs(path) if output.output_type == "error"] == []
    assert [output.text for output in outputs(path) if output.get("name") == "stderr"] == []


@every_notebook
def test_nbval_has_something_to_compare(path):
    """A notebook without outputs passes nbval whatever it computes; so does one with pictures alone."""
    compared = [o for o in outputs(path) if "text" in o or o.get("data", {}).keys() - {"image/png"}]
    assert len(compared) >= len(cells(path, "code")) / 2
    marks = re.compile(r"(?i)#\s*(nbval_|pytest_validate_)")
    assert not [cell.source for cell in cells(path, "code") if marks.search(cell.source)]
    assert not [
        tag for cell in cells(path, "code") for tag in cell.metadata.get("tags", ()) if "nbval" in tag
    ]


@every_notebook
def test_stored_form_is_the_normal_form(path):
    stored = path.read_text(encoding="utf-8")
    assert stored == nbformat.writes(normalise(read_notebook(path))) + "\n"
    assert "widget-view" not in stored and "widget-state" not in stored
    ids = [cell.id for cell in read_notebook(path).cells]
    assert len(set(ids)) == len(ids)


@every_notebook
def test_no_output_holds_an_address_or_a_path(path):
    shown = "\n".join(str({**o, "data": {**o.get("data", {}), "image/png": ""}}) for o in outputs(path))
    assert not re.search(r"at 0x[0-9a-f]{6,}", shown)
    assert not re.search(r"(?<![\w.~-])/(?:home|root|tmp|Users)/\w", shown)


@every_notebook
def test_every_picture_has_words(path):
    for output in outputs(path):
        if "image/png" in output.get("data", {}):
            assert len(output.metadata.get("image/png", {}).get("alt", "")) > 20
    for cell in cells(path, "markdown"):
        assert not re.search(r"!\[\s*\]\(|<img(?![^>]*\balt=)", cell.source)


@every_notebook
def test_links_lead_somewhere(path):
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        target, _, anchor = link.partition("#")
        if "://" in link:
            continue
        assert not target or (path.parent / target).exists(), f"{link}: no such file"
        if anchor and not target:
            titles = {title.replace(" ", "-") for level in (1, 2, 3, 4) for title in headings(path, level)}
            assert anchor in titles or f'id="{anchor}"' in text, f"#{anchor}: no such heading"


@every_notebook
def test_the_first_cell_is_title_summary_aims_and_contents(path):
    first = read_notebook(path).cells[0]
    assert first.cell_type == "markdown" and first.source.startswith("# ")
    assert len(headings(path, 1)) == 1, "one H1 a notebook"
    blocks = [block for block in re.split(r"\n\s*\n", first.source) if block.strip()]
    assert len(blocks[1]) > 100, "a paragraph of summary after the title"
    aims = re.search(
        r"(?mi)^.*you will learn.*\n+((?:(?:[-*]|\d\.) .*(?:\n(?![-*]|\d\.).+)*\n?)+)", first.source
    )
    assert aims and len(re.findall(r"(?m)^(?:[-*]|\d\.) ", aims[1])) == 3, (
        "three points of what you will learn"
    )
    assert first.source.count("](#") >= len(headings(path, 2)) - 1, "contents: a link to every section"


@every_notebook
def test_code_reads_as_python_and_ends_without_a_semicolon(path):
    for cell in cells(path, "code"):
        ast.parse(cell.source)
        assert not cell.source.rstrip().endswith(";"), "nbval sees the output all the same"


@every_feature
def test_a_feature_s_notebook_has_the_ten_headings(feature):
    assert headings(notebooks_dir() / feature.notebook, 2) == HEADINGS


@every_notebook
def test_stored_figures_are_the_pictures_in_the_notebook(path):
    for name, png in tagged_figures(read_notebook(path)).items():
        assert (path.parent / "figures" / f"{name}.png").read_bytes() == png


def test_the_readme_shows_a_figure_that_a_notebook_makes():
    shown = re.findall(
        r"]\(notebooks/figures/([\w-]+)\.png\)", (CHECKOUT / "README.md").read_text(encoding="utf-8")
    )
    made = {name for path in PATHS for name in tagged_figures(read_notebook(path))}
    assert shown and set(shown) <= made


def test_the_tour_lists_every_command_and_no_other():
    (parser,) = [action for action in cli.build_parser()._actions if action.choices]
    source = "\n".join(cell.source for cell in cells(notebooks_dir() / "00_start_here.ipynb", "markdown"))
    assert set(re.findall(r"(?m)^\| `nfvlab (\w+)", source)) == set(parser.choices)


@every_feature
def test_solutions_are_folded(feature):
    source = "\n".join(cell.source for cell in cells(notebooks_dir() / feature.notebook, "markdown"))
    assert source.count("<details") == source.count("</details>") >= 2
    assert source.count("<details") == source.count("<summary")
