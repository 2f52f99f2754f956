"""The talk's way: the migration thread itself builds requests, submits them, polls for answers and sends.

Guest memory is mapped for the device by physical address: each page's is read from /proc/self/pagemap, or has been
before the migration. Answers are all in before an iteration ends.
"""

import numpy as np

from nfvlab.kernels import conveyor, offload, sealers
from nfvlab.precopy.page_costs import NORMAL_BYTES
from nfvlab.precopy.params import HEADER_BYTES, PAGE_BYTES, ZERO_PAGE_BYTES
from nfvlab.qat import sizes, tls
from nfvlab.qat.thread import CompressingThread, Pace, per_cycle_ns
from nfvlab.units import s

LENGTH_BYTES = 4  # before the compressed page, as in the stream of QEMU's compress threads

_COUNTERS = (offload.REQUESTS, offload.SERVED, offload.INTERRUPTS, offload.SMALLER)


def engine_page_ns(p) -> float:
    """One slice's time to compress a page."""
    return PAGE_BYTES * 8 / (p.engine_bits_per_s / p.slices_count) * s


def inflate_page_ns(p) -> float:
    """The destination's devices' time to decompress a page, all of them together; 0 without."""
    if not p.destination_engine:
        return 0.0
    return PAGE_BYTES * 8 / (p.inflate_engine_bits_per_s * p.devices_count) * s


class RingThread(CompressingThread):
    """QEMU with the talk's patches."""

    def prepare(self) -> None:
        """The device's slices and ring."""
        p = self.p
        self.server = np.zeros(p.devices_count * p.slices_count)
        self.ring, self.ring_at, self.opened = offload.new_ring(p.ring_requests)
        self.sealer = sealers.new_sealers(p.devices_count)
        self.sizes = sizes.tables(p, sizes.COLUMN_OF_DEFLATE[p.engine_deflate])
        answers = p.coalesce_requests if p.interrupts else 0
        option = (p.request_pages, p.ring_requests, p.wait_when_full, p.zero_check, answers)
        self.option = np.array(option, dtype=np.int64)

    def begin_bulk(self) -> None:
        """Read the pagemap of all guest memory, if its addresses are to be kept."""
        if self.p.cached_translation:
            self.extra_work_ns = self.pages * self.p.preread_cycles * per_cycle_ns(self.p)
            self.elapse(self.extra_work_ns)
        super().begin_bulk()

    def engines(self) -> float:
        """Slices of all devices."""
        return float(self.server.size)

    def costs(self, pace: Pace) -> np.ndarray:
        """The kernel's costs (see kernels.offload)."""
        p, cycle_ns = self.p, per_cycle_ns(self.p)
        translate = p.cached_cycles if p.cached_translation else p.pagemap_cycles
        look = p.nonzero_check_cycles if p.zero_check else 0.0
        requests = (p.submit_cycles + p.poll_cycles) / p.request_pages + p.build_cycles + p.cached_cycles
        cost = np.zeros(offload.COSTS)
        cost[offload.CHECK] = p.zero_scan_ns + ZERO_PAGE_BYTES * tls.byte_ns(p)
        cost[offload.BUILD] = (p.build_cycles + translate + look) * cycle_ns
        cost[offload.SUBMIT] = p.submit_cycles * cycle_ns
        cost[offload.POLL] = p.poll_cycles * cycle_ns
        cost[offload.PUT] = p.put_cycles * cycle_ns
        cost[offload.PER_BYTE] = self.per_byte_ns(checked=False)
        cost[offload.INTERRUPT] = p.interrupt_cycles * cycle_ns
        cost[: offload.INTERRUPT + 1] *= pace.host
        cost[offload.LOOK] = look * cycle_ns * pace.host
        cost[offload.REQUEST] = p.engine_request_ns
        cost[offload.ITEM] = engine_page_ns(p)
        cost[offload.LATENCY] = p.engine_latency_ns
        cost[offload.FAULT] = p.io_fault_ns
        cost[offload.FAULT_SHARE] = 0.0 if p.mlock else p.unlocked_frac
        cost[offload.TAKE : offload.TAKE + 3] = self.take_ns(pace)
        by_cpu = PAGE_BYTES / p.inflate_bytes_per_s * s
        cost[offload.TAKE_MORE] = (requests * cycle_ns if p.destination_engine else by_cpu) * pace.host
        cost[offload.TAKE_DEVICE] = inflate_page_ns(p)
        cost[offload.LINK_NEW] = p.link_page_ns * pace.link
        cost[offload.LIGHT_SIZE] = ZERO_PAGE_BYTES
        cost[offload.WHOLE] = NORMAL_BYTES
        cost[offload.SMALLEST_RAW] = PAGE_BYTES
        cost[offload.HEAD] = HEADER_BYTES + LENGTH_BYTES
        cost[offload.HOLD] = p.coalesce_ns
        cost[offload.SEAL_BYTE] = tls.byte_ns(p) * pace.host
        if tls.device_seals(p):
            self.seal(cost, requests * cycle_ns * pace.host)
        return cost

    def seal(self, cost: np.ndarray, request_ns: float) -> None:
        """Enter the costs of the devices' ciphers; request_ns: a page's part of a request at the destination."""
        p = self.p
        cost[offload.SEALER_BYTE] = tls.cipher_byte_ns(p)
        cost[offload.SEAL_HEAD] = tls.SEAL_BYTES
        cost[offload.WHOLE_HEAD] = HEADER_BYTES
        if p.destination_engine:
            cost[offload.OPENER_BYTE] = tls.cipher_byte_ns(p)
            cost[offload.TAKE_SEALED] = request_ns

    def cycles_by_step(self) -> dict[str, float]:
        """The migration thread's cycles, per page that is not zero: their sum is all its work but synchronisations."""
        p, t = self.p, self.totals
        requests, served, interrupts, smaller = (int(self.ring_at[k]) for k in _COUNTERS)
        cycle_ns = per_cycle_ns(p)
        translate = p.cached_cycles if p.cached_translation else p.pagemap_cycles
        steps = {
            "read pagemap before": self.extra_work_ns / cycle_ns,
            "check for zero": 0.0,
            "translate": served * translate,
            "build": served * p.build_cycles,
            "submit": requests * p.submit_cycles,
            "poll": requests * p.poll_cycles,
            "interrupt": interrupts * p.interrupt_cycles,
            "put": smaller * p.put_cycles,
        }
        copied_bytes = float(self.clocks[conveyor.BYTES])
        by_cpu = copied_bytes + self.named_bytes - float(self.sealer[sealers.TOTAL].sum())
        if p.zero_check:
            copied_bytes -= t.duplicate_pages * ZERO_PAGE_BYTES
            steps["check for zero"] = t.duplicate_pages * p.zero_scan_ns / cycle_ns
            steps["check for zero"] += t.normal_pages * p.nonzero_check_cycles
        steps["copy and send"] = copied_bytes * self.per_byte_ns(checked=False) / cycle_ns
        steps["encrypt"] = by_cpu * tls.byte_ns(p) / cycle_ns
        return {step: cycles / max(t.normal_pages, 1) for step, cycles in steps.items()}

    def kernel(self, budget: float, deadline_ns: float, pace: Pace, rates: np.ndarray):
        """Walk with the rings."""
        return offload.walk(
            *self.state(),
            budget,
            deadline_ns,
            *self.common(rates),
            self.server,
            self.ring,
            self.ring_at,
            self.opened,
            self.sealer,
            self.sizes,
            float(self.p.zero_compressed_bytes),
            self.bounds,
            self.costs(pace),
            self.option,
            self.rng,
        )
