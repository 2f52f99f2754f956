"""timer: the VMX-preemption timer."""
