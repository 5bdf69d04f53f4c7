"""How long to wait before asking E2B again: as it says (Retry-After, RFC 9110 §10.2.3), within reason."""

import time
from email.utils import parsedate_to_datetime

from crossfade.upstream import Headers, Purpose

# A client waits for its answer; our own work does not mind, and asking early would only be refused again.
LONGEST_SECONDS = {Purpose.ANSWER: 5.0}
LONGEST_OWN_SECONDS = 60.0


def pause(headers: Headers, otherwise: float, purpose: Purpose) -> float:
    """Seconds until the next attempt; `otherwise` where the answer does not say."""
    said = next((value for name, value in headers if name.lower() == b"retry-after"), b"").decode("latin-1").strip()
    return min(_seconds(said, otherwise), LONGEST_SECONDS.get(purpose, LONGEST_OWN_SECONDS))


def _seconds(said: str, otherwise: float) -> float:
    if said.isdigit():
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return otherwise
