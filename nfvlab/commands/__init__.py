"""The commands of `nfvlab`: a small module each, offering `add_parser(subparsers)` and `run(args) -> int`."""
