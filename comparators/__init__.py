"""Do the answers agree? Pure: normalise, typed differences, signatures.

The way of a pair: `plain` makes data of an outcome, `compare` holds two of them together by the operation's rule
(rules.py), `signature` names each kind of difference. Secrets are masked by redact.py before anything is shown.
"""

from comparators.compare import agree, compare
from comparators.plain import plain
from comparators.quick import surely_agree
from comparators.redact import named, redacted, sealed, secrets_of
from comparators.rules import UNCOMPARED
from comparators.signatures import signature, signatures

__all__ = [
    "UNCOMPARED",
    "agree",
    "compare",
    "named",
    "plain",
    "redacted",
    "sealed",
    "secrets_of",
    "signature",
    "signatures",
    "surely_agree",
]
