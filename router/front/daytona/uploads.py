"""Uploads: multipart bodies as a sequence of files, each a stream; nothing is held."""

import re
from collections.abc import AsyncIterable, AsyncIterator, Mapping

from router.front.daytona.errors import BadRequest
from router.front.daytona.multipart import (
    Event,
    MultipartError,
    MultipartParser,
    PartBegin,
    PartEnd,
    boundary_of,
)

_FIELD = re.compile(r"files\[(\d+)\]\.(path|file)")
_PATH_LIMIT = 65_536


async def uploads(
    headers: Mapping[bytes, bytes], body: AsyncIterable[bytes], *, path: str | None = None
) -> AsyncIterator[tuple[str, AsyncIterator[bytes]]]:
    """The files of an upload, in order; read each before the next, what is left unread is skipped. Raises BadRequest.

    `path` is where a single upload goes, as its query says, its body a form or the file itself; otherwise
    `files[i].path` must come before `files[i].file`.
    """
    if path and not headers.get(b"content-type", b"").lower().startswith(b"multipart/"):
        yield path, aiter(body)
        return
    try:
        boundary = boundary_of(headers.get(b"content-type", b""))
    except MultipartError as error:
        raise BadRequest(f"upload cannot be read: {error}") from None
    parts = _Parts(MultipartParser(boundary), body)
    paths: dict[str, str] = {}
    found = False
    while (begin := await parts.next_part()) is not None:
        field = _FIELD.fullmatch(begin.name)
        if field and field[2] == "path":
            paths[field[1]] = await parts.text(_PATH_LIMIT)
        elif field:
            if not paths.get(field[1]):
                raise BadRequest(f"{begin.name} came without files[{field[1]}].path before it; send the path first")
            found = True
            yield paths[field[1]], parts.content()
        elif begin.name == "file" and path:
            found = True
            yield path, parts.content()
        elif begin.name == "file":
            raise BadRequest("path is required; add ?path=... to the request")
    if not found:
        raise BadRequest("no file in the upload; send files[0].path, then files[0].file")


class _Parts:
    """Parts pulled from the body, one at a time."""

    def __init__(self, parser: MultipartParser, body: AsyncIterable[bytes]) -> None:
        self._parser = parser
        self._body = aiter(body)
        self._events: list[Event] = []
        self._inside = False
        self._over = False

    async def next_part(self) -> PartBegin | None:
        while (event := await self._next()) is not None:
            if isinstance(event, PartBegin):
                self._inside = True
                return event
        return None

    async def content(self) -> AsyncIterator[bytes]:
        while self._inside:
            event = await self._next()
            if isinstance(event, bytes):
                yield event
            else:
                self._inside = False

    async def text(self, limit: int) -> str:
        collected = bytearray()
        async for data in self.content():
            collected += data
            if len(collected) > limit:
                raise BadRequest(f"a path is longer than {limit} bytes")
        return collected.decode("utf-8", "surrogateescape")

    async def _next(self) -> Event | None:
        while not self._events:
            if self._over:
                return None
            chunk = await anext(self._body, None)
            try:
                if chunk is None:
                    self._over = True
                    self._parser.end()
                else:
                    self._events = list(self._parser.feed(chunk))[::-1]
            except MultipartError as error:
                # Raised here, not by our caller: the bytes are pulled by whoever reads the file.
                raise BadRequest(f"upload cannot be read: {error}") from None
        event = self._events.pop()
        if isinstance(event, PartEnd):
            self._inside = False
        return event
