"""vfio: message-signalled interrupts of assigned devices."""
