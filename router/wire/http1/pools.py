"""One pool for each origin, made when it is first asked for and gone when nobody needs it."""

import asyncio
import ssl
import weakref
from collections.abc import Sequence
from typing import Self
from urllib.parse import urlsplit

from router.wire.http1.dial import REFRESH_SECONDS, Dialer, Resolve, system_resolve
from router.wire.http1.pool import Pool, PoolSettings


class Pools:
    """Keep-alive connections to any number of origins; an `async with` block is their lifetime.

    `ca_files`: certificates trusted besides the system's roots.
    """

    def __init__(
        self,
        settings: PoolSettings | None = None,
        *,
        ca_files: Sequence[str] = (),
        resolve: Resolve = system_resolve,
        refresh_seconds: float = REFRESH_SECONDS,
    ) -> None:
        self._settings = settings or PoolSettings()
        self._ca_files = ca_files
        self._resolve = resolve
        self._refresh_seconds = refresh_seconds
        self._tls: ssl.SSLContext | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        # Weak: with one host for each sandbox, pools come and go. A connection keeps its pool, and so does its holder.
        self._pools: weakref.WeakValueDictionary[str, Pool] = weakref.WeakValueDictionary()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        return self

    async def __aexit__(self, *_: object) -> None:
        for pool in list(self._pools.values()):
            pool.close()
        self._loop = None
        # Transports are closed on the loop's next turn.
        await asyncio.sleep(0)

    def get(self, base: str) -> Pool:
        """The pool of scheme://host[:port]. Raises ValueError for anything else."""
        if self._loop is None:
            raise RuntimeError("Pools is used outside its 'async with'")
        pool = self._pools.get(base)
        if pool is None:
            pool = self._pools[base] = self._new(base, self._loop)
        return pool

    def _new(self, base: str, loop: asyncio.AbstractEventLoop) -> Pool:
        url = urlsplit(base)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError("an origin is http://host[:port] or https://host[:port]")
        tls = self._context() if url.scheme == "https" else None
        port = url.port or (443 if tls else 80)
        dialer = Dialer(url.hostname, port, tls, resolve=self._resolve, refresh_seconds=self._refresh_seconds)
        return Pool(dialer, self._settings, loop)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            for file in self._ca_files:
                self._tls.load_verify_locations(file)
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls
