"""Each side's own names as commands print them, and the placeholder that both sides share."""

from collections.abc import Mapping

from crossfade.operation import Operation
from crossfade.stage import Origin
from crossfade.twin import TwinRow

NO_NAMES: Mapping[str, str] = {}
_SANDBOX, _PREVIEW = "<sandbox>", "<preview host>"
# Daytona's containers are called by their sandbox's id; E2B's machines all have one name.
_E2B_HOSTS = ("e2b", "e2b.local")
# Only what commands print: names and contents of files are copied, so that they are the same on both sides.
_PRINTING = ("process.", "session.")


def names_of(operation: Operation, row: TwinRow | None, *, old_domain: str, new_domain: str) -> Mapping[str, str]:
    """Names to replace in what this operation printed, on either side; domains are those of preview hosts, if known.

    Both sides get the names of both: what is equal as it was printed then stays equal, and a text that was copied from
    one side to the other may hold the other's names.
    """
    if row is None or not operation.name.startswith(_PRINTING):
        return NO_NAMES
    old, new = (row.ids.get(origin, "") for origin in Origin)
    names = dict.fromkeys((*_E2B_HOSTS, row.id, old, new), _SANDBOX)
    previews = [(old, old_domain), (new, new_domain)]
    names |= {f"{sandbox}.{domain}": _PREVIEW for sandbox, domain in previews if sandbox and domain}
    names.pop("", None)
    return names
