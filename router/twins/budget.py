"""The budget: how long followers may run a day before no more of them are made. Nobody's answer depends on it."""

from dataclasses import dataclass

DAY = 86_400.0
REFUSAL = "followers' hours of that day were used up (budget.follower_hours_per_day)"


@dataclass(slots=True)
class Budget:
    """Hours that followers may run in a day of UTC; 0: without end. `spent` is set by whoever measures."""

    hours_per_day: float = 0.0
    spent: float = 0.0  # hours, today

    @property
    def share(self) -> float:
        """Of the budget, what is spent; 0 where there is none."""
        return self.spent / self.hours_per_day if self.hours_per_day > 0 else 0.0

    def refusal(self) -> str:
        """Why no follower may be made now; empty where one may."""
        return REFUSAL if self.share >= 1.0 else ""


def day_of(now: float) -> float:
    """The beginning of the day, in Unix seconds UTC."""
    return now // DAY * DAY
