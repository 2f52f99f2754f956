"""pqos output of every year, form and set of columns, in our words and units."""

import math
from itertools import combinations

import pqos_samples as samples
import pytest

from nfvlab.readers import ReaderError
from nfvlab.readers.pqos import read_pqos
from nfvlab.readers.pqos_config import read_pqos_config
from nfvlab.units import KiB, MiB

WORDS = {
    "ipc": ("ipc_ratio", 1),
    "misses": ("llc_misses_count", 1),
    "references": ("llc_references_count", 1),
    "llc": ("llc_occupancy_bytes", KiB),
    "percent": ("llc_occupancy_frac", 0.01),
    "mbl": ("mbm_local_bytes_per_s", MiB),
    "mbr": ("mbm_remote_bytes_per_s", MiB),
    "mbt": ("mbm_total_bytes_per_s", MiB),
}
SETS = [s for n in (1, 2, 8) for s in combinations(WORDS, n)]
FORMS = {"text": samples.text, "csv": samples.csv, "xml": samples.xml}


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    path = tmp_path_factory.mktemp("pqos") / "out"

    def run(text, reader=read_pqos):
        path.write_text(text)
        return reader(path)

    return run


@pytest.mark.parametrize("form", FORMS)
def test_every_set_of_columns(read, form):
    for events in SETS:
        runs = samples.samples(events=events)
        frame, meta = read(FORMS[form](runs, events))
        assert (len(frame), meta.samples, meta.format, meta.start) == (9, 3, form, "2026-03-01 12:00:00")
        assert frame["t_ns"].tolist() == [0] * 3 + [1e9] * 3 + [2e9] * 3 and frame["sample"].tolist()[
            ::3
        ] == [0, 1, 2]
        rows = [row for _, rows in runs for row in rows]
        measured = [c for c in frame.columns if c not in ("sample", "t_ns", "cores", "cores_cut")]
        assert sorted(measured) == sorted(WORDS[event][0] for event in events)
        for event in events:
            word, scale = WORDS[event]
            assert frame[word].tolist() == [row.values[event] * scale for row in rows], (events, word)


@pytest.mark.parametrize("form", FORMS)
def test_units_are_binary(read, form):
    runs = [("2026-03-01 12:00:00", [samples.Row("0", {"llc": 1.0, "mbl": 1.0})])]
    frame, _ = read(FORMS[form](runs, ("llc", "mbl")))
    assert frame["llc_occupancy_bytes"][0] == 1024 and frame["mbm_local_bytes_per_s"][0] == 1024 * 1024


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("missing", WORDS)
def test_an_event_that_a_group_does_not_have_is_nan(read, form, missing):
    runs = samples.samples(events=tuple(WORDS))
    for _, rows in runs:
        rows[1].values[missing] = None
    frame, _ = read(FORMS[form](runs, tuple(WORDS)))
    word = WORDS[missing][0]
    assert frame[word].isna().tolist() == [False, True, False] * 3
    others = [w for w, _ in WORDS.values() if w != word]
    assert not frame[others].isna().any().any()


def test_the_text_cuts_lists_of_cores_and_csv_does_not(read):
    frame, meta = read(samples.text(samples.samples(1)))
    assert frame["cores"].tolist() == ["0", "1-3", "0-27,56-"] and frame["cores_cut"].tolist() == [
        False,
        False,
        True,
    ]
    assert any("may be cut" in note for note in meta.notes)
    frame, meta = read(samples.csv(samples.samples(1)))
    assert frame["cores"].tolist()[2] == "0-27,56-83" and "cores_cut" not in frame and meta.notes == ()


def test_blanks_that_an_editor_took_from_the_end_of_a_row_are_said(read):
    runs = samples.samples(1, cores=("0", "1"))
    runs[0][1][0].values.update(mbl=None, mbr=None)
    for text in (samples.text(runs), "\n".join(line.rstrip() for line in samples.text(runs).split("\n"))):
        frame, meta = read(text)
        assert frame["mbm_remote_bytes_per_s"].isna().tolist() == [True, False]
        assert frame["llc_occupancy_bytes"][0] == 2048.5 * KiB
    assert any("end before their last column" in note for note in meta.notes)


