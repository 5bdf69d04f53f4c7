"""Who may look at a port: the order in which Daytona's proxy looks, with our own signatures beside its tokens."""

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from router.preview.address import Address
from router.preview.credentials import PRIVATE_PORTS, Shown, Signer
from router.preview.origins import REFUSED_SECONDS, OriginFailed, Origins, Sandbox, knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """The right to look, and what follows from how it was shown.

    `hide_authorization`: the Authorization header is a key for the API and not for the sandbox. `cookie`: to be set,
    because what opened the page does not come with the requests that the page makes.
    """

    by: str
    hide_authorization: bool = False
    cookie: str = ""


@dataclass(slots=True, eq=False)
class Rights:
    """Checks what a client shows."""

    origins: Origins
    signer: Signer
    now: Callable[[], float] = time.time
    revoked: dict[str, float] = field(default_factory=dict)  # signed token -> Unix seconds, when it ends anyway

    async def named(self, address: Address, shown: Shown) -> tuple[Sandbox | None, str]:
        """The sandbox that an address names, and the signed token or cookie that does. Raises OriginFailed."""
        token = address.name.lower()
        if token in self.revoked:
            return None, ""
        if signed := self.signer.sandbox_of(token, address.port, self.now()):
            return await self.origins.sandbox(signed), "signed"
        if (kept := self._cookie(address.name, shown)) and kept != address.name:
            # Of a signed link that has ended meanwhile.
            return await self.origins.sandbox(kept), "cookie"
        return await self.origins.sandbox(address.name), ""

    async def granted(self, sandbox: Sandbox, address: Address, shown: Shown, by: str, org: bytes) -> Granted | None:
        """The right to look at this port, or None. `by` is what `named` found. Raises OriginFailed."""
        hide = self._is_key(sandbox, shown)
        if sandbox.public and address.port not in PRIVATE_PORTS:
            return Granted(by="public", hide_authorization=hide)
        failed: OriginFailed | None = None
        if shown.bearer:
            try:
                if await self.origins.may_use(sandbox, shown.bearer, org):
                    return Granted(by="bearer", hide_authorization=True)
            except OriginFailed as error:
                failed = error  # something else may open it
        if shown.token and await self._is_token(sandbox, address.port, shown.token):
            return Granted(by="token", hide_authorization=hide)
        if shown.query_key and await self._is_token(sandbox, address.port, shown.query_key):
            cookie = self.signer.cookie(address.name, sandbox.id, self.now())
            return Granted(by="query", hide_authorization=hide, cookie=cookie)
        if by == "cookie" or self._cookie(address.name, shown) == sandbox.id:
            return Granted(by="cookie", hide_authorization=hide)
        if by == "signed":
            cookie = self.signer.cookie(address.name, sandbox.id, self.now())
            return Granted(by="signed", hide_authorization=hide, cookie=cookie)
        if failed is not None:
            raise failed
        return None

    def revoke(self, token: str, until: float) -> None:
        """A signed link is taken back before its end. Known to this process only, and until it ends."""
        now = self.now()
        for old in [old for old, end in self.revoked.items() if end <= now]:
            del self.revoked[old]
        self.revoked[token] = until

    def _is_key(self, sandbox: Sandbox, shown: Shown) -> bool:
        twin = sandbox.twin
        return bool(shown.bearer) and twin is not None and knows(twin, shown.bearer, self.origins.clock.monotonic())

    def _cookie(self, name: str, shown: Shown) -> str:
        found = (self.signer.opened_by(each, name, self.now()) for each in shown.cookies)
        return next((each for each in found if each), "")

    async def _is_token(self, sandbox: Sandbox, port: int, given: bytes) -> bool:
        if self.signer.is_token(given, sandbox.id):
            return True
        # Handed out by old itself; it is another one after each start, so that a wrong one is asked for anew.
        if _same(given, await self.origins.token_of_old(sandbox, port)):
            return True
        recently = self.origins.clock.monotonic() - REFUSED_SECONDS
        if self.origins.token_asked_at(sandbox, port) >= recently:
            return False
        return _same(given, await self.origins.token_of_old(sandbox, port, asked_after=recently))


def _same(given: bytes, token: str) -> bool:
    return bool(token) and hmac.compare_digest(given, token.encode())
