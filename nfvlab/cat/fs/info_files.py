"""The files under `info` (rdtgroup_create_info_dir, Linux fs/resctrl/rdtgroup.c)."""

import errno

from nfvlab.cat.fs.controls import Schema
from nfvlab.cat.fs.mount import Mount
from nfvlab.cat.fs.nodes import READ, WRITE, Dir, File, Node
from nfvlab.cat.fs.status import Refused


def entries(mount: Mount) -> dict[str, Node]:
    """`last_cmd_status`, a directory for every line of the schemata, and one for the monitors."""
    found: dict[str, Node] = {"last_cmd_status": File(READ, mount.status.read)}
    for schema in mount.schemas:
        found[schema.name] = Dir(lambda schema=schema: _schema_entries(mount, schema), None, "info")
    if mount.monitors.capable:
        found["L3_MON"] = Dir(lambda: _monitor_entries(mount), None, "info")
    return found


def _schema_entries(mount: Mount, schema: Schema) -> dict[str, Node]:
    capability = schema.resource.capability
    values = {"num_closids": f"{schema.num_closids}"}
    if schema.resource.cache:
        values |= {
            "cbm_mask": f"{capability.full_mask:x}",
            "min_cbm_bits": f"{capability.min_cbm_bits}",
            "shareable_bits": f"{capability.shareable_bits:x}",
            "sparse_masks": f"{capability.sparse_masks:d}",
        }
    else:
        values |= {
            "min_bandwidth": f"{capability.min_bandwidth}",
            "bandwidth_gran": f"{capability.bandwidth_gran}",
            "delay_linear": f"{capability.delay_linear:d}",
        }
        if capability.throttle_mode != "undefined":
            values["thread_throttle_mode"] = capability.throttle_mode
    found: dict[str, Node] = {n: File(READ, lambda value=value: f"{value}\n") for n, value in values.items()}
    if schema.resource.cache:
        found["bit_usage"] = File(READ, lambda: _bit_usage(mount, schema))
    return found


def _bit_usage(mount: Mount, schema: Schema) -> str:
    return ";".join(f"{d.id}={mount.classes.bit_usage(schema, d)}" for d in schema.resource.domains) + "\n"


def _monitor_entries(mount: Mount) -> dict[str, Node]:
    monitors = mount.monitors
    configurable = [
        event for event in monitors.events if event.startswith("mbm") and monitors.part.config_mask
    ]
    features = [name for e in monitors.events for name in ([e, f"{e}_config"] if e in configurable else [e])]
    found: dict[str, Node] = {
        "mon_features": File(READ, lambda: "".join(f"{name}\n" for name in features)),
        "num_rmids": File(READ, lambda: f"{monitors.part.num_rmids}\n"),
        "max_threshold_occupancy": File(
            WRITE,
            lambda: f"{monitors.threshold_bytes}\n",
            lambda text: monitors.write_threshold(_string(text)),
        ),
    }
    for event in configurable:
        found[f"{event}_config"] = File(
            WRITE,
            lambda event=event: monitors.config_text(event),
            lambda text, event=event: _write_config(mount, text, event),
        )
    return found


def _write_config(mount: Mount, text: str, event: str) -> None:
    if not text.endswith("\n"):
        raise Refused(errno.EINVAL)
    mount.status.clear()
    mount.monitors.write_config(_string(text[:-1]), event)


def _string(text: str) -> str:
    """The kernel's strings end at a zero byte."""
    return text.partition("\0")[0]
