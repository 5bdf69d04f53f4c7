"""Errors that cross folders.

CrossfadeError
├── SettingsError     the file, the environment or a flag file says something impossible (exit 2)
├── Unreachable       router, origin or store does not answer (exit 3)
├── Refused           a guardrail or role forbids it (exit 4)
└── Conflict          changed by someone else meanwhile (exit 5)
"""


class CrossfadeError(Exception):
    """Says the thing, the cause and the fix in one sentence."""

    exit_code = 1


class SettingsError(CrossfadeError):
    """Settings, flags or rules that cannot be meant; carries file and line in its text."""

    exit_code = 2


class Unreachable(CrossfadeError):
    """Router, origin or store cannot be reached."""

    exit_code = 3


class Refused(CrossfadeError):
    """A guardrail or a role forbids it."""

    exit_code = 4


class Conflict(CrossfadeError):
    """Changed by someone else meanwhile."""

    exit_code = 5
