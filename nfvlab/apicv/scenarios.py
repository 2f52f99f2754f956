"""Scenarios of interrupt delivery: presets of the panel, and what the twins are compared on."""

from nfvlab.apicv.params import Params
from nfvlab.units import kHz, ms, us

FORWARDER = Params(interrupts_per_s=20 * kHz, handler_ns=2 * us)

SCENARIOS = {
    "busy forwarder": FORWARDER,
    "halting guest": FORWARDER.replace(halting=True, interrupts_per_s=2 * kHz),
    "halting, host polls": FORWARDER.replace(halting=True, interrupts_per_s=10 * kHz, halt_poll_ns=200 * us),
    "shared CPU": FORWARDER.replace(away_frac=0.2, away_ns=0.1 * ms),
    "storm": FORWARDER.replace(interrupts_per_s=300 * kHz),
    "level-triggered": FORWARDER.replace(eoi_exit_frac=1.0),
    "TPR writes": FORWARDER.replace(tpr_writes_ratio=2.0),
    "interrupts often off": FORWARDER.replace(masked_frac=0.3, masked_ns=20 * us),
    "four queues": FORWARDER.replace(vector_count=4, interrupts_per_s=100 * kHz),
}
