"""The format samples of data/recordings/{resctrl,pqos,perf_stat}: written by the writers of the tests.

`python tests/cache_fixtures.py` writes them again; tests/readers/test_cache_fixtures.py holds the files to this.
"""

import gzip
import io
import tarfile
from pathlib import Path

import perf_samples
import pqos_samples
import resctrl_samples
from perf_samples import CQM, Count

RECORDINGS = Path(__file__).resolve().parents[1] / "data" / "recordings"


def archive(tree) -> bytes:
    """The tree as a tar.gz that is the same whenever it is made."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as made:
        for name, text in sorted(tree.items()):
            info = tarfile.TarInfo(f"resctrl/{name}")
            info.size = len(text)
            made.addfile(info, io.BytesIO(text.encode()))
    return gzip.compress(raw.getvalue(), mtime=0)


def perf_interval() -> str:
    """The three events of the talk, each second of the scene of pqos, for one socket."""
    out = "# started on Sun Mar  1 12:00:00 2026\n\n"
    for n, (_, rows) in enumerate(pqos_samples.scene()):
        llc = sum(row.values["llc"] for row in rows) * 1024
        local = sum(row.values["mbl"] for row in rows) * 1.048576
        total = local + sum(row.values["mbr"] for row in rows) * 1.048576
        said = (f"{llc:.0f}", f"{total:.2f}", f"{local:.2f}")
        counts = [Count(value, count.unit, count.event) for value, count in zip(said, CQM, strict=True)]
        time = f"{n + 1}.{1000 * n + 100_200:09d}"
        out += perf_samples.stat(counts, times=(time,), where=(("S0", "1"),), started=False)
    return out


FILES = {
    "resctrl/cat_mb.tar.gz": lambda: archive(resctrl_samples.plain()),
    "resctrl/cdp.tar.gz": lambda: archive(resctrl_samples.cdp()),
    "resctrl/l2.tar.gz": lambda: archive(resctrl_samples.l2()),
    "resctrl/amd_sparse.tar.gz": lambda: archive(resctrl_samples.amd()),
    "resctrl/snc.tar.gz": lambda: archive(resctrl_samples.snc()),
    "pqos/cores.txt": lambda: pqos_samples.text(pqos_samples.scene()).encode(),
    "pqos/cores.csv": lambda: pqos_samples.csv(pqos_samples.scene(), fused=True).encode(),
    "pqos/config_cat_mba.txt": lambda: pqos_samples.config().encode(),
    "pqos/config_cdp.txt": lambda: pqos_samples.config(cdp=True, l2=True).encode(),
    "perf_stat/cqm_interval.csv": lambda: perf_interval().encode(),
    "perf_stat/mixed.csv": lambda: perf_samples.stat().encode(),
}

if __name__ == "__main__":
    for name, make in FILES.items():
        (RECORDINGS / name).parent.mkdir(exist_ok=True)
        (RECORDINGS / name).write_bytes(make())
