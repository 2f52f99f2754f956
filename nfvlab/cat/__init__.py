"""Cache allocation (CAT) and code and data prioritisation (CDP)."""
