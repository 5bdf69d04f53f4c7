"""How much worse is too much. Set before counting begins: evidence counted under other margins is not used."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

# Shares at which people stop and look. From each the next one is proposed.
STEPS = (0.0, 0.1, 0.5, 1.0)
# How much mismatch must be excluded (upper bound) before that share of sandboxes may be on new: the more are, the less.
BUDGETS: Mapping[float, float] = {0.1: 0.05, 0.5: 0.03, 1.0: 0.02}
COMPLETE_BUDGET = 0.01  # before comparing ends for good
HARM_MARGIN = 0.01  # more than this share of calls worse on new, for sure, is harm
LEAST_COMPARED_SHARE = 0.95  # of what was due and not left out by rule; below, the numbers are of a biased rest
LEAST_DUE = 50  # below, a few drops mean nothing
MOST_LOST_RECORDS = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """Every threshold of a verdict."""

    budgets: Mapping[float, float] = field(default_factory=lambda: dict(BUDGETS))  # mismatch, by the share to come
    complete_budget: float = COMPLETE_BUDGET
    mismatch_harm: float = HARM_MARGIN
    errors: float = HARM_MARGIN  # points of error rate
    retries: float = 0.02
    abandoned: float = 0.02  # of sessions
    slower: Mapping[str, float] = field(default_factory=lambda: {"p50": 1.2, "p95": 1.3, "p99": 1.5})
    slower_seconds: float = 0.05  # and nobody minds less than this
    least_sandboxes: int = 30
    least_compared_share: float = LEAST_COMPARED_SHARE
    least_due: int = LEAST_DUE
    most_lost_records: float = MOST_LOST_RECORDS
    sample_ratio_alpha: float = 0.001  # a wrong split invalidates everything, so it must be sure
    days_at_step: float = 7.0  # a whole week at a share: weekends are different
    alpha: float = 0.05

    @property
    def fingerprint(self) -> str:
        """Changes when any of them does; kept beside the evidence."""
        return hashlib.sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()[:16]


MARGINS = Margins()
