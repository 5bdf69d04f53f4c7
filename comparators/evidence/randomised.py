"""Can the arms be trusted? The sample ratio, and whether sandboxes stay where they were sent.

Lindon and Malek, "Anytime-valid inference for multinomial count data", NeurIPS 35 (2022), for checking the ratio at
every look; Fabijan et al., "Diagnosing sample ratio mismatch in online controlled experiments", KDD 2019, for why.
"""

import math
from dataclasses import dataclass, field

# How the odds of new may be off. In steps around none, so that it costs the same whatever share is asked for.
_TILTS = tuple(sign * size for size in (0.1, 0.2, 0.4, 0.8, 1.6) for sign in (-1, 1))
_GAINS = tuple(math.exp(tilt) for tilt in _TILTS)


@dataclass(slots=True)
class SampleRatio:
    """Evidence that the flag's wish does not follow the share that was set. Lindon and Malek 2022. O(1) per sandbox.

    A mixture over tilted odds in place of their Dirichlet, so that the share may change between sandboxes. By the wish:
    who answers depends on the sandbox (held ones are busy), the wish on its bucket alone.
    """

    units: int = 0
    on_new: int = 0
    expected: float = 0.0  # on new
    _logs: list[float] = field(default_factory=lambda: [0.0] * len(_TILTS))

    def add(self, *, wished_new: bool, share: float) -> None:
        """Count a sandbox at its birth, with the share of new that was set then."""
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"a share lies between 0 and 1, not at {share}")
        self.units += 1
        self.on_new += wished_new
        self.expected += share
        if share in (0.0, 1.0):
            # No tilt moves a certainty; one sandbox on the wrong side is proof enough.
            if wished_new != (share == 1.0):
                self._logs = [math.inf] * len(_TILTS)
            return
        for place, gain in enumerate(_GAINS):
            self._logs[place] += (_TILTS[place] if wished_new else 0.0) - math.log(1 - share + share * gain)

    @property
    def log_e(self) -> float:
        """The logarithm of the evidence; its chance of ever reaching log(1/alpha) is alpha if the split is right."""
        most = max(self._logs)
        if math.isinf(most):
            return most
        return most + math.log(sum(math.exp(each - most) for each in self._logs) / len(self._logs))


@dataclass(slots=True)
class Stickiness:
    """Sandboxes whose wish changed though their flag did not. A count: one is a defect, not a matter of chance.

    Kohavi, Tang and Xu, "Trustworthy Online Controlled Experiments" (2020), chapter 21. O(1) per call.
    """

    breaks: int = 0
    _seen: dict[str, tuple[int, bool]] = field(default_factory=dict)

    def add(self, sandbox: str, *, flag_version: int, wished_new: bool) -> None:
        """Look at a call's wish."""
        before = self._seen.get(sandbox)
        if before is not None and before[0] == flag_version and before[1] != wished_new:
            self.breaks += 1
        self._seen[sandbox] = flag_version, wished_new

    def forget(self, sandbox: str) -> None:
        """Drop a sandbox that is gone; its breaks stay counted."""
        self._seen.pop(sandbox, None)

    @property
    def watched(self) -> int:
        """Sandboxes that are remembered."""
        return len(self._seen)
