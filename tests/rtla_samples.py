"""What `rtla timerlat hist` and `rtla osnoise hist` print, composed as their sources do, by version."""

NAMES = {"irq": "IRQ", "thread": "Thr", "user": "Usr", "noise": "CPU"}
#: {(context, CPU): latencies in the printed unit}: invented.
TIMERLAT = {
    ("irq", 0): [0, 0, 1, 0, 1, 2],
    ("thread", 0): [3, 4, 3, 9, 3, 31],
    ("irq", 2): [1, 1, 0, 0, 1, 0],
    ("thread", 2): [5, 5, 4, 300, 1200, 6],
}
OSNOISE = {("noise", 1): [1, 1, 2, 7, 1], ("noise", 3): [4, 4, 4, 260, 2]}
ENTRIES = 256


def hist(
    data=TIMERLAT,
    *,
    width=1,
    entries=ENTRIES,
    zeros=False,
    nano=False,
    summary=True,
    total=True,
    dash=True,
    weighted=True,
    before="",
    after="",
):
    """One run; total: the block ALL; dash: for the figures of no sample; weighted: averages of samples."""
    osnoise = any(context == "noise" for context, _ in data)
    if osnoise:
        data = {key: [value // width * width for value in values] for key, values in data.items()}
        total = False
    out = f"{before}# RTLA {'osnoise' if osnoise else 'timerlat'} histogram\n"
    out += f"# Time unit is {'nanoseconds (ns)' if nano else 'microseconds (us)'}\n# Duration:   1 02:00:10\n"
    out += "Index" + "".join(f"   {NAMES[context]}-{cpu:03d}" for context, cpu in data) + "\n"
    for bucket in range(entries):
        counts = [sum(value // width == bucket for value in values) for values in data.values()]
        if zeros or any(counts):
            out += f"{bucket * width:<6d}" + "".join(f"{count:9d} " for count in counts) + "\n"
    over = [sum(value // width >= entries for value in values) for values in data.values()]
    out += "over: " + "".join(f"{count:9d} " for count in over) + "\n"
    if summary:
        out += lines(list(data.values()), dash, osnoise and weighted, osnoise and not weighted)
    if summary and total:
        names = list(dict.fromkeys(context for context, _ in data))
        out += "ALL:  " + " ".join(f"{NAMES[name]:>9}" for name in names) + "\n"
        joined = [[v for (c, _), values in data.items() if c == name for v in values] for name in names]
        out += lines(joined, dash)
    return out + after


def lines(columns, dash, decimals=False, of_buckets=False):
    """count, min, avg and max."""
    none = "-" if dash else "18446744073709551615"
    made = {"count:": [str(len(values)) for values in columns]}
    made["min:  "] = [str(min(values)) if values else none for values in columns]
    if decimals:
        made["avg:  "] = [f"{sum(values) / len(values):.2f}" for values in columns]
    elif of_buckets:
        made["avg:  "] = [str(sum(set(values)) // len(values)) for values in columns]
    else:
        made["avg:  "] = [str(sum(values) // len(values)) if values else "-" for values in columns]
    made["max:  "] = [str(max(values)) if values else "-" if dash else "0" for values in columns]
    return "".join(label + "".join(f"{cell:>9} " for cell in cells) + "\n" for label, cells in made.items())


EMPTY = "# RTLA osnoise histogram\n# Time unit is microseconds (us)\n# Duration:   0 00:00:05\nIndex\n"
EMPTY += "over: 0\ncount: 0\nmin: 0\navg: 0\nmax: 0\n"
EMPTY_OLD = EMPTY.replace(" 0\n", " \n")
