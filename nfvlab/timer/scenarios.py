"""Scenarios of a guest's deadlines: presets of the panel, and what the twins are compared on."""

from nfvlab.timer.params import Params
from nfvlab.units import kHz, us

BUSY = Params(interval_ns=100 * us, think_ns=2 * us)

SCENARIOS = {
    "busy guest": BUSY,
    "halting guest": BUSY.replace(halting=True),
    "halting, host polls": BUSY.replace(halting=True, halt_poll_ns=200 * us),
    "adaptive advance": BUSY.replace(advance="adaptive"),
    "fast path": BUSY.replace(fastpath=True),
    "hrtimer in a softirq": BUSY.replace(softirq=True),
    "noisy host": BUSY.replace(noise_per_s=2 * kHz, noise_ns=5 * us),
    "coarse timer": BUSY.replace(timer_shift=10),
    "no APICv": BUSY.replace(apicv=False),
    "short deadline": BUSY.replace(interval_ns=1 * us),
}

__all__ = ["BUSY", "SCENARIOS"]
