"""envd's POST /files: one or many files, streamed to disk."""

import asyncio
import errno
import posixpath
import zlib
from collections.abc import AsyncIterator
from typing import Any, BinaryIO

from router.backends.local.sandboxes import LocalSandbox
from router.front.e2b.entries import set_metadata
from router.front.e2b.files import path_of
from router.front.e2b.messages import Answer, ApiError, Request, json_answer
from router.front.e2b.multipart import BadMultipart, Event, MultipartReader, PartBegins, PartData

CHUNK = 256 * 1024
METADATA_LIMIT = 4096


async def upload(request: Request, sandbox: LocalSandbox) -> Answer:
    """POST /files: one or many files; those before one that fails stay. Raises ApiError."""
    metadata = _metadata(request)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if content_type == "application/octet-stream":
            if not request.query.get("path"):
                raise ApiError(400, "the path query parameter is required with application/octet-stream")
            path = path_of(request, sandbox, request.query["path"])
            writer = _Writer(sandbox, path, metadata)
            async with writer:
                async for chunk in _decoded(request):
                    await writer.write(chunk)
            written = [writer.written]
        else:
            written = await _parts(request, sandbox, metadata)
    except OSError as error:
        raise _refusal(error) from error
    # envd writes JSON and labels it text/plain; clients are used to it.
    answer = json_answer(written)
    return Answer(status=200, headers=(("Content-Type", "text/plain; charset=utf-8"),), body=answer.body)


class _Writer:
    """One file being written; complete once left without an error."""

    def __init__(self, sandbox: LocalSandbox, path: str, metadata: dict[str, str]) -> None:
        self._sandbox, self._path, self._metadata = sandbox, path, metadata
        self._stream: BinaryIO | None = None
        self.written: dict[str, Any] = {"name": posixpath.basename(path), "path": path, "type": "file"}
        if metadata:
            self.written["metadata"] = metadata

    async def __aenter__(self) -> "_Writer":
        tree = self._sandbox.tree
        try:
            self._stream = await asyncio.to_thread(tree.open_write, self._path)
        except IsADirectoryError as error:
            raise ApiError(400, f"path is a directory: {self._path}") from error
        return self

    async def write(self, data: bytes) -> None:
        """Write it all."""
        assert self._stream is not None
        await asyncio.to_thread(_write_all, self._stream, data)

    async def __aexit__(self, kind: object, *rest: object) -> None:
        assert self._stream is not None
        await asyncio.to_thread(self._stream.close)
        if kind is None:
            await asyncio.to_thread(set_metadata, self._sandbox.tree, self._path, self._metadata)


def _write_all(stream: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:  # unbuffered: a write may take less than it was given
        view = view[stream.write(view) :]


async def _parts(request: Request, sandbox: LocalSandbox, metadata: dict[str, str]) -> list[dict[str, Any]]:
    reader = _multipart(request)
    written: list[dict[str, Any]] = []
    writer: _Writer | None = None
    skipping = False
    try:
        async for chunk in request.chunks():
            for event in _events(reader, chunk):
                if isinstance(event, PartBegins):
                    skipping = event.name != "file"
                    if not skipping:
                        # A path in the query names the file; without it the part's file name does.
                        name = request.query.get("path") or event.filename or ""
                        path = path_of(request, sandbox, name)
                        if any(one["path"] == path for one in written):
                            raise ApiError(400, f"you cannot upload multiple files to the same path '{path}'")
                        writer = await _Writer(sandbox, path, metadata).__aenter__()
                elif isinstance(event, PartData):
                    if writer is not None:
                        await writer.write(event.data)
                elif writer is not None:
                    await writer.__aexit__(None)
                    written.append(writer.written)
                    writer = None
    finally:
        if writer is not None:
            await writer.__aexit__(BaseException)
    if not reader.complete:
        raise ApiError(400, "the multipart body ends before its closing boundary")
    return written


def _multipart(request: Request) -> MultipartReader:
    try:
        return MultipartReader(request.headers.get("content-type", ""))
    except BadMultipart as error:
        raise ApiError(400, f"error parsing multipart form: {error}") from error


def _events(reader: MultipartReader, chunk: bytes) -> list[Event]:
    try:
        return list(reader.feed(chunk))
    except BadMultipart as error:
        raise ApiError(400, f"error parsing multipart form: {error}") from error


def _refusal(error: OSError) -> ApiError:
    if error.errno == errno.ENOSPC:
        return ApiError(507, "not enough disk space available")
    if isinstance(error, NotADirectoryError | FileExistsError):
        return ApiError(400, f"error ensuring directories: {error.strerror or error}")
    return ApiError(500, f"error writing file: {error.strerror or error}")


def _metadata(request: Request) -> dict[str, str]:
    found = {
        name.removeprefix("x-metadata-"): value
        for name, value in request.headers.items()
        if name.startswith("x-metadata-")
    }
    size = 0
    for name, value in found.items():
        if not (name + value).isascii() or not (name + value).isprintable() or len(name) > 246:
            raise ApiError(400, f"metadata '{name[:40]}' must be printable ASCII, with a name of at most 246 bytes")
        size += len("user.e2b.") + len(name) + len(value)
    if size > METADATA_LIMIT:
        raise ApiError(400, f"metadata is larger than {METADATA_LIMIT} bytes")
    return found


async def _decoded(request: Request) -> AsyncIterator[bytes]:
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip", ""):
        raise ApiError(400, f"unsupported Content-Encoding '{encoding[:20]}'; identity and gzip are known")
    if encoding != "gzip":
        async for chunk in request.chunks():
            yield chunk
        return
    inflate = zlib.decompressobj(wbits=31)
    try:
        async for chunk in request.chunks():
            while chunk:
                yield inflate.decompress(chunk, CHUNK)
                chunk = inflate.unconsumed_tail
        yield inflate.flush()
    except zlib.error as error:
        raise ApiError(400, f"the body is not gzip: {error}") from error
    if not inflate.eof:
        raise ApiError(400, "the gzip body is cut short")
