"""envd's GET /files: a file, or a range of it, streamed."""

import asyncio
import errno
import mimetypes
import re
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import BinaryIO

from router.backends.local.sandboxes import LocalSandbox
from router.backends.local.tree import Entry
from router.front.e2b.differences import File
from router.front.e2b.files import path_of
from router.front.e2b.inject import NO_CHANGES, Changes
from router.front.e2b.messages import Answer, ApiError, Request, json_answer

CHUNK = 256 * 1024


async def download(request: Request, sandbox: LocalSandbox, changes: Changes = NO_CHANGES) -> Answer:
    """GET /files: the file, or a range of it. Raises ApiError."""
    path = path_of(request, sandbox, request.query.get("path", ""))
    encoding = _encoding(request.headers.get("accept-encoding"))
    try:
        entry = await asyncio.to_thread(sandbox.tree.stat, path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ApiError(404, f"path '{path}' does not exist") from error
    if entry.kind == "dir":
        raise ApiError(400, f"path '{path}' is a directory")
    if entry.kind != "file":
        raise ApiError(400, f"path '{path}' is not a regular file")
    headers = [
        ("Last-Modified", _http_date(entry)),
        ("Content-Type", _content_type(path)),
        ("Accept-Ranges", "bytes"),
        ("Vary", "Accept-Encoding"),
    ]
    if _unchanged(request, entry):
        return Answer(status=304, headers=headers[:1])
    wanted = _range(request.headers.get("range", ""), entry.size)
    if wanted is None and "range" not in request.headers and encoding == "gzip":
        file = changes.at("file", File(_read(await _open(sandbox, path), 0, entry.size), entry.size))
        return Answer(headers=(*headers, ("Content-Encoding", "gzip")), body=_gzip(file.chunks))
    if wanted == (0, 0) and entry.size:
        headers.append(("Content-Range", f"bytes */{entry.size}"))
        return json_answer({"code": 416, "message": "invalid range: failed to overlap"}, 416, headers[-1:])
    start, end = wanted or (0, entry.size)
    file = changes.at("file", File(_read(await _open(sandbox, path), start, end - start), end - start))
    headers.append(("Content-Length", str(file.size)))
    if wanted is not None:
        headers.append(("Content-Range", f"bytes {start}-{end - 1}/{entry.size}"))
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


def _range(text: str, size: int) -> tuple[int, int] | None:
    """(start, end) of a single range; None: the whole file; (0, 0): nothing of it is there."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", text.strip())
    if not found or found[0] == "bytes=-":
        return None  # several ranges, or nonsense: the whole file is a correct answer to both
    first, last = found[1], found[2]
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
    return (start, end) if start < end else (0, 0)


def _unchanged(request: Request, entry: Entry) -> bool:
    since = request.headers.get("if-modified-since")
    if not since:
        return False
    try:
        return entry.modified_ns // 1_000_000_000 <= parsedate_to_datetime(since).timestamp()
    except ValueError:
        return False


def _http_date(entry: Entry) -> str:
    return format_datetime(datetime.fromtimestamp(entry.modified_ns // 1_000_000_000, UTC), usegmt=True)


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
