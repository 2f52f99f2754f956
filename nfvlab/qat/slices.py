"""A device's slices: how long a request keeps one. Its rate is of uncompressed bits, all slices together."""

from nfvlab.precopy.params import PAGE_BYTES
from nfvlab.qat.params import Params


def slice_ns(p: Params, pages: float) -> float:
    """Time of a request of so many pages at its slice, without faults."""
    return p.engine_request_ns + pages * PAGE_BYTES * 8e9 * p.slices_count / p.engine_bits_per_s


def inflate_slice_ns(p: Params, pages: float) -> float:
    """The same for decompression."""
    return p.engine_request_ns + pages * PAGE_BYTES * 8e9 * p.slices_count / p.inflate_engine_bits_per_s


def faults_ns(p: Params) -> float:
    """Time per page that IO page faults keep a slice: none if guest memory is locked."""
    return 0.0 if p.mlock else p.unlocked_frac * p.io_fault_ns
