"""Bad input: a clear error in Daytona's format each, naming the thing and the fix; and the process lives."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from demo.programs import crossfade
from tests.journeys.probes import SDK_HEADERS, Probe, create, twins, use_flags
from tests.journeys.stack import ALL_TOOLS, KEY, Stack, stack

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@dataclass(eq=False)
class Ready:
    """A router with a sandbox that is on old alone and one that is on new."""

    system: Stack
    client: httpx2.AsyncClient
    on_old: Probe
    on_new: Probe

    @property
    def both(self) -> tuple[Probe, Probe]:
        return self.on_old, self.on_new


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ready(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ready]:
    directory = tmp_path_factory.mktemp("bad-input")
    async with stack(directory, extra="") as system, await system.client() as client:
        on_old = await create(client)
        await use_flags(system, dict.fromkeys(ALL_TOOLS, "live"))
        on_new = await create(client)
        await twins(system, [on_new.id], clean=True)
        yield Ready(system, client, on_old, on_new)
        log = (directory / "router.log").read_text()
        assert "Traceback" not in log, log[-3000:]


pytestmark = pytest.mark.asyncio(loop_scope="module")


def _clear(answer: httpx2.Response, status: int, *words: str) -> None:
    """An error in Daytona's format whose message has these words, and nothing of our insides."""
    assert answer.status_code == status, (answer.status_code, answer.text[:500])
    body: dict[str, Any] = answer.json()
    assert body["statusCode"] == status
    assert isinstance(body["message"], str) and body["message"]
    for word in words:
        assert word.lower() in body["message"].lower(), body["message"]
    assert "Traceback" not in answer.text and ".py" not in answer.text


async def _lives(ready: Ready) -> None:
    """A call on each sandbox still works."""
    for probe in ready.both:
        answer = await probe.exec("echo alive")
        assert answer.status_code == 200 and "alive" in answer.text, answer.text


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("body", [b'{"command": "echo', b"\xff\xfe{}", b"[" * 50_000, b"[1, 2]", b'"text"', b""])
@pytest.mark.parametrize("path", ["/process/execute", "/process/session", "/files/bulk-download", "/process/code-run"])
async def test_malformed_json(ready: Ready, path: str, body: bytes) -> None:
    for probe in ready.both:
        answer = await probe.call("bad", "POST", path, content=body, headers=JSON)
        _clear(answer, 400, "body", "send")
    await _lives(ready)


@pytest.mark.parametrize(
    ("path", "fields", "words"),
    [
        ("/process/execute", {"command": ""}, ("command",)),
        ("/process/execute", {"command": 7}, ("command", "string")),
        ("/process/execute", {"command": "true", "timeout": -1}, ("timeout",)),
        ("/process/execute", {"command": "true", "envs": {"not a name": "x"}}, ("not a name",)),
        ("/process/code-run", {"code": "1", "language": "cobol"}, ("cobol", "python")),
        ("/process/pty", {"id": "p", "cols": 100_000}, ("cols", "1000")),
    ],
)
async def test_fields_that_cannot_be_meant(
    ready: Ready, path: str, fields: dict[str, Any], words: tuple[str, ...]
) -> None:
    for probe in ready.both:
        _clear(await probe.call("bad", "POST", path, json=fields), 400, *words)
    await _lives(ready)


async def test_an_unknown_sandbox(ready: Ready) -> None:
    probe = Probe(ready.client, UNKNOWN)
    for answer in (
        await probe.exec("true"),
        await probe.download("/workspace/x"),
        await probe.list("/workspace"),
        await ready.client.get(f"/api/sandbox/{UNKNOWN}"),
        await ready.client.delete(f"/api/sandbox/{UNKNOWN}"),
        await ready.client.post(f"/api/sandbox/{UNKNOWN}/start"),
    ):
        _clear(answer, 404, UNKNOWN)
    # An upload of several files is answered for all of them at once, as the daemon does.
    _clear(await probe.upload("/workspace/x", b"x"), 400, UNKNOWN)
    await _lives(ready)


