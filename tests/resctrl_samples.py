"""resctrl trees as the kernel would show them, in several capabilities, as texts by path; and recordings of them.

Nobody here has such hardware: the trees follow fs/resctrl (rdtgroup.c, monitor.c, ctrlmondata.c) and its documentation.
"""

import io
import tarfile

from nfvlab.readers import resctrl_recording as recording

STATIC = ("schemata", "size", "mode", "cpus_list", "tasks")


def cache(name, mask, *, closids=16, min_bits=1, shareable="0", sparse="0", usage="0=XXXX;1=XXXX"):
    """info/<name> of a cache that can be allocated."""
    files = {"num_closids": closids, "cbm_mask": mask, "min_cbm_bits": min_bits, "shareable_bits": shareable}
    files |= {"bit_usage": usage, "sparse_masks": sparse}
    return {f"info/{name}/{file}": f"{text}\n" for file, text in files.items()}


def bandwidth(gran=10, minimum=10, linear=1):
    """info/MB."""
    files = {"num_closids": 8, "min_bandwidth": minimum, "bandwidth_gran": gran, "delay_linear": linear}
    return {f"info/MB/{file}": f"{text}\n" for file, text in files.items()}


def monitoring(features=("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes"), rmids=208, threshold=65536):
    """info/L3_MON."""
    files = {"num_rmids": rmids, "mon_features": "\n".join(features), "max_threshold_occupancy": threshold}
    return {f"info/L3_MON/{file}": f"{text}\n" for file, text in files.items()}


def group(prefix, schemata=None, size=None, *, mode="shareable", cpus="0-7", tasks=(1, 2, 3)):
    """The files of a control group, or of a monitoring group (without schemata)."""
    files = {"cpus_list": cpus + "\n", "cpus": "ff\n", "tasks": "".join(f"{n}\n" for n in tasks)}
    if schemata is not None:
        files |= {"schemata": schemata, "size": size, "mode": mode + "\n"}
    return {prefix + file: text for file, text in files.items() if text is not None}


def readings(
    prefix, domain, values, node=None, names=("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes")
):
    """mon_data of one domain (or of one node of it)."""
    below = f"{prefix}mon_data/mon_L3_{domain:02d}/"
    below += f"mon_sub_L3_{node:02d}/" if node is not None else ""
    return {below + name: f"{value}\n" for name, value in zip(names, values, strict=False)}


def plain():
    """Two sockets, CAT and MB, a monitoring group below web; padded layout (before Linux 6.15)."""
    return (
        cache("L3", "fffff", shareable="c0000", usage="0=SSSSSSSSSSSSSSSSSSSS;1=SSSSSSSSSSSSSSSSSSSS")
        | bandwidth()
        | monitoring()
        | {"info/last_cmd_status": "ok\n"}
        | group(
            "",
            "    MB:0= 100;1= 100\n    L3:0=fffff;1=fffff\n",
            "    MB:0=100;1=100\n    L3:0=28835840;1=28835840\n",
        )
        | group(
            "web/",
            "    MB:0=  50;1= 100\n    L3:0=00ff0;1=fffff\n",
            "    MB:0=50;1=100\n    L3:0=11534336;1=28835840\n",
            cpus="2-3,6",
        )
        | group("web/mon_groups/a/", tasks=(7,))
        | readings("", 0, (1310720, 900_000, 800_000))
        | readings("", 1, (0, 5, 0))
        | readings("web/", 0, (11_534_336, 123_456_789, "Unavailable"))
        | readings("web/", 1, (65536, "Error", 7))
        | readings("web/mon_groups/a/", 0, (655360, 12, 11))
        | readings("web/mon_groups/a/", 1, ("Unavailable",) * 3)
    )


def cdp():
    """Code and data masks apart, unpadded (since Linux 6.15)."""
    return (
        cache("L3CODE", "7ff", closids=8, usage="0=SSSSSSSSSSS")
        | cache("L3DATA", "7ff", closids=8, usage="0=SSSSSSSSSSS")
        | monitoring(("llc_occupancy",))
        | group("", "L3DATA:0=7ff\nL3CODE:0=7ff\n", "L3DATA:0=11534336\nL3CODE:0=11534336\n")
        | group("p0/", "L3DATA:0=f\nL3CODE:0=70\n", "L3DATA:0=4194304\nL3CODE:0=3145728\n", mode="exclusive")
        | readings("", 0, (1048576,))
        | readings("p0/", 0, (2097152,))
    )


def l2():
    """An Atom with L2 allocation and a group that waits for a pseudo-locked region; no monitoring."""
    return (
        cache("L2", "ff", closids=4, usage="0=SSSSSSSS;1=SSSSSSSS")
        | group("", "L2:0=ff;1=ff\n", "L2:0=1048576;1=1048576\n")
        | group("lock/", "L2:uninitialized\n", "L2:0=0;1=0\n", mode="pseudo-locksetup", cpus="")
    )


def amd():
    """An AMD part: sparse masks, bandwidth in its own steps, counter assignment."""
    return (
        cache("L3", "ffff", min_bits=1, sparse="1", usage="0=SSSSSSSSSSSSSSSS")
        | bandwidth(gran=1, minimum=1, linear=1)
        | monitoring(rmids=256, threshold=196608)
        | {
            "info/L3_MON/mbm_total_bytes_config": "0=0x7f\n",
            "info/L3_MON/mbm_assign_mode": "[mbm_event]\ndefault\n",
        }
        | {"info/L3_MON/num_mbm_cntrs": "0=32\n", "info/L3_MON/available_mbm_cntrs": "0=30\n"}
        | group("", "MB:0=2048\nL3:0=ffff\n", "MB:0=2048\nL3:0=33554432\n")
        | group("batch/", "MB:0=64\nL3:0=a5a5\n", "MB:0=64\nL3:0=16777216\n", cpus="")
        | readings("", 0, (4_456_448, 10**12, 10**11))
        | readings("batch/", 0, (65536, "Unassigned", "Unassigned"))
    )


def snc():
    """Sub-NUMA clustering: two nodes a cache."""
    tree = cache("L3", "7ff", usage="0=XXXXXXXXXXX;1=XXXXXXXXXXX") | monitoring()
    tree |= group("", "L3:0=7ff;1=7ff\n", "L3:0=11534336;1=11534336\n")
    for domain in (0, 1):
        parts = [(65536 * (2 * domain + node + 1), 1000 * node, 10 * node) for node in (0, 1)]
        tree |= readings("", domain, [sum(part) for part in zip(*parts, strict=True)])
        for node, part in enumerate(parts):
            tree |= readings("", domain, part, node=2 * domain + node)
    return tree


TREES = {"plain": plain, "cdp": cdp, "l2": l2, "amd": amd, "snc": snc}


def write(folder, tree):
    """The tree as files below a folder."""
    for name, text in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def pack(path, tree, mode="w", prefix="copy/", extra=()):
    """The tree as a tar; extra: TarInfo members, with their data."""
    with tarfile.open(path, mode) as archive:
        for name, text in tree.items():
            info = tarfile.TarInfo(prefix + name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
        for info, data in extra:
            archive.addfile(info, io.BytesIO(data))
    return path


def lines(tree=None, samples=3):
    """A recording of the tree: its counts rise by 1000 a sample."""
    tree = plain() if tree is None else tree
    info = {name.removeprefix("info/"): text for name, text in tree.items() if name.startswith("info/")}
    groups = [
        recording.group_record(
            "/",
            schemata=tree["schemata"],
            size=tree["size"],
            mode="shareable\n",
            cpus_list="0-7\n",
            tasks_count=3,
        ),
        recording.group_record("web", schemata=tree["web/schemata"], mode="shareable\n", tasks_count=3),
        recording.group_record("web", "a", tasks_count=1),
    ]
    made = [recording.header_line(info, groups, interval_ns=1e9, source="a test")]
    for n in range(samples):
        rows = [
            ("/", "", 0, None, (65536 * 3, 5000 + 1000 * n, 10)),
            ("web", "", 0, None, (65536 * 2, "Unavailable" if n == 0 else 10**6 * n, None)),
        ]
        made.append(recording.sample_line(5e6 + n * 1e9, rows, took_ns=2e5))
    return [*made, recording.end_line("complete", (samples - 1) * 1e9 + 5e6, samples)]
