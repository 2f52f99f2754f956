"""apicv: virtual interrupts in hardware."""
