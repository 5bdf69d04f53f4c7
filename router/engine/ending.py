"""The end of a twin's call: noted before the client can know its answer whole, or its next call would overlap it."""

from dataclasses import dataclass

from router.twins.admit import finish
from router.twins.state import OpenCall, Twin
from router.wire.asgi import Message, Send


@dataclass(slots=True, eq=False)
class Ending:
    """Finishes an admitted call once. `equal`: a write that both sides carried out completely and alike."""

    twin: Twin
    call: OpenCall
    equal: bool = False
    ended: bool = False

    def over(self) -> None:
        """The call is over for its twin. Calling it again does nothing."""
        if not self.ended:
            self.ended = True
            finish(self.twin, self.call, equal=self.equal)

    def before_last(self, send: Send) -> Send:
        """A send that ends the call just before it gives the client the last byte of its answer."""
        left: int | None = None

        async def sending(message: Message) -> None:
            nonlocal left
            if message["type"] == "http.response.start":
                left = _length(message)
            elif message["type"] == "http.response.body":
                # With a length the client knows the end by itself, whatever message comes after it.
                left = None if left is None else left - len(message.get("body", b""))
                if not message.get("more_body", False):
                    left = 0
            if left is not None and left <= 0:
                self.over()
            await send(message)

        return sending


def _length(start: Message) -> int | None:
    for name, value in start.get("headers", ()):
        if name.lower() == b"content-length":
            return int(value) if value.isdigit() else None
    return None
