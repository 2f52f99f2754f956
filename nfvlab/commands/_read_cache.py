"""The tables that `nfvlab read` prints of cache monitoring and allocation: resctrl, pqos, perf stat."""

from typing import Any

from nfvlab.commands._lines import about, grid, notes, quantity, span

MOST_CHANGES = 5
_COUNTED = ("mbm_total_bytes_per_s", "mbm_local_bytes_per_s")


def resctrl(path) -> list[str]:
    """Capabilities, groups with their masks, and every group's occupancy and mean bandwidth."""
    from pandas import isna

    from nfvlab.readers.resctrl import rates, read_resctrl

    frame, meta = read_resctrl(path)
    made = rates(frame)
    first = {"file": meta.path, "resctrl": meta.kind, "source": meta.source, "outcome": meta.outcome}
    first |= {"status": meta.last_cmd_status, "samples": f"{made['sample'].nunique()}{span(made)}"}
    lines = about(first)
    lines += grid("capabilities", [[name, _words(words)] for name, words in sorted(meta.resources.items())])
    lines += grid("groups", [_group(group) for group in meta.groups.values()])
    for t_ns, groups in meta.changes[:MOST_CHANGES]:
        lines += grid(f"groups from {quantity('t_ns', t_ns)}", [_group(group) for group in groups.values()])
    if len(meta.changes) > MOST_CHANGES:
        lines += ["", f"and {len(meta.changes) - MOST_CHANGES} more changes of the groups"]
    keys = ["control_group", "mon_group", "domain", "node"]
    rows = []
    for key, part in made.groupby(keys, sort=False, dropna=False):
        control, mon, domain, node = key
        where = f"L3 {domain}" + ("" if isna(node) else f", node {node}")
        cells = [f"occupancy {quantity('_bytes', part['llc_occupancy_bytes'].mean())}"]
        for word in _COUNTED:
            said = part[word].mean() if len(part) > 1 else part[word.removesuffix("_per_s")].iloc[0]
            cells += [f"{word.split('_')[1]} {quantity(word if len(part) > 1 else '_bytes', said)}"]
        rows.append([f"{control} {mon}".rstrip(), where, *cells])
    title = "means" if made["sample"].nunique() > 1 else "readings (of memory traffic: the running count)"
    return lines + grid(title, rows) + notes(meta)


def _words(words: dict[str, Any]) -> str:
    """Capabilities as words; masks as the kernel writes them."""
    shown = {
        name: f"{value:x}" if name in ("cbm_mask", "shareable_bits") else _plain(value)
        for name, value in words.items()
        if name != "bit_usage"
    }
    return ", ".join(f"{name} {value}" for name, value in shown.items())


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _group(group) -> list[str]:
    """Name, mode, masks, processors and tasks of a group."""
    masks = [
        f"{name}:"
        + ";".join(f"{d}={v:x}" if name.startswith("L") else f"{d}={v}" for d, v in domains.items())
        for name, domains in group.schemata.items()
    ]
    tasks = "" if group.tasks_count is None else f"{group.tasks_count} tasks"
    cpus = f"{len(group.cpus)} CPUs" if group.cpus else ""
    return [f"{group.control} {group.mon}".rstrip(), group.mode or "", " ".join(masks), cpus, tasks]


def pqos(path) -> list[str]:
    """The mean of every measured word, by cores or process."""
    from nfvlab.readers.pqos import read_pqos
    from nfvlab.readers.pqos_words import IDENTITIES

    frame, meta = read_pqos(path)
    keys = [word for word in IDENTITIES if word in frame]
    words = [word for word in frame.columns if word not in ("sample", "t_ns", "cores_cut", *IDENTITIES)]
    rows = [["", *words]]
    for key, part in frame.groupby(keys, sort=False, dropna=False):
        who = " ".join(
            f"{word} {_identity(value)}" for word, value in zip(keys, key, strict=True) if value != ""
        )
        rows.append([who, *(quantity(word, part[word].mean()) for word in words)])
    first = {"file": meta.path, "pqos": meta.format, "begins": meta.start}
    first["samples"] = f"{meta.samples}{span(frame)}"
    return about(first) + grid("means", rows) + notes(meta)


def _identity(value: Any) -> str:
    if isinstance(value, float):
        return "-" if value != value else f"{value:.0f}"
    return str(value)


def pqos_config(path) -> list[str]:
    """The classes of service and the cores in each."""
    from nfvlab.readers.pqos_config import read_pqos_config

    frame, meta = read_pqos_config(path)
    shown = [
        [f"class {row.class_id}", f"{row.domain_kind} {row.domain}", row.resource]
        + [f"{row.value:x}" if row.unit == "mask" else f"{row.value}{row.unit and ' '}{row.unit}"]
        for row in frame.itertuples()
    ]
    cores = [
        [f"class {class_id}", "cores " + ",".join(map(str, part["core"]))]
        for class_id, part in meta.cores.dropna(subset="class_id").groupby("class_id")
    ]
    tasks = [[f"class {clos}", f"{len(pids)} processes"] for clos, pids in meta.tasks.items()]
    details = [[name, text] for name, text in meta.capabilities.items()]
    lines = about({"file": meta.path, "pqos": "configuration"}) + grid("capabilities", details)
    return lines + grid("classes", shown) + grid("associations", cores + tasks) + notes(meta)


def perf_stat(path) -> list[str]:
    """Every event's mean, by place."""
    from nfvlab.readers.perf import read_perf_stat

    frame, meta = read_perf_stat(path)
    rows = []
    for (event, where, cgroup), part in frame.groupby(["event", "where", "cgroup"], sort=False):
        first = part.iloc[0]
        shown = quantity(f"value{first['suffix']}", part["value"].mean()) if first["suffix"] else None
        shown = shown or f"{part['value'].mean():.6g} {first['unit']}"
        said = shown if part["value"].notna().any() else first["status"]
        rows.append([event, f"{where} {cgroup}".strip(), said, f"of {part['value'].notna().sum()}"])
    about_it = {"file": meta.path, "perf stat": f"-x{meta.separator!r}", "began": meta.started}
    about_it["counts"] = f"{len(frame)}{span(frame)}"
    title = "mean counts of an interval" if meta.interval else "mean counts"
    return about(about_it) + grid(title, rows) + notes(meta)
