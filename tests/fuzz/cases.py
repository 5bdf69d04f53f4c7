"""A case: what is sent on one connection, made from the seed and its number alone."""

from dataclasses import dataclass
from random import Random

from tests.fuzz import corpus, http, multipart, nasty, websocket
from tests.fuzz.corpus import Good

_LATE_FRAMES = 0.7  # share of websocket cases whose handshake is good


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where cases go: sandboxes, and a command in the session `held` of each."""

    key: str
    sandboxes: tuple[str, ...]
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is sent. `whole`: HTTP as it should be around a body that is not, so there must be an answer."""

    number: int
    kind: str
    pieces: tuple[bytes, ...]
    frames: bytes = b""  # after a handshake that was accepted
    fatal: bool = False  # the first frame is one that nobody may take: the server has to close
    whole: bool = False
    cut: bool = False  # the client goes away without reading
    creates: bool = False
    head: bool = False  # HEAD: no body follows
    what: str = ""  # for people


def case(seed: int, number: int, places: Places) -> Case:
    """The case of this number."""
    random = Random(f"{seed}:{number}")
    at = random.randrange(len(places.sandboxes))
    kind = random.choices(("http", "json", "multipart", "websocket"), (35, 30, 15, 20))[0]
    make = {"http": _http, "json": _json, "multipart": _multipart, "websocket": _websocket}[kind]
    made = make(random, places, places.sandboxes[at], places.commands[at])
    pieces, whole = made.pieces, made.whole
    if random.random() < 0.15:
        pieces = _split(random, b"".join(pieces))
    cut = random.random() < 0.07
    return Case(
        number=number,
        kind=kind,
        pieces=pieces,
        frames=made.frames,
        fatal=made.fatal,
        whole=whole and not cut,
        cut=cut,
        creates=made.creates,
        head=b"".join(pieces)[:5] == b"HEAD ",
        what=made.what,
    )


def _http(random: Random, places: Places, sandbox: str, _command: str) -> Case:
    good = random.choice(corpus.REQUESTS)
    lines = http.lines_of(random, places.key)
    body = b"{}" if good.body is not None else b""
    if random.random() < 0.35:
        good = http.damaged_query(random, good)
        extra = [(b"Content-Type", b"application/json"), (b"Content-Length", b"2")] if body else []
        sent = http.written(good.method.encode(), http.target_of(good, sandbox), [*lines, *extra], body)
        return _made(good, (sent,), whole=True)
    target = http.target_of(good, sandbox)
    return _made(good, (http.damaged_request(random, good.method.encode(), target, lines, body),))


def _json(random: Random, places: Places, sandbox: str, _command: str) -> Case:
    good = corpus.CREATE if random.random() < 0.02 else random.choice(corpus.WITH_BODY)
    body = nasty.damaged_json(random, good.body)
    lines = [
        *http.lines_of(random, places.key),
        (b"Content-Type", b"application/json"),
        (b"Content-Length", b"%d" % len(body)),
    ]
    head = http.written(good.method.encode(), http.target_of(good, sandbox), lines)
    return _made(good, (head, body), whole=True)


def _multipart(random: Random, places: Places, sandbox: str, _command: str) -> Case:
    path = random.choice(("/files/bulk-upload", "/files/bulk-upload", "/files/upload", "/files/upload-v2"))
    query = (("path", f"{corpus.AT}/single"),) if path != "/files/bulk-upload" and random.random() < 0.8 else ()
    good = Good(method="POST", path=f"/toolbox/{{s}}{path}", query=query)
    kind, form = multipart.damaged_form(random)
    lines = [*http.lines_of(random, places.key), (b"Content-Type", kind), (b"Content-Length", b"%d" % len(form))]
    return _made(good, (http.written(b"POST", http.target_of(good, sandbox), lines), form), whole=True)


def _websocket(random: Random, places: Places, sandbox: str, command: str) -> Case:
    good = random.choice(corpus.SOCKETS)
    lines = [*http.lines_of(random, places.key), *websocket.UPGRADE]
    if random.random() < _LATE_FRAMES:
        sent = http.written(b"GET", http.target_of(good, sandbox, command), [*lines, *websocket.GOOD])
        frames, fatal = websocket.frames(random)
        return _made(good, (sent,), frames=frames, fatal=fatal)
    damaged = http.damaged_query(random, good) if good.query and random.random() < 0.3 else good
    handshake = random.choice(websocket.HANDSHAKES) if damaged is good else websocket.GOOD
    return _made(damaged, (http.written(b"GET", http.target_of(damaged, sandbox, command), [*lines, *handshake]),))


def _made(
    good: Good, pieces: tuple[bytes, ...], *, frames: bytes = b"", fatal: bool = False, whole: bool = False
) -> Case:
    what, creates = f"{good.method} {good.path}", good is corpus.CREATE
    return Case(number=0, kind="", pieces=pieces, frames=frames, fatal=fatal, whole=whole, creates=creates, what=what)


def _split(random: Random, data: bytes) -> tuple[bytes, ...]:
    places = (
        sorted(random.sample(range(1, len(data)), min(random.randint(1, 5), len(data) - 1))) if len(data) > 1 else []
    )
    return tuple(data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True))
