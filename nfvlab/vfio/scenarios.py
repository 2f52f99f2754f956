"""Scenarios of a device's interrupt: presets of the panel, and what the twins are compared on."""

from nfvlab.units import us
from nfvlab.vfio.params import Params

ISOLATED = (
    Params()
)  # isolcpus, and the interrupt on the vCPU's CPU: mainline as no thread; threaded switches twice more
_LOAD = {"load_frac": 0.2, "load_ns": 20 * us}

SCENARIOS: dict[str, Params] = {
    "isolated CPU": ISOLATED,
    "housekeeping CPU for IRQs": ISOLATED.replace(same_cpu=False),
    "halting guest": ISOLATED.replace(halting=True),
    "IRQ thread below vCPU": ISOLATED.replace(vcpu_priority_level=60),
    "load below vCPU": ISOLATED.replace(vcpu_priority_level=20, load_priority_level=10, **_LOAD),
    "load above vCPU": ISOLATED.replace(load_priority_level=10, **_LOAD),
    "SMIs": ISOLATED.replace(smi_per_s=10.0, smi_ns=150 * us),
    "interrupts off at times": ISOLATED.replace(irqoff_frac=0.02, irqoff_ns=20 * us),
    "irqfd by work queue": ISOLATED.replace(same_cpu=False, atomic=False),
    "desktop, SCHED_OTHER": ISOLATED.replace(
        halting=True, vcpu_priority_level=0, load_priority_level=0, spread_frac=0.3, **_LOAD
    ),
}
