"""The glossary says what the code has: no unit, output or claim without a line, no term without its place."""

import importlib

import numpy as np
import pytest
import toy

from nfvlab import catalog, glossary, twin, units
from nfvlab.paths import notebooks_dir
from nfvlab.results import approx, exact, lower, upper

BUILT = [feature for feature in catalog.FEATURES if feature.built]


def test_every_unit_suffix_has_a_line_with_an_example():
    rows = {row["suffix"]: row for row in glossary.unit_table().rows}
    assert set(rows) == set(units.SUFFIXES)
    for suffix, row in rows.items():
        written, _, read = row["example"].partition(" reads ")
        name, _, value = written.partition(" = ")
        assert name == f"x{suffix}" and read == units.human(name, float(value)), suffix


@pytest.mark.parametrize("feature", BUILT, ids=lambda feature: feature.name)
def test_every_output_of_a_built_feature_has_a_line(feature):
    shown = {row["output"]: row["meaning"] for row in glossary.output_table(feature.name).rows}
    assert shown == dict(feature.load().OUTPUTS)
    assert all(text and "\n" not in text for text in shown.values())
    assert set(shown) <= set(glossary.words())


def test_every_kind_of_claim_and_verdict_has_a_line():
    said = {term.word for term in glossary.terms("claims and verdicts")}
    for claim in (exact(), lower(), upper(), approx(rel=0.1, where="here")):
        assert any(claim.words("total_time_ns").startswith(word) for word in said), claim
    rows = twin.compare(toy, toy.Params(), rng=np.random.default_rng(1), n=20).rows
    assert {row.verdict for row in rows} <= {"holds", "fails"} and "holds, fails" in said


@pytest.mark.parametrize("term", list(glossary.terms()), ids=lambda term: term.word)
def test_the_code_has_every_term_where_the_glossary_says(term):
    module, _, name = term.place.partition(":")
    if name:
        assert hasattr(importlib.import_module(module), name)
    else:
        packages = [feature.load() for feature in BUILT]
        known = set().union(*(set(package.OUTPUTS) | set(package.Params.specs()) for package in packages))
        assert term.place in known


def test_no_word_stands_twice_and_each_has_one_line():
    said = [term.word for term in glossary.terms()]
    assert len(set(said)) == len(said)
    for term in glossary.terms():
        assert term.meaning and "\n" not in term.meaning and not term.meaning.endswith("."), term.word


def test_an_unknown_section_is_refused_by_name():
    with pytest.raises(KeyError, match="sections are claims"):
        glossary.term_table("clams")


def test_tables_escape_what_they_show():
    table = glossary.Table("a < b", [{"term": "<x>", "meaning": "1 & 2"}])
    shown = table._repr_html_()
    assert "&lt;x&gt;" in shown and "1 &amp; 2" in shown and "a &lt; b" in shown
    assert repr(table) == "a < b\n  <x>  1 & 2"


def test_the_tour_shows_the_whole_glossary():
    source = (notebooks_dir() / "00_start_here.ipynb").read_text(encoding="utf-8")
    missing = [term.word for term in glossary.terms() if term.word not in source]
    missing += [suffix for suffix in units.SUFFIXES if suffix not in source]
    missing += [name for feature in BUILT for name in feature.load().OUTPUTS if name not in source]
    assert not missing
