"""Buckets: where a routing key stands on the line that percentages cut."""

import hashlib

BUCKETS = 100_000
_SCALE = 0xFFFFFFFFFFFFFFF


def bucket(routing_key: str, seed: int) -> int:
    """The key's place, 0 to 99,999: the same in every process, for ever.

    The formula is LaunchDarkly's for a rollout with a seed (SHA-1 of "seed.key", first 15 digits), so that our
    percentages and `sandbox.bucket` rules name the same sandboxes as the flags themselves.
    """
    digest = hashlib.sha1(f"{seed}.{routing_key}".encode(), usedforsecurity=False).hexdigest()[:15]
    return min(int(int(digest, 16) / _SCALE * BUCKETS), BUCKETS - 1)


def on_new(place: int, percent_new: float) -> bool:
    """Whether a bucket is among that percentage. New grows from the top, so 10 % lies inside 50 % lies inside 100 %."""
    return place >= BUCKETS - round(percent_new * BUCKETS / 100)
