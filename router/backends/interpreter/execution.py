"""One execution in an interpreter context, as a channel of Daytona's messages, over a worker of any backend."""

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from crossfade.results import StreamEnd

DEFAULT_SECONDS = 600.0
GRACE_SECONDS = 3.0  # the program interrupts the code itself; past this it is killed
DEFAULT_CONTEXT = ""
NORMAL, POLICY, FAILED, TIMED_OUT = 1000, 1008, 1011, 4008


class WorkerGone(Exception):
    """The process of a context has ended, or nobody can say whether it has; the message says which."""


class Worker(Protocol):
    """The process of one context."""

    def run(self, line: bytes) -> AsyncGenerator[bytes, None]:
        """Its output from now on, after it was given the line. Ends when it does. Raises WorkerGone."""

    async def kill(self) -> None:
        """End it, and all that it started."""


# The worker of a context, made for the default one; None where there is no such context.
Find = Callable[[str], Awaitable[Worker | None]]


class BadRequest(Exception):
    """A first message that asks for nothing that can be run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asks: code, and where and how long it may run. `seconds` None: without limit."""

    code: str
    context: str = DEFAULT_CONTEXT
    env: dict[str, str] = field(default_factory=dict)
    seconds: float | None = DEFAULT_SECONDS


def request_of(message: bytes) -> Request:
    """A client's first message. Raises BadRequest."""
    try:
        value = json.loads(message)
    except ValueError:
        raise BadRequest('the first message must be JSON, such as {"code": "print(1)"}') from None
    if not isinstance(value, dict) or not isinstance(value.get("code"), str) or not value["code"]:
        raise BadRequest("code is required")
    env, seconds = value.get("envs") or {}, value.get("timeout")
    if not isinstance(env, dict):
        raise BadRequest("envs must be an object of strings")
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0):
        raise BadRequest("timeout must be a number of seconds, 0 for none")
    return Request(
        code=value["code"],
        context=str(value.get("contextId") or DEFAULT_CONTEXT),
        env={str(name): str(text) for name, text in env.items()},
        seconds=DEFAULT_SECONDS if seconds is None else float(seconds) or None,
    )


@lru_cache(maxsize=1)
def program() -> str:
    """The text that a sandbox's Python is started with."""
    return Path(__file__).with_name("program.py").read_text(encoding="utf-8")


class Execution:
    """A channel: the first message sent is the request, output is a message each. Closing it stops nothing."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._asked: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._end = StreamEnd(reason="not ended")

    async def send(self, data: bytes) -> None:
        """The request; whatever comes after it says nothing."""
        if not self._asked.done():
            self._asked.set_result(data)

    async def close(self) -> None:
        """Detach. The code goes on, as a command does whose client went away."""
        if not self._asked.done():
            self._asked.set_result(None)

    @property
    def end(self) -> StreamEnd:
        """How it ended, with the close code that tells it."""
        return self._end

    async def output(self) -> AsyncIterator[bytes]:
        """The messages of one execution: stdout, stderr, error, and control at the end."""
        message = await self._asked
        if message is None:
            return
        try:
            request = request_of(message)
            worker = await self._find(request.context)
            if worker is None:
                raise BadRequest(f"context {request.context[:80]} not found")
        except BadRequest as error:
            self._end = StreamEnd(reason=str(error), close=POLICY)
            return
        except WorkerGone as error:
            self._end = StreamEnd(reason=str(error), close=FAILED)
            return
        try:
            async with aclosing(self._told(worker, request)) as told:
                async for each in told:
                    yield each
        except TimeoutError:
            await worker.kill()  # it did not hear the interruption
            self._end = StreamEnd(reason="execution timed out", close=TIMED_OUT)
        except WorkerGone as error:
            self._end = StreamEnd(reason=str(error), close=FAILED)

    async def _told(self, worker: Worker, request: Request) -> AsyncGenerator[bytes, None]:
        """Raises TimeoutError when the program does not end the code in time, WorkerGone when it ends before."""
        id = str(uuid.uuid4())
        asked = {"id": id, "code": request.code, "envs": request.env, "seconds": request.seconds}
        loop, until = asyncio.get_running_loop(), None
        events = Events(id)
        async with aclosing(worker.run(json.dumps(asked).encode() + b"\n")) as chunks:
            while True:
                async with asyncio.timeout_at(until):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    raise WorkerGone("the interpreter ended before its code did")
                for event in events.feed(chunk):
                    match event.pop("type"):
                        case "started":
                            # From here on, not from when it was asked: others may have been before it.
                            until = None if request.seconds is None else loop.time() + request.seconds + GRACE_SECONDS
                        case "ended":
                            for said in self._over(str(event.get("how"))):
                                yield said
                            return
                        case kind:
                            yield _message(kind, event)

    def _over(self, how: str) -> list[bytes]:
        if how == "expired":
            self._end = StreamEnd(reason="execution timed out", close=TIMED_OUT)
            return [_message("control", {"text": "interrupted"})]
        self._end = StreamEnd(exit_code=0)
        return [_message("control", {"text": "completed"})]


class Events:
    """One request's events out of a worker's output, which may be cut anywhere."""

    def __init__(self, id: str) -> None:
        self._id = id
        self._rest = b""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The events that are complete now, without their id. What is no event is passed over."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        found = []
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue  # the tail of another's event: we came in the middle of it
            if isinstance(event, dict) and event.pop("id", None) == self._id and "type" in event:
                found.append(event)
        return found


def _message(kind: str, fields: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, **fields}).encode()
