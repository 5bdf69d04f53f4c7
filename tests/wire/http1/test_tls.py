"""TLS: the system's roots and a private authority, names checked, HTTP/1.1 only, and all of it kept, cut and paused."""

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.wire.http1 import Pools
from tests.wire.http1.asking import OK, ask, post

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made by openssl")
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.pem, and server.pem and server.key for localhost."""
    folder = tmp_path_factory.mktemp("certificates")
    (folder / "server.ext").write_text("subjectAltName = DNS:localhost\n")
    authority = ("-subj", "/CN=test", "-addext", "basicConstraints=critical,CA:TRUE")
    server = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "server.ext", "-out", "server.pem")
    for words in (
        ("req", "-x509", *_KEY, *authority, "-days", "30", "-keyout", "ca.key", "-out", "ca.pem"),
        ("req", *_KEY, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"),
        ("x509", "-req", "-in", "server.csr", *server, "-days", "30"),
    ):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    return folder


class There:
    """A TLS origin: answers every request with the length of its body."""

    port = 0
    connections = 0
    protocols: tuple[str | None, ...] = ()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.protocols += (writer.get_extra_info("ssl_object").selected_alpn_protocol(),)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0] or b"0")
                await reader.readexactly(length)
                if head.startswith(b"GET /cut"):
                    writer.write(OK[:-1])
                    break
                if head.startswith(b"GET /large"):
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 5_000_000)
                elif head.startswith(b"GET /end"):
                    writer.write(b"HTTP/1.1 200 OK\r\n\r\nto the end")
                    break
                else:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%d" % (len(str(length)), length))
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def tls_origin(certificates: Path) -> AsyncIterator[There]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    context.set_alpn_protocols(["h2", "http/1.1"])
    there = There()
    server = await asyncio.start_server(there.serve, "127.0.0.1", 0, ssl=context)
    there.port = server.sockets[0].getsockname()[1]
    try:
        yield there
    finally:
        server.close()


async def test_a_private_authority_is_trusted_where_it_is_given(certificates: Path) -> None:
    async with tls_origin(certificates) as there, Pools(ca_files=[str(certificates / "ca.pem")]) as pools:
        pool = pools.get(f"https://localhost:{there.port}")
        for _ in range(3):
            assert await ask(pool, post(2), b"hi").answer() == (200, b"2")

        assert there.connections == 1 and there.protocols == ("http/1.1",)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"], ids=["unknown authority", "other name"])
async def test_who_cannot_be_verified_gets_no_byte(certificates: Path, host: str) -> None:
    ca_files = [] if host == "localhost" else [str(certificates / "ca.pem")]
    async with tls_origin(certificates) as there, Pools(ca_files=ca_files) as pools:
        call = await ask(pools.get(f"https://{host}:{there.port}"), post(2), b"hi").over()

        assert call.lost is not None and "CERTIFICATE_VERIFY_FAILED" in str(call.lost) and not call.lost.sent
        assert there.connections == 0


async def test_an_origin_without_tls_is_told_as_such(certificates: Path) -> None:
    async with Pools(ca_files=[str(certificates / "ca.pem")]) as pools:
        server = await asyncio.start_server(_plain, "127.0.0.1", 0)
        call = await ask(pools.get(f"https://localhost:{server.sockets[0].getsockname()[1]}")).over()
        server.close()

    assert call.lost is not None and "SSL" in str(call.lost) and not call.lost.sent


async def _plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(10)
    writer.write(b"HTTP/1.1 400 No TLS here\r\n\r\n")
    writer.close()


async def test_large_bodies_pass_both_ways_with_pauses(certificates: Path) -> None:
    async with tls_origin(certificates) as there, Pools(ca_files=[str(certificates / "ca.pem")]) as pools:
        pool = pools.get(f"https://localhost:{there.port}")
        down = ask(pool, b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
        await down.until(lambda it: it.body)
        down.handle.pause()
        await asyncio.sleep(0.05)
        down.handle.resume()
        assert await down.answer() == (200, b"x" * 5_000_000)
        up = ask(pool, post(5_000_000), b"", ends=False)
        for _ in range(50):
            await up.until(lambda it: it.told[-1:] != ["paused"])
            up.handle.write(b"x" * 100_000)
        up.handle.end()
        assert await up.answer() == (200, b"5000000")
        assert there.connections == 1


async def test_the_end_of_a_tls_connection_ends_or_cuts_an_answer(certificates: Path) -> None:
    async with tls_origin(certificates) as there, Pools(ca_files=[str(certificates / "ca.pem")]) as pools:
        pool = pools.get(f"https://localhost:{there.port}")
        assert await ask(pool, b"GET /end HTTP/1.1\r\nHost: h\r\n\r\n").answer() == (200, b"to the end")
        cut = await ask(pool, b"GET /cut HTTP/1.1\r\nHost: h\r\n\r\n").over()
        assert cut.lost is not None and cut.body == b"o"
        assert await ask(pool).answer() == (200, b"0")
        assert there.connections == 3
