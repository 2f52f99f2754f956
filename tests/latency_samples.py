"""What cyclictest, oslat and jitterdebugger print of latencies that are known, counted and composed as they do.

Latencies are whole nanoseconds, a list a thread. From rt-tests (src/cyclictest/cyclictest.c, src/lib/histogram.c,
src/lib/rt-utils.c, src/oslat/oslat.c) and jitterdebugger.c.
"""

from collections import Counter
from dataclasses import dataclass

HEAD = """{
  "file_version": 1,
  "cmdline:": "%s",
  "rt_test_version:": "2.40",
  "start_time": "Mon, 23 Nov 2026 00:02:09 +0000",
  "end_time": "Mon, 23 Nov 2026 00:02:19 +0000",
  "return_code": 0,
  "sysinfo": {
    "sysname": "Linux",
    "nodename": "secret-name",
    "release": "6.18.44",
    "version": "#1 SMP PREEMPT_RT",
    "machine": "x86_64",
    "realtime": 1
  },
  "num_threads": %d,
"""


@dataclass(frozen=True)
class Cyclictest:
    """A run: latencies in its own unit; the histogram's end (-h)."""

    latencies: list[list[int]]
    end: int = 50
    nsecs: bool = False

    @property
    def command(self) -> str:
        """The command of the run."""
        return f"cyclictest -q -Sp95 -i 500 -h {self.end}{' -N' if self.nsecs else ''}"

    def inside(self, thread: int) -> Counter:
        """The thread's histogram."""
        return Counter(x for x in self.latencies[thread] if x < self.end)

    def json(self, *, histogram: bool = True, command: str | None = None) -> str:
        """What --json writes."""
        out = HEAD % (self.command if command is None else command, len(self.latencies))
        out += f'  "resolution_in_ns": {int(self.nsecs)},\n  "thread": {{\n'
        for at, seen in enumerate(self.latencies):
            out += f'    "{at}": {{\n'
            if histogram:
                rows = [f'\n        "{x}": {n}' for x, n in sorted(self.inside(at).items())]
                out += '      "histogram": {' + ",".join(rows) + "\n      },\n"
            out += f'      "cycles": {len(seen)},\n      "min": {min(seen)},\n      "max": {max(seen)},\n'
            out += f'      "avg": {sum(seen) / len(seen):.2f},\n      "cpu": {at},\n      "node": 0\n'
            out += "    }" + ("," if at < len(self.latencies) - 1 else "") + "\n"
        return out + "  }\n}\n"

    def hist(self, *, summed: bool = False, new: bool = False) -> str:
        """What -h prints (-H: summed), to rt-tests 2.5 or, new, later."""
        threads = range(len(self.latencies))
        inside = [self.inside(at) for at in threads]
        over = [len(self.latencies[at]) - sum(inside[at].values()) for at in threads]
        more = summed and len(inside) > 1
        out = "# Histogram\n"
        for x in range(self.end):
            counts = [one[x] for one in inside]
            if new and not any(counts):
                continue
            counts += [sum(counts)] if summed and (new or more) else []
            out += f"{x:06d} " + "\t".join(f"{n:06d}" for n in counts) + "\n"
        totals = [sum(one.values()) for one in inside]
        most = [max(seen) for seen in self.latencies]
        if not new:
            out += "# Total:" + "".join(f" {n:09d}" for n in totals + [sum(totals)] * more) + "\n"
        out += "# Min Latencies:" + "".join(f" {min(seen):05d}" for seen in self.latencies) + "\n"
        out += "# Avg Latencies:" + "".join(f" {sum(s) // len(s):05d}" for s in self.latencies) + "\n"
        out += "# Max Latencies:" + "".join(f" {n:05d}" for n in most + [max(most)] * more) + "\n"
        out += "# Histogram Overflows:" + "".join(f" {n:05d}" for n in over + [sum(over)] * more) + "\n"
        out += "# Histogram Overflow at cycle number:\n"
        for at in threads:
            cycles = [cycle for cycle, x in enumerate(self.latencies[at]) if x >= self.end]
            kept = cycles[: self.end]
            others = f" # {len(cycles) - len(kept):05d} others" if len(cycles) > len(kept) else ""
            out += f"# Thread {at}:" + "".join(f" {cycle:05d}" for cycle in kept) + others + "\n"
        return out + "\n"

    def lines(self, *, upto: int | None = None) -> str:
        """The T: lines after so many cycles."""
        width = 8 if self.nsecs else 5
        out = ""
        for at, latencies in enumerate(self.latencies):
            seen = latencies[:upto]
            mean = sum(seen) // len(seen)
            out += f"T:{at:2d} ({18000 + at:5d}) P:{95:2d} I:{1000 + 500 * at} C:{len(seen):7d} Min:{min(seen):7d} "
            out += f"Act:{seen[-1]:{width}d} Avg:{mean:{width}d} Max:{max(seen):8d}\n"
        return out

    def screens(self) -> str:
        """A screen that refreshes, as a terminal gets it."""
        up = f"\x1b[{len(self.latencies) + 2}A"
        load = "policy: fifo: loadavg: 0.00 0.01 0.05 1/123 456          \n\n"
        longest = max(len(seen) for seen in self.latencies)
        return up.join(load + self.lines(upto=cycle) for cycle in range(1, longest + 1))

    def values(self) -> str:
        """What -v prints."""
        out = "Max CPUs = 2\n"
        for cycle in range(max(len(seen) for seen in self.latencies)):
            for at, seen in enumerate(self.latencies):
                out += f"{at:8d}:{cycle:8d}:{seen[cycle]:8d}\n" if cycle < len(seen) else ""
        return out


