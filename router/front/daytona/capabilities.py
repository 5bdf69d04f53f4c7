"""The table of capabilities: operations by provider, and what only Daytona has."""

from collections.abc import Iterator, Mapping
from typing import Any

from router.backends.capabilities import Capabilities, Capability, Support
from router.backends.daytona.capabilities import CAPABILITIES as DAYTONA
from router.backends.e2b.capabilities import CAPABILITIES as E2B
from router.backends.local.capabilities import CAPABILITIES as LOCAL
from router.front.daytona.missing import ALONE

PROVIDERS: Mapping[str, Capabilities] = {"daytona": DAYTONA, "e2b": E2B, "local": LOCAL}
_PAGE = """\
# Capabilities

What each provider can do for a Daytona client: `native` is a call of the provider, `emulated` is made of other calls,
`-` is refused with 501 and never faked. Made by `crossfade capabilities --markdown`; a test holds page and adapters to
each other.

{head}
{rule}
{body}

## Daytona alone

Passed on unread while a sandbox has its seat on Daytona; refused with 501 by its name once the seat is elsewhere:

{alone}
"""
_MARKS = {Support.NATIVE: "native", Support.EMULATED: "emulated", Support.UNSUPPORTED: "-"}


def plain() -> dict[str, Any]:
    """As JSON."""
    operations = {
        operation: {
            provider: {"support": str(known[operation].support), "note": known[operation].note}
            for provider, known in PROVIDERS.items()
        }
        for operation in DAYTONA
    }
    return {"schema": "crossfade.capabilities/1", "operations": operations, "daytona_alone": list(ALONE)}


def lines() -> Iterator[str]:
    """For a terminal."""
    wide = max(map(len, DAYTONA))
    yield f"{'operation':<{wide}}  " + "".join(f"{provider:<13}" for provider in PROVIDERS)
    for operation in DAYTONA:
        marks = "".join(f"{known[operation].support:<13}" for known in PROVIDERS.values())
        yield f"{operation:<{wide}}  {marks}{_note(E2B[operation])}".rstrip()
    yield ""
    yield f"Daytona alone (501 by name where the seat is elsewhere): {', '.join(ALONE)}"


def markdown() -> str:
    """The page docs/capabilities.md."""
    head = "| operation | " + " | ".join(PROVIDERS) + " | on E2B |"
    body = [
        f"| `{operation}` | "
        + " | ".join(_MARKS[known[operation].support] for known in PROVIDERS.values())
        + f" | {_note(E2B[operation])} |"
        for operation in DAYTONA
    ]
    return _PAGE.format(
        head=head,
        rule="|---|" + "---|" * (len(PROVIDERS) + 1),
        body="\n".join(body),
        alone="\n".join(f"- {name}" for name in ALONE),
    )


def _note(capability: Capability) -> str:
    return capability.note
