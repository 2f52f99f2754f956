"""Recorded migrations as scenarios of this feature, and what recordings tell of a host's compression.

A host file (data/hosts) says what pages cost without compression. `measured` adds what the CPU seconds of the
compressing threads and the bytes on the wire say: speeds, sizes, the cost of a handover, cores that both ends share.
"""

from collections.abc import Iterable, Mapping
from statistics import mean, median
from typing import Any

from nfvlab.precopy import params as precopy
from nfvlab.precopy.host import Host
from nfvlab.precopy.page_costs import NORMAL_BYTES
from nfvlab.precopy.params import PAGE_BYTES
from nfvlab.precopy.recordings import OTHER_MECHANISMS
from nfvlab.qat import compress_threads, sizes
from nfvlab.qat.params import Params
from nfvlab.units import s

METHODS = {"zlib": "multifd zlib", "zstd": "multifd zstd", "qatzip": "QATzip", "qpl": "IAA"}
COUNTS_WIRE_SINCE = (8, 2)
SYNCS_EACH_SECTION_BEFORE = (8, 1)
THREADS_CHECK_SINCE, CHANNELS_CHECK_SINCE = (3, 0), (9, 0)
CONTENT = {"random": "random", "text": "own", "increment": "random", "zero": "same"}
LEVELS = (1, 6, 9)  # of zlib, that have been measured; others count as the nearest
THREAD_HEADER_BYTES = compress_threads.LENGTH_BYTES + compress_threads.ZLIB_BYTES


def method_of(meta) -> str:
    """How a recorded migration compressed: none, one of CPU_METHODS, QATzip or IAA."""
    on = meta.scenario.get("capabilities") or ()
    if "compress" in on:
        return "threads zlib"
    if "xbzrle" in on:
        return "xbzrle"
    chosen = (meta.scenario.get("parameters") or {}).get("multifd-compression", "none")
    return METHODS.get(chosen, "none") if "multifd" in on else "none"


def compresses(meta) -> bool:
    """Whether a recorded migration compresses in a way of this feature, without another mechanism beside it."""
    on = {name for name in meta.scenario.get("capabilities") or () if name in OTHER_MECHANISMS}
    known = {"threads zlib": {"compress"}, "xbzrle": {"xbzrle"}}
    method = method_of(meta)
    return method != "none" and on == known.get(method, set())


def tells_costs(meta) -> bool:
    """Whether `measured` can use a recording: completed, with the threads' CPU time and the bytes on the wire."""
    cpu = meta.measured or {}
    told = meta.wire_bytes and cpu.get("source_thread_cpu_ns") and cpu.get("destination_cpu_ns")
    return bool(told) and meta.outcome == "completed" and "ram_bytes" in meta.scenario


def way_of(meta) -> str:
    """Which of WAYS a recorded migration went."""
    method = method_of(meta)
    if method == "none":
        return "none"
    return "QAT" if method in ("QATzip", "IAA") else "CPU threads"


def from_recording(
    meta,
    constants: Mapping[str, float] | None = None,
    compression: Mapping[str, Mapping[str, float]] | None = None,
    **overrides: Any,
) -> Params:
    """The scenario of a recording, on a host given by its constants (data/hosts) and by what `measured` found.

    What the recording does not say keeps its default; a zlib level counts as the nearest of LEVELS, any of zstd as 1.
    `overrides` are set last. Errors: ParamError.
    """
    constants, compression = dict(constants or {}), compression or {}
    host = Host(**{name: value for name, value in constants.items() if name in Host.specs()})
    base = precopy.from_recording(meta, host).to_dict()
    method, version = method_of(meta), tuple(meta.qemu_version or (7, 2))[:2]
    ours: dict[str, Any] = {
        "multifd_counts_wire": version >= COUNTS_WIRE_SINCE,
        "sync_each_iteration": version < SYNCS_EACH_SECTION_BEFORE,
        "workers_check_zero": version
        >= (THREADS_CHECK_SINCE if method == "threads zlib" else CHANNELS_CHECK_SINCE),
        "content": CONTENT.get(meta.scenario.get("touched_content"), "random"),
        "written_content": CONTENT.get(meta.scenario.get("dirty_content"), "same"),
    }
    if ours["content"] == "same":
        ours["content"] = "calgary"
    if method in ("QATzip", "IAA"):
        ours["accelerator"] = method
    elif method != "none":
        ours["cpu_method"] = method
    extra = {name: value for name, value in constants.items() if name in Params.specs()}
    told = {**compression.get("all", {}), **compression.get(method, {})}
    found = {name: value for name, value in told.items() if name in Params.specs()}
    return Params(**(base | ours | extra | found | _knobs(meta) | overrides))