@dataclass(frozen=True)
class Oslat:
    """A run: latencies in ns. rounding: "plus 1" (to 2.4), "down", "up"; width of a bucket (-W) in ns; bias in ns."""

    latencies: list[list[int]]
    rounding: str = "plus 1"
    width: int = 1000
    size: int = 32
    bias: int = 0

    @property
    def step(self) -> int:
        """To what it rounds."""
        return 1 if self.width % 1000 else 1000

    def rounded(self, value: int) -> int:
        """A latency as oslat takes it, in steps."""
        return {"plus 1": value // self.step + 1, "down": value // self.step, "up": -(-value // self.step)}[
            self.rounding
        ]

    def index(self, value: int) -> int:
        """The bucket of a latency, before it is put into the last one."""
        lat, bias, width = self.rounded(value), self.bias // self.step, self.width // self.step
        if self.rounding == "plus 1":
            return max(lat - 1 - bias, 0)
        if bias:
            lat = max(lat - bias, 1)
        return lat // width

    def name(self, index: int) -> int:
        """What a bucket is called, in ns."""
        return self.bias + (index + 1) * self.width

    def counts(self, thread: int) -> Counter:
        """The thread's buckets."""
        return Counter(min(self.index(value), self.size - 1) for value in self.latencies[thread])

    def mean_us(self, thread: int) -> float:
        """The mean as calculate() has it."""
        seen = self.counts(thread)
        extra = sum(max(self.index(value) - self.size, 0) for value in self.latencies[thread])
        total = sum(count * self.name(index) / 1000 for index, count in seen.items())
        return (total + extra * (self.width // self.step)) / sum(seen.values())

    def us(self, value: int) -> str:
        """Nanoseconds as the text has them."""
        return f"{value / 1000:.3f}" if self.step == 1 else str(value // 1000)

    @property
    def command(self) -> str:
        """The command of the run."""
        wide = f" -W {self.width}" if self.width != 1000 else ""
        return f"oslat -c 0-7 -f 90 -b {self.size}{wide}{' --bias' if self.bias else ''} -D 5"

    def json(self) -> str:
        """What --json writes."""
        out = HEAD % (self.command, len(self.latencies)) + '  "thread": {\n'
        for at, seen in enumerate(self.latencies):
            low, high = self.rounded(min(seen)), self.rounded(max(seen))
            out += f'    "{at}": {{\n      "cpu": {at + 2},\n      "freq": 1000,\n      "min": {low},\n'
            out += f'      "avg": {self.mean_us(at):3f},\n      "max": {high},\n      "duration": 5.000,\n'
            rows = [f'\n        "{self.us(self.name(i))}": {n}' for i, n in sorted(self.counts(at).items())]
            out += '      "histogram": {' + ",".join(rows) + "\n      }\n"
            out += "    }" + ("," if at < len(self.latencies) - 1 else "") + "\n"
        return out + "  }\n}\n"

    def text(self, *, omit: bool = False) -> str:
        """What is printed; omit: -z."""
        threads = range(len(self.latencies))
        out = "oslat V 2.40\nTotal runtime: \t\t5 seconds\nThread priority: \tSCHED_FIFO:90\nCPU list: \t\t0-7\n\n"
        out += "Pre-heat for 1 seconds...\n"
        out += f"Global bias set to {self.us(self.bias)} (us)\n" if self.bias else ""
        out += "Test starts...\nTest completed.\n\n"
        counts = [self.counts(at) for at in threads]

        def field(label: str, values, end: str = "") -> str:
            return f"{label:>12}:\t" + "".join(f" {value}" for value in values) + end + "\n"

        out += field("Core", [at + 2 for at in threads]) + field(
            "Counter Freq", [1000] * len(threads), " (Mhz)"
        )
        dots = False
        for i in range(self.size):
            if omit and i < self.size - 1 and not any(seen[i] for seen in counts):
                dots = True
                continue
            out += "    ...\n" if dots else ""
            dots = False
            name = self.us(self.name(i)) if self.step == 1 else f"{self.name(i) // 1000:03d}"
            last = " (including overflows)" if i == self.size - 1 else ""
            out += field(f"{name} (us)", [seen[i] for seen in counts], last)
        low = [self.rounded(min(seen)) * self.step for seen in self.latencies]
        high = [self.rounded(max(seen)) * self.step for seen in self.latencies]
        out += field("Minimum", map(self.us, low), " (us)")
        out += field("Average", [f"{self.mean_us(at):.3f}" for at in threads], " (us)")
        out += field("Maximum", map(self.us, high), " (us)")
        out += field("Max-Min", [self.us(b - a) for a, b in zip(low, high, strict=True)], " (us)")
        return out + field("Duration", ["5.000"] * len(threads), " (sec)") + "\n"


def jitterdebugger(latencies: list[list[int]], *, step: int = 1000, version: int | None = 3) -> str:
    """What jitterdebugger writes of latencies in steps: format 3, 2 or None (the first)."""
    out = "{\n" + (f'  "version": {version},\n' if version else "")
    if version and version > 1:
        out += '  "sysinfo": {\n    "sysname": "Linux",\n    "nodename": "secret-name",\n    "release": "6.1.0-rt",\n'
        out += '    "version": "#1 SMP PREEMPT_RT",\n    "machine": "x86_64",\n    "cpus_online": 4'
        out += f',\n    "resolution_in_ns": {step}\n' if version > 2 else "\n"
        out += "  },\n"
    out += '  "cpu": {\n'
    for at, seen in enumerate(latencies):
        inside = Counter(x for x in seen if x * step < 1_000_000)
        rows = [f'\n        "{x}": {n}' for x, n in sorted(inside.items())]
        out += f'    "{at}": {{\n      "histogram": {{' + ",".join(rows) + "\n      },\n"
        out += f'      "count": {len(seen)},\n      "min": {min(seen)},\n      "max": {max(seen)},\n'
        out += (
            f'      "avg": {sum(seen) / len(seen):.2f}\n    }}'
            + ("," if at < len(latencies) - 1 else "")
            + "\n"
        )
    return out + "  }\n}\n"
