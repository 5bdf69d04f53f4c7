"""Who may use the admin API: whoever shows the token that the settings hold."""

import hmac
import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class Refused(Exception):
    """A request that is not carried out, and the answer that says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def check(request: Request, token: str) -> None:
    """Raises Refused unless the request shows the token."""
    if not token:
        raise Refused(403, 'the admin API is off: set listen.admin_token, such as { env = "CROSSFADE_ADMIN_TOKEN" }')
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(shown.strip().encode(), token.encode()):
        raise Refused(401, "this needs 'Authorization: Bearer <listen.admin_token>'")


async def changing(request: Request) -> tuple[str, str]:
    """Author and reason of a change. Raises Refused without them."""
    try:
        told = json.loads(await request.body() or b"{}")
    except ValueError:
        raise Refused(400, "the body is no JSON") from None
    author, reason = (
        str(told.get(name) or "").strip() if isinstance(told, dict) else "" for name in ("author", "reason")
    )
    if not author or not reason:
        raise Refused(400, 'a change needs its author and reason: {"author": "...", "reason": "..."}')
    return author, reason


def refused(error: Refused) -> Response:
    """The answer."""
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    return JSONResponse({"error": str(error)}, status_code=error.status, headers=headers)
