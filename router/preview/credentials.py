"""What a client shows to be let in, taken off before the sandbox; and what we sign ourselves. Pure."""

import base64
import hashlib
import hmac
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

Pairs = Sequence[tuple[bytes, bytes]]

TOKEN_HEADER = b"x-daytona-preview-token"
QUERY_KEY = b"DAYTONA_SANDBOX_AUTH_KEY"
COOKIE_PREFIX = b"daytona-sandbox-auth-"
COOKIE_SECONDS = 3600
PRIVATE_PORTS = frozenset({22222, 2280, 33333})  # terminal, toolbox and recordings: never public
SKIP_ACTIVITY = b"x-daytona-skip-last-activity-update"
DISABLE_CORS = b"x-daytona-disable-cors"
# Orders to a proxy, and the other provider's routing: with the latter a client could name another sandbox.
_NOT_ON = frozenset(
    {
        *(TOKEN_HEADER, SKIP_ACTIVITY, DISABLE_CORS),
        *(b"x-daytona-skip-preview-warning", b"x-daytona-trust-forwarded-host", b"x-daytona-authorization"),
        *(b"e2b-sandbox-id", b"e2b-sandbox-port", b"e2b-traffic-access-token"),
    }
)
_NOT_ON_PREFIX = b"x-crossfade-"
_COOKIES_NOT_ON = (COOKIE_PREFIX, b"daytona-preview-page-accepted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The credentials of one request, each empty when it is not there."""

    bearer: bytes = b""  # the whole Authorization header, only where its scheme is Bearer
    token: bytes = b""
    query_key: bytes = b""
    cookies: tuple[bytes, ...] = ()  # ours, for this name

    @property
    def nothing(self) -> bool:
        return not (self.bearer or self.token or self.query_key or self.cookies)


def shown(name: str, headers: Iterable[tuple[bytes, bytes]], query: bytes) -> Shown:
    """What a request for this sandbox or signed token shows. Header names are taken in lower case."""
    bearer = token = b""
    cookies: list[bytes] = []
    wanted = COOKIE_PREFIX + name.encode()
    for header, value in headers:
        if header == b"authorization" and value[:7].lower() == b"bearer ":
            bearer = value
        elif header == TOKEN_HEADER:
            token = value.strip()
        elif header == b"cookie":
            cookies += [each for key, each in _cookies(value) if key == wanted]
    keys = [value for key, value in _parameters(query) if key == QUERY_KEY]
    return Shown(bearer=bearer, token=token, query_key=next(iter(keys), b""), cookies=tuple(cookies))


def without_credentials(headers: Pairs, *, authorization: bool) -> list[tuple[bytes, bytes]]:
    """Headers for the sandbox, in order. `authorization`: it was the right we asked for, and is not the sandbox's."""
    kept: list[tuple[bytes, bytes]] = []
    for header, value in headers:
        low = header.lower()
        if low in _NOT_ON or low.startswith(_NOT_ON_PREFIX) or (authorization and low == b"authorization"):
            continue
        if low == b"cookie":
            value = b"; ".join(
                part for part in map(bytes.strip, value.split(b";")) if part and not part.startswith(_COOKIES_NOT_ON)
            )
            if not value:
                continue
        kept.append((header, value))
    return kept


def without_key(query: bytes) -> bytes:
    """The query without our key, every other byte as it was."""
    if QUERY_KEY not in query and b"%" not in query:
        return query
    return b"&".join(part for part in query.split(b"&") if _name(part) != QUERY_KEY)


def _parameters(query: bytes) -> list[tuple[bytes, bytes]]:
    parts = [part for part in query.split(b"&") if part]
    return [(_name(part), unquote_to_bytes(part.partition(b"=")[2].replace(b"+", b" "))) for part in parts]


def _name(part: bytes) -> bytes:
    return unquote_to_bytes(part.partition(b"=")[0].replace(b"+", b" "))


def _cookies(header: bytes) -> Iterable[tuple[bytes, bytes]]:
    for part in header.split(b";"):
        name, _, value = part.strip().partition(b"=")
        yield name, value.strip(b'"')


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs what opens a preview. One secret for all routers of a cluster; a new one takes every right back."""

    secret: bytes

    def token(self, sandbox: str) -> str:
        """The preview token of a sandbox: one for all its ports, wherever it is, for as long as it lives."""
        return _text(self._mac(b"token", sandbox)[:24])

    def is_token(self, token: bytes, sandbox: str) -> bool:
        return hmac.compare_digest(token, self.token(sandbox).encode())

    def cookie(self, name: str, sandbox: str, now: float) -> str:
        """A cookie that stands for this name (sandbox id or signed token) and opens the sandbox for an hour."""
        said = f"{int(now) + COOKIE_SECONDS}.{sandbox}"
        return f"{_text(self._mac(b'cookie', name, said))}.{said}"

    def opened_by(self, cookie: bytes, name: str, now: float) -> str | None:
        """The sandbox that a cookie opens, if it is ours, for this name, and not over."""
        mac, _, said = cookie.decode("latin-1").partition(".")
        until, _, sandbox = said.partition(".")
        if not hmac.compare_digest(mac.encode("latin-1"), _text(self._mac(b"cookie", name, said)).encode()):
            return None
        return sandbox if int(until) > now else None

    def signed(self, sandbox: str, port: int, until: float) -> str | None:
        """A token for a signed link, fit for a host name: it holds the sandbox and its end. None: not a UUID."""
        try:
            raw = uuid.UUID(sandbox)
        except ValueError:
            return None
        if str(raw) != sandbox:
            return None
        body = raw.bytes + int(until).to_bytes(4, "big")
        return base64.b32encode(body + self._mac(b"signed", str(port), body.hex())[:10]).decode().lower()

    def sandbox_of(self, token: str, port: int, now: float) -> str | None:
        """The sandbox of a signed token of ours, for this port, unless it is over."""
        if len(token) != 48:
            return None
        try:
            raw = base64.b32decode(token.upper().encode())
        except ValueError:
            return None
        body, mac = raw[:20], raw[20:]
        if not hmac.compare_digest(mac, self._mac(b"signed", str(port), body.hex())[:10]):
            return None
        return str(uuid.UUID(bytes=body[:16])) if int.from_bytes(body[16:], "big") > now else None

    def _mac(self, purpose: bytes, *said: str) -> bytes:
        # Lengths first, so that no two sets of words give the same bytes.
        text = b"".join(b"%d:%b" % (len(each), each) for each in (purpose, *(word.encode() for word in said)))
        return hmac.digest(self.secret, text, hashlib.sha256)


def derived_secret(*keys: str) -> bytes:
    """A secret that stays the same over restarts and routers, made of the origins' keys. Says nothing about them."""
    return hashlib.pbkdf2_hmac("sha256", "\0".join(keys).encode(), b"crossfade preview links", 10_000)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
