"""Upstream HTTP/1.1 by callbacks: no task, no future and one object for each call.

`answers` and `messages` parse and write bytes without I/O, `connection` carries one call at a time, `pool` keeps the
connections to one origin, `pools` one pool for each origin. `client` puts the Upstream port on top. A caller brings an
`Exchange` (six callbacks) and gets a `Handle`:

    class Print(Exchange):
        def on_head(self, status, reason, headers, framing): print(status)
        def on_body(self, data): print(data)
        def on_end(self): print("whole")
        def on_lost(self, lost): print(lost, lost.sent, lost.processed)
        def on_paused(self): source.stop()  # write no more for now
        def on_resumed(self): source.go()

    async with Pools() as pools:
        head = b"PUT /x HTTP/1.1\\r\\nHost: h\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n"
        handle = pools.get("http://10.0.0.7:8000").start(Print(), head, b"first", ends=False)
        handle.write(b"second")  # then handle.end(); at any time handle.pause(), .resume(), .abort()
"""

from router.wire.http1.exchange import Exchange, Framing, Interim, Limits, Lost
from router.wire.http1.handle import Handle
from router.wire.http1.pool import Pool, PoolSettings
from router.wire.http1.pools import Pools

__all__ = ["Exchange", "Framing", "Handle", "Interim", "Limits", "Lost", "Pool", "PoolSettings", "Pools"]
