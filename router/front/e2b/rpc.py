"""Connect-JSON calls on the server's side: unary answers, streams with their last frame, errors in both forms."""

import base64
import binascii
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from router.front.e2b.messages import Answer, ApiError, Request, json_answer
from router.wire.connect import STATUSES, ConnectError, FrameDecoder, encode_frame

Message = Mapping[str, Any]
Unary = Callable[[Request, dict[str, Any]], Awaitable[Message]]
ServerStream = Callable[[Request, dict[str, Any]], Awaitable[AsyncIterator[Message]]]
ClientStream = Callable[[Request, AsyncIterator[dict[str, Any]]], Awaitable[Message]]


async def answer_unary(request: Request, call: Unary) -> Answer:
    """Decode, call, encode; refusals become an HTTP status and a string code."""
    try:
        _want(request, "application/json")
        if request.headers.get("content-encoding", "identity") not in ("identity", ""):
            raise ConnectError(
                "unimplemented", "compressed requests are not supported, send Content-Encoding: identity"
            )
        try:
            message = await request.json()
        except ApiError as error:
            raise ConnectError("invalid_argument", error.message) from error
        return json_answer(await call(request, message))
    except ConnectError as error:
        return json_answer({"code": error.code, "message": error.message}, STATUSES.get(error.code, 500))


async def answer_server_stream(request: Request, call: ServerStream) -> Answer:
    """One message in, many out; refusals stand in the last frame of a 200."""
    _want(request, "application/connect+json")
    try:
        messages = [message async for message in _received(request)]
        if len(messages) != 1:
            raise ConnectError("unimplemented", f"the call takes exactly one message, {len(messages)} were sent")
        return _stream(_frames(await call(request, messages[0])))
    except ConnectError as error:
        return _stream_body(_end(error))


async def answer_client_stream(request: Request, call: ClientStream) -> Answer:
    """Many messages in, one out."""
    _want(request, "application/connect+json")
    try:
        message = await call(request, _received(request))
        return _stream_body(encode_frame(message) + encode_frame({}, end=True))
    except ConnectError as error:
        return _stream_body(_end(error))


def timeout_seconds(request: Request) -> float | None:
    """The call's deadline as the client wants it: Connect-Timeout-Ms. None: no deadline."""
    text = request.headers.get("connect-timeout-ms", "")
    if not text:
        return None
    if not text.isdecimal() or len(text) > 10:
        raise ConnectError(
            "invalid_argument", f"Connect-Timeout-Ms is '{text[:20]}', which is no number of milliseconds"
        )
    return int(text) / 1000


def decode_bytes(value: object) -> bytes:
    """A JSON message's bytes field. Raises ConnectError."""
    if not isinstance(value, str):
        raise ConnectError("invalid_argument", "bytes are sent as base64 text")
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), altchars=None)
    except (binascii.Error, ValueError) as error:
        raise ConnectError("invalid_argument", f"bytes are not base64: {error}") from error


def encode_bytes(data: bytes) -> str:
    """Bytes as a JSON message carries them."""
    return base64.b64encode(data).decode("ascii")


def _want(request: Request, content_type: str) -> None:
    if request.method != "POST":
        raise ApiError(405, f"{request.method} is not allowed on {request.path}; calls are POST")
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent != content_type:
        raise ApiError(415, f"{request.path} takes {content_type}, not '{sent}'; this server speaks Connect with JSON")


async def _received(request: Request) -> AsyncIterator[dict[str, Any]]:
    decoder = FrameDecoder()
    async for chunk in request.chunks():
        try:
            frames = decoder.feed(chunk)
        except ValueError as error:
            raise ConnectError("invalid_argument", f"the request's frames cannot be read: {error}") from error
        for _, message in frames:
            yield message
    if decoder.partial:
        raise ConnectError("invalid_argument", "the request ends in the middle of a frame")


async def _frames(messages: AsyncIterator[Message]) -> AsyncIterator[bytes]:
    try:
        async for message in messages:
            yield encode_frame(message)
    except ConnectError as error:
        yield _end(error)
        return
    finally:
        if (close := getattr(messages, "aclose", None)) is not None:
            await close()
    yield encode_frame({}, end=True)


def _end(error: ConnectError) -> bytes:
    return encode_frame({"error": {"code": error.code, "message": error.message}}, end=True)


def _stream(body: AsyncIterator[bytes]) -> Answer:
    return Answer(headers=(("Content-Type", "application/connect+json"),), body=body)


def _stream_body(body: bytes) -> Answer:
    return Answer(headers=(("Content-Type", "application/connect+json"),), body=body)
