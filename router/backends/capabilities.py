"""What each provider can do: every operation as native, emulated (and how) or unsupported (and why).

Each adapter declares its own in a module `capabilities` beside its code; the shared contract holds it to that.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from crossfade.operation import OPERATIONS


class Support(StrEnum):
    """How an adapter does an operation."""

    NATIVE = "native"  # the provider has a call for it
    EMULATED = "emulated"  # made of other calls
    UNSUPPORTED = "unsupported"  # refused with 501, never faked


@dataclass(frozen=True, slots=True)
class Capability:
    """One operation at one provider. `note` says how, or why not; it may be empty for what is native."""

    support: Support
    note: str = ""


Capabilities = Mapping[str, Capability]


def declared(
    *,
    native: Iterable[str] | Mapping[str, str] = (),
    emulated: Mapping[str, str] | None = None,
    unsupported: Mapping[str, str] | None = None,
) -> Capabilities:
    """Capabilities of every operation. Names are operations, or areas (`git.*`), which operations override.

    Raises ValueError for a name that is no operation, and for an operation that is left out.
    """
    plain = native if isinstance(native, Mapping) else dict.fromkeys(native, "")
    said = [
        (name, Capability(support, note))
        for support, notes in (
            (Support.NATIVE, plain),
            (Support.EMULATED, emulated or {}),
            (Support.UNSUPPORTED, unsupported or {}),
        )
        for name, note in notes.items()
    ]
    found: dict[str, Capability] = {}
    for name, capability in sorted(said, key=lambda each: not each[0].endswith(".*")):
        for operation in _operations(name):
            found[operation] = capability
    if missing := OPERATIONS.keys() - found.keys():
        raise ValueError(f"nothing is declared of {', '.join(sorted(missing))}")
    return {operation: found[operation] for operation in OPERATIONS}


def _operations(name: str) -> list[str]:
    if name in OPERATIONS:
        return [name]
    inside = [each for each in OPERATIONS if name.endswith(".*") and each.startswith(name[:-1])]
    if not inside:
        raise ValueError(f"'{name}' is no operation, and no area of some")
    return inside
