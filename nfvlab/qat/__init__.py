"""Live migration with its pages compressed: by CPU threads, by multifd channels, by a QuickAssist device.

Question
    When does compressing the migration stream in hardware beat sending it plain, and when does it not pay?

Mechanism
    The talk's design has all work in QEMU's migration thread: it takes dirty pages, looks up their physical addresses,
    builds requests of several pages, submits them to the device's ring, polls for responses and sends what comes back;
    a page that finds the ring full goes as it is, or the thread waits. The device compresses each page by deflate, on
    slices that work side by side. Today's QEMU has multifd channels instead, each with zlib, zstd, QATzip (buffers of
    64 KiB, software if no instance is free) or QPL (a work queue for all), and older ones compress threads. To encrypt
    the stream costs the CPUs that write and read it their time (TLS), or the talk's device a pass through its cipher.
    Sizes are those of measured pages; rounds, dirty log and stop rule are those of `precopy`.

Assumptions
    A device's rate is its slices' together, and a request's time goes with its pages; a core's speed is one constant a
    method; costs of the migration thread are constants. Pages of one kind are alike but for their size. Writes go to
    the pages of a working set evenly and at random.

Left out
    Compression levels that QATzip chooses by itself, NUMA distance between device and memory, devices shared with other
    users, PCIe bandwidth, caches that the CPU methods evict, kernel TLS, post-copy, RDMA.

References
    the talk (slide text: rows qat-* of data/published.csv); Liang Li, QEMU
    docs/multi-thread-compression.txt, 2015; QEMU migration/ram.c, ram-compress.c, multifd-zlib.c, multifd-zstd.c,
    multifd-qatzip.c, multifd-qpl.c, docs/devel/migration/qatzip-compression.rst, qpl-compression.rst; intel/QATzip
    src/qatzip.c; RFC 1951 (deflate); RFC 8446 (TLS 1.3 records); Reiser and Lavenberg, JACM 27, 1980 (mean-value
    analysis); Denning and Buzen, Computing Surveys 10, 1978 (bottleneck law).
"""

from nfvlab.qat.analytic import Theory, analyze
from nfvlab.qat.params import OUTPUTS, WAYS, Params
from nfvlab.qat.scenarios import SCENARIOS
from nfvlab.qat.simulation import Samples, simulate

__all__ = ["OUTPUTS", "SCENARIOS", "WAYS", "Params", "Samples", "Theory", "analyze", "figure", "simulate"]


def __getattr__(name: str):
    """`figure` on first use, so that importing the feature imports no matplotlib."""
    if name == "figure":
        from nfvlab.qat.figures import figure

        return figure
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
