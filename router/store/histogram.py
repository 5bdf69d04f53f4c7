"""Latency histograms: logarithmic buckets, so that a quantile is right to 2 % whatever its size.

The relative-error argument is that of DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile
sketch", VLDB 2019), written from it: a bucket (g^(i-1), g^i] answered by its middle 2 g^i / (g + 1) is off by at most
(g - 1) / (g + 1).
"""

import math
from collections.abc import Iterable, Mapping, Sequence

_GROWTH = 1.04  # (1.04 - 1) / (1.04 + 1) = 1.96 %
_LOG_GROWTH = math.log(_GROWTH)
_SMALLEST = 1e-6  # seconds; anything shorter is in bucket 0

Histogram = Mapping[int, int]  # bucket -> count


def buckets_of(durations: Iterable[float]) -> list[int]:
    """The bucket of each duration. All in one call, because a call for each costs half as much again."""
    log, ceil, smallest, growth = math.log, math.ceil, _SMALLEST, _LOG_GROWTH
    return [ceil(log(seconds / smallest) / growth) if seconds > smallest else 0 for seconds in durations]


def middle_of(bucket: int) -> float:
    """The duration that stands for a bucket, in seconds."""
    return float(_SMALLEST * 2 * _GROWTH**bucket / (_GROWTH + 1)) if bucket else _SMALLEST


def quantile(histogram: Histogram, share: float) -> float:
    """The duration that `share` of the counts do not exceed (nearest rank); 0 when there are none."""
    total = sum(histogram.values())
    rank = max(1, math.ceil(share * total))
    seen = 0
    for bucket in sorted(histogram):
        seen += histogram[bucket]
        if seen >= rank:
            return middle_of(bucket)
    return 0.0


def curve(histogram: Histogram) -> Sequence[tuple[float, float]]:
    """The distribution as (seconds, share not exceeding them), rising."""
    total = sum(histogram.values())
    points: list[tuple[float, float]] = []
    seen = 0
    for bucket in sorted(histogram):
        seen += histogram[bucket]
        points.append((middle_of(bucket), seen / total))
    return points


def merged(one: Histogram, other: Histogram) -> dict[int, int]:
    """Both together."""
    sums = dict(one)
    for bucket, count in other.items():
        sums[bucket] = sums.get(bucket, 0) + count
    return sums
