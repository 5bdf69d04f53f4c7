"""The answer reader by itself: bytes in, what was told out."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from router.wire.http1.answers import AnswerReader, BadAnswer
from router.wire.http1.exchange import Framing, Lost

Pairs = list[tuple[bytes, bytes]]


@dataclass
class Told:
    """Everything one answer's reader told. `refused` is its own word for why not."""

    interim: list[tuple[int, bytes, Pairs]] = field(default_factory=list)
    head: tuple[int, bytes, Pairs] | None = None
    framing: Framing | None = None
    body: bytes = b""
    complete: bool = False
    keep_alive: bool = False
    surplus: bool = False
    refused: str = ""

    def on_head(self, status: int, reason: bytes, headers: Pairs, framing: Framing) -> None:
        assert self.head is None
        self.head, self.framing = (status, reason, headers), framing

    def on_body(self, data: bytes) -> None:
        assert self.head is not None and not self.complete and data
        self.body += data

    def on_end(self) -> None:
        raise AssertionError("the reader tells the end by `complete`")

    def on_lost(self, lost: Lost) -> None:
        raise AssertionError("a reader knows no connection")

    def on_paused(self) -> None:
        raise AssertionError("a reader writes nothing")

    def on_resumed(self) -> None:
        raise AssertionError("a reader writes nothing")

    @property
    def verdict(self) -> str:
        return "refused" if self.refused else "complete" if self.complete else "more"


def read(pieces: Iterable[bytes], *, head_only: bool = False, upgrade: bool = False, eof: bool = False) -> Told:
    """Feed these pieces as a connection does: not beyond the end of the answer, nor beyond a refusal."""
    told, reader = Told(), AnswerReader()
    reader.expect(
        told,
        head_only=head_only,
        upgrade=upgrade,
        interim=lambda status, reason, headers: told.interim.append((status, reason, headers)),
    )
    try:
        for piece in pieces:
            if reader.complete:
                reader.surplus = True
                break
            reader.feed(piece)
        if eof and not reader.complete:
            reader.eof()
    except BadAnswer as error:
        told.refused = str(error)
    told.complete, told.surplus = reader.complete, reader.surplus
    told.keep_alive = reader.keep_alive and told.complete
    return told


def bytewise(data: bytes) -> list[bytes]:
    """Every byte in a piece of its own."""
    return [data[at : at + 1] for at in range(len(data))]
