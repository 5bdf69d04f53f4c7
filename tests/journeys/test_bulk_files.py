"""Bulk transfers through a whole router, relayed and translated: memory stays flat, what stalls or breaks is seen."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from tests.journeys.probes import SDK_HEADERS, Probe, create, use_flags
from tests.journeys.stack import ALL_TOOLS, KEY, Stack, stack
from tests.journeys.tap import Tap
from tests.wire.origin import settled, until

MEGABYTE = 1024 * 1024
GROWTH = 64 * MEGABYTE
PIECE = bytes(range(256)) * 1024  # 256 KiB
BOUNDARY = "bulk-boundary"
# Buffers of kernels, up to 32 MiB for each of three sockets that read. The whole is far more.
ON_ITS_WAY = 128 * MEGABYTE
pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(eq=False)
class Ready:
    """A router with a sandbox on old alone, and one on new alone."""

    system: Stack
    relayed: Probe
    translated: Probe

    def side(self, way: str) -> tuple[Probe, Tap]:
        return (self.relayed, self.system.old_tap) if way == "relay" else (self.translated, self.system.new_tap)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ready(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ready]:
    directory = tmp_path_factory.mktemp("bulk")
    async with stack(directory) as system, await system.client() as client:
        relayed = await create(client)
        await use_flags(system, dict.fromkeys(ALL_TOOLS, "complete"))
        yield Ready(system, relayed, await create(client))
        log = (directory / "router.log").read_text()
        assert "Traceback" not in log, log[-3000:]


@dataclass
class Peak:
    """The most memory that a process held since this was made."""

    pid: int

    def __post_init__(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")
        self.before = self.resident("VmRSS")

    def resident(self, name: str) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

    @property
    def growth(self) -> int:
        return self.resident("VmHWM") - self.before


def router_peak(system: Stack) -> Peak:
    assert system.router.process is not None
    return Peak(system.router.process.pid)


async def form(path: str, pieces: int, digest: "hashlib._Hash | None" = None) -> AsyncIterator[bytes]:
    part = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
    yield f'{part}"files[0].path"\r\n\r\n{path}\r\n{part}"files[0].file"; filename="f"\r\n\r\n'.encode()
    for number in range(pieces):
        piece = number.to_bytes(8, "big") + PIECE[8:]
        if digest is not None:
            digest.update(piece)
        yield piece
    yield f"\r\n--{BOUNDARY}--\r\n".encode()


async def upload(probe: Probe, path: str, pieces: int) -> str:
    """A streamed upload; the digest of what was sent."""
    digest = hashlib.sha256()
    answer = await probe.client.post(
        f"/toolbox/{probe.id}/files/bulk-upload",
        content=form(path, pieces, digest),
        headers={**SDK_HEADERS, "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
        timeout=300,
    )
    assert answer.status_code == 200, answer.text
    return digest.hexdigest()


async def single(probe: Probe, path: str) -> AsyncIterator[bytes]:
    url, params = f"/toolbox/{probe.id}/files/download", {"path": path}
    async with probe.client.stream("GET", url, params=params, headers=SDK_HEADERS, timeout=300) as answer:
        assert answer.status_code == 200
        async for chunk in answer.aiter_raw():
            yield chunk


async def bulk(probe: Probe, path: str) -> AsyncIterator[bytes]:
    """The file's bytes out of a bulk download's only part."""
    url, size = f"/toolbox/{probe.id}/files/bulk-download", None
    head, read = b"", 0
    async with probe.client.stream("POST", url, json={"paths": [path]}, headers=SDK_HEADERS, timeout=300) as answer:
        assert answer.status_code == 200
        async for chunk in answer.aiter_raw():
            if size is None:
                head += chunk
                if b"\r\n\r\n" not in head:
                    continue
                lines, _, chunk = head.partition(b"\r\n\r\n")
                size = int(lines.lower().rpartition(b"content-length: ")[2].split(b"\r\n")[0])
            yield chunk[: max(0, size - read)]
            read += len(chunk)


@pytest.mark.parametrize("way", ["relay", "translation"])
@pytest.mark.parametrize("megabytes", [64, pytest.param(1024, marks=pytest.mark.full)], ids=["64 MiB", "1 GiB"])
async def test_memory_stays_flat_while_a_file_goes_up_and_comes_down(ready: Ready, way: str, megabytes: int) -> None:
    probe, _ = ready.side(way)
    path = f"/workspace/{megabytes}.bin"
    peak = router_peak(ready.system)

    sent = await upload(probe, path, megabytes * 4)
    got = {}
    for name, download in (("single", single), ("bulk", bulk)):
        digest = hashlib.sha256()
        async for chunk in download(probe, path):
            digest.update(chunk)
        got[name] = digest.hexdigest()

    assert got == {"single": sent, "bulk": sent}
    assert peak.growth < min(GROWTH, megabytes * MEGABYTE // 2), f"grew by {peak.growth / MEGABYTE:.1f} MiB"
    await probe.delete(path)


@pytest.mark.parametrize("way", ["relay", "translation"])
@pytest.mark.parametrize("download", [single, bulk], ids=["single", "bulk"])
async def test_a_client_that_stops_reading_stops_the_origin_and_one_that_leaves_ends_it(
    ready: Ready, way: str, download: object
) -> None:
    probe, tap = ready.side(way)
    await upload(probe, "/workspace/large", 1024)
    before = tap.bytes_down
    peak = router_peak(ready.system)
    chunks = download(probe, "/workspace/large")  # type: ignore[operator]
    await anext(chunks)

    assert await settled(lambda: tap.bytes_down) - before < ON_ITS_WAY
    assert peak.growth < 16 * MEGABYTE
    open_before = len(tap._tasks)
    await chunks.aclose()
    await until(lambda: len(tap._tasks) < open_before)
    assert tap.bytes_down - before < 256 * MEGABYTE


@pytest.mark.parametrize("way", ["relay", "translation"])
async def test_a_client_that_leaves_in_the_middle_of_an_upload_ends_it_at_the_origin(ready: Ready, way: str) -> None:
    probe, tap = ready.side(way)
    before, open_before = tap.bytes_up, len(tap._tasks)
    host, port = ready.system.router.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /toolbox/{probe.id}/files/bulk-upload HTTP/1.1\r\nHost: r\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: 100000000\r\n\r\n"
    )
    writer.write(head.encode())
    pieces = form("/workspace/half", 8)
    for _ in range(8):
        writer.write(await anext(pieces))
    await until(lambda: tap.bytes_up - before > 7 * len(PIECE))
    held = len(tap._tasks)

    writer.transport.abort()

    await until(lambda: len(tap._tasks) < max(held, open_before + 1))
    listed = await probe.info("/workspace/half")
    assert listed.status_code == 404 or listed.json()["size"] < 100_000_000
    assert (await probe.upload("/workspace/after", b"alive")).status_code == 200


@pytest.mark.parametrize("way", ["relay", "translation"])
@pytest.mark.parametrize("download", [single, bulk], ids=["single", "bulk"])
async def test_an_answer_that_the_origin_cuts_short_is_an_error_to_the_client(
    ready: Ready, way: str, download: object
) -> None:
    probe, tap = ready.side(way)
    await upload(probe, "/workspace/cut", 256)
    chunks = download(probe, "/workspace/cut")  # type: ignore[operator]
    await anext(chunks)
    await settled(lambda: tap.bytes_down)

    for task in list(tap._tasks):
        task.cancel()

    with pytest.raises(httpx2.RemoteProtocolError):
        async for _ in chunks:
            pass
    with contextlib.suppress(Exception):
        await chunks.aclose()
    assert (await probe.info("/workspace/cut")).json()["size"] == 256 * len(PIECE)
