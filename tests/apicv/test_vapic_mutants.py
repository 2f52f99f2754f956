"""Wrong virtual APICs, each wrong in one rule: the comparison with the manual must reject every one."""

import random

import pytest
from apicv import vapic_compare as compare

from nfvlab.apicv import registers as reg
from nfvlab.apicv import vapic_outcome as out
from nfvlab.apicv.vapic import VirtualApic


class EvaluatesBeforeTheEoiExit(VirtualApic):
    def _eoi_virtualization(self):
        ended = super()._eoi_virtualization()
        self._evaluate()
        return ended


class LooksUpTheEoiExitBitOfTheNextInterrupt(VirtualApic):
    def _eoi_virtualization(self):
        state = self.state
        kept, after = self.controls, reg.highest(state.visr & ~(1 << state.svi))
        asked = kept.eoi_exit_bitmap >> after & 1
        self.controls = kept.replace(eoi_exit_bitmap=asked << state.svi)
        ended = super()._eoi_virtualization()
        self.controls = kept
        return ended


class ForgetsWhatElseIsInServiceAtEoi(VirtualApic):
    def _eoi_virtualization(self):
        rest = self.state.visr & ~(1 << self.state.svi)
        self.state.visr &= 1 << self.state.svi
        ended = super()._eoi_virtualization()
        self.state.visr = rest
        return ended


class MirrorsRviInVirrAtEoi(VirtualApic):
    def _eoi_virtualization(self):
        self.state.rvi = reg.highest(self.state.virr)
        return super()._eoi_virtualization()


class IgnoresEoiWithoutAnythingInService(VirtualApic):
    def _eoi_virtualization(self):
        return super()._eoi_virtualization() if self.state.svi else None


class OverwritesRviWithPir(VirtualApic):
    def _posted_interrupt_processing(self, descriptor):
        top = descriptor.pir.bit_length() - 1
        self.state.rvi = self.state.rvi if top < 0 else 0
        super()._posted_interrupt_processing(descriptor)


class TakesRviFromVirrInsteadOfPir(VirtualApic):
    def _posted_interrupt_processing(self, descriptor):
        self.state.rvi = max(self.state.rvi, reg.highest(self.state.virr))
        super()._posted_interrupt_processing(descriptor)


class KeepsOn(VirtualApic):
    def _posted_interrupt_processing(self, descriptor):
        on = descriptor.on
        super()._posted_interrupt_processing(descriptor)
        descriptor.on = on


class KeepsPir(VirtualApic):
    def _posted_interrupt_processing(self, descriptor):
        pir = descriptor.pir
        super()._posted_interrupt_processing(descriptor)
        descriptor.pir = pir


class DoesNotEvaluatePostedInterrupts(VirtualApic):
    def _posted_interrupt_processing(self, descriptor):
        recognized = self.state.recognized
        super()._posted_interrupt_processing(descriptor)
        self.state.recognized = recognized


class RecognizesTheSameClass(VirtualApic):
    def _evaluate(self):
        super()._evaluate()
        state = self.state
        same = state.rvi >> 4 == state.vppr >> 4 & 0xF
        state.recognized = state.recognized or (same and not self.controls.interrupt_window_exiting)


class ComparesWholeVectors(VirtualApic):
    def _evaluate(self):
        super()._evaluate()
        state = self.state
        state.recognized = not self.controls.interrupt_window_exiting and state.rvi > state.vppr & 0xFF


class RecognizesDespiteInterruptWindowExiting(VirtualApic):
    def _evaluate(self):
        super()._evaluate()
        self.state.recognized = self.state.rvi >> 4 > self.state.vppr >> 4 & 0xF


class LeavesVpprAtDelivery(VirtualApic):
    def _deliver(self):
        vppr = self.state.vppr
        vector = super()._deliver()
        self.state.vppr = vppr
        return vector


class SetsVpprToTheWholeVectorAtDelivery(VirtualApic):
    def _deliver(self):
        vector = super()._deliver()
        self.state.vppr = vector
        return vector


class ReevaluatesAtDelivery(VirtualApic):
    def _deliver(self):
        vector = super()._deliver()
        self._evaluate()
        return vector


class KeepsRecognitionAtDelivery(VirtualApic):
    def _deliver(self):
        vector = super()._deliver()
        self.state.recognized = True
        return vector


class SleepsOnInHlt(VirtualApic):
    def _enter_handler(self):
        activity = self.state.activity
        super()._enter_handler()
        self.state.activity = activity


