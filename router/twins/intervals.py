"""A sandbox's own timers, as Daytona has them: minutes that its owner has set."""

from typing import Any

from router.twins.state import Twin

MINUTE = 60.0


def interval(twin: Twin, name: str, default: int) -> int:
    """Minutes, as the sandbox's owner set them."""
    value: Any = twin.row.control.get(name, default)
    return value if isinstance(value, int) and not isinstance(value, bool) else default
