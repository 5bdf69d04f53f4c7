"""Downloads over HTTP, whole or a range of them: what is asked of an origin, and what its answer holds."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from crossfade.outcome import Outcome, done, refused
from crossfade.results import Content
from crossfade.upstream import Headers, UpstreamFailed, UpstreamResponse
from router.wire import conditions
from router.wire.ranges import is_single, unsatisfiable


def asked(arguments: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """Header lines that ask for what fs.download's arguments say; several ranges are not asked for but the whole."""
    given = arguments.get("conditions") or {}
    lines = [(name.title().encode(), str(value).encode("latin-1", "replace")) for name, value in given.items()]
    wanted, condition = str(arguments.get("range") or ""), str(arguments.get("if_range") or "")
    if not wanted or not is_single(wanted):
        return lines
    lines.append((b"Range", wanted.encode("latin-1", "replace")))
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


def withheld(status: int, headers: Headers) -> Outcome | None:
    """An answer without the file, as was asked for: 304, 412 or 416; None: it is another one."""
    if status == conditions.NOT_MODIFIED:
        return done(status=status)
    if status == conditions.FAILED:
        return refused(status, "PRECONDITION_FAILED", "precondition failed")
    return _unsatisfiable(headers) if status == 416 else None


def _unsatisfiable(headers: Headers) -> Outcome:
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
