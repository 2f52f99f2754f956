"""What vmexit.flat and tscdeadline_latency.flat of kvm-unit-tests print, composed as x86/*.c do."""

QEMU = (
    "timeout -k 1s --foreground 90s /usr/bin/qemu-system-x86_64 --no-reboot -nodefaults -device pc-testdev"
    " -serial stdio -device pci-testdev -machine accel={accel} -kernel x86/{test}.flat -smp {smp} # -initrd /x"
)
BOOT = "enabling apic\nsmp: waiting for 1 APs\npaging enabled\ncr0 = 80010011\ncr3 = 1007000\ncr4 = 20\n"
#: Cases as (name, cycles, cycles in the ICR write, cycles in the EOI); None where vmexit.c prints none: invented.
CASES = (
    ("cpuid", 1230, None, None),
    ("vmcall", 1210, None, None),
    ("mov_to_cr8", 14, None, None),
    ("inl_from_pmtimer", 14200, None, None),
    ("tscdeadline_immed", 3000, None, 22),
    ("self_ipi_sti_nop", 1730, 980, 21),
    ("ipi", 4100, 1100, None),
    ("mmio-no-eventfd:pci-mem", 12100, None, None),
)
LATENCIES = (2350, 2290, -14, 2310, 4021, 2290)


def vmexit(
    cases=CASES, *, parts=True, skipped=("x2apic_self_ipi_tpr", "wr_ibrs_msr"), boot=BOOT, accel="kvm", smp=2
):
    """One run; parts: the lines of ICR and EOI, printed since 2019; accel None: without QEMU's command line."""
    out = QEMU.format(accel=accel, test="vmexit", smp=smp) + "\n" if accel else ""
    out += boot
    for name, cycles, ipi, eoi in cases:
        out += "PM timer port is 608\n" if name == "inl_from_pmtimer" else ""
        out += f"{name} {cycles}\n"
        if parts:
            out += f"  ipi {name} {ipi}\n" if ipi is not None else ""
            out += f"  eoi {name} {eoi}\n" if eoi is not None else ""
    return out + "".join(f"{name} (skipped)\n" for name in skipped)


def latency(latencies=LATENCIES, *, breakmax=0, summary=True, accel="kvm"):
    """One run; with breakmax the last latency is the one above it."""
    out = QEMU.format(accel=accel, test="tscdeadline_latency", smp=1) + "\n" + BOOT
    out += f"apic version: 50014\nPASS: apic existence\nbreakmax={breakmax}\ntsc deadline timer enabled\n"
    for cycles in latencies:
        out += f"hit max: {breakmax} < " if breakmax and cycles > breakmax else ""
        out += f"latency: {cycles}\n"
    return out + ("SUMMARY: 1 tests\n" if summary else "")
