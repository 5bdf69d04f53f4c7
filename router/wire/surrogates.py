"""Half surrogate pairs, which JSON may write and no UTF-8 text may hold: replaced, as Go's JSON does."""

import json
import re
from typing import Any

_HALF = re.compile("[\ud800-\udfff]")


def replaced(value: Any, text: str) -> Any:
    """The JSON value read from `text`, with U+FFFD for each half."""
    if "\\u" not in text:
        return value
    written = json.dumps(value, ensure_ascii=False)
    return json.loads(_HALF.sub("\ufffd", written)) if _HALF.search(written) else value
