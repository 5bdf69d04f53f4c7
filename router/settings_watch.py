"""Settings of what watches the migration: ramps, and who is told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RampSettings:
    """Ramps are planned by `crossfade ramp`; here is how often a router looks at those that run."""

    every_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """What the weekly report adds, and where it goes."""

    language: str = "en"
    currency: str = "$"
    old_per_hour: float = 0.0  # price of a running sandbox on old for an hour; 0: hours are told without money
    new_per_hour: float = 0.0
