"""Secrets of a sandbox, as its calls name them: kept in memory only, so that no sample shows them."""

from collections.abc import Iterable, Mapping
from typing import Any

from comparators import secrets_of
from crossfade.operation import Operation
from router.twins.state import Twin

_KEPT = 256  # of calls; the sandbox's own environment is kept whole
_TEXT = 65_536  # characters of a command that are looked through: this runs on the event loop


def learn_environment(twin: Twin, environment: object) -> None:
    """The values that the sandbox was made with; its processes may print them at any time."""
    if isinstance(environment, Mapping):
        twin.environment_secrets = secrets_of({"env": environment})


def learn(twin: Twin, operations: Iterable[Operation]) -> None:
    """What these calls gave away: values of their environments, keys in their commands. The oldest are forgotten."""
    for operation in operations:
        for secret in secrets_of(_capped(operation.arguments)):
            twin.call_secrets.pop(secret, None)
            twin.call_secrets[secret] = None
    while len(twin.call_secrets) > _KEPT:
        del twin.call_secrets[next(iter(twin.call_secrets))]


def _capped(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value[:_TEXT] if isinstance(value, str) else value for name, value in arguments.items()}


def secrets(twin: Twin | None) -> tuple[str, ...]:
    """Everything known of a twin that no sample may show."""
    return () if twin is None else (*twin.environment_secrets, *twin.call_secrets)