@pytest.mark.parametrize(
    "path", ["../../../../../../etc/passwd", "/workspace/../../../../etc/passwd", "/../etc/shadow"]
)
async def test_a_traversing_path_stays_inside_the_sandbox(ready: Ready, path: str) -> None:
    own = Path("/etc/passwd").read_bytes()
    for probe in ready.both:
        got = await probe.download(path)
        assert got.status_code in (200, 400, 403, 404)
        if got.status_code != 200:
            _clear(got, got.status_code)
        # The embedded view shows the machine's own /etc; nothing may be written through it.
        assert (await probe.upload("/workspace/../../../../../../workspace/up.txt", b"up")).status_code == 200
        assert (await probe.download("/workspace/up.txt")).content == b"up"
    assert Path("/etc/passwd").read_bytes() == own
    assert not Path("/workspace/up.txt").exists()
    await _lives(ready)


@pytest.mark.parametrize("name", [f"/workspace/{'n' * 5_000}", "/workspace/nul\0byte"])
async def test_names_that_no_file_can_have(ready: Ready, name: str) -> None:
    for probe in ready.both:
        answer = await probe.info(name)
        assert 400 <= answer.status_code < 500, answer.text
        _clear(answer, answer.status_code)
    await _lives(ready)


async def test_a_wrong_method(ready: Ready) -> None:
    for probe in ready.both:
        answer = await probe.call("bad", "PATCH", "/files/info")
        assert answer.status_code in (404, 405, 501), answer.text
        _clear(answer, answer.status_code, "/files/info")
    await _lives(ready)


async def test_a_body_that_is_too_large_to_hold(ready: Ready) -> None:
    huge = json.dumps({"command": "x" * (40 * 1024 * 1024)}).encode()
    for probe in ready.both:
        _clear(await probe.call("bad", "POST", "/process/execute", content=huge, headers=JSON), 413, "larger than")
    await _lives(ready)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"no multipart at all", "multipart/form-data; boundary=b"),
        (b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n/workspace/x\r\n", "multipart/form-data"),
        (b"--b\r\nbroken header\r\n\r\nx\r\n--b--\r\n", "multipart/form-data; boundary=b"),
        (b'--b\r\nContent-Disposition: form-data; name="files[0].file"; filename="x"\r\n\r\nno path\r\n--b--\r\n',
         "multipart/form-data; boundary=b"),
        (b'--b\r\nContent-Disposition: form-data; name="files[0].path"\r\n\r\n/workspace/x\r\n--b\r\n'
         b'Content-Disposition: form-data; name="files[0].file"; filename="x"\r\n\r\nnever ended',
         "multipart/form-data; boundary=b"),
        (b"", "multipart/form-data; boundary=b"),
        (b"{}", "application/json"),
        (b'--b\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n--b--\r\n',
         "multipart/form-data; boundary=b"),
    ],
    ids=["no parts", "no boundary", "bad header", "no path", "no end", "empty", "json", "no file"],
)  # fmt: skip
async def test_a_bad_multipart_body(ready: Ready, content: bytes, kind: str) -> None:
    for probe in ready.both:
        answer = await probe.call("bad", "POST", "/files/bulk-upload", content=content, headers={"Content-Type": kind})
        assert answer.status_code == 400, answer.text
        _clear(answer, 400)
    await _lives(ready)


# On a raw socket: what no client library would send.


@dataclass
class Raw:
    """What came back on a raw connection."""

    data: bytes = b""
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        return int(self.data.split(b" ", 2)[1]) if self.data.startswith(b"HTTP/1.1 ") else 0

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]


