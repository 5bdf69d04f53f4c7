"""A file as a form, as envd's POST /files takes it."""

import secrets
from collections.abc import AsyncIterable, AsyncIterator


class Form:
    """One file as a form, streamed if it is a stream; remembers what the file's own reader raised."""

    def __init__(self, path: str, content: bytes | AsyncIterable[bytes]) -> None:
        boundary = secrets.token_hex(16)
        name = path.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "%0D").replace("\n", "%0A")
        self.content_type = f"multipart/form-data; boundary={boundary}".encode()
        self.error: Exception | None = None
        self._content = content
        # The path is in the query: this name is for the form's sake.
        self._head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode("utf-8", "surrogateescape")
        self._tail = f"\r\n--{boundary}--\r\n".encode()

    def whole(self) -> bytes | AsyncIterator[bytes]:
        """The request's body."""
        if isinstance(self._content, bytes):
            return self._head + self._content + self._tail
        return self._stream(self._content)

    async def _stream(self, content: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        yield self._head
        try:
            async for chunk in content:
                yield chunk
        except Exception as error:
            self.error = error
            raise
        yield self._tail
