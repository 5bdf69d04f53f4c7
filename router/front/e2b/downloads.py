"""envd's GET /files: a file, or a range of it, streamed."""

import asyncio
import errno
import mimetypes
import re
import zlib
from collections.abc import AsyncIterator
from typing import BinaryIO

from router.backends.local.sandboxes import LocalSandbox
from router.front.e2b.differences import File
from router.front.e2b.files import path_of
from router.front.e2b.inject import NO_CHANGES, Changes
from router.front.e2b.messages import Answer, ApiError, Request, json_answer
from router.wire import conditions, ranges

CHUNK = 256 * 1024


async def download(request: Request, sandbox: LocalSandbox, changes: Changes = NO_CHANGES) -> Answer:
    """GET /files: the file, or a range of it. Raises ApiError."""
    path = path_of(request, sandbox, request.query.get("path", ""))
    encoding = _encoding(request.headers.get("accept-encoding"))
    try:
        entry = await asyncio.to_thread(sandbox.tree.stat, path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ApiError(404, f"path '{path}' does not exist") from error
    except OSError as error:
        raise ApiError(500, f"error getting file info for '{path}': {error.strerror}") from error
    if entry.kind == "dir":
        raise ApiError(400, f"path '{path}' is a directory")
    if entry.kind != "file":
        raise ApiError(400, f"path '{path}' is not a regular file")
    headers = [
        ("Last-Modified", ranges.http_date(entry.modified_ns)),
        ("Content-Type", _content_type(path)),
        ("Accept-Ranges", "bytes"),
        ("Vary", "Accept-Encoding"),
    ]
    if status := conditions.refusal(request.headers, entry.modified_ns):
        return Answer(status=status, headers=headers[:1])
    asked = request.headers.get("range", "")
    if asked and not ranges.holds(request.headers.get("if-range", ""), entry.modified_ns):
        asked = ""
    if not asked and encoding == "gzip":
        file = changes.at("file", File(_read(await _open(sandbox, path), 0, entry.size), entry.size))
        return Answer(headers=(*headers, ("Content-Encoding", "gzip")), body=_gzip(file.chunks))
    try:
        wanted = ranges.chosen(asked, entry.size)
    except ranges.BadRange as error:
        told = () if error.size is None else (("Content-Range", f"bytes */{error.size}"),)
        return json_answer({"code": 416, "message": str(error)}, 416, told)
    start, end = wanted or (0, entry.size)
    file = changes.at("file", File(_read(await _open(sandbox, path), start, end - start), end - start))
    headers.append(("Content-Length", str(file.size)))
    if wanted is not None:
        headers.append(("Content-Range", ranges.content_range(start, end, entry.size)))
    return Answer(status=206 if wanted else 200, headers=headers, body=file.chunks)


def _encoding(accepted: str | None) -> str:
    """identity or gzip; gzip only for a client that asks for it. Raises ApiError 406."""
    if accepted is None or not accepted.strip():
        return "identity"
    weights: dict[str, float] = {}
    for one in accepted.lower().split(","):
        name, _, parameters = one.strip().partition(";")
        found = re.search(r"q\s*=\s*([\d.]+)", parameters)
        weights[name.strip()] = float(found[1]) if found else 1.0
    every = weights.get("*", 0.0)
    if weights.get("gzip", every if "*" not in weights else 0.0) > 0:
        return "gzip"
    if weights.get("identity", every if "*" in weights else 1.0) > 0:
        return "identity"
    raise ApiError(406, "no acceptable encoding found, supported: [identity, gzip]")


def _content_type(path: str) -> str:
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


async def _open(sandbox: LocalSandbox, path: str) -> BinaryIO:
    try:
        return await asyncio.to_thread(sandbox.tree.open_read, path)
    except FileNotFoundError as error:
        raise ApiError(404, f"path '{path}' does not exist") from error
    except OSError as error:
        raise ApiError(500, f"error opening file '{path}': {error.strerror}") from error


async def _read(stream: BinaryIO, start: int, size: int) -> AsyncIterator[bytes]:
    try:
        if start:
            await asyncio.to_thread(stream.seek, start)
        while size > 0:
            chunk = await asyncio.to_thread(stream.read, min(CHUNK, size))
            if not chunk:
                raise OSError(errno.EIO, "the file became shorter while it was sent")
            size -= len(chunk)
            yield chunk
    finally:
        stream.close()


async def _gzip(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    deflate = zlib.compressobj(level=1, wbits=31)
    async for chunk in chunks:
        if packed := deflate.compress(chunk):
            yield packed
    yield deflate.flush()
