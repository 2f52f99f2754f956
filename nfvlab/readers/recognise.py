"""Which reader fits a file, by what is in it.

Only the look of a file is judged here: a reader may still refuse what looked right at first.
"""

import os

from nfvlab.readers.compression_lines import looks_like_compression
from nfvlab.readers.cyclictest import looks_like_cyclictest
from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import load_text
from nfvlab.readers.jitterdebugger import looks_like_jitterdebugger
from nfvlab.readers.kvm_unit_tests import looks_like_kvm_unit_tests
from nfvlab.readers.oslat import looks_like_oslat
from nfvlab.readers.perf_kvm import looks_like_perf_kvm_stat
from nfvlab.readers.perf_line import guess_separator
from nfvlab.readers.pqos_config import looks_like_config
from nfvlab.readers.pqos_files import looks_like_csv, looks_like_xml
from nfvlab.readers.pqos_text import looks_like_text
from nfvlab.readers.resctrl_recording import SCHEMA
from nfvlab.readers.resctrl_tar import is_tar
from nfvlab.readers.rtla import looks_like_rtla
from nfvlab.readers.trace import looks_like_lackey

#: {kind: what it is}, as a refusal lists them
KINDS = {
    "qemu": "query-migrate replies or a recorded migration of QEMU (JSON)",
    "resctrl": "a resctrl directory, a tar of one, or what nfvlab record resctrl wrote",
    "pqos": "pqos monitoring as text, CSV or XML",
    "pqos-config": "the configuration that pqos -s prints",
    "perf-stat": "perf stat -x, output",
    "perf-kvm": "perf kvm stat report",
    "cyclictest": "cyclictest as JSON, histogram, T: lines or values (-v)",
    "oslat": "oslat as JSON or text",
    "jitterdebugger": "JSON of jitterdebugger",
    "rtla": "rtla timerlat hist or osnoise hist",
    "kvm-unit-tests": "vmexit or tscdeadline_latency of kvm-unit-tests",
    "trace": "memory accesses of valgrind --tool=lackey --trace-mem=yes",
    "compression": "compressed page sizes of nfvlab measure compression",
}
#: Tools whose JSON or first line has marks of its own, and whose text no other tool prints.
_MARKED = {
    "compression": looks_like_compression,
    "cyclictest": looks_like_cyclictest,
    "oslat": looks_like_oslat,
    "jitterdebugger": looks_like_jitterdebugger,
    "rtla": looks_like_rtla,
    "perf-kvm": looks_like_perf_kvm_stat,
    "kvm-unit-tests": looks_like_kvm_unit_tests,
}


def recognise(path: str | os.PathLike) -> str:
    """The kind of a file or directory, a key of `KINDS`; `ReaderError` for one that nobody here knows."""
    if os.path.isdir(path):
        return "resctrl"
    if os.path.isfile(path) and os.access(path, os.R_OK):
        if looks_like_lackey(path):
            return "trace"
        with open(path, "rb") as file:
            if is_tar(file.read(262)):
                return "resctrl"
    text = load_text(path)
    marked = next((kind for kind, fits in _MARKED.items() if fits(text)), None)
    return marked or _json_kind(path, text) or _text_kind(path, text)


def _json_kind(path: str | os.PathLike, text: str) -> str | None:
    """The kind of JSON without marks, None for other text."""
    first = text.lstrip()[:4096].split("\n", 1)[0]
    if not first.startswith(("{", "[")):
        return None
    if f'"{SCHEMA}"' in first:
        return "resctrl"
    if '"counter-value"' in first:
        raise ReaderError(path, 1, "perf stat -j (JSON)", "Record it with perf stat -x,")
    return "qemu"


def _text_kind(path: str | os.PathLike, text: str) -> str:
    looks = {
        "pqos": looks_like_xml(text) or looks_like_csv(text) or looks_like_text(text),
        "pqos-config": looks_like_config(text),
        "perf-stat": guess_separator(text) is not None,
    }
    kind = next((kind for kind, fits in looks.items() if fits), None)
    if kind is None:
        begin = printable(text.lstrip()[:4096].split("\n", 1)[0], 60)
        known = "; ".join(KINDS.values())
        raise ReaderError(path, 1, f"nothing known begins with {begin!r}", f"Known are: {known}")
    return kind
