"""Secrets of captured calls as words of the same length, so that commands still run and sizes still fit."""

import hashlib
import os
import re
import secrets
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from comparators.redact import replaced
from crossfade.errors import SettingsError

KEY_FILE = "capture.key"
_KEY_BYTES = 32
# A long secret becomes masked-0a1b2c3dxxxx, a short one zq0a1b; neither means anything to a shell.
_LONG = re.compile(r"masked-[0-9a-f]{8}x*")
_SHORT = re.compile(r"zq[0-9a-f]{0,12}|z")
_HEAD = len("masked-") + 8


class Masks:
    """One key's masks: the same secret is the same word in every call, and says nothing without the key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def word(self, secret: str) -> str:
        """The word for a secret, as many bytes long. A mask is its own word."""
        if _LONG.search(secret) or _SHORT.fullmatch(secret):
            return secret
        raw = secret.encode(errors="surrogateescape")
        digest = hashlib.blake2b(raw, key=self._key, digest_size=8).hexdigest()
        if len(raw) >= _HEAD:
            return f"masked-{digest[:8]}" + "x" * (len(raw) - _HEAD)
        return f"zq{digest[: len(raw) - 2]}" if len(raw) > 1 else "z"

    def hide(self, value: Any, known: Collection[str] = ()) -> Any:
        """Plain data with these values, and all that looks like a secret, as words."""
        return replaced(value, known, self.word)

    def answer(self, plain: Mapping[str, Any], known: Collection[str] = ()) -> dict[str, Any]:
        """A plain outcome masked. A content held whole gets the digest of what is left; of a larger one that digest
        alone is kept."""
        hidden: dict[str, Any] = self.hide(plain, known)
        content = (plain.get("value") or {}).get("content")
        if isinstance(content, Mapping) and "sha256" in content:
            sample = hidden["value"]["content"]["sample"]
            whole = content["size"] <= len(content["sample"])
            size, digest = (
                (len(sample), hashlib.sha256(sample).hexdigest()) if whole else (content["size"], content["sha256"])
            )
            kept = {"size": size, "sha256": digest, "sample": sample if whole else b""}
            hidden["value"] = {**hidden["value"], "content": kept}
        return hidden


def masks_of(directory: Path, *, create: bool = False) -> Masks:
    """The masks of a directory of captures; its key is a file that only its owner reads. Raises SettingsError."""
    path = directory / KEY_FILE
    try:
        if create and not path.exists():
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(made, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
        key = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"the key of the captures cannot be read: {error}; it stands beside them") from None
    if len(key) != _KEY_BYTES:
        raise SettingsError(f"{path} is no key of captures: it has {len(key)} bytes, not {_KEY_BYTES}")
    return Masks(key)
