"""What only Daytona can do, asked of a sandbox whose seat is on new: 501, and by its name."""

import json
from pathlib import Path

import pytest

from crossfade.stage import Origin
from crossfade.twin import FollowerState, TwinRow
from router.engine.keys import digest
from router.front.daytona.missing import capability
from tests.engine.running import Router, router
from tests.wire.origin import OK, answering, origin

KEY = "Authorization: Bearer client-key"
BOTH = {Origin.OLD: "box", Origin.NEW: "there"}
ALONE = {Origin.NEW: "there"}

# Everything that Daytona's API has below a sandbox and E2B has not.
TOOLBOX = {
    "POST /toolbox/box/lsp/start": "language servers (LSP)",
    "POST /toolbox/box/lsp/completions": "language servers (LSP)",
    "POST /api/toolbox/box/toolbox/lsp/did-open": "language servers (LSP)",
    "POST /toolbox/box/computeruse/start": "computer use",
    "GET /toolbox/box/computeruse/screenshot": "computer use",
    "POST /toolbox/box/computeruse/mouse/click": "computer use",
    "POST /toolbox/box/computeruse/recordings/start": "computer use",
    "GET /toolbox/box/port": "listing open ports",
    "GET /toolbox/box/port/3000/in-use": "listing open ports",
}
CONTROL = {
    "POST /api/sandbox/box/resize": "resizing a sandbox",
    "POST /api/sandbox/box/recover": "recovering a failed sandbox",
    "POST /api/sandbox/box/fork": "forks of a sandbox",
    "POST /api/sandbox/box/pause": "pausing with memory",
    "POST /api/sandbox/box/backup": "backups of a sandbox",
    "POST /api/sandbox/box/snapshot": "snapshots of a sandbox",
    "POST /api/sandbox/box/public/true": "publishing all ports",
    "POST /api/sandbox/box/autopause/5": "pausing after idle time",
    "POST /api/sandbox/box/ttl/60": "a sandbox's time to live",
    "PUT /api/sandbox/box/network-settings": "network settings of a sandbox",
    "POST /api/sandbox/box/signing-key/rotate": "signed file links",
    "PUT /api/sandbox/box/secrets": "secrets of a sandbox",
    "POST /api/sandbox/box/ssh-access": "ssh access",
}
READ = {
    "GET /api/sandbox/box/forks": "forks of a sandbox",
    "GET /api/sandbox/box/ancestors": "forks of a sandbox",
    "GET /api/sandbox/box/build-logs": "build logs of a sandbox",
    "GET /api/sandbox/box/telemetry/logs": "telemetry of a sandbox",
}


async def twin(it: Router, ids: dict[Origin, str], seat: Origin = Origin.NEW) -> None:
    follower = FollowerState.JOINED if Origin.OLD in ids else FollowerState.ABSENT
    row = TwinRow(
        id="box", routing_key="key", seat=seat, follower=follower, ids=ids, owner=digest(b"Bearer client-key")
    )
    await it.app.registry.change(it.app.registry.add(row))


@pytest.mark.parametrize(("line", "name"), [*TOOLBOX.items(), *CONTROL.items()])
@pytest.mark.parametrize("ids", [BOTH, ALONE], ids=["both sides", "new alone"])
async def test_it_is_refused_by_its_name_and_old_is_not_asked(
    line: str, name: str, ids: dict[Origin, str], tmp_path: Path
) -> None:
    async with origin(answering(OK)) as old, router(tmp_path, old.url, way="application") as it:
        await twin(it, ids)
        status, headers, body = await it.ask(line, KEY)

    assert (status, headers["x-crossfade-origin"]) == (501, "router")
    assert f"not supported: {name}" in json.loads(body)["message"]
    assert old.requests == []


@pytest.mark.parametrize(("line", "name"), READ.items())
async def test_what_is_only_read_is_asked_of_old_as_long_as_there_is_one(line: str, name: str, tmp_path: Path) -> None:
    async with origin(answering(OK)) as old, router(tmp_path, old.url, way="application") as it:
        await twin(it, BOTH)
        assert (await it.ask(line, KEY))[0] == 200
        it.app.registry.twins.clear()
        await twin(it, ALONE)
        status, _, body = await it.ask(line, KEY)

    assert status == 501 and name in json.loads(body)["message"]
    assert len(old.requests) == 1


@pytest.mark.parametrize("line", [*TOOLBOX, *CONTROL, *READ])
async def test_a_sandbox_whose_seat_is_old_is_asked_there(line: str, tmp_path: Path) -> None:
    async with origin(answering(OK)) as old, router(tmp_path, old.url, way="application") as it:
        await twin(it, BOTH, Origin.OLD)
        it.app.engine.forward.old.learn_object("box", f"{old.url}/toolbox")
        status, _, _ = await it.ask(line, KEY)

    assert status == 200
    assert old.requests[0].line.startswith(line.split()[0])


async def test_a_sandbox_on_new_alone_takes_notes_of_activity_and_says_where_its_toolbox_is(tmp_path: Path) -> None:
    async with origin(answering(OK)) as old, router(tmp_path, old.url, way="application") as it:
        await twin(it, ALONE)
        noted = await it.ask("POST /api/sandbox/box/last-activity", KEY)
        told = await it.ask("GET /api/sandbox/box/toolbox-proxy-url", KEY)

    assert noted[0] == 201
    assert told[0] == 200 and json.loads(told[2])["url"].endswith("/toolbox")
    assert old.requests == []


def test_a_path_that_has_no_name_is_said_as_it_is() -> None:
    assert capability("/api/sandbox/box/whatever/else") == "'whatever'"
    assert capability("/toolbox/box") == "''"
