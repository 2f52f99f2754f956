import importlib.util
import re
from dataclasses import replace

import pytest

from nfvlab import catalog
from nfvlab.catalog import FEATURES, NotBuiltError


def test_seven_features_in_order():
    assert [feature.name for feature in FEATURES] == [
        "cmt",
        "cat",
        "apicv",
        "timer",
        "vfio",
        "freepages",
        "qat",
    ]
    assert [feature.number for feature in FEATURES] == list(range(1, 8))


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_feature_asks_one_question_and_has_a_numbered_notebook(feature):
    assert feature.question.endswith("?")
    assert feature.question.count("?") == 1
    assert re.fullmatch(rf"0{feature.number}_[a-z_]+\.ipynb", feature.notebook)
    assert feature.title


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_the_built_flag_is_true(feature):
    """A feature is built when it can be shown: its package has pictures. Its parts may be there before."""
    there = importlib.util.find_spec(f"nfvlab.{feature.name}") is not None
    assert feature.built == (there and importlib.util.find_spec(f"nfvlab.{feature.name}.figures") is not None)


@pytest.mark.parametrize("feature", [f for f in FEATURES if f.built], ids=lambda feature: feature.name)
def test_a_built_feature_loads(feature):
    assert feature.load().__name__ == f"nfvlab.{feature.name}"


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_feature_to_come_says_so(feature):
    feature = replace(feature, built=False)
    with pytest.raises(NotBuiltError, match=rf"nfvlab\.{feature.name}.*not built yet.*freepages"):
        feature.load()


def test_find():
    assert catalog.find("qat").number == 7
    with pytest.raises(LookupError, match="did you mean 'freepages'"):
        catalog.find("free_pages")
    with pytest.raises(LookupError, match="the features are cmt, cat"):
        catalog.find("xyzzy")


def test_the_table_has_a_row_a_feature_and_links_what_is_built():
    head, rule, *rows = catalog.table().splitlines()
    assert head.count("|") == rule.count("|") == 5
    for feature, row in zip(FEATURES, rows, strict=True):
        number, title, question, place = (cell.strip() for cell in row.strip("|").split("|"))
        assert (int(number), title, question) == (feature.number, feature.title, feature.question)
        assert place == (
            f"[{feature.notebook}](notebooks/{feature.notebook})" if feature.built else "planned"
        )
