"""resctrl trees of several parts and kernels, as directories, archives and recordings, in our words and units."""

import math
import os
import tarfile

import pytest
import resctrl_samples as samples

from nfvlab.readers import ReaderError
from nfvlab.readers import resctrl_recording as recording
from nfvlab.readers.resctrl import COLUMNS, rates, read_resctrl
from nfvlab.units import MiB


@pytest.fixture
def folder(tmp_path):
    return lambda tree: samples.write(tmp_path / "copy", tree)


def test_readings_by_group_and_domain(folder):
    frame, meta = read_resctrl(folder(samples.plain()))
    assert tuple(frame.columns) == COLUMNS
    keys = list(frame[["control_group", "mon_group", "domain"]].itertuples(index=False, name=None))
    assert keys == [
        ("/", "", 0),
        ("/", "", 1),
        ("web", "", 0),
        ("web", "", 1),
        ("web", "a", 0),
        ("web", "a", 1),
    ]
    assert frame["llc_occupancy_bytes"][:5].tolist() == [1310720, 0, 11 * MiB, 65536, 655360]
    assert frame["mbm_total_bytes"][0] == 900_000 and frame["mbm_local_bytes"][0] == 800_000
    assert frame["node"].isna().all() and (frame["t_ns"] == 0).all() and (frame["sample"] == 0).all()
    assert (meta.kind, meta.last_cmd_status, meta.interval_ns, meta.changes) == ("directory", "ok", None, ())


def test_what_the_kernel_does_not_give_is_nan_and_said(folder, tmp_path):
    frame, meta = read_resctrl(folder(samples.plain()))
    assert math.isnan(frame["mbm_local_bytes"][2]) and frame["unread"][2] == "mbm_local_bytes Unavailable"
    assert math.isnan(frame["mbm_total_bytes"][3]) and frame["unread"][3] == "mbm_total_bytes Error"
    assert frame["unread"][0] == "" and frame["unread"][5].count("Unavailable") == 3
    assert "3 of 6 rows lack a count" in meta.notes[0]
    frame, _ = read_resctrl(samples.write(tmp_path / "amd", samples.amd()))
    assert "mbm_total_bytes Unassigned" in frame["unread"].tolist()[1]


def test_capabilities_in_the_kernels_names(folder):
    _, meta = read_resctrl(folder(samples.plain()))
    l3 = meta.resources["L3"]
    assert (l3["cbm_mask"], l3["min_cbm_bits"], l3["num_closids"]) == (0xFFFFF, 1, 16)
    assert l3["shareable_bits"] == 0xC0000 and l3["sparse_masks"] is False and set(l3["bit_usage"]) == {0, 1}
    assert meta.resources["MB"] == {
        "num_closids": 8,
        "min_bandwidth": 10,
        "bandwidth_gran": 10,
        "delay_linear": True,
    }
    monitoring = meta.resources["L3_MON"]
    assert monitoring["num_rmids"] == 208 and monitoring["max_threshold_occupancy_bytes"] == 65536
    assert monitoring["mon_features"] == ("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes")
    assert meta.occupancy_step_bytes == math.gcd(1310720, 11 * MiB, 65536, 655360) == 65536


def test_groups_with_their_masks_sizes_processors_and_tasks(folder):
    _, meta = read_resctrl(folder(samples.plain()))
    assert list(meta.groups) == [("/", ""), ("web", ""), ("web", "a")]
    web = meta.groups["web", ""]
    assert web.schemata == {"MB": {0: 50, 1: 100}, "L3": {0: 0xFF0, 1: 0xFFFFF}} and web.mode == "shareable"
    assert web.size["L3"][0] == 11 * MiB and web.cpus == (2, 3, 6) and web.tasks_count == 3
    inner = meta.groups["web", "a"]
    assert inner.schemata == {} and inner.mode is None and inner.tasks_count == 1


def test_parts_with_cdp_l2_sparse_masks_and_nodes(folder, tmp_path):
    _, meta = read_resctrl(samples.write(tmp_path / "cdp", samples.cdp()))
    assert meta.groups["p0", ""].schemata == {"L3DATA": {0: 0xF}, "L3CODE": {0: 0x70}}
    assert meta.groups["p0", ""].mode == "exclusive" and set(meta.resources) == {"L3CODE", "L3DATA", "L3_MON"}
    frame, meta = read_resctrl(samples.write(tmp_path / "l2", samples.l2()))
    assert len(frame) == 0 and tuple(frame.columns) == COLUMNS and "no monitoring" in meta.notes[0]
    assert (
        meta.groups["lock", ""].schemata == {"L2": {}} and meta.groups["lock", ""].mode == "pseudo-locksetup"
    )
    _, meta = read_resctrl(samples.write(tmp_path / "amd", samples.amd()))
    assert meta.resources["L3"]["sparse_masks"] is True and meta.groups["batch", ""].schemata["L3"] == {
        0: 0xA5A5
    }
    assert meta.other["info/L3_MON/mbm_assign_mode"] == "[mbm_event] default"


