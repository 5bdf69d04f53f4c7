"""A provider of OpenID Connect on a socket: it signs in whoever asks, says what it is told to, and signs with RS256."""

import base64
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.serving import serving

CLIENT, SECRET = "crossfade", "client-secret-7d1f"


@dataclass(eq=False)
class Identity:
    """What it says, and what it was asked."""

    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)  # over those it would say by itself
    answer: dict[str, str] = field(default_factory=dict)  # over what it sends the browser back with
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    signs_with: RSAKey | None = None
    algorithm: str = "RS256"
    asked: list[str] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._describe),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/keys", self._keys),
            ]
        )

    async def _describe(self, _request: Request) -> Response:
        self.asked.append("describe")
        where = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return JSONResponse({"issuer": self.url, **{name: f"{self.url}/{path}" for name, path in where.items()}})

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert (asked["response_type"], asked["client_id"], asked["code_challenge_method"]) == ("code", CLIENT, "S256")
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        back = {"code": code, "state": asked["state"], "iss": self.url} | self.answer
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(back)}", status_code=302)

    async def _token(self, request: Request) -> Response:
        told = {name: each[0] for name, each in parse_qs((await request.body()).decode()).items()}
        begun = self._codes.pop(told.get("code", ""), None)
        proof = base64.urlsafe_b64encode(hashlib.sha256(told["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        fits = begun and proof == begun["code_challenge"] and told["redirect_uri"] == begun["redirect_uri"]
        if not fits or (told["client_id"], told.get("client_secret")) != (CLIENT, SECRET):
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        assert begun is not None
        now = int(time.time())
        claims = {
            "iss": self.url, "sub": "1", "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": begun["nonce"],
            "email": "anna@example.org", "email_verified": True,
        } | self.claims  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.algorithm, "kid": self.key.kid}
        token = jwt.encode(header, claims, self.signs_with or self.key, algorithms=[self.algorithm])
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": token})

    async def _keys(self, _request: Request) -> Response:
        self.asked.append("keys")
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})


@contextlib.asynccontextmanager
async def identity() -> AsyncIterator[Identity]:
    """Start one."""
    found = Identity()
    async with serving(found.app()) as url:
        found.url = url.replace("127.0.0.1", "localhost")  # another site than the dashboard is at, to a browser
        yield found
