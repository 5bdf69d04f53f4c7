"""What callers see and an SDK's own types do not hold: words of errors, order, dates, close codes, parts of files."""

import asyncio
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from importlib.metadata import version

from scenarios_terminals import terminal
from world import KEY, URL, WAIT, failure, scenario, sdk

HEADERS = {"Authorization": f"Bearer {KEY}", "X-Daytona-SDK-Version": version(sdk.__name__)}


def toolbox(world, path):
    return f"{URL.removesuffix('/api')}/toolbox/{world.sandbox.id}{path}"


async def asked(world, path, **headers):
    """A GET as no SDK sends it: status, headers and body."""
    request = urllib.request.Request(toolbox(world, path), headers={**HEADERS, **headers})

    def send():
        try:
            with urllib.request.urlopen(request, timeout=WAIT) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    return await asyncio.to_thread(send)


@scenario
async def file_dated(world):
    before = datetime.now(UTC).timestamp()
    await world.fs.upload_file(b"new", "/workspace/exact/dated")
    text = (await world.fs.get_file_info("/workspace/exact/dated")).mod_time
    written = datetime.strptime(text[:19] + " +0000", "%Y-%m-%d %H:%M:%S %z").timestamp()
    # Machines' clocks may differ; a time that means nothing is far off.
    return abs(written - before) < 600


@scenario
async def files_in_order(world):
    for name in ("b", "ä", "a", "B", ".z", "a b", "10", "9"):
        await world.fs.upload_file(b"", f"/workspace/order/{name}")
    return [each.name for each in await world.fs.list_files("/workspace/order")]


@scenario
async def error_texts(world):
    await world.fs.upload_file(b"", "/workspace/exact/file")
    refusals = [
        await failure(world.fs.get_file_info("/workspace/exact/none")),
        await failure(world.fs.list_files("/workspace/exact/file")),
        await failure(world.process.get_session("never-made")),
        await failure(world.client.get("no-such-sandbox")),
    ]
    words = ("no such file", "not a directory", "session not found", "no-such-sandbox")
    return [word in str(refusal["message"]).lower() for refusal, word in zip(refusals, words, strict=True)]


@scenario
async def file_in_parts(world):
    await world.fs.upload_file(b"0123456789", "/workspace/exact/digits")
    path = "/files/download?" + urllib.parse.urlencode({"path": "/workspace/exact/digits"})
    got = [await asked(world, path, **({"Range": part} if part else {})) for part in ("", "bytes=2-4", "bytes=-3")]
    return [[status, headers.get("Content-Range"), body.decode()] for status, headers, body in got]


@scenario(since=(0, 100), before=(0, 150))
async def close_codes(world):
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed

    seen = []
    for name, line in (("zero", "exit 0\n"), ("three", "exit 3\n")):
        handle, _ = await terminal(world, f"close-{name}")
        url = toolbox(world, f"/process/pty/close-{name}/connect").replace("http", "ws", 1)
        async with asyncio.timeout(WAIT), connect(url, additional_headers=HEADERS) as socket:
            await socket.recv()
            await handle.send_input(line)
            try:
                while True:
                    await socket.recv()
            except ConnectionClosed as closed:
                seen.append([closed.rcvd.code, closed.rcvd.reason] if closed.rcvd else None)
    return seen
