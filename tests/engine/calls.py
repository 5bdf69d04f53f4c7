"""A call as the engine has it when its head has arrived, for parts of the engine that are asked about one."""

from router.engine.call import Call
from router.front.daytona.routes import match
from router.wire.asgi import Client, Message

HOST = (b"host", b"router")


async def nothing_more() -> Message:
    """A client that has sent everything and stays."""
    return {"type": "http.request", "body": b"", "more_body": False}


def call_of(line: str, *headers: tuple[bytes, bytes]) -> Call:
    """The call of a request line, such as `GET /toolbox/s1/files?path=a`."""
    method, _, target = line.partition(" ")
    path, _, query = target.partition("?")
    route = match(method, path)
    return Call(
        id="call-1",
        at=0.0,
        started=0.0,
        method=method,
        path=path,
        query=query.encode(),
        headers=(HOST, *headers),
        fields=dict((HOST, *headers)),
        route=route,
        sandbox=route.sandbox if route else "",
        client=Client(nothing_more),
    )
