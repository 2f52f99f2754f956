"""Pages, ELF cores and tables of compressed sizes, as the tests of the measurement and of its reader take them."""

import struct

import numpy as np

from nfvlab.readers import compression_lines as lines

PAGE = 4096
LIBRARIES = {"deflate1": "zlib 1.2.13", "lz4": "lz4 1.9.4"}
HEAD = {
    "file": "guest.elf",
    "format": "ELF core",
    "buffer_bytes": PAGE,
    "file_pages": 100,
    "hole_pages": 50,
    "asked_pages": 5,
    "seed": 2016,
    "repeats": 3,
    "cpu": "a processor",
    "libraries": LIBRARIES,
}
SPEED = {"compress_bytes_per_s": 80e6, "decompress_bytes_per_s": 300e6, "setup_ns": 2400.5}
SPEEDS = {"deflate1": SPEED, "lz4": SPEED | {"compress_bytes_per_s": 700e6}}
ROWS = [[70, 1900, 2700], [3, 4101, 4114], [99, 12, 30]]
#: 100 pages, half of them holes; of 5 drawn 2 are zero: three rows, in the order drawn
TABLE = (
    lines.head_line(**HEAD)
    + lines.columns_line(LIBRARIES)
    + lines.rows_text(ROWS)
    + lines.end_line("complete", 5, 2, SPEEDS)
)


def random_page(seed):
    """A page that nothing compresses."""
    return np.random.default_rng(seed).bytes(PAGE)


def text_page(number):
    """A page of words and numbers, another one for each number."""
    words = " ".join(f"line {number} word {(number * 7919 + k * k) % 1009}" for k in range(400))
    return words.encode()[:PAGE].ljust(PAGE, b".")


def elf(segments, *, bits=64, order="<", number=None, offsets=None):
    """An ELF core of (p_type, data), the data from 8192 on; `offsets` says other places, `number` another e_phnum."""
    wide, word = bits == 64, "Q" if bits == 64 else "I"
    header, entry, section = (64, 56, 64) if wide else (52, 32, 40)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    shoff = 4096 if number == 0xFFFF else 0
    counts = (header, entry, len(segments) if number is None else number, section, 1 if shoff else 0, 0)
    head = ident + struct.pack(f"{order}HHI3{word}I6H", 4, 62, 1, 0, header, shoff, 0, *counts)
    at, table, body = 8192, b"", b""
    for k, (kind, data) in enumerate(segments):
        offset, size = (at, len(data)) if offsets is None else offsets[k]
        sizes = (offset, 0, 0, size, size)
        packed = (kind, 0, *sizes, 0) if wide else (kind, *sizes, 0, 0)
        table += struct.pack(f"{order}II5QQ" if wide else f"{order}8I", *packed)
        at, body = at + len(data), body + data
    sections = bytearray(section)
    struct.pack_into(f"{order}I", sections, 44 if wide else 28, len(segments))
    return (head + table).ljust(4096, b"\0") + bytes(sections).ljust(4096, b"\0") + body
