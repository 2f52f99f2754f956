"""Every cache recording of data/ reads; the format samples are what their writers write."""

import gzip

import cache_fixtures
import pytest

from nfvlab.readers.perf import read_perf_stat
from nfvlab.readers.pqos import read_pqos
from nfvlab.readers.pqos_config import read_pqos_config
from nfvlab.readers.recognise import recognise
from nfvlab.readers.resctrl import read_resctrl

READERS = {
    "resctrl": read_resctrl,
    "pqos": read_pqos,
    "pqos-config": read_pqos_config,
    "perf-stat": read_perf_stat,
}
FOLDERS = [cache_fixtures.RECORDINGS / name for name in ("resctrl", "pqos", "perf_stat")]
FILES = sorted(path for folder in FOLDERS for path in folder.iterdir())


@pytest.mark.parametrize("name", cache_fixtures.FILES)
def test_a_format_sample_is_what_its_writer_writes(name):
    stored, made = (cache_fixtures.RECORDINGS / name).read_bytes(), cache_fixtures.FILES[name]()
    if name.endswith(".gz"):  # compressors differ
        stored, made = gzip.decompress(stored), gzip.decompress(made)
    assert stored == made


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_recording_reads(path):
    frame, meta = READERS[recognise(path)](path)
    assert len(frame) or getattr(meta, "groups", {})
    assert meta.path == str(path)


def test_text_csv_and_perf_of_one_scene_agree():
    text, _ = read_pqos(FOLDERS[1] / "cores.txt")
    csv, _ = read_pqos(FOLDERS[1] / "cores.csv")
    words = [word for word in csv.columns if word.endswith(("_bytes", "_per_s", "_ratio"))]
    assert text[words].equals(csv[words])
    assert text["llc_misses_count"].tolist() == csv["llc_misses_count"].tolist()
    perf, _ = read_perf_stat(FOLDERS[2] / "cqm_interval.csv")
    level = perf[perf["event"] == "intel_cqm/llc_occupancy/"]["value"].tolist()
    assert level == csv.groupby("sample")["llc_occupancy_bytes"].sum().tolist()
    moved = perf[perf["event"] == "intel_cqm/local_bytes/"]["value"].to_numpy()
    rate = csv.groupby("sample")["mbm_local_bytes_per_s"].sum().to_numpy()
    assert abs(moved - rate).max() <= 5_000.1  # perf prints hundredths of 10^6 bytes
