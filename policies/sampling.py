"""Sampling: which calls are compared, decided by the call's id alone."""

import hashlib


def sampled(call_id: str, share: float) -> bool:
    """Whether this call is among the share (0 to 1). The same answer each time; a larger share keeps all it had."""
    if share >= 1:
        return True
    if share <= 0:
        return False
    digest = hashlib.blake2b(call_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64
