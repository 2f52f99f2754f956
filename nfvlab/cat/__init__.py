"""Cache allocation (CAT), and code and data prioritised apart (CDP).

Question
    What does a share of the last-level cache buy a VM beside a noisy neighbour, how large should it be, and when does
    it cost more than it gives?

Mechanism
    Each class of service (CLOSID) has a capacity bit mask, one bit a way. A reference is served from whatever way holds
    its line; only a line that has to come in is put where the mask allows, in place of the least recently used line
    there. Masks may overlap; changing one moves nothing. With CDP a class has two masks, for code and for data. Devices
    fill ways of their own (DDIO), which masks may touch. A core that waits less refers more, and all share one memory
    channel.

Assumptions
    True LRU within a set; one core a tenant, its workload one of six; one first-come, first-served memory channel; no
    prefetching, no bandwidth throttling (MBA); a tenant's private caches are in its rate of references.

Left out
    Replacement that only approximates LRU, inclusive caches that recall lines from private ones, noise of the host's
    own code, several sockets, L2 allocation, coherence.

References
    Intel SDM vol. 3B, 18.19 (Cache Allocation Technology); Linux fs/resctrl and Documentation/filesystems/resctrl.rst;
    Che, Tung and Wang, IEEE JSAC 20 (2002); Qureshi and Patt, MICRO 2006; Herdrich et al., HPCA 2016; Farshin et al.,
    USENIX ATC 2020 (DDIO).
"""

from nfvlab.cat.analytic import Theory, analyze
from nfvlab.cat.params import OUTPUTS, Params
from nfvlab.cat.scenarios import SCENARIOS
from nfvlab.cat.simulation import Samples, simulate
from nfvlab.llc.params import Tenant

__all__ = ["OUTPUTS", "SCENARIOS", "Params", "Samples", "Tenant", "Theory", "analyze", "figure", "simulate"]


def __getattr__(name: str):
    """`figure` on first use, so that importing the feature imports no matplotlib."""
    if name == "figure":
        from nfvlab.cat.figures import figure

        return figure
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
