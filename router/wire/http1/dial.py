"""New connections to one host: its addresses are asked for again from time to time, and each of them is tried."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

from router.wire.http1.connection import Connection

Address = tuple[str, int]
# Host and port -> addresses, in the order to try. Raises OSError.
Resolve = Callable[[str, int], Awaitable[list[Address]]]
REFRESH_SECONDS: Final = 30.0


async def system_resolve(host: str, port: int) -> list[Address]:
    """The addresses that the system's resolver gives. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((str(entry[4][0]), port) for entry in found))


class Dialer:
    """Opens connections to one host and port, with TLS where there is a context."""

    def __init__(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        *,
        resolve: Resolve = system_resolve,
        refresh_seconds: float = REFRESH_SECONDS,
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._resolve = resolve
        self._refresh_seconds = refresh_seconds
        self._addresses: list[Address] = []
        self._asked = 0.0

    def __str__(self) -> str:
        return f"{self._host}:{self._port}"

    async def connect(self, factory: Callable[[], Connection], seconds: float) -> Connection:
        """A new connection, TLS done, within so many seconds. Raises OSError (also for TLS and for the time)."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        try:
            async with asyncio.timeout(seconds):
                addresses = await self._find(loop.time())
        except TimeoutError:
            raise TimeoutError(f"{self}: no address within {seconds:g} s") from None
        failure: OSError = OSError(f"{self}: no address")
        for at, (host, port) in enumerate(addresses):
            # A share for each: one address that swallows everything must not use up the time of the others.
            share = (end - loop.time()) / (len(addresses) - at)
            try:
                async with asyncio.timeout(share):
                    _, connection = await loop.create_connection(
                        factory, host, port, ssl=self._tls, server_hostname=self._host if self._tls else None
                    )
                return connection
            except TimeoutError:
                failure = TimeoutError(f"{self}: no connection within {seconds:g} s")
            except OSError as error:
                failure = error
        self._addresses = []
        raise failure

    async def _find(self, now: float) -> list[Address]:
        if not self._addresses or now - self._asked >= self._refresh_seconds:
            self._addresses = await self._resolve(self._host, self._port)
            self._asked = now
        return self._addresses


def say(error: Exception) -> str:
    """An error in words, for a message."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