def test_a_domain_is_the_sum_of_its_nodes(folder):
    frame, _ = read_resctrl(folder(samples.snc()))
    assert frame["node"].fillna(-1).tolist() == [-1, 0, 1, -1, 2, 3]
    whole, parts = frame[frame["node"].isna()], frame[frame["node"].notna()]
    assert (
        whole["llc_occupancy_bytes"].tolist() == parts.groupby("domain")["llc_occupancy_bytes"].sum().tolist()
    )


def test_telemetry_of_a_package_is_kept_apart(folder):
    tree = samples.plain() | {
        "mon_data/mon_PERF_PKG_00/core_energy": "12.5\n",
        "info/PERF_PKG_MON/num_rmids": "576\n",
    }
    frame, meta = read_resctrl(folder(tree))
    assert len(frame) == 6 and meta.other["mon_data/mon_PERF_PKG_00/core_energy"] == "12.5"
    assert meta.resources["PERF_PKG_MON"]["num_rmids"] == 576


def test_a_later_kernels_resource_is_left_out_with_a_note(folder):
    tree = samples.plain() | {"schemata": "L3:0=fffff;1=fffff\nXY:0=5\n"}
    _, meta = read_resctrl(folder(tree))
    assert meta.groups["/", ""].schemata == {"L3": {0: 0xFFFFF, 1: 0xFFFFF}} and any(
        "XY" in n for n in meta.notes
    )


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("prefix", ["", "./", "copy/", "sys/fs/resctrl/"])
def test_an_archive_says_what_its_directory_says(folder, tmp_path, mode, prefix):
    wanted, _ = read_resctrl(folder(samples.plain()))
    path = samples.pack(tmp_path / "copy.any", samples.plain(), mode, prefix)
    frame, meta = read_resctrl(path)
    assert frame.equals(wanted) and meta.kind == "tar"
    assert sorted(os.listdir(tmp_path)) == ["copy", "copy.any"]  # nothing was unpacked


def test_a_tree_below_the_given_directory_is_found(tmp_path):
    samples.write(tmp_path / "copy" / "resctrl", samples.cdp())
    frame, meta = read_resctrl(tmp_path)
    assert len(frame) == 2 and meta.path.endswith("copy/resctrl")


def test_links_are_left_out_and_never_followed(folder, tmp_path):
    root = folder(samples.cdp())
    (tmp_path / "secret").write_text("L3DATA:0=1\n")
    (root / "p0" / "schemata").unlink()
    (root / "p0" / "schemata").symlink_to(tmp_path / "secret")
    (root / "loop").symlink_to(root)
    _, meta = read_resctrl(root)
    assert meta.groups["p0", ""].schemata == {} and sum("is a link" in note for note in meta.notes) == 2
    link = tarfile.TarInfo("copy/p0/size2")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    _, meta = read_resctrl(samples.pack(tmp_path / "a.tar", samples.cdp(), extra=[(link, b"")]))
    assert any("size2 is a link" in note for note in meta.notes)


def test_a_file_that_cannot_be_read_is_a_reading_not_given(folder, monkeypatch):
    root = folder(samples.cdp())
    name = str(root / "p0/mon_data/mon_L3_00/llc_occupancy")
    plain = os.open

    def refuse(path, *rest):
        if str(path) == name:
            raise OSError(5, "Input/output error", path)
        return plain(path, *rest)

    monkeypatch.setattr("nfvlab.readers.resctrl_tree.os.open", refuse)
    frame, meta = read_resctrl(root)
    assert frame["unread"].tolist() == ["", "llc_occupancy Input/output error"]
    assert any("not read" in note for note in meta.notes)


def test_what_is_missing_from_a_copy_is_said(folder):
    tree = samples.plain()
    del tree["web/mon_data/mon_L3_00/mbm_total_bytes"]
    frame, meta = read_resctrl(folder(tree))
    assert math.isnan(frame["mbm_total_bytes"][2]) and len(frame) == 6
    assert any("mbm_total_bytes: listed in mon_features" in note for note in meta.notes)
    assert not any("differ in their domains" in note for note in meta.notes)


