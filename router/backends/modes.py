"""Permission bits as clients write them."""

import re

_OCTAL = re.compile("0*[0-7]{1,4}", re.ASCII)
_KEPT = 0o777


def octal(text: str) -> int | None:
    """The bits that octal digits such as 755 mean; None for what is none.

    What is above them (setuid, setgid, sticky) is dropped without a word, as Daytona's daemon does.
    """
    return int(text, 8) & _KEPT if _OCTAL.fullmatch(text) else None
