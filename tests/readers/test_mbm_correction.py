"""data/mbm_correction.csv: the whole table, and every damage to it named by its line."""

from pathlib import Path

import pytest

from nfvlab.readers import ReaderError
from nfvlab.readers.mbm_correction import COLUMNS, correction_rows, read_mbm_correction

TABLE = Path(__file__).resolve().parents[2] / "data" / "mbm_correction.csv"
HEADER = ",".join(COLUMNS) + "\n"
ROW = "3,24,15,0.969650,somewhere\n"


@pytest.fixture
def read(tmp_path):
    def write_and_read(text):
        path = tmp_path / "table.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return correction_rows(path)

    return write_and_read


def test_one_row_for_every_core_count_from_1_to_28():
    frame, sources = read_mbm_correction(TABLE)
    assert frame.index.tolist() == list(range(1, 29))
    assert (frame["rmid_count"] == 8 * frame.index).all()
    assert tuple(frame.loc[22]) == (176, 159, 1.454334)
    assert [cores for cores, source in sources.items() if "monitor.c" in source] == [5]


def test_factor_one_and_threshold_none_go_together():
    frame, _ = read_mbm_correction(TABLE)
    assert ((frame["rmid_threshold"] == 0) == (frame["correction_factor"] == 1)).all()
    assert frame["correction_factor"].between(0.9, 1.5).all()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", None, "empty"),
        ("a,b\n", 1, "first line"),
        (HEADER, None, "no row"),
        (HEADER + "3,24,15,0.97\n", 2, "4 cells"),
        (HEADER + "3,24,15,zero,x\n", 2, "'zero'"),
        (HEADER + "3,24,15,nan,x\n", 2, "beyond"),
        (HEADER + "3,24,15,1e9,x\n", 2, "beyond"),
        (HEADER + "3,24,-1,1.1,x\n", 2, "'-1'"),
        (HEADER + "3,25,15,1.1,x\n", 2, "25 RMIDs at 3 cores"),
        (HEADER + "3,24,24,1.1,x\n", 2, "threshold 24"),
        (HEADER + "3,24,0,1.1,x\n", 2, "no threshold"),
        (HEADER + "3,24,15,1.1,\n", 2, "no source"),
        (HEADER + ROW + ROW, 3, "must rise"),
        (HEADER + '3,24,15,1.1,"x\n', 2, "not CSV"),
        (b"\x00\x01", 1, "NUL"),
    ],
)
def test_a_damaged_table_is_refused(read, text, line, words):
    with pytest.raises(ReaderError, match=words) as refused:
        read(text)
    assert refused.value.line == line


def test_a_good_row_reads(read):
    assert read(HEADER + ROW)[0].correction_factor == 0.969650
