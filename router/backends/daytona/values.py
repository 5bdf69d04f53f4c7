"""Values of Daytona's answers: what every decoder reads them with."""

import json
from collections.abc import Mapping
from typing import Any

import orjson

Headers = Mapping[bytes, bytes]  # by lower-case name


def json_of(body: bytes) -> Any:
    """As json reads it, which also takes half a surrogate pair, but mostly three times as fast."""
    try:
        return orjson.loads(body)
    except ValueError:
        return json.loads(body)
