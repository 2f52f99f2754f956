"""The compressors that are measured, each as two functions; those whose library is not installed are left out.

A call compresses one buffer from nothing, as a device or a stateless library call does: a fresh stream, all of it
flushed. DEFLATE is raw (no zlib header, no checksum), as QAT and QPL produce it before a header is put on.
"""

import importlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from nfvlab.readers.compression_lines import METHODS

WINDOW_BITS = -15  # raw DEFLATE, the largest window
MEMORY_LEVEL = 8
PACKAGES = {"zstd1": "zstandard", "lz4": "lz4", "isal1": "isal"}
HOW = 'pip install "nfvlab[compression]"'


@dataclass(frozen=True)
class Method:
    """One compressor: its name in tables, the library and its version, and both directions.

    compress : a buffer to its compressed bytes
    decompress : compressed bytes and the buffer's size to the buffer
    """

    name: str
    library: str
    compress: Callable[[bytes], bytes]
    decompress: Callable[[bytes, int], bytes]


def available() -> dict[str, Method]:
    """The methods of `METHODS` whose library is installed, by name, in that order."""
    made = {name: _make(name) for name in METHODS}
    return {name: method for name, method in made.items() if method is not None}


def _make(name: str) -> Method | None:
    try:
        return _MAKERS[name](name)
    except ImportError:
        return None


def _deflate(level: int, strategy: int) -> Callable[[str], Method]:
    def compress(data: bytes) -> bytes:
        stream = zlib.compressobj(level, zlib.DEFLATED, WINDOW_BITS, MEMORY_LEVEL, strategy)
        return stream.compress(data) + stream.flush()

    def decompress(data: bytes, size: int) -> bytes:
        return zlib.decompress(data, WINDOW_BITS, size)

    return lambda name: Method(name, f"zlib {zlib.ZLIB_RUNTIME_VERSION}", compress, decompress)


def _zstd(name: str) -> Method:
    zstandard = importlib.import_module("zstandard")
    version = ".".join(map(str, zstandard.ZSTD_VERSION))
    writer, reader = zstandard.ZstdCompressor(level=1), zstandard.ZstdDecompressor()
    return Method(name, f"zstd {version}", writer.compress, lambda data, size: reader.decompress(data))


def _lz4(name: str) -> Method:
    block = importlib.import_module("lz4.block")
    version = importlib.import_module("lz4").library_version_string()

    def compress(data: bytes) -> bytes:
        return block.compress(data, store_size=False)

    def decompress(data: bytes, size: int) -> bytes:
        return block.decompress(data, uncompressed_size=size)

    return Method(name, f"lz4 {version}", compress, decompress)


def _isal(name: str) -> Method:
    igzip = importlib.import_module("isal.igzip_lib")
    version = importlib.import_module("isal").ISAL_VERSION

    def compress(data: bytes) -> bytes:
        return igzip.compress(data, 1, igzip.COMP_DEFLATE)

    def decompress(data: bytes, size: int) -> bytes:
        return igzip.decompress(data, igzip.DECOMP_DEFLATE, bufsize=size)

    return Method(name, f"ISA-L {version}", compress, decompress)


_MAKERS: dict[str, Callable[[str], Method]] = {
    "deflate1": _deflate(1, zlib.Z_DEFAULT_STRATEGY),
    "deflate1_fixed": _deflate(1, zlib.Z_FIXED),
    "deflate6": _deflate(6, zlib.Z_DEFAULT_STRATEGY),
    "deflate9": _deflate(9, zlib.Z_DEFAULT_STRATEGY),
    "zstd1": _zstd,
    "lz4": _lz4,
    "isal1": _isal,
}
