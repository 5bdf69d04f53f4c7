"""Addresses of previews: `<port>-<sandbox id>` as a host below the preview domain, or as the first word of a path."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlsplit

NOVNC_PORT = 6080
_MOST_PORT = 65_535
_LONGEST_LABEL = 63  # RFC 1035 §2.3.4
_LABEL = re.compile(r"([1-9][0-9]{0,4})-([A-Za-z0-9][A-Za-z0-9_-]*)", re.ASCII)
_SEGMENT = re.compile(r"([1-9][0-9]{0,4})-([A-Za-z0-9][A-Za-z0-9._~-]*)", re.ASCII)
_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.ASCII)
_NOVNC_PAGES = ("/vnc.html", "/vnc_lite.html")


class NoSuchPreview(Exception):
    """An address below the preview domain or path that names no port of a sandbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One port of one sandbox, and what is asked of it.

    `name` is a sandbox id or the token of a signed link, as written. `path` is what the server inside is asked for,
    still encoded; empty where the path form lacks its slash. `root` is the path below which we serve it: empty by host.
    """

    port: int
    name: str
    path: str
    root: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressing:
    """How previews are addressed. `domain` and `prefix` may each be empty: that form is off then.

    `domain` is host[:port], the port only for links; `prefix` is a path like "/preview"; `public_url` is the API's own.
    """

    domain: str = ""
    scheme: str = "https"
    prefix: str = ""
    public_url: str = ""

    @property
    def configured(self) -> bool:
        return bool(self.domain or self.prefix)

    def find(self, host: str, path: str) -> Address | None:
        """The preview that a request is for, or None: it is for the API. Raises NoSuchPreview."""
        named = hostname(host)
        domain = hostname(self.domain)
        if domain and named.lower() == domain.lower():
            if self.public_url and hostname(urlsplit(self.public_url).netloc).lower() != domain.lower():
                raise NoSuchPreview("no preview has this host: it must begin with a port and a sandbox id")
        elif domain and named.lower().endswith("." + domain.lower()):
            port, name = _apart(_LABEL, named[: -len(domain) - 1])
            return Address(port=port, name=name, path=path)
        if self.prefix and path.startswith(self.prefix + "/"):
            word, slash, rest = path[len(self.prefix) + 1 :].partition("/")
            port, name = _apart(_SEGMENT, word)
            return Address(port=port, name=name, path=slash + rest, root=f"{self.prefix}/{word}")
        return None

    def link(self, port: int, name: str, our_url: str) -> str | None:
        """The address to hand out, without a slash at its end; None when neither form can hold this name.

        `our_url` is where the client reaches the API, for the path form.
        """
        label = f"{port}-{name}"
        if self.domain and len(label) <= _LONGEST_LABEL and _HOST_NAME.fullmatch(name):
            return f"{self.scheme}://{label}.{self.domain}"
        if self.prefix and _SEGMENT.fullmatch(label):
            return f"{our_url.rstrip('/')}{self.prefix}/{label}"
        return None

    def handed_out(self, authority: str, path: str) -> bool:
        """Whether an origin's address of a port is one of ours: it would lead back here."""
        if self.domain and authority.lower().endswith("." + self.domain.lower()):
            return True
        ours = urlsplit(self.public_url).netloc
        return bool(self.prefix and ours) and authority == ours and path.startswith(self.prefix + "/")

    @property
    def template(self) -> str | None:
        """The address with {{PORT}} and {{sandboxId}}, as Daytona's /config holds it; by host only."""
        return f"{self.scheme}://{{{{PORT}}}}-{{{{sandboxId}}}}.{self.domain}" if self.domain else None


def hostname(host: str) -> str:
    """A Host header without its port and the root's dot; as it was where it is an IPv6 address."""
    host = host.strip()
    if host.startswith("["):
        return host
    name, colon, port = host.rpartition(":")
    if colon and (not port or port.isdigit()):
        host = name
    return host.removesuffix(".")


def _apart(shape: re.Pattern[str], word: str) -> tuple[int, str]:
    found = shape.fullmatch(word)
    if found is None:
        raise NoSuchPreview("no preview has this address: it must begin with a port, a dash and a sandbox id")
    port = int(found[1])
    if port > _MOST_PORT:
        raise NoSuchPreview(f"no preview has this address: ports end at {_MOST_PORT}")
    return port, found[2]


def slashed(address: Address, query: bytes) -> str | None:
    """Where a path-form request without its slash belongs: relative links of the page would miss the port."""
    if address.path:
        return None
    return f"{address.root}/" + _asked(query)


def novnc_told(address: Address, query: bytes) -> str | None:
    """Where a noVNC page in the path form finds its socket: told by its own `path` option, or None."""
    if not address.root or address.port != NOVNC_PORT or address.path not in _NOVNC_PAGES:
        return None
    if any(name == "path" for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)):
        return None
    option = f"path={quote(address.root.lstrip('/'), safe='/')}/websockify"
    return f"{address.root}{address.path}" + _asked(b"&".join(filter(None, (query, option.encode()))))


def _asked(query: bytes) -> str:
    return "?" + query.decode("latin-1") if query else ""
