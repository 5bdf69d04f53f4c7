"""Signing in by OpenID Connect: the authorization code flow with PKCE (OpenID Connect Core 1.0 §3.1, RFC 7636)."""

import logging
import secrets
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode

import httpx2
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from router.dashboard.users import Role
from router.settings_sign_in import OidcSettings

log = logging.getLogger("crossfade.dashboard")
CALLBACK = "/oidc/callback"
# Signatures by a key of the provider's. Never "none", and none by a secret that both sides have.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_SECONDS = 10.0  # for an answer of the provider
_LEEWAY = 60  # seconds that clocks may differ
_BEGUN_SECONDS = 600.0  # for whoever types a password at the provider
_MOST_BEGUN = 1_000
_FRESH_SECONDS = 3_600.0  # after which the provider's description is read again
_MOST_BYTES = 1_000_000


class NotSignedIn(Exception):
    """The provider's word was not good enough; the text is for whoever wanted to sign in."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that was sent to the provider. `browser` stands in a cookie of the browser that began it."""

    nonce: str
    verifier: str
    browser: str
    target: str
    at: float


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the provider signed in."""

    name: str
    role: Role


@dataclass(slots=True)
class Provider:
    """One provider. Its description and keys are read when first needed."""

    settings: OidcSettings
    public_url: str
    now: Callable[[], float]  # monotonic
    _client: httpx2.AsyncClient = field(init=False)
    _begun: dict[str, Begun] = field(default_factory=dict)  # by state
    _described: Mapping[str, Any] = field(default_factory=dict)
    _keys: KeySet = field(default_factory=lambda: KeySet([]))
    _read_at: float = -_FRESH_SECONDS

    def __post_init__(self) -> None:
        trusted = ssl.create_default_context()
        if self.settings.ca_file:
            trusted.load_verify_locations(self.settings.ca_file)
        self._client = httpx2.AsyncClient(verify=trusted, timeout=_SECONDS, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def begin(self, target: str) -> tuple[str, str]:
        """Where to send the browser, and what to keep in a cookie of it. Raises NotSignedIn."""
        described = await self._description()
        self._forget_old()
        state, begun = secrets.token_urlsafe(24), self._begin(target)
        self._begun[state] = begun
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self._back,
            "scope": " ".join(self.settings.scopes),
            "state": state,
            "nonce": begun.nonce,
            "code_challenge": create_s256_code_challenge(begun.verifier),  # type: ignore[no-untyped-call]
            "code_challenge_method": "S256",
        }
        address = str(described["authorization_endpoint"])
        return f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}", begun.browser

    async def finish(self, query: Mapping[str, str], browser: str) -> tuple[Person, str]:
        """Who came back, and where they wanted to go. Each begun sign-in ends once. Raises NotSignedIn."""
        self._forget_old()
        begun = self._begun.pop(query.get("state", ""), None)
        if begun is None or not secrets.compare_digest(begun.browser.encode(), browser.encode()):
            raise NotSignedIn("This sign-in was not begun here, or too long ago; try again.")
        if "error" in query:
            log.warning("the identity provider refused a sign-in: %.200r", query["error"])
            raise NotSignedIn("The identity provider refused.")
        described = await self._description()
        # RFC 9207: another provider's answer must not end up here.
        if query.get("iss", described["issuer"]) != described["issuer"]:
            raise NotSignedIn("The identity provider's answer is not valid.")
        claims = await self._claims(await self._exchanged(query.get("code", ""), begun), begun)
        return self._person(claims), begun.target

    @property
    def _back(self) -> str:
        return self.public_url.rstrip("/") + CALLBACK

    def _begin(self, target: str) -> Begun:
        nonce, verifier, browser = (secrets.token_urlsafe(48) for _ in range(3))
        return Begun(nonce, verifier, browser, target, self.now())

    def _forget_old(self) -> None:
        until = self.now() - _BEGUN_SECONDS
        for state in [state for state, each in self._begun.items() if each.at < until]:
            del self._begun[state]
        while len(self._begun) >= _MOST_BEGUN:
            del self._begun[next(iter(self._begun))]

    async def _description(self) -> Mapping[str, Any]:
        """OpenID Connect Discovery 1.0. Raises NotSignedIn."""
        if self.now() - self._read_at >= _FRESH_SECONDS:
            issuer = self.settings.issuer.rstrip("/")
            described = await self._asked("GET", f"{issuer}/.well-known/openid-configuration")
            if str(described.get("issuer", "")).rstrip("/") != issuer:
                raise self._bad("its description is another issuer's")
            if missing := {"authorization_endpoint", "token_endpoint", "jwks_uri"} - described.keys():
                raise self._bad(f"its description lacks {', '.join(sorted(missing))}")
            self._described, self._read_at = described, self.now()
        return self._described

    async def _exchanged(self, code: str, begun: Begun) -> str:
        """The identity token for a code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "client_id": self.settings.client_id,
            "code_verifier": begun.verifier,
        }
        if self.settings.client_secret:
            form["client_secret"] = self.settings.client_secret
        told = await self._asked("POST", str(self._described["token_endpoint"]), data=form)
        return str(told.get("id_token", ""))

    async def _claims(self, token: str, begun: Begun) -> Mapping[str, Any]:
        try:
            try:
                read = jwt.decode(token, self._keys, algorithms=_ALGORITHMS)
            except (JoseError, ValueError):
                # Keys change: whatever does not fit those we have is held against those it has now.
                keys = await self._asked("GET", str(self._described["jwks_uri"]))
                self._keys = KeySet.import_key_set(keys)  # type: ignore[arg-type]  # checked there
                read = jwt.decode(token, self._keys, algorithms=_ALGORITHMS)
            claims = CodeIDToken(
                read.claims,
                read.header,
                options={
                    "iss": {"essential": True, "value": str(self._described["issuer"])},
                    "aud": {"essential": True, "value": self.settings.client_id},
                },
                params={"nonce": begun.nonce, "client_id": self.settings.client_id},
            )
            claims.validate(leeway=_LEEWAY)  # type: ignore[no-untyped-call]
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise self._bad(f"its token is not valid: {type(error).__name__}: {error}") from None
        return dict(claims)

    def _person(self, claims: Mapping[str, Any]) -> Person:
        name = str(claims.get(self.settings.name_claim) or "").strip()
        if not name or not name.isprintable() or len(name) > 200:
            raise self._bad(f"its token has no {self.settings.name_claim}")
        if self.settings.name_claim == "email" and claims.get("email_verified") is False:
            raise NotSignedIn("The identity provider has not verified your address.")
        values = values_of(claims, self.settings.roles_claim)
        if values & set(self.settings.operators):
            return Person(name, Role.OPERATOR)
        if "*" in self.settings.viewers or values & set(self.settings.viewers):
            return Person(name, Role.VIEWER)
        log.warning("%.200s is known to the identity provider, and neither operator nor viewer here", name)
        raise NotSignedIn("You are known, but nobody has let you in here.")

    async def _asked(self, method: str, url: str, **more: Any) -> Mapping[str, Any]:
        try:
            answer = await self._client.request(method, url, **more)
            told = answer.json() if len(answer.content) <= _MOST_BYTES else None
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise self._bad(f"{method} {url}: {type(error).__name__}") from None
        if answer.status_code != 200 or not isinstance(told, dict):
            why = told.get("error", "") if isinstance(told, dict) else ""
            raise self._bad(f"{method} {url}: {answer.status_code} {why!s:.100}")
        return told

    def _bad(self, why: str) -> NotSignedIn:
        """What the log says in full; tokens and codes are in neither."""
        log.warning("signing in by %s: %s", self.settings.issuer, why)
        return NotSignedIn("The identity provider's answer is not valid.")


def values_of(claims: Mapping[str, Any], path: str) -> set[str]:
    """The texts that a claim holds, one or a list; `path` may lead into it, as in realm_access.roles."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    listed = found if isinstance(found, list) else [found]
    return {each for each in listed if isinstance(each, str)}
