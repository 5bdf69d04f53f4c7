"""Headers of a preview on their way in and out: who asks, under which name, and answers that lead back to us. Pure."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from crossfade.results import PreviewLink
from crossfade.stage import Origin
from router.preview.address import Address
from router.preview.credentials import DISABLE_CORS, SKIP_ACTIVITY, Pairs, without_credentials
from router.wire import headers as rules
from router.wire.bridge import HANDSHAKE

_TRUST = b"x-daytona-trust-forwarded-host"
_FORWARDED = (b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-prefix")
_CORS_SECONDS = b"43200"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a side serves a port. `authority` is the host[:port] it goes by there, `prefix` a path before ours."""

    side: Origin
    base: str
    authority: str
    prefix: str
    headers: Pairs

    def leads_there(self, netloc: str) -> bool:
        return netloc.lower() == self.authority.lower()


def target_of(side: Origin, provider: str, link: PreviewLink, *, keep_asleep: bool) -> Target:
    """The target behind a provider's own link, with what opens it. `keep_asleep`: it is not to count as activity."""
    parts = urlsplit(link.url)
    base = f"{parts.scheme}://{parts.netloc}"
    if (parts.hostname or "").endswith(".localhost"):
        # This machine, whatever its resolver knows of such names (RFC 6761 §6.3).
        base = f"{parts.scheme}://127.0.0.1" + (f":{parts.port}" if parts.port else "")
    headers: list[tuple[bytes, bytes]] = []
    if provider == "e2b":
        if link.token:
            headers.append((b"E2b-Traffic-Access-Token", link.token.encode()))
    else:
        # Its warning page, its CORS and its own name are not for clients that know us only.
        headers += [(b"X-Daytona-Preview-Token", link.token.encode())] if link.token else []
        headers += [(b"X-Daytona-Skip-Preview-Warning", b"true"), (b"X-Daytona-Disable-CORS", b"true")]
        headers.append((b"X-Daytona-Trust-Forwarded-Host", b"true"))
        if keep_asleep:
            headers.append((b"X-Daytona-Skip-Last-Activity-Update", b"true"))
    return Target(side=side, base=base, authority=parts.netloc, prefix=parts.path.rstrip("/"), headers=tuple(headers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A request as it reached us. `host` is its Host header, `peer` who is at the other end of the connection."""

    address: Address
    method: str
    headers: Pairs
    host: str
    scheme: str
    peer: str = ""

    @property
    def origin(self) -> str:
        """The web origin it came to: scheme://host."""
        return f"{self.scheme}://{self.host}"

    def field(self, name: bytes) -> bytes:
        """The last header of that name; empty when there is none."""
        return next((value for header, value in reversed(self.headers) if header == name), b"")

    @property
    def keeps_asleep(self) -> bool:
        return self.field(SKIP_ACTIVITY) == b"true"

    @property
    def foreign(self) -> bytes:
        """The web origin of a browser's cross-origin request that we answer for; empty otherwise."""
        origin = self.field(b"origin")
        if self.field(DISABLE_CORS) == b"true" or origin.partition(b"://")[2] == self.host.encode("latin-1"):
            return b""
        return origin

    @property
    def preflight(self) -> bool:
        return self.method == "OPTIONS" and bool(self.foreign)


def inwards(asking: Asking, target: Target, *, hide_authorization: bool, trusted: bool) -> list[tuple[bytes, bytes]]:
    """Headers for the sandbox. `trusted`: a proxy before us, let in by token, may say which host it was asked for."""
    chunked = bool(asking.field(b"transfer-encoding"))
    passed = rules.to_origin(asking.headers, drop=(*_FORWARDED, *HANDSHAKE), chunked=chunked)
    headers = without_credentials(passed, authorization=hide_authorization)
    if urlsplit(target.base).netloc != target.authority:
        headers.append((b"Host", target.authority.encode()))
    ours = asking.host.encode("latin-1")
    seen = asking.field(b"x-forwarded-host")
    if seen and not (trusted and asking.field(_TRUST) == b"true"):
        seen += b", " + ours
    headers.append((b"X-Forwarded-Host", seen or ours))
    headers.append((b"X-Forwarded-Proto", asking.field(b"x-forwarded-proto") or asking.scheme.encode()))
    if path := [each for each in (asking.field(b"x-forwarded-for"), asking.peer.encode()) if each]:
        headers.append((b"X-Forwarded-For", b", ".join(path)))
    if asking.address.root:
        headers.append((b"X-Forwarded-Prefix", asking.address.root.encode()))
    return [*headers, *target.headers]


def outwards(headers: Pairs, asking: Asking, target: Target) -> list[tuple[bytes, bytes]]:
    """Headers for the client: redirects and cookies of the provider's host made ours, and CORS as Daytona has it."""
    out: list[tuple[bytes, bytes]] = []
    allows = False
    for name, value in headers:
        low = name.lower()
        if low == b"location":
            value = _led_back(value, asking, target)
        elif low == b"set-cookie":
            value = _kept_here(value, asking.address.root, target)
        allows = allows or low == b"access-control-allow-origin"
        out.append((name, value))
    if asking.foreign and not allows:
        out += _allowing(asking.foreign)
    return out


def preflight(asking: Asking) -> list[tuple[bytes, bytes]]:
    """The answer to a browser that asks first, without credentials: everything is allowed to everybody."""
    wanted = asking.field(b"access-control-request-headers")
    return [
        *_allowing(asking.foreign),
        (b"Access-Control-Allow-Methods", b"GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS"),
        *([(b"Access-Control-Allow-Headers", wanted)] if wanted else []),
        (b"Access-Control-Max-Age", _CORS_SECONDS),
        (b"Content-Length", b"0"),
    ]


def _allowing(origin: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (b"Access-Control-Allow-Origin", origin),
        (b"Access-Control-Allow-Credentials", b"true"),
        (b"Vary", b"Origin"),
    ]


def _led_back(location: bytes, asking: Asking, target: Target) -> bytes:
    try:
        parts = urlsplit(location.decode("latin-1"))
    except ValueError:
        return location
    root = asking.address.root
    if parts.netloc:
        if not target.leads_there(parts.netloc):
            return location
        path = parts.path.removeprefix(target.prefix) or "/"
        scheme = asking.field(b"x-forwarded-proto").decode("latin-1") or asking.scheme
        return parts._replace(scheme=scheme, netloc=asking.host, path=root + path).geturl().encode("latin-1")
    if root and parts.path.startswith("/"):
        return (root + location.decode("latin-1")).encode("latin-1")
    return location


def _kept_here(cookie: bytes, root: str, target: Target) -> bytes:
    parts = cookie.split(b";")
    kept = parts[:1]
    for part in parts[1:]:
        name, _, value = part.strip().partition(b"=")
        low = name.lower()
        if low == b"domain" and target.leads_there(value.decode("latin-1").lstrip(".")):
            continue
        if low == b"path" and root and value.startswith(b"/"):
            part = b" Path=" + root.encode() + value
        kept.append(part)
    return b";".join(kept)


def auth_cookie(name: str, value: str, *, root: str, domain: str, secure: bool, seconds: int) -> bytes:
    """Set-Cookie for a page that was let in. Frames of other sites need SameSite=None, which needs Secure."""
    # A page asks other ports of its sandbox, too; no sandbox ever sees it.
    said = [f"{name}={value}", f"Max-Age={seconds}", f"Path={root.rpartition('/')[0] or '/'}", "HttpOnly"]
    if domain and "." in domain:
        said.append(f"Domain={domain}")
    said += ["Secure", "SameSite=None"] if secure else ["SameSite=Lax"]
    return "; ".join(said).encode("latin-1")
