"""Is a kind of difference more than old's own noise? New and a second old, both held against old, on the same calls.

Diffy (Twitter, 2015) had the idea of the control; it counts and does not test, so after 500 calls a third of the
fields it flags is clean (docs/evidence.md). Here: a paired bet per signature (sign.py; Ramdas et al. 2023) over
sandboxes, and e-BH over signatures (families.py; Wang and Ramdas 2022).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from comparators.evidence.families import e_bh
from comparators.evidence.share import ALPHA
from comparators.evidence.sign import Sign


@dataclass(slots=True)
class Noise:
    """Evidence per signature that new differs from old more often than old from itself. O(1) per difference.

    The signatures looked at are named before (a family that grows with what it finds would not be a family), or taken
    as they come with `family` as the number of all there may be.
    """

    _signs: dict[str, Sign] = field(default_factory=dict)

    def add(self, signature: str, *, new: float, control: float) -> None:
        """Count a sandbox: the shares of its calls in which new, and in which the control, showed this difference."""
        self._signs.setdefault(signature, Sign()).add(new - control)

    @property
    def log_e(self) -> Mapping[str, float]:
        """The logarithm of the evidence by signature."""
        return {name: sign.log_e for name, sign in self._signs.items()}

    def beyond(self, *, family: int = 0, alpha: float = ALPHA) -> frozenset[str]:
        """The signatures that go beyond noise, of which at most alpha are false, on average.

        `family`: how many signatures there may be; those not seen yet count as no evidence. Wang and Ramdas 2022.
        """
        unseen = {f"unseen {number}": 0.0 for number in range(max(0, family - len(self._signs)))}
        return e_bh({**self.log_e, **unseen}, alpha=alpha) & self._signs.keys()
