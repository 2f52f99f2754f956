"""What pqos prints, composed as its source does (intel-cmt-cat, pqos/monitor*.c, alloc.c), for any set of columns."""

from dataclasses import dataclass

MODERN = ("ipc", "misses", "llc", "mbl", "mbr")
#: key: (text name, text format, CSV name, CSV format, XML name, what the text divides by)
EVENTS = {
    "ipc": ("         IPC", " %11.2f", ",IPC", ",%.2f", "ipc", 1),
    "misses": ("      MISSES", " %10.0fk", ",LLC Misses", ",%.0f", "llc_misses", 1000),
    "references": ("  REFERENCES", " %10.0fk", ",LLC References", ",%.0f", "llc_references", 1000),
    "llc": ("     LLC[KB]", " %11.1f", ",LLC[KB]", ",%.1f", "l3_occupancy_kB", 1),
    "percent": ("      LLC[%]", " %11.1f", ",LLC[%]", ",%.1f", "l3_occupancy_percent", 1),
    "mbl": ("   MBL[MB/s]", " %11.1f", ",MBL[MB/s]", ",%.1f", "mbm_local_MB", 1),
    "mbr": ("   MBR[MB/s]", " %11.1f", ",MBR[MB/s]", ",%.1f", "mbm_remote_MB", 1),
    "mbt": ("   MBT[MB/s]", " %11.1f", ",MBT[MB/s]", ",%.1f", "mbm_total_MB", 1),
}


@dataclass(frozen=True)
class Row:
    """One group of cores or processes: its list, a value by event (None: not monitored for it)."""

    cores: str
    values: dict
    pid: str | None = None
    rmid: int | None = None


def samples(count=3, cores=("0", "1-3", "0-27,56-83"), events=MODERN, **more):
    """(time, rows) of `count` seconds; values that tell the columns apart."""
    base = {"ipc": 1.25, "misses": 12000.0, "references": 34000.0, "llc": 2048.5, "percent": 12.0}
    base |= {"mbl": 100.5, "mbr": 20.5, "mbt": 121.0}
    return [
        (
            f"2026-03-0{1 + n // 60} 12:00:{n % 60:02d}",
            [Row(c, {e: base[e] * (1 + n + 10 * i) for e in events}, **more) for i, c in enumerate(cores)],
        )
        for n in range(count)
    ]


def text(runs, events=MODERN, *, tty=False, rmid=False, pids=False):
    """`-u text`: to a file, or to a terminal (which gets escape codes and no last line feed)."""
    out = ""
    for time, rows in runs:
        out += "\033[2J\033[0;0H" if tty else ""
        out += f"TIME {time}\n" + ("     PID     CORE" if pids else "    CORE") + (" RMID" if rmid else "")
        out += "".join(EVENTS[event][0] for event in events)
        for row in rows:
            out += "\n" + (f"{row.pid[:8]:>8} " if pids else "") + f"{row.cores[:8]:>8}"
            out += f" {row.rmid:4d}" if rmid else ""
            for event in events:
                value = row.values.get(event)
                out += " " * 12 if value is None else EVENTS[event][1] % (value / EVENTS[event][5])
        out += "" if tty else "\n"
    return out + ("\n\n" if tty else "")


