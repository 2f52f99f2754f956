"""`nfvlab read`: what was understood of a recording, in units that people read."""

import importlib

#: Where the lines of each kind of recording come from: a module of this package and the function in it.
TABLES = {
    "qemu": ("_read_qemu", "migration"),
    "resctrl": ("_read_cache", "resctrl"),
    "pqos": ("_read_cache", "pqos"),
    "pqos-config": ("_read_cache", "pqos_config"),
    "perf-stat": ("_read_cache", "perf_stat"),
    "perf-kvm": ("_read_exits", "perf_kvm"),
    "kvm-unit-tests": ("_read_exits", "kvm_unit_tests"),
    "cyclictest": ("_read_latency", "cyclictest"),
    "oslat": ("_read_latency", "oslat"),
    "jitterdebugger": ("_read_latency", "jitterdebugger"),
    "rtla": ("_read_latency", "rtla"),
    "trace": ("_read_trace", "trace"),
    "compression": ("_read_compression", "compression"),
}


def add_parser(subparsers) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "read",
        help="show what was understood of a recording",
        description="What a file is, is seen by what is in it: QEMU's query-migrate replies or a recorded migration; "
        "a resctrl directory, a tar of one, or a recording; pqos text, CSV or XML; pqos -s; perf stat -x,; "
        "cyclictest, oslat, jitterdebugger, rtla timerlat or osnoise hist; perf kvm stat report; kvm-unit-tests; "
        "a trace of valgrind --tool=lackey; a table of nfvlab measure compression.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a recording, or a copied /sys/fs/resctrl")
    parser.add_argument(
        "--unit", choices=("us", "ns"), help="of a cyclictest output that does not say its own"
    )


def run(args) -> int:
    """Print a table for each file; a file that cannot be read ends it with a `ReaderError`."""
    from nfvlab.readers.recognise import recognise

    for number, path in enumerate(args.files):
        kind = recognise(path)
        module, name = TABLES[kind]
        table = getattr(importlib.import_module(f"nfvlab.commands.{module}"), name)
        told = {"unit": args.unit} if kind == "cyclictest" else {}
        print("\n" * bool(number) + "\n".join(table(path, **told)))
    return 0
