"""nfvlab: what each hardware or software feature buys an NFV host on KVM."""

__version__ = "0.1.0"
