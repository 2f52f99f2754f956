"""What figures set beside published ones have in common: how far off, whether that is near, and why if it is not."""

TOLERANCE = 0.15


class Compared:
    """A published number and ours. Subclasses have `published`, `computed` or `ours`, `given`, and a `reason`."""

    @property
    def ours(self) -> float:
        """The number to compare."""
        return self.computed

    @property
    def error_frac(self) -> float:
        """Ours against the published one."""
        return self.ours / self.published - 1

    @property
    def ok(self) -> bool:
        """Whether it is within 15 percent."""
        return abs(self.error_frac) <= TOLERANCE

    @property
    def missing(self) -> str:
        """The effect that is missing where it is not."""
        return "" if self.ok else self.reason

    @property
    def verdict(self) -> str:
        """Whether it is within, in a word, or was what the scenario was made with."""
        return "given" if self.given else "yes" if self.ok else "no"
