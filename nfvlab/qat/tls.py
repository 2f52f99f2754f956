"""The encrypted stream in the simulation: what TLS takes of a CPU and adds to a link, and what a device's cipher does.

QEMU encrypts what it writes to a socket (tls-creds), in the thread that writes it; its counters count what goes in.
All that goes through the socket lies in TLS records, also what a device has encrypted before.
"""

from types import SimpleNamespace

from nfvlab.precopy.page_costs import NORMAL_BYTES
from nfvlab.precopy.params import ZERO_PAGE_BYTES
from nfvlab.qat.params import Params
from nfvlab.units import s

RECORD_BYTES = 16384  # RFC 8446 5.1: the most that a record holds
RECORD_EXTRA_BYTES = 5 + 1 + 16  # RFC 8446 5.2: header, content type, tag of AES-GCM
SEAL_BYTES = 12 + 16  # SP 800-38D: IV and tag of AES-GCM, for each page that a device encrypts


def byte_ns(p: Params) -> float:
    """A CPU's time to encrypt, or decrypt, a byte of the stream; 0 if it is not encrypted."""
    return s / p.tls_bytes_per_s if p.encrypted else 0.0


def on_wire(p: Params) -> float:
    """Bytes on the wire per byte of the stream."""
    return 1 + RECORD_EXTRA_BYTES / RECORD_BYTES if p.encrypted else 1.0


def device_seals(p: Params) -> bool:
    """Whether the talk's device encrypts what it compresses."""
    return p.encrypted and p.device_encrypts


def cipher_byte_ns(p: Params) -> float:
    """The cipher's time for a byte, in one device."""
    return 8 / p.cipher_bits_per_s * s


def plain_costs(p: Params):
    """The host and link as `page_costs` reads them, with what encryption adds to a page sent as it is."""
    if not p.encrypted:
        return p
    page_ns, zero_ns = NORMAL_BYTES * byte_ns(p), ZERO_PAGE_BYTES * byte_ns(p)
    return SimpleNamespace(
        speed_cv_frac=p.speed_cv_frac,
        link_cv_frac=p.link_cv_frac,
        link_bytes_per_s=p.link_bytes_per_s / on_wire(p),
        link_share_frac=p.link_share_frac,
        link_page_ns=p.link_page_ns,
        zero_scan_ns=p.zero_scan_ns + zero_ns,
        send_ns=p.send_ns + page_ns,
        zero_load_ns=p.zero_load_ns + zero_ns,
        first_touch_ns=p.first_touch_ns + page_ns,
        again_ns=p.again_ns + page_ns,
    )


def loaded_frac(p: Params, size_bytes: float) -> float:
    """The destination's work for a page seen before that came in so many bytes, over that for a whole one."""
    if not p.encrypted:
        return 1.0
    return (p.again_ns + size_bytes * byte_ns(p)) / (p.again_ns + NORMAL_BYTES * byte_ns(p))
