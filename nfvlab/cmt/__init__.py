"""Cache and memory-bandwidth monitoring (CMT, MBM)."""
