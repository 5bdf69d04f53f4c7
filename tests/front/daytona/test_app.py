"""The front over a real server: bad input, defects, streams, clients that go away."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused, unknown
from crossfade.results import Content, ExecResult, SandboxInfo
from crossfade.upstream import UpstreamFailed
from tests.front.daytona.serving import ScriptedBackend, front, raw, request, serving


def parsed(answer: bytes) -> tuple[int, dict[bytes, bytes], Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}
    try:
        return int(status.split()[1]), headers, json.loads(body)
    except ValueError:
        return int(status.split()[1]), headers, body


async def ask(backend: ScriptedBackend, sent: bytes) -> tuple[int, dict[bytes, bytes], Any]:
    async with serving(front(backend)) as address:
        return parsed(await raw(address, sent))


BIG = "X-Big: " + "x" * 70_000
BAD = [
    ("unknown path", request("GET", "/api/nothing"), 404, "Cannot GET /api/nothing"),
    ("unknown toolbox path", request("POST", "/toolbox/s/git/stash"), 404, "Cannot POST"),
    ("wrong method", request("PATCH", "/toolbox/s/files"), 405, "use DELETE, GET"),
    ("wrong key", request("GET", "/api/sandbox/s", key="guess"), 401, "Bearer"),
    ("malformed JSON", request("POST", "/toolbox/s/process/execute", b'{"command"'), 400, "column 11"),
    ("no path", request("GET", "/toolbox/s/files/info"), 400, "add ?path="),
    ("not an upload", request("POST", "/toolbox/s/files/bulk-upload", b"x"), 400, "multipart"),
    ("two hosts", request("GET", "/api/sandbox/s", b"", "Host: other"), 400, "exactly one Host"),
    ("large head", request("GET", "/api/sandbox/s", b"", BIG), 431, "larger than 65536"),
    ("plain GET of a terminal", request("GET", "/toolbox/s/process/pty/p/connect"), 426, "ws://"),
]


@pytest.mark.parametrize(("sent", "status", "words"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
async def test_bad_input_is_answered_in_daytonas_format_and_named(sent: bytes, status: int, words: str) -> None:
    backend = ScriptedBackend()

    got, _, body = await ask(backend, sent)

    assert (got, body["statusCode"]) == (status, status)
    assert words in body["message"]
    assert backend.asked == []


async def test_the_process_survives_a_megabyte_of_head() -> None:
    async with serving(front(ScriptedBackend())) as address:
        answer = await raw(address, request("GET", "/api/sandbox/s", b"", *(f"X-{n}: {'x' * 1000}" for n in range(60))))
        large = request("GET", "/api/sandbox/s", b"", *(f"X-{n}: {'x' * 10_000}" for n in range(100)))
        try:
            refused_answer = await raw(address, large)
        except ConnectionError:
            refused_answer = b""
        after = await raw(address, request("GET", "/health"))

    assert b" 200 " in answer or b" 500 " in answer
    assert not refused_answer or b" 431 " in refused_answer or b" 400 " in refused_answer
    assert parsed(after)[2] == {"status": "ok"}


async def test_config_points_the_sdk_back_at_us() -> None:
    status, _, body = await ask(ScriptedBackend(), request("GET", "/api/config", key="none"))

    assert status == 200
    assert body["proxyToolboxUrl"] == "http://front/toolbox"


async def test_a_defect_is_a_500_without_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def defect(_: Operation) -> Outcome:
        raise RuntimeError("secret detail")

    status, _, body = await ask(ScriptedBackend({"sandbox.get": defect}), request("GET", "/api/sandbox/s"))

    assert status == 500
    assert body["message"] == "An unexpected error occurred."
    assert "secret" not in json.dumps(body)
    assert [record.message for record in caplog.records if record.exc_info] == ["call failed"]


async def test_a_refusal_carries_the_outcomes_words_and_status() -> None:
    async def missing(_: Operation) -> Outcome:
        return refused(404, "NOT_FOUND", "file not found: /x")

    backend = ScriptedBackend({"fs.info": missing})
    status, _, body = await ask(backend, request("GET", "/toolbox/s/files/info?path=/x"))

    assert status == 404
    assert (body["message"], body["code"], body["path"]) == ("file not found: /x", "NOT_FOUND", "/toolbox/s/files/info")


async def test_activity_is_noted_of_sandboxes_that_there_are() -> None:
    async def missing(_: Operation) -> Outcome:
        return refused(404, "NOT_FOUND", "not found")

    sent = request("POST", "/api/sandbox/s/last-activity")

    assert (await ask(ScriptedBackend(), sent))[0] == 201
    assert (await ask(ScriptedBackend({"sandbox.get": missing}), sent))[0] == 404


@pytest.mark.parametrize(("version", "shape"), [("0.21.0", list), ("0.226.1", dict), ("", dict)])
async def test_lists_have_the_shape_of_the_clients_version(version: str, shape: type) -> None:
    async def two(_: Operation) -> Outcome:
        return done((SandboxInfo(id="a", state="paused"), SandboxInfo(id="b", state="started")))

    sent = request("GET", "/api/sandbox", b"", f"X-Daytona-SDK-Version: {version}" if version else "X-None: 1")
    _, _, body = await ask(ScriptedBackend({"sandbox.list": two}), sent)

    assert isinstance(body, shape)
    items = body if isinstance(body, list) else body["items"]
    assert [item["id"] for item in items] == ["a", "b"]
    assert items[0]["state"] == ("stopped" if version == "0.21.0" else "paused")


async def test_pages_are_cut_and_counted() -> None:
    asked: list[Any] = []

    async def three(operation: Operation) -> Outcome:
        asked.append(operation.arguments.get("limit"))
        return done(tuple(SandboxInfo(id=name, state="started") for name in "abc"))

    sent = request("GET", "/api/sandbox/paginated?page=2&limit=2", b"", "X-Daytona-SDK-Version: 0.115.0")
    _, _, body = await ask(ScriptedBackend({"sandbox.list": three}), sent)

    assert asked == [None], "a backend that gave two of them would leave nothing for this page"
    assert [item["id"] for item in body["items"]] == ["c"]
    assert (body["total"], body["page"], body["totalPages"]) == (3, 2, 2)


async def test_a_client_that_goes_away_cancels_the_work() -> None:
    began, cancelled = asyncio.Event(), asyncio.Event()

    async def slow(_: Operation) -> Outcome:
        began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return done(ExecResult(exit_code=0, output=b""))

    async with serving(front(ScriptedBackend({"process.exec": slow}))) as (host, port):
        _, writer = await asyncio.open_connection(host, port)
        writer.write(request("POST", "/toolbox/s/process/execute", b'{"command": "sleep 60"}'))
        await asyncio.wait_for(began.wait(), 5)
        writer.close()

        await asyncio.wait_for(cancelled.wait(), 5)


async def test_a_download_left_midway_closes_the_backends_stream() -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 65_536
        finally:
            closed.set()

    async def content(_: Operation) -> Outcome:
        return done(Content(stream=endless()))

    async with serving(front(ScriptedBackend({"fs.download": content}))) as (host, port):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(request("GET", "/toolbox/s/files/download?path=/x"))
        await reader.readexactly(200_000)
        writer.close()

        await asyncio.wait_for(closed.wait(), 5)


async def test_a_stream_that_breaks_off_is_cut_for_the_client_too() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise UpstreamFailed("lost", sent=True)

    async def content(_: Operation) -> Outcome:
        return done(Content(stream=broken()))

    async with serving(front(ScriptedBackend({"fs.download": content}))) as address:
        answer = await raw(address, request("GET", "/toolbox/s/files/download?path=/x"))

    assert b"half" in answer
    assert not answer.endswith(b"0\r\n\r\n")


async def test_an_upload_cut_midway_reaches_no_further_than_its_stream() -> None:
    seen: list[str] = []

    async def read(operation: Operation) -> Outcome:
        assert operation.body is not None
        assert not isinstance(operation.body, bytes)
        async for _ in operation.body:
            seen.append("bytes")
        seen.append("end")
        return done()

    body = b'--b\r\nContent-Disposition: form-data; name="files[0].path"\r\n\r\n/x\r\n--b\r\nContent-Disposition: '
    body += b'form-data; name="files[0].file"; filename="x"\r\n\r\nhalf of it'
    sent = request("POST", "/toolbox/s/files/bulk-upload", body, "Content-Type: multipart/form-data; boundary=b")
    status, _, answer = await ask(ScriptedBackend({"fs.upload": read}), sent)

    assert status == 400
    assert "closing boundary" in answer["message"]
    assert "end" not in seen


async def test_one_failed_file_of_a_batch_leaves_the_others_written() -> None:
    async def write(operation: Operation) -> Outcome:
        assert operation.body is not None
        assert not isinstance(operation.body, bytes)
        if operation.arguments["path"] == "/bad":
            return refused(400, "BAD_REQUEST", "is a directory")
        _ = [chunk async for chunk in operation.body]
        return done()

    parts = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="files[%d].path"\r\n\r\n%s\r\n--b\r\nContent-Disposition: '
        b'form-data; name="files[%d].file"; filename="x"\r\n\r\nabc\r\n' % (n, path, n)
        for n, path in enumerate([b"/a", b"/bad", b"/c"])
    )
    sent = request(
        "POST", "/toolbox/s/files/bulk-upload", parts + b"--b--", "Content-Type: multipart/form-data; boundary=b"
    )
    backend = ScriptedBackend({"fs.upload": write})
    status, _, body = await ask(backend, sent)

    assert status == 400
    assert body["files"] == [{"path": "/a", "bytes": 3}, {"path": "/c", "bytes": 3}]
    assert body["errors"] == ["/bad: is a directory"]


async def test_an_unknown_fate_is_a_bad_gateway() -> None:
    async def lost(_: Operation) -> Outcome:
        return unknown("the answer was lost")

    backend = ScriptedBackend({"process.exec": lost})
    status, _, body = await ask(backend, request("POST", "/toolbox/s/process/execute", b'{"command": "ls"}'))

    assert status == 502
    assert body["code"] == "BAD_GATEWAY"