async def _raw(ready: Ready, request: bytes, *, half_close: bool = False, wait: float = 5.0) -> Raw:
    port = int(ready.system.router.url.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got = Raw()
    try:
        writer.write(request)
        await writer.drain()
        if half_close:
            writer.close()
            return got
        async with asyncio.timeout(wait):
            while data := await reader.read(65_536):
                got.data += data
                head, _, body = got.data.partition(b"\r\n\r\n")
                for line in head.split(b"\r\n"):
                    name, _, value = line.partition(b":")
                    if name.lower() == b"content-length" and len(body) >= int(value):
                        return got
    except ConnectionError:
        pass  # the server has said what it had to say and closed
    finally:
        writer.close()
    return got


def _head(line: str, *extra: str) -> bytes:
    lines = [
        line,
        "Host: router",
        f"Authorization: Bearer {KEY}",
        *(f"{n}: {v}" for n, v in SDK_HEADERS.items()),
        *extra,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


async def test_two_hosts(ready: Ready) -> None:
    for probe in ready.both:
        got = await _raw(ready, _head(f"GET /toolbox/{probe.id}/files?path=/workspace HTTP/1.1", "Host: another"))
        assert got.status == 400
        message = json.loads(got.body)["message"]
        assert "Host" in message and "exactly one" in message
    await _lives(ready)


async def test_a_head_of_one_megabyte(ready: Ready) -> None:
    for probe in ready.both:
        line = f"GET /toolbox/{probe.id}/files?path=/workspace HTTP/1.1"
        got = await _raw(ready, _head(line, "X-Large: " + "x" * 1_000_000))
        assert got.status in (400, 431)
        assert b"Traceback" not in got.data
        if got.status == 431:
            assert "head" in json.loads(got.body)["message"]
    await _lives(ready)


async def test_what_is_no_http_at_all(ready: Ready) -> None:
    for garbage in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello tls\r\n\r\n", b"GET\r\n\r\n", b"\0" * 1000):
        got = await _raw(ready, garbage, wait=3.0)
        assert got.status in (0, 400)
    await _lives(ready)


async def test_a_body_cut_half_way(ready: Ready) -> None:
    for probe in ready.both:
        whole = b'{"command": "touch /workspace/from-half-a-body"}'
        half = _head(
            f"POST /toolbox/{probe.id}/process/execute HTTP/1.1", f"Content-Length: {len(whole)}", *_json_type()
        )
        await _raw(ready, half + whole[: len(whole) // 2], half_close=True)
        form = (
            b'--b\r\nContent-Disposition: form-data; name="files[0].path"\r\n\r\n/workspace/half.bin\r\n--b\r\n'
            b'Content-Disposition: form-data; name="files[0].file"; filename="x"\r\n\r\n' + b"x" * 5_000
        )
        upload = _head(
            f"POST /toolbox/{probe.id}/files/bulk-upload HTTP/1.1",
            "Content-Length: 10000000",
            "Content-Type: multipart/form-data; boundary=b",
        )
        await _raw(ready, upload + form, half_close=True)
        # Half a command is no command; half an upload may leave half a file, as it does without us.
        listed = {each["name"] for each in (await probe.list("/workspace")).json()}
        assert "from-half-a-body" not in listed
    await _lives(ready)


def _json_type() -> tuple[str, ...]:
    return ("Content-Type: application/json",)


# Settings and stages.


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('[mirror]\nroots = "/workspace"\n', ("mirror.roots", "list")),
        ("[mirror]\nlane_cals = 5\n", ("mirror.lane_cals", "lane_calls")),
        ('[listen]\napi = 8800\n', ("listen.api", "text")),
        ("[tools.filez]\nsample = 0.5\n", ("tools.filez", "files")),
        ('[tools.shell]\nmirror_execute = "sometimes"\n', ("mirror_execute", "never")),
        ('[origins.new]\nkind = "other"\n', ("origins.new.kind", "e2b")),
        ('[store]\nkeep_bytes = -1\n', ("store.keep_bytes", "negative")),
        ('[mirror]\nsettle_seconds = \n', ("TOML", "line 4")),
    ],
)  # fmt: skip
async def test_a_bad_setting_is_named_with_file_and_line(tmp_path: Path, line: str, words: tuple[str, ...]) -> None:
    config = tmp_path / "crossfade.toml"
    config.write_text(f'[origins.old]\nurl = "http://127.0.0.1:9/api"\n{line}')
    # Every command reads settings alike: one of them for each mistake, all of them for one.
    commands = (("serve",), ("check",), ("flags", "list"))
    for command in commands if "list" in words else commands[:1]:
        code, _, err = await crossfade(*command, "--config", str(config))
        assert code == 2, (command, err)
        assert str(config) in err and "Traceback" not in err
        for word in words:
            assert word in err, err
    if "TOML" not in words:
        assert f"{config}:4:" in err or f"{config}:3:" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("files", "livee"), ("livee", "live")),
        (("files", "live=60,shadow=60"), ("100",)),
        (("files", "live=x"), ("live=x",)),
        (("filez", "live"), ("filez", "files")),
    ],
)
async def test_a_bad_stage_or_tool_is_refused(ready: Ready, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    code, _, err = await crossfade(
        "flags", "set", *arguments, "--reason", "test", "--yes", "--config", str(ready.system.config)
    )
    assert code == 2, err
    assert "Traceback" not in err
    for word in words:
        assert word in err, err