def test_two_groups_that_the_text_cuts_alike_are_said(read):
    frame, meta = read(samples.text(samples.samples(1, cores=("10,11,12", "10,11,12,13"))))
    assert len(frame) == 2 and any("the same name" in note for note in meta.notes)


@pytest.mark.parametrize("form", FORMS)
def test_processes(read, form):
    runs = samples.samples(2, cores=("1,2", "err"), pid="1234")
    frame, _ = read(FORMS[form](runs, pids=True))
    assert frame["pid"].tolist() == ["1234"] * 4 and frame["cores"].tolist() == ["1,2", ""] * 2


@pytest.mark.parametrize(
    "text",
    [
        samples.text(samples.samples(2), tty=True),
        samples.text(samples.samples(2)).replace("\n", "\r\n"),
        "NOTE:  Mixed use of MSR and kernel interfaces to manage\n"
        "       CAT or CMT & MBM may lead to unexpected behavior.\n"
        "CMT/MBM reset successful\n" + samples.text(samples.samples(2)),
        samples.text_2017(samples.samples(2)),
        samples.csv(samples.samples(2), fused=True),
        samples.csv(samples.samples(2)).replace("\n", "\r\n"),
        samples.csv(samples.samples(1)) + samples.csv(samples.samples(2)[1:]),
    ],
    ids=[
        "terminal",
        "text with CR",
        "messages first",
        "2017",
        "header of 2022",
        "csv with CR",
        "two runs appended",
    ],
)
def test_other_years_terminals_and_appended_runs(read, text):
    frame, meta = read(text)
    assert meta.samples == 2 and frame["t_ns"].tolist() == [0] * 3 + [1e9] * 3
    assert frame["mbm_local_bytes_per_s"].iloc[1] == pytest.approx(1105.5 * MiB)
    assert frame["llc_misses_count"].tolist()[:2] == [12000, 132000]


def test_socket_and_rmid_of_2016(read):
    runs = samples.samples(2, cores=("0", "1"), rmid=5)
    frame, _ = read(samples.text_2016(runs))
    assert frame["socket"].tolist() == [0] * 4 and frame["rmid"].tolist() == [5] * 4
    assert frame["llc_occupancy_bytes"][0] == 2048.5 * KiB and "ipc_ratio" not in frame
    frame, _ = read(samples.text_2016(samples.samples(2, cores=("0",), pid="77"), pids=True))
    assert frame["pid"].tolist() == ["77"] * 2 and frame["rmid"].isna().all()


@pytest.mark.parametrize("form", ["text", "csv"])
def test_rmid_of_a_custom_build(read, form):
    frame, _ = read(FORMS[form](samples.samples(1, cores=("0", "1"), rmid=17), rmid=True))
    assert frame["rmid"].tolist() == [17, 17] and frame["ipc_ratio"].tolist() == [1.25, 13.75]


def test_values_wider_than_their_column(read):
    rows = [samples.Row("0", {"misses": 1.2e15, "llc": 1e12, "mbl": 5.0})]
    frame, _ = read(samples.text([("2026-03-01 12:00:00", rows)], ("misses", "llc", "mbl")))
    assert frame["llc_misses_count"][0] == 1.2e15 and frame["llc_occupancy_bytes"][0] == 1e12 * KiB


def test_regions_channels_and_sockets(read):
    text = "TIME 2026-03-01 12:00:00\n         CHANNEL     I/O-LLC   I/O-TOTAL    I/O-MISS\n"
    frame, _ = read(text + f"{'0x10002':>16}" + "".join(f" {v:11.1f}" for v in (1, 2, 3)) + "\n")
    assert frame["channel"][0] == "0x10002" and frame["io_total_bytes_per_s"][0] == 2 * MiB
    text = "TIME 2026-03-01 12:00:00\n    CORE    MBL-r0[MB/s]    MBL-r1[MB/s]\n"
    frame, _ = read(text + f"{'0-3':>8}" + "".join(f" {v:15.1f}" for v in (1, 2)) + "\n")
    assert frame["mbm_local_region1_bytes_per_s"][0] == 2 * MiB
    text = "TIME 2026-03-01 12:00:00\n  SOCKET   MISS_READ\n"
    frame, _ = read(text + f"{1:>8}" + f" {12:10d}k\n")
    assert frame["socket"][0] == 1 and frame["llc_pcie_read_misses_count"][0] == 12000