def _knobs(meta) -> dict[str, Any]:
    """QEMU's migration parameters and cache statistics in our words."""
    parameters = meta.scenario.get("parameters") or {}
    ours = {
        "compress-threads": "compress_threads_count",
        "decompress-threads": "decompress_threads_count",
        "multifd-channels": "channels_count",
        "xbzrle-cache-size": "xbzrle_cache_bytes",
    }
    known = {word: parameters[name] for name, word in ours.items() if name in parameters}
    level = parameters.get("compress-level", parameters.get("multifd-zlib-level"))
    if level:
        known["zlib_level"] = str(min(LEVELS, key=lambda known: abs(known - level)))
    if "compress-wait-thread" in parameters:
        known["compress_wait"] = parameters["compress-wait-thread"]
    if meta.scenario.get("dirty_content") == "increment":
        known["delta_bytes"] = 4  # lengths of an unchanged and of a changed run, and the counter's byte
    elif meta.scenario.get("dirty_content") in ("random", "text"):
        known["delta_bytes"] = PAGE_BYTES  # nothing of the page stays
    return known


def measured(metas: Iterable[Any], constants: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Constants by method ("all": for each) from recordings of one host; what they do not tell is absent."""
    by = {(method_of(meta), meta.scenario.get("touched_content")): meta for meta in metas}
    found: dict[str, dict[str, float]] = {"all": {}}
    for method in ("threads zlib", "multifd zlib", "multifd zstd"):
        text, random = by.get((method, "text")), by.get((method, "random"))
        found[method] = _speeds(method, text, random, constants)
    none = by.get(("none", "text"))
    for method, name in (("multifd zlib", "inflate_bytes_per_s"), ("multifd zstd", "unzstd_bytes_per_s")):
        text = by.get((method, "text"))
        if text and none:
            more_ns = _destination_page_ns(text) - _destination_page_ns(none)
            if more_ns > 0:
                found["all"][name] = PAGE_BYTES / more_ns * s
    threads = [by[key] for key in by if key[0] == "threads zlib"]
    if threads:
        cycles = mean(_handover_ns(meta, constants) for meta in threads) * Params().cpu_hz / s
        found["threads zlib"]["handoff_cycles"] = cycles
    found["all"] |= _system(by.get(("threads zlib", "random")), constants)
    found["all"] |= _text(by.get(("threads zlib", "text")), found["all"], constants)
    for method, column in (("multifd zlib", sizes.REFERENCE), ("multifd zstd", sizes.ZSTD)):
        found[method] |= _stream(by.get((method, "text")), column, found["all"], constants)
    bound = [meta for key, meta in by.items() if key[0] in ("threads zlib", "multifd zlib")]
    if bound:
        found["all"]["shared_cores"] = median(_cores(meta) for meta in bound)
    return found


def pages_of(meta) -> int:
    """Pages sent with their content, compressed or not."""
    return int(meta.final.get("compressed_pages", 0) + meta.final["normal_pages"])


def _boot(meta, constants) -> int:
    return precopy.boot_pages(from_recording(meta, constants))


def _thread_ns(meta, prefix: str) -> float:
    threads = (meta.measured or {}).get("source_thread_cpu_ns") or {}
    return sum(value for name, value in threads.items() if name.startswith(prefix))


def _destination_page_ns(meta) -> float:
    return meta.measured["destination_cpu_ns"] / pages_of(meta)


def _speeds(method: str, text, random, constants) -> dict[str, float]:
    """Compression speeds from the CPU time of the threads; the booted system's pages cost what text costs."""
    prefix, word = ("compress", "zlib") if method == "threads zlib" else ("multifdsend", method[-4:])
    found: dict[str, float] = {}
    if text is None:
        return found
    text_ns = _shrinking_ns(text, method, prefix, constants) / pages_of(text)
    found[f"{word}_bytes_per_s"] = PAGE_BYTES / text_ns * s
    if random is not None:
        boot = _boot(random, constants)
        left_ns = _shrinking_ns(random, method, prefix, constants) - boot * text_ns
        found[f"{word}_random_bytes_per_s"] = PAGE_BYTES * (pages_of(random) - boot) / max(left_ns, 1.0) * s
    return found


def _shrinking_ns(meta, method: str, prefix: str, constants) -> float:
    """CPU time of the compressing threads, less their looks at zero pages or their writes to the socket."""
    spent = _thread_ns(meta, prefix)
    if method == "threads zlib":
        return spent - meta.final["duplicate_pages"] * constants["zero_scan_ns"]
    return spent - meta.wire_bytes / NORMAL_BYTES * constants["send_ns"]


def _handover_ns(meta, constants) -> float:
    """The migration thread's time per page beside writing the results."""
    writing = meta.final["transferred_bytes"] / NORMAL_BYTES * constants["send_ns"]
    handed = pages_of(meta) + meta.final["duplicate_pages"]
    return (_thread_ns(meta, "live_migration") - writing) / handed


def _cores(meta) -> float:
    """CPU time of both ends' migration threads over the time it took."""
    source = sum(_thread_ns(meta, name) for name in ("compress", "multifdsend", "live_migration"))
    return (source + meta.measured["destination_cpu_ns"]) / meta.final["total_time_ns"]


def _system(random, constants) -> dict[str, float]:
    """The booted system's pages: what is left of the compressed bytes beside random pages."""
    if random is None:
        return {}
    boot = _boot(random, constants)
    page = sizes.random_bytes(sizes.REFERENCE, False) + THREAD_HEADER_BYTES
    left = random.final["compressed_bytes"] - (random.final["compressed_pages"] - boot) * page
    return {"system_ratio": (left / boot - THREAD_HEADER_BYTES) / PAGE_BYTES}


def _text(text, known, constants) -> dict[str, float]:
    """Text pages: what is left of the compressed bytes beside the booted system's."""
    if text is None or "system_ratio" not in known:
        return {}
    boot = _boot(text, constants)
    left = text.final["compressed_bytes"] - boot * (known["system_ratio"] * PAGE_BYTES + THREAD_HEADER_BYTES)
    page = left / (text.final["compressed_pages"] - boot) - THREAD_HEADER_BYTES
    return {"own_ratio": page / PAGE_BYTES}


def _stream(text, column: str, known, constants) -> dict[str, float]:
    """Text pages in a channel's stream, over the same pages alone: from the bytes on the wire."""
    if text is None or "own_ratio" not in known or not text.wire_bytes:
        return {}
    boot, pages = _boot(text, constants), pages_of(text)
    headers = text.final["transferred_bytes"] - pages * PAGE_BYTES  # QEMU 7.2 counts whole pages
    alone = known["own_ratio"] * PAGE_BYTES * sizes.factor(column)
    left = text.wire_bytes - headers - boot * known["system_ratio"] * PAGE_BYTES * sizes.factor(column)
    return {"stream_ratio": left / (pages - boot) / alone}