class DeliversUnderStiBlocking(VirtualApic):
    def _ready(self):
        state, blocked = self.state, self.state.sti_blocking
        state.sti_blocking = False
        ready = super()._ready()
        state.sti_blocking = blocked
        return ready


class DeliversWithInterruptsOff(VirtualApic):
    def _ready(self):
        state, if_flag = self.state, self.state.if_flag
        state.if_flag = True
        ready = super()._ready()
        state.if_flag = if_flag
        return ready


class WakesFromShutdown(VirtualApic):
    def _ready(self):
        wanted = self.state.recognized or self.controls.interrupt_window_exiting
        return wanted and self.state.window_open


class LetsSviWinATie(VirtualApic):
    def _ppr_virtualization(self):
        super()._ppr_virtualization()
        vtpr, svi = self.state.vtpr & 0xFF, self.state.svi
        self.state.vppr = vtpr if vtpr >> 4 > svi >> 4 else svi & 0xF0


class ExitsAtTheThreshold(VirtualApic):
    def _tpr_virtualization(self):
        state, c = self.state, self.controls
        if not c.virtual_interrupt_delivery and state.vtpr >> 4 & 0xF == c.tpr_threshold & 0xF:
            return self._vm_exit(out.TPR_BELOW_THRESHOLD, 0, "")
        return super()._tpr_virtualization()


class HoldsTheThresholdExitBackWithInterruptsOff(VirtualApic):
    def _threshold_exit(self):
        return super()._threshold_exit() if self.state.if_flag else None


class ForgetsPprAtEntry(VirtualApic):
    def vm_entry(self, injection=None):
        vppr = self.state.vppr
        self._ppr_virtualization = lambda: setattr(self.state, "vppr", vppr)
        try:
            return super().vm_entry(injection)
        finally:
            del self._ppr_virtualization


class LowersRviByASelfIpi(VirtualApic):
    def _self_ipi_virtualization(self, vector):
        self.state.rvi = 0
        super()._self_ipi_virtualization(vector)


class DoesNotSetVirrForASelfIpi(VirtualApic):
    def _self_ipi_virtualization(self, vector):
        virr = self.state.virr
        super()._self_ipi_virtualization(vector)
        self.state.virr = virr


class SendsSelfIpisOfIllegalVectors(VirtualApic):
    def _after_wrmsr(self, msr, value):
        if msr == 0x83F:
            self._self_ipi_virtualization(value & 0xFF)
            return self._outcome(out.Kind.VIRTUALISED, "")
        return super()._after_wrmsr(msr, value)


class NotifiesDespiteSn(VirtualApic):
    def _descriptor(self, address):
        found = super()._descriptor(address)
        found.sn = False
        return found


class KeepsTheBlockingOverAnInstruction(VirtualApic):
    def _retire(self):
        pass


class EndsTheBlockingAtAnAccessExit(VirtualApic):
    def _vm_exit(self, reason, *args, **more):
        if reason == out.APIC_ACCESS:
            self._retire()
        return super()._vm_exit(reason, *args, **more)


class EmulatesEoiAnywhereInTheRegister(VirtualApic):
    def _emulate_write(self, offset, value):
        return super()._emulate_write(offset & ~3, value)


class VirtualisesAnyPartOfASlot(VirtualApic):
    def _refuses(self, access, written):
        aligned = access._replace(offset=access.offset & ~0xC) if access.size_bytes == 1 else access
        return super()._refuses(aligned, written)


class VirtualisesReadsAfterWrites(VirtualApic):
    def _refuses(self, access, written):
        return super()._refuses(access, written if access.value is not None else None)


class ExitsWithoutCompletingTheOtherControls(VirtualApic):
    def _special(self, msr):
        return super()._special(msr) or msr == 0x80B


MUTANTS = [
    found for found in list(globals().values()) if isinstance(found, type) and VirtualApic in found.__bases__
]


def rejected_at(make, seeds=6000):
    """The first seed on which a machine differs from the manual; None if none does."""
    return next((seed for seed in range(seeds) if compare.first_difference(random.Random(seed), make)), None)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_wrong_rule_is_found(mutant):
    assert rejected_at(mutant) is not None


def test_there_are_many_and_the_machine_itself_is_none():
    assert len(MUTANTS) > 30 and rejected_at(VirtualApic, seeds=50) is None
