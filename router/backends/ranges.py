"""Downloads over HTTP, whole or a range of them: what is asked of an origin, and what its answer holds."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from crossfade.outcome import Outcome
from crossfade.results import Content
from crossfade.upstream import Headers, UpstreamFailed, UpstreamResponse
from router.wire.ranges import is_single, unsatisfiable


def asked(arguments: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """Header lines that ask for what fs.download's arguments say; several ranges are not asked for but the whole."""
    wanted, condition = str(arguments.get("range") or ""), str(arguments.get("if_range") or "")
    if not wanted or not is_single(wanted):
        return []
    lines = [(b"Range", wanted.encode("latin-1", "replace"))]
    return [*lines, (b"If-Range", condition.encode("latin-1", "replace"))] if condition else lines


def content_of(response: UpstreamResponse) -> Content:
    """What a 200 or 206 holds, unread."""
    headers = {name.lower(): value for name, value in response.headers}
    length = headers.get(b"content-length", b"")
    return Content(
        stream=_Body(response),
        size=int(length) if length.isdigit() else None,
        part=headers.get(b"content-range", b"").decode("latin-1") if response.status == 206 else "",
        modified=headers.get(b"last-modified", b"").decode("latin-1"),
    )


def refused_by(headers: Headers) -> Outcome:
    """A 416."""
    told = next((value for name, value in headers if name.lower() == b"content-range"), b"")
    return unsatisfiable(told.decode("latin-1"))


class _Body:
    """A download's bytes; closing it before the first read lets go of the connection too, unlike a generator's."""

    def __init__(self, response: UpstreamResponse) -> None:
        self._response = response
        self._chunks = response.chunks()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._chunks)
        except (StopAsyncIteration, UpstreamFailed):
            await self._response.close()
            raise

    async def aclose(self) -> None:
        """Let go of it."""
        await self._response.close()
