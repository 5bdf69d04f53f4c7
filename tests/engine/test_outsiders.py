"""Who has ssh access writes past the router: from the moment it is given out the sandbox is distrusted."""

from pathlib import Path

import pytest

from crossfade.stage import Origin
from router.store.twins import SqlTwins
from router.twins.outsiders import SSH
from tests.engine.running import router
from tests.engine.test_missing import BOTH, KEY, OK, twin
from tests.wire.origin import answering, origin

GIVE, TAKE = "POST /api/sandbox/box/ssh-access?expiresInMinutes=60", "DELETE /api/sandbox/box/ssh-access"
REFUSAL = OK.replace(b"200 OK", b"403 Forbidden")


async def test_ssh_access_holds_the_seat_durably_before_the_client_has_it(tmp_path: Path) -> None:
    async with origin(answering(OK)) as old, router(tmp_path, old.url, way="application") as it:
        await twin(it, BOTH, Origin.OLD)
        status, _, _ = await it.ask(GIVE, KEY)
        [row] = await SqlTwins(it.app.database).load()
        await it.ask(TAKE, KEY)
        after = it.app.registry.twins["box"]

    assert status == 200
    assert (row.bypass, row.held) == (True, SSH)
    # Taken back it may be, but a session that is open goes on: people say when it is over.
    assert (after.row.bypass, after.hot, after.clean(0.0)) == (True, True, False)


@pytest.mark.parametrize(("line", "answer"), [(GIVE, REFUSAL), (TAKE, OK)], ids=["refused", "taken back"])
async def test_what_gives_no_access_changes_nothing(line: str, answer: bytes, tmp_path: Path) -> None:
    async with origin(answering(answer)) as old, router(tmp_path, old.url, way="application") as it:
        await twin(it, BOTH, Origin.OLD)
        await it.ask(line, KEY)
        found = it.app.registry.twins["box"]

    assert (found.row.bypass, found.row.held) == (False, "")
