"""The real clock."""

import time


class SystemClock:
    """The machine's: seconds since 1970, and seconds that only go forward."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()