def text_2017(runs, events=("llc", "mbl", "mbr"), *, pids=False):
    """Version 1.x: IPC and misses always, narrower columns."""
    names = {"llc": "    LLC[KB]", "mbl": "  MBL[MB/s]", "mbr": "  MBR[MB/s]"}
    out = ""
    for time, rows in runs:
        out += f"TIME {time}\n" + ("   PID   CORE    IPC   MISSES" if pids else "    CORE   IPC   MISSES")
        out += "".join(names[event] for event in events)
        for row in rows:
            misses = int(row.values["misses"] // 1000)
            first = (
                f"{int(row.pid):6d} {'N/A':>6} {row.values['ipc']:6.2f}"
                if pids
                else f"{row.cores[:8]:>8} {row.values['ipc']:5.2f}"
            )
            out += f"\n{first} {misses:7d}k" + "".join(f" {row.values[event]:10.1f}" for event in events)
        out += "\n"
    return out


def text_2016(runs, events=("llc", "mbl", "mbr"), *, pids=False):
    """Version 0.1.x: socket and RMID, and an escape code that is not closed."""
    names = {"llc": "    LLC[KB]", "mbl": "  MBL[MB/s]", "mbr": "  MBR[MB/s]"}
    out = ""
    for time, rows in runs:
        out += f"\033[2J\033[0;0HTIME {time}\n" + (
            "PID      CORE     RMID" if pids else "SKT     CORE     RMID"
        )
        out += "".join(names[event] for event in events)
        for row in rows:
            first = (
                f"{int(row.pid):6d} {'N/A':>6} {'N/A':>8}"
                if pids
                else f"{0:3d} {row.cores[:8]:>8} {row.rmid:8d}"
            )
            out += f"\n{first}" + "".join(f" {row.values[event]:10.1f}" for event in events)
        out += "\033[0;0"
    return out + "\n\n"


def csv(runs, events=MODERN, *, pids=False, rmid=False, fused=False):
    """`-u csv`; fused: the header as since 2022, with blanks for the comma before MBL."""
    out = ("Time,PID,Core" if pids else "Time,Core") + (",RMID" if rmid else "")
    out += "".join(EVENTS[event][2] for event in events) + "\n"
    out = out.replace(",MBL[MB/s]", "   MBL[MB/s]") if fused else out
    for time, rows in runs:
        for row in rows:
            out += f'{time},"{row.pid}","{row.cores}"' if pids else f'{time},"{row.cores}"'
            out += f",{row.rmid}" if rmid else ""
            values = [row.values.get(event) for event in events]
            out += (
                "".join("," if v is None else EVENTS[e][3] % v for e, v in zip(events, values, strict=True))
                + "\n"
            )
    return out


def xml(runs, events=MODERN, *, pids=False):
    """`-u xml`."""
    out = '<?xml version="1.0" encoding="UTF-8"?>\n<records>\n'
    for time, rows in runs:
        for row in rows:
            out += f"<record>\n\t<time>{time}</time>\n" + (f"\t<pid>{row.pid}</pid>\n" if pids else "")
            out += f"\t<core>{row.cores}</core>\n"
            for event in events:
                value = row.values.get(event)
                said = "" if value is None else (EVENTS[event][3] % value)[1:]
                out += f"\t<{EVENTS[event][4]}>{said}</{EVENTS[event][4]}>\n"
            out += "</record>\n"
    return out + "</records>\n"


def config(*, cos="CLOS", cdp=False, l2=False, mba="%", domains=("Socket 0", "Socket 1"), os_interface=False):
    """`pqos -s`."""
    out = "NOTE:  Mixed use of MSR and kernel interfaces to manage\n"
    out += "       CAT or CMT & MBM may lead to unexpected behavior.\n"
    for domain in domains:
        out += f"L3CA{'/MBA' if mba is not None else ''} {cos} definitions for {domain}:\n"
        for n in (0, 1):
            mask = f"DATA 0x{0x7F0 >> n:x}, CODE 0x{0x7F >> n:x}" if cdp else f"MASK 0x{0x7FF >> n:x}"
            out += f"    L3CA {cos}{n} => {mask}\n"
        for n in (0, 1) if mba is not None else ():
            out += f"    MBA {cos}{n} => {100 - 50 * n}{mba}{'' if mba == ' MBps' else ' available'}\n"
    for n in (0, 1) if l2 else ():
        out += f"L2CA {cos} definitions for L2ID {n}:\n    L2CA {cos}0 => MASK 0xff\n    L2CA {cos}1 => MASK 0xf\n"
    for socket in (0, 1):
        out += f"Core information for socket {socket}:\n"
        for core in (2 * socket, 2 * socket + 1):
            rmid = "" if os_interface else f", RMID{core}"
            out += f"    Core {core}, L2ID {core}, L3ID {socket} => {cos}{core % 2}{rmid}\n"
    return out + (
        f"PID association information:\n    {cos}1 => 12, 34\n    {cos}2 => (none)\n" if os_interface else ""
    )


def scene(count=6):
    """Three groups on one socket: a packet VM, a streaming neighbour from the third second on, a real-time task.

    Every miss moves a line of 64 bytes, and three of ten a line back to memory.
    """
    made = []
    for n in range(count):
        if n < 3:
            groups = {
                "2-5": (1.9, 310e3, 9216.0),
                "6-9": (0.0, 0.0, 0.0),
                "10,12,14,16-19": (1.1, 2e3, 512.0),
            }
        else:
            groups = {
                "2-5": (1.4, 2170e3, 4096.0),
                "6-9": (0.75, 110e6, 15360.0),
                "10,12,14,16-19": (0.9, 42e3, 128.0),
            }
        rows = []
        for cores, (ipc, misses, llc) in groups.items():
            traffic = misses * 64 * 1.3 / 2**20
            values = {"ipc": ipc, "misses": misses, "llc": llc, "mbl": round(traffic * 0.98, 1)}
            rows.append(Row(cores, values | {"mbr": round(traffic * 0.02, 1)}))
        made.append((f"2026-03-01 12:00:{n:02d}", rows))
    return made
