"""Measuring the reader's own files: what compression makes of the pages of a memory dump, and how fast."""

from nfvlab.measure.compression import Measured, measure_compression

__all__ = ["Measured", "measure_compression"]
