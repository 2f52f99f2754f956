"""What does each hardware or software feature buy an NFV host on KVM, and where does it hurt?

Every feature is a package of one shape: `Params`, `analyze` (theory), `simulate` (Monte Carlo), `SCENARIOS`
and `figure`. `twin.compare` sets theory beside simulation, `sweep.sweep` turns one knob or a grid of them,
and `catalog.FEATURES` lists the seven features.
"""

__version__ = "0.1.0"
