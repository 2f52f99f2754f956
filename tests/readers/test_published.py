"""data/published.csv: `same` resolved, units ours, every bad row named by its line."""

import math
from pathlib import Path

import pytest

from nfvlab.readers import ReaderError
from nfvlab.readers.published import COLUMNS, read_published
from nfvlab.units import KiB, ms, us

PUBLISHED = Path(__file__).resolve().parents[2] / "data" / "published.csv"
HEADER = ",".join(COLUMNS) + "\n"
ROW = "a,vfio,case one,latency,14,11,us,setup one,source one\n"


@pytest.fixture
def read(tmp_path):
    def write_and_read(text):
        path = tmp_path / "published.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_published(path)

    return write_and_read


def test_the_published_figures_of_the_free_pages_in_our_units():
    frame, printed = read_published(PUBLISHED)
    total, used, down = (
        frame.loc[f"{name}"] for name in ("fp-idle-total", "fp-used-bytes", "l2fwd-downtime")
    )
    assert (total["without"], total["with"], total["suffix"]) == (1894 * ms, 421 * ms, "_ns")
    assert (used["without"], used["with"], used["suffix"]) == (8146291 * KiB, 361375 * KiB, "_bytes")
    assert (down["without"], down["with"]) == (26 * ms, 5 * ms)
    assert printed["fp-idle-total"] == "ms"
    assert frame.loc["qat-total", "with"] == -0.4 and frame.loc["qat-engine", "with"] == 3e9
    assert math.isnan(frame.loc["zero-check", "without"])
    assert frame.loc["thread-hop", "with"] == 11 * us


def test_same_repeats_the_row_above_through_chains_and_before_a_semicolon():
    frame, _ = read_published(PUBLISHED)
    assert not (frame[["case", "quantity", "setup", "source"]] == "same").any(axis=None)
    assert frame.loc["fp-used-bytes", "setup"] == frame.loc["fp-idle-total", "setup"]
    assert frame.loc["fp-used-bytes", "source"].startswith("Liang Li")
    assert frame.loc["qat-cpu", "case"].startswith("7 GiB filled with the Calgary corpus")
    assert frame.loc["timer-immediate", "setup"].startswith("Haswell Xeon")
    assert frame.loc["timer-immediate", "setup"].endswith(
        "; without: preemption-timer exit taken, with: exit avoided"
    )


def test_every_figure_of_a_feature_is_there():
    frame, _ = read_published(PUBLISHED)
    assert len(frame) == PUBLISHED.read_text().count("\n") - 1
    assert set(frame["feature"]) <= {"freepages", "qat", "timer", "apicv", "vfio", "cat", "cmt"}
    assert frame["with"].notna().all()


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", None, "empty"),
        (HEADER, None, "no row"),
        ("id,feature\n" + ROW, 1, "first line"),
        (HEADER + ROW + ROW, 3, "'a' stands twice"),
        (HEADER + ROW.replace("11", "eleven"), 2, "with is 'eleven'"),
        (HEADER + ROW.replace("11", "nan"), 2, "with is 'nan'"),
        (HEADER + ROW.replace("11", "1e999"), 2, "with is '1e999'"),
        (HEADER + ROW.replace("us", "furlong"), 2, "unit 'furlong'"),
        (HEADER + ROW.replace("a,vfio", ",vfio"), 2, "no id"),
        (HEADER + ROW.replace("setup one", "same"), 2, "no row stands above"),
        (HEADER + ROW + "b,vfio\n", 3, "2 cells"),
        (HEADER + '"a,vfio\n', 2, "not CSV"),
        (HEADER + ROW.replace("case one", "x" * 200_000), 2, "not CSV"),
        (HEADER.encode() + ROW.replace("case", "cas\u00e9").encode("latin-1"), 2, "not UTF-8"),
    ],
)
def test_a_bad_table_is_refused_with_its_line(read, text, line, says):
    with pytest.raises(ReaderError) as caught:
        read(text)
    assert says in caught.value.what and caught.value.line == line and caught.value.remedy


def test_blank_lines_and_quoted_newlines_are_read(read):
    frame, _ = read(HEADER + "\n" + ROW.replace("case one", '"case\none"') + "\n")
    assert frame.loc["a", "case"] == "case\none"
