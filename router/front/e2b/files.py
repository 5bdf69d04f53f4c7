"""Who may reach files by /files, and which file a request means."""

import base64
import hashlib
import hmac
import time

from router.backends.local.sandboxes import LocalSandbox
from router.front.e2b.messages import ApiError, Request
from router.front.e2b.paths import USERS, resolve
from router.wire.connect import ConnectError


def allowed(request: Request, token: str) -> bool:
    """Whether the access token or a signature made with it lets the request at the file."""
    if hmac.compare_digest(request.headers.get("x-access-token", "").encode(), token.encode()):
        return True
    expiration = request.query.get("signature_expiration", "")
    if expiration and (not expiration.isdecimal() or int(expiration) < time.time()):
        return False
    operation = "read" if request.method == "GET" else "write"
    parts = [request.query.get("path", ""), operation, request.query.get("username", ""), token]
    digest = hashlib.sha256(":".join([*parts, expiration] if expiration else parts).encode()).digest()
    signature = "v1_" + base64.b64encode(digest).rstrip(b"=").decode("ascii")
    return hmac.compare_digest(request.query.get("signature", "").encode(), signature.encode())


def path_of(request: Request, sandbox: LocalSandbox, path: str) -> str:
    user = request.query.get("username", "")
    if user and user not in USERS:
        raise ApiError(401, f"error looking up user '{user}': user: unknown user {user}")
    if "\0" in path:
        raise ApiError(400, "a path cannot hold a null byte")
    try:
        return resolve(sandbox, path)
    except ConnectError as error:
        raise ApiError(400, error.message) from error
