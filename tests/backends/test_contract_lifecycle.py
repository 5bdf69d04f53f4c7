"""What every backend does with sandboxes themselves."""

import asyncio
from urllib.parse import urlsplit

import pytest

from crossfade.operation import Operation
from crossfade.outcome import Fate
from crossfade.ports import Backend
from tests.backends.asking import PATIENCE, Asking, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOT_FOUND = (404, "NOT_FOUND")
PREPARE = (
    "python3 -u -m http.server $PORT > log 2>&1 & until curl -s localhost:$PORT > /dev/null; do :; done; echo $PORT"
)


async def test_a_created_sandbox_is_started_and_found(box: Asking) -> None:
    got = await box.ask("sandbox.get")

    assert (got.value.id, got.value.state) == (box.id, "started")
    assert box.id in [each.id for each in (await box.ask("sandbox.list")).value]


async def test_labels_are_kept_and_filter_lists(backend: Backend) -> None:
    made = await backend.perform(Operation(name="sandbox.create", arguments={"labels": {"id": "label test"}}))
    box = Asking(backend, made.value.id)

    found = await backend.perform(Operation(name="sandbox.list", arguments={"labels": {"id": "label test"}}))
    none = await backend.perform(Operation(name="sandbox.list", arguments={"labels": {"id": "other"}}))

    assert [each.id for each in found.value] == [box.id]
    assert none.value == ()
    assert (await box.ask("sandbox.delete")).ok


async def test_a_sandbox_is_not_made_without_what_it_needs(backend: Backend) -> None:
    arguments = {"labels": {"id": "needy"}, "needs": ("volumes", "graphics processors")}

    refused = await backend.perform(Operation(name="sandbox.create", arguments=arguments))

    assert (refused.status, refused.fate) == (501, Fate.UNSUPPORTED)
    assert "volumes, graphics processors" in refused.message
    made = await backend.perform(Operation(name="sandbox.list", arguments={"labels": {"id": "needy"}}))
    assert made.value == ()


async def test_an_unknown_sandbox_is_404(backend: Backend) -> None:
    box = Asking(backend, "no-such-sandbox")

    for name in ("sandbox.get", "sandbox.start", "sandbox.stop", "sandbox.delete", "fs.list", "session.list"):
        assert refusal(await box.ask(name)) == NOT_FOUND, name
    assert refusal(await box.ask("process.exec", command="true")) == NOT_FOUND


async def test_a_stopped_sandbox_keeps_files_and_refuses_calls_until_started(box: Asking) -> None:
    await box.put("/workspace/kept", b"kept")
    await box.session()

    assert (await box.ask("sandbox.stop")).value.state in ("stopped", "stopping")
    assert (await box.ask("sandbox.get")).value.state == "stopped"
    assert not (await box.ask("process.exec", command="true")).ok
    assert (await box.ask("sandbox.start")).value.state in ("started", "starting")
    assert await box.get("/workspace/kept") == b"kept"
    assert (await box.ask("session.list")).value == ()


async def test_starting_a_started_sandbox_changes_nothing(box: Asking) -> None:
    await box.session("stays")

    assert (await box.ask("sandbox.start")).value.state == "started"

    assert [each.id for each in (await box.ask("session.list")).value] == ["stays"]


async def test_a_deleted_sandbox_is_gone(box: Asking) -> None:
    assert (await box.ask("sandbox.delete")).ok

    assert refusal(await box.ask("sandbox.get")) == NOT_FOUND


async def test_directories_are_told(box: Asking) -> None:
    assert (await box.ask("sandbox.work_dir")).value == "/workspace"
    assert (await box.ask("sandbox.home_dir")).value == "/root"


async def test_a_preview_link_reaches_a_server_inside(box: Asking) -> None:
    await box.put("/workspace/page.txt", b"from inside")
    code, port = await box.sh(PREPARE, timeout=15)
    assert code == 0

    link = (await box.ask("sandbox.preview", port=int(port))).value

    parts = urlsplit(link.url)
    if parts.hostname != "127.0.0.1":  # a name under the provider's domain, which nobody serves here
        assert str(parts.hostname).startswith(f"{port.strip()}-")
        return
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(b"GET /page.txt HTTP/1.0\r\nHost: x\r\n\r\n")
        assert (await reader.read()).endswith(b"from inside")
        writer.close()


async def test_what_has_no_equivalent_is_unsupported_not_faked(box: Asking) -> None:
    outcome = await box.ask("sandbox.ssh", verb="create", minutes=5)

    assert outcome.status in (200, 501)
