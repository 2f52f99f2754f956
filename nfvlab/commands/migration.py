"""`nfvlab calibrate migration` and `nfvlab predict migration`: a host's constants, and what they foretell."""

import json
import sys
from pathlib import Path

from nfvlab.readers import ReaderError

SEED = 20160825


def add_parser(subparsers) -> None:
    """Declare both commands."""
    fit = subparsers.add_parser("calibrate", help="fit a host's constants on recordings")
    fit.add_argument("what", choices=["migration"])
    fit.add_argument(
        "recordings", nargs="+", type=Path, metavar="DIR", help="directories or files of recordings"
    )
    fit.add_argument("-o", "--output", type=Path, required=True, metavar="HOST.TOML")
    fit.add_argument("--title", default="calibrated host", help="a name for the pair of hosts")
    fit.add_argument("--iterations", type=int, default=12, metavar="N", help="of the fit (default: 12)")
    fit.add_argument("--seed", type=int, default=SEED)
    guess = subparsers.add_parser("predict", help="predict recordings from their scenarios alone")
    guess.add_argument("what", choices=["migration"])
    guess.add_argument(
        "recordings", nargs="+", type=Path, metavar="DIR", help="directories or files of recordings"
    )
    guess.add_argument("--host", type=Path, required=True, metavar="HOST.TOML")
    guess.add_argument("--json", type=Path, metavar="FILE", help="write the table as JSON, too")
    guess.add_argument("-n", type=int, default=9, help="simulated migrations a recording (default: 9)")
    guess.add_argument("--seed", type=int, default=SEED)


def run(args) -> int:
    """Either command."""
    recordings = read_all(args.recordings)
    return calibrate(args, recordings) if hasattr(args, "output") else predict(args, recordings)


def read_all(paths) -> list:
    """(path, meta) of every recording named or found in a directory, by name; the first bad one stops it."""
    from nfvlab.readers.qemu import read_qemu

    files = []
    for path in paths:
        inside = sorted(path.glob("*.json")) + sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
        if not inside:
            raise ReaderError(
                path, None, "no recording (*.json) in this directory", "Give the directory that has them"
            )
        files += inside
    return [(file, read_qemu(file)[1]) for file in files]


def calibrate(args, recordings) -> int:
    """Fit, write the host file, say how well it fits."""
    import numpy as np
    from tqdm import tqdm

    from nfvlab.precopy import calibrate as fitting
    from nfvlab.precopy.recordings import observed_from
    from nfvlab.qat.recordings import compresses, measured, tells_costs
    from nfvlab.readers.hosts import host_text

    observed, left_out = observed_from(recordings)
    for path, reason in left_out:
        print(f"left out: {path.name}: {reason}", file=sys.stderr)
    if not observed:
        where = ", ".join(map(str, args.recordings))
        remedy = "Record one with `nfvlab record migration`, without compression or free-page hints"
        raise ReaderError(where, None, "no completed, uncompressed recording to calibrate on", remedy)
    with tqdm(desc="calibrate", unit=" sets of constants", delay=1, leave=False) as bar:
        found = fitting.calibrate(
            observed, rng=np.random.default_rng(args.seed), iterations=args.iterations, progress=bar.update
        )
    source = f"nfvlab calibrate migration on {len(observed)} recordings, seed {args.seed}"
    constants = found.host.to_dict() | {
        "fresh_touch_ns": found.host.first_touch_ns,
        "fragmentation_frac": 0.0,
    }
    known = [meta for _, meta in recordings if tells_costs(meta)]
    compressed = sum(map(compresses, known))
    compression = measured(known, constants) if compressed else {}
    if compressed:
        source += f"; compression measured on {compressed} others"
    text = host_text(constants, title=args.title, source=source, compression=compression)
    args.output.write_text(text, encoding="utf-8")
    errors = np.abs(np.expm1(found.log_time))
    print(f"{args.output}: fitted on {len(observed)} recordings ({len(left_out)} left out)")
    print(f"total time: median error {np.median(errors):.1%}, 90th percentile {np.quantile(errors, 0.9):.1%}")
    return 0


def predict(args, recordings) -> int:
    """Predict, print the table and its summary, write it as JSON if asked."""
    from tqdm import tqdm

    from nfvlab import predict as model
    from nfvlab.readers.hosts import read_host

    constants, about = read_host(args.host)
    with tqdm(total=len(recordings), desc="predict", unit="run", delay=1, leave=False) as bar:
        found = model.predict_all(
            recordings,
            constants,
            seed=args.seed,
            n=args.n,
            progress=bar.update,
            compression=about.compression,
        )
    print(table(found))
    for label, figure in model.summary(found).items():
        print(f"{label:32s} {figure if label == 'recordings' else format(figure, '.1%')}")
    if args.json:
        args.json.write_text(json.dumps([as_object(p) for p in found], indent=1) + "\n", encoding="utf-8")
    return 0


def as_object(prediction) -> dict:
    """One row of the table for a JSON file."""
    row = {
        "name": prediction.name,
        "file": Path(prediction.file).name,
        "predicted": prediction.predicted,
        "measured": prediction.measured,
    }
    return row | ({"left_out": prediction.left_out} if prediction.left_out else {})


COLUMNS = (
    ("total-time", "time ms", "{:,.0f}"),
    ("transferred", "bytes", "{:,.0f}"),
    ("dirty-sync-count", "syncs", "{:.0f}"),
    ("pause_ms", "pause ms", "{:,.0f}"),
)


def table(predictions) -> str:
    """Predicted, measured and error of each recording, as aligned text."""
    width = max(len(Path(p.file).stem) for p in predictions)
    head = "".join(f"  {'predicted':>13} {'measured':>13} {'error':>7}" for _ in COLUMNS)
    lines = [
        f"{'':{width}}" + "".join(f"  {label:>35}" for _, label, _ in COLUMNS),
        f"{'recording':{width}}{head}",
    ]
    for p in predictions:
        name = f"{Path(p.file).stem:{width}}"
        if p.left_out:
            lines.append(f"{name}  left out: {p.left_out}")
            continue
        cells = []
        for field, _, shape in COLUMNS:
            values = [_shown(side.get(field), shape) for side in (p.predicted, p.measured)]
            error = p.error(field)
            cells.append(
                f"  {values[0]:>13} {values[1]:>13} {'' if error != error else format(error, '+.1%'):>7}"
            )
        wrong = "" if p.predicted["converged"] == p.measured["converged"] else "  convergence wrong"
        lines.append(name + "".join(cells) + wrong)
    return "\n".join(lines)


def _shown(value, shape: str) -> str:
    return "-" if value is None else shape.format(value)