def test_a_domain_that_is_missing_from_a_copy_is_said(folder):
    tree = {
        name: text for name, text in samples.plain().items() if not name.startswith("web/mon_data/mon_L3_01/")
    }
    frame, meta = read_resctrl(folder(tree))
    assert len(frame) == 5 and any("sample 0 differ in their domains" in note for note in meta.notes)


def test_a_recording_over_time(tmp_path):
    path = tmp_path / "r.json"
    path.write_text("".join(samples.lines()))
    frame, meta = read_resctrl(path)
    assert frame["sample"].tolist() == [0, 0, 1, 1, 2, 2] and frame["t_ns"].tolist() == [
        0,
        0,
        1e9,
        1e9,
        2e9,
        2e9,
    ]
    assert (meta.kind, meta.outcome, meta.interval_ns, meta.source) == (
        "recording",
        "complete",
        1e9,
        "a test",
    )
    assert meta.resources["L3"]["cbm_mask"] == 0xFFFFF and meta.groups["web", "a"].tasks_count == 1
    assert math.isnan(frame["mbm_total_bytes"][1]) and frame["unread"][1] == "mbm_total_bytes Unavailable"
    assert math.isnan(frame["mbm_local_bytes"][1]) and frame["unread"][3] == ""
    made = rates(frame)
    assert made["mbm_total_bytes_per_s"].tolist()[2::2] == [1000, 1000]
    assert made["mbm_total_bytes_per_s"].isna().tolist() == [True, True, False, True, False, False]


def test_groups_that_change_on_the_way_are_kept_with_their_time(tmp_path):
    made = samples.lines()
    groups = [
        recording.group_record("/", schemata="L3:0=ff\n"),
        recording.group_record("new", schemata="L3:0=1\n"),
    ]
    path = tmp_path / "r.json"
    path.write_text("".join([*made[:2], recording.groups_line(0.5e9, groups), *made[2:]]))
    _, meta = read_resctrl(path)
    ((t_ns, later),) = meta.changes
    assert (
        t_ns == 0.495e9  # the first sample is at 5 ms
        and list(later) == [("/", ""), ("new", "")]
        and later["new", ""].schemata == {"L3": {0: 1}}
    )
    assert ("web", "") in meta.groups and ("new", "") not in meta.groups


def test_samples_that_took_long_to_read_are_said(tmp_path):
    head, *rest = samples.lines()
    slow = recording.sample_line(3e9, [("/", "", 0, None, (65536, 9000, 10))], took_ns=0.4e9)
    path = tmp_path / "r.json"
    path.write_text("".join([head, *rest[:-1], slow, recording.end_line("complete", 3e9, 4)]))
    _, meta = read_resctrl(path)
    assert any("took up to 400 ms" in note for note in meta.notes)


def test_a_count_that_goes_down_is_said_and_gives_no_rate(tmp_path):
    lines = samples.lines()
    lines[3] = recording.sample_line(2.005e9, [("/", "", 0, None, (65536, 1, 10))])
    path = tmp_path / "r.json"
    path.write_text("".join(lines))
    frame, meta = read_resctrl(path)
    assert any("mbm_total_bytes of /, domain 0 goes down at sample 2" in note for note in meta.notes)
    assert math.isnan(rates(frame)["mbm_total_bytes_per_s"].iloc[-1])


def test_nodes_are_rated_apart(tmp_path):
    head = samples.lines()[0]
    rows = [[("/", "", 0, None, (0, 3000 * n, 0)), ("/", "", 0, 1, (0, 1000 * n, 0))] for n in (0, 1)]
    path = tmp_path / "r.json"
    path.write_text(head + "".join(recording.sample_line(n * 1e9, row) for n, row in enumerate(rows)))
    frame, meta = read_resctrl(path)
    assert rates(frame)["mbm_total_bytes_per_s"].tolist()[2:] == [3000, 1000]
    assert any("no end line" in note for note in meta.notes)


def test_the_writer_refuses_what_is_no_file_of_a_group():
    with pytest.raises(ValueError, match="no file of a group: shemata"):
        recording.group_record("/", shemata="L3:0=1")


def test_a_recording_of_another_schema_is_refused(tmp_path):
    path = tmp_path / "r.json"
    path.write_text('{"schema": "nfvlab-resctrl/2"}\n')
    with pytest.raises(ReaderError, match="nfvlab-resctrl/1"):
        read_resctrl(path)
