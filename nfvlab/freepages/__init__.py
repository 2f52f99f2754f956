"""Skipping the free pages of a guest in live migration."""
