"""What was found inside one value: a place in it, the change, how bad."""

from dataclasses import dataclass

from crossfade.comparison import Change, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One kind of change. `place` is words that hold nothing of the value; `old` and `new` show it, yet unmasked."""

    place: str
    change: Change
    severity: Severity
    old: str = ""
    new: str = ""