def test_samples_faster_than_the_printed_clock_are_kept_apart(read):
    runs = [("2026-03-01 12:00:00", rows) for _, rows in samples.samples(3)]
    for form in FORMS.values():
        frame, meta = read(form(runs))
        assert (
            meta.samples == 3
            and (frame["t_ns"] == 0).all()
            and any("whole seconds" in note for note in meta.notes)
        )


def test_a_clock_that_pqos_could_not_read_or_that_goes_back(read):
    (_, first), (_, second) = samples.samples(2)
    frame, meta = read(samples.text([("error", first), ("2026-03-01 12:00:05", second)]))
    assert math.isnan(frame["t_ns"][0]) and frame["t_ns"].iloc[-1] == 0
    _, meta = read(samples.csv([("2026-03-01 12:00:05", first), ("2026-03-01 12:00:00", second)]))
    assert any("goes back" in note for note in meta.notes)


@pytest.mark.parametrize("cos", ["COS", "CLOS"])
def test_a_configuration(read, cos):
    frame, meta = read(samples.config(cos=cos), read_pqos_config)
    assert len(frame) == 8 and set(frame["domain_kind"]) == {"socket"}
    first = frame[(frame["resource"] == "L3") & (frame["domain"] == 1)]
    assert first["value"].tolist() == [0x7FF, 0x3FF] and set(first["unit"]) == {"mask"}
    assert frame[frame["resource"] == "MB"]["value"].tolist() == [100, 50] * 2
    assert meta.cores["core"].tolist() == [0, 1, 2, 3] and meta.cores["class_id"].tolist() == [0, 1, 0, 1]
    assert meta.cores["rmid"].tolist() == [0, 1, 2, 3] and meta.cores["socket"].tolist() == [0, 0, 1, 1]


def test_a_configuration_with_cdp_l2_and_a_bandwidth_controller(read):
    frame, _ = read(samples.config(cdp=True, l2=True, mba=" MBps"), read_pqos_config)
    data = frame[(frame["resource"] == "L3DATA") & (frame["domain"] == 0)]
    code = frame[(frame["resource"] == "L3CODE") & (frame["domain"] == 0)]
    assert data["value"].tolist() == [0x7F0, 0x3F8] and code["value"].tolist() == [0x7F, 0x3F]
    assert set(frame[frame["resource"] == "MB"]["unit"]) == {"MBps"}
    l2 = frame[frame["resource"] == "L2"]
    assert l2["domain_kind"].tolist() == ["l2"] * 4 and l2["value"].tolist() == [0xFF, 0xF] * 2


def test_a_configuration_of_amd_and_of_the_os_interface(read):
    amd = ("L3 Cluster (or Core Complex) 0", "L3 Cluster (or Core Complex) 1")
    frame, _ = read(samples.config(domains=amd, mba=""), read_pqos_config)
    assert set(frame["domain_kind"]) == {"l3"} and set(frame[frame["resource"] == "MB"]["unit"]) == {""}
    _, meta = read(samples.config(os_interface=True), read_pqos_config)
    assert meta.tasks == {1: (12, 34), 2: ()} and meta.cores["rmid"].isna().all()


def test_what_verbose_mode_and_devices_say_is_kept(read):
    said = "INFO: L3 CAT details: CDP support=1, CDP on=1, #COS=8, #ways=11, ways contention bit-mask 0x600\n"
    devices = "Device information:\n    Device 0000:0000:1f.3@0, Channel 0x20001 => CLOS1, RMID2\n"
    _, meta = read(said + samples.config() + devices, read_pqos_config)
    assert "contention bit-mask 0x600" in meta.capabilities["L3 CAT"] and len(meta.other) == 1


def test_each_reader_sends_the_others_file_on(read):
    with pytest.raises(ReaderError, match="read_pqos_config"):
        read(samples.config())
    with pytest.raises(ReaderError, match="pqos -s"):
        read(samples.text(samples.samples(1)), read_pqos_config)
