"""Settings of what watches the migration: ramps, and who is told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RampSettings:
    """Ramps are planned by `crossfade ramp`; here is how often a router looks at those that run."""

    every_seconds: float = 60.0
