"""The real-time path that `apicv`, `timer` and `vfio` stand on: what its stages cost, tails by lattice, rare events."""
