"""The catalogue: seven features, the question each one answers, and where its notebook is."""

import importlib
from dataclasses import dataclass
from difflib import get_close_matches
from types import ModuleType


class NotBuiltError(ImportError):
    """A feature of the plan that this version does not contain yet."""


@dataclass(frozen=True)
class Feature:
    """A feature of the host: the package `nfvlab.<name>` and the notebook that explains it."""

    number: int
    name: str
    title: str
    question: str
    notebook: str
    built: bool = False

    def load(self) -> ModuleType:
        """Import the feature's package; `NotBuiltError` if this version does not have it."""
        if not self.built:
            there = ", ".join(feature.name for feature in FEATURES if feature.built)
            raise NotBuiltError(
                f"{self.title} (nfvlab.{self.name}) is planned, not built yet; there is: {there}"
            )
        return importlib.import_module(f"nfvlab.{self.name}")


FEATURES: tuple[Feature, ...] = (
    Feature(
        1,
        "cmt",
        "CMT / MBM",
        "Who fills the last-level cache and the memory bus, and how far can the counters be trusted?",
        "01_cmt_mbm.ipynb",
        built=True,
    ),
    Feature(
        2,
        "cat",
        "CAT / CDP",
        "What does its own share of the last-level cache buy a VM beside a noisy neighbour?",
        "02_cat_cdp.ipynb",
        built=True,
    ),
    Feature(
        3,
        "apicv",
        "APICv and posted interrupts",
        "How many VM exits, and how much latency, does a virtual interrupt controller in hardware save?",
        "03_apicv.ipynb",
        built=True,
    ),
    Feature(
        4,
        "timer",
        "VMX-preemption timer",
        "How late does a guest's deadline fire, and what does the timer save over the host's hrtimer?",
        "04_preemption_timer.ipynb",
        built=True,
    ),
    Feature(
        5,
        "vfio",
        "VFIO message-signalled interrupts",
        "What does the path from a device's interrupt to the guest cost, and which shortcut pays?",
        "05_vfio_msi.ipynb",
        built=True,
    ),
    Feature(
        6,
        "freepages",
        "Skipping free pages in live migration",
        "What do total time, downtime and packet loss gain when a guest's free pages are not sent?",
        "06_free_pages.ipynb",
        built=True,
    ),
    Feature(
        7,
        "qat",
        "QAT-compressed live migration",
        "When does compressing the migration stream in hardware beat sending it plain?",
        "07_qat.ipynb",
        built=True,
    ),
)


def find(name: str) -> Feature:
    """The feature called `name`; LookupError, with the nearest name, if there is none."""
    names = [feature.name for feature in FEATURES]
    if name in names:
        return FEATURES[names.index(name)]
    near = get_close_matches(str(name), names, 1)
    remedy = f"did you mean {near[0]!r}?" if near else f"the features are {', '.join(names)}"
    raise LookupError(f"{name!r} is not a feature; {remedy}")


def table() -> str:
    """The features as a Markdown table, as the README shows it."""
    lines = ["| | Feature | Question | Notebook |", "|---|---|---|---|"]
    for feature in FEATURES:
        place = f"[{feature.notebook}](notebooks/{feature.notebook})" if feature.built else "planned"
        lines.append(f"| {feature.number} | {feature.title} | {feature.question} | {place} |")
    return "\n".join(lines)
