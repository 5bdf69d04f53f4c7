"""Declared capabilities are the truth: what is unsupported is refused as such, and nothing else is."""

import pytest

from crossfade.operation import OPERATIONS, Operation
from crossfade.outcome import Fate, Outcome
from crossfade.ports import Backend
from router.backends.capabilities import Support
from router.front.daytona.capabilities import PROVIDERS
from tests.backends.asking import Asking

pytestmark = pytest.mark.asyncio(loop_scope="module")
# Without arguments they would wait, or leave something behind.
_NEED = {"sandbox.create": {"env": {}}, "process.exec": {"command": "true"}, "session.create": {"session": "s"}}


async def _fate(box: Asking, name: str) -> Fate | None:
    operation = Operation(name=name, sandbox=box.id, arguments=_NEED.get(name, {}))
    try:
        if OPERATIONS[name].stream:
            opened = await box.backend.open(operation)
            if isinstance(opened, Outcome):
                return opened.fate
            await opened.close()
            return Fate.OK
        outcome = await box.backend.perform(operation)
    except (KeyError, ValueError):
        return None  # it asked for its arguments, so it knows the operation
    if name == "sandbox.create" and outcome.ok:
        await box.backend.perform(Operation(name="sandbox.delete", sandbox=outcome.value.id))
    return outcome.fate


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "sandbox.delete"])
async def test_what_is_declared_unsupported_is_and_nothing_else(box: Asking, backend: Backend, name: str) -> None:
    declared_so = PROVIDERS[backend.name][name].support is Support.UNSUPPORTED
    # Through Daytona's API the embedded backend answers, which has no ssh: a refusal, but one of its own.
    fate = await _fate(box, name)

    assert (fate is Fate.UNSUPPORTED) == declared_so
