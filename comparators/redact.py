"""Secrets masked in anything that is shown, kept, or handed to another process."""

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

MASK = "<masked>"
SAMPLE_CHARACTERS = 200
_TELLING = 6  # characters; a shorter value (1, true, dev) is no secret wherever else it stands

Token = Callable[[str], str]  # what a secret is replaced with

# Every repetition below is bounded or ends in a match: what is masked was written by strangers, and a pattern that
# can be made quadratic would stop the router.

# A name whose value is to be hidden: environment variables, JSON keys, headers, form fields.
_SECRET_NAME = (
    r"(?:[A-Za-z0-9_.\-]{0,60}(?:secret|token|passw(?:or)?d|passphrase|pwd|api[_\-]?key|access[_\-]?key|auth[_\-]?key"
    r"|private[_\-]?key|signing[_\-]?key|encryption[_\-]?key|credentials?|signature|session[_\-]?key)"
    r"[A-Za-z0-9_.\-]{0,40}|[A-Z0-9_]{0,60}_KEY|KEY|[A-Z0-9_]{0,60}_AUTH)"
)
_NAME_ALONE = re.compile(rf"(?i:(?:proxy-)?authorization|(?:set-)?cookie|{_SECRET_NAME})")
# Where a value ends depends on how it is quoted; an escaped quote is JSON inside a shell string.
_VALUE = r"""(?:\\"(?P<v1>(?:[^"\\]|\\(?!"))+)\\"|"(?P<v2>[^"\n]+)"|'(?P<v3>[^'\n]+)'|(?P<v4>[^\s"'\\,;&|)}\]]+))"""

_PATTERNS: tuple[re.Pattern[str], ...] = (
    re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?P<v1>.*?)(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)", re.S),
    # Headers have a scheme before the word, which the general rule would take for the value.
    re.compile(
        r"(?i)\b(?:proxy-)?authorization\\?[\"']?[ \t]{0,8}[:=][ \t]{0,8}\\?[\"']?"
        r"(?:(?:bearer|basic|token|digest)[ \t]{1,8})?(?P<v1>[^\s\"'\\,;]+)"
    ),
    re.compile(r"(?i)\b(?:set-)?cookie:[ \t]{0,8}(?P<v1>[^\r\n\"']+)"),
    re.compile(r"(?i)\b(?:bearer|basic)[ \t]{1,8}(?P<v1>[A-Za-z0-9._~+/=\-]{8,})"),
    re.compile(rf"(?<![A-Za-z0-9_.\-])(?i:{_SECRET_NAME})\\?[\"']?[ \t]{{0,8}}(?:[:=]|=>)[ \t]{{0,8}}{_VALUE}"),
    re.compile(rf"(?i)(?<![\w\-])--(?:{_SECRET_NAME})[= ]{_VALUE}"),
    re.compile(r"://[^\s/:@]{0,200}:(?P<v1>[^\s/@]{1,500})@"),
    # Keys that are known by their shape, whatever stands before them.
    re.compile(
        r"\b(?P<v1>sk-[A-Za-z0-9_\-]{12,}|AIza[A-Za-z0-9_\-]{20,}|dtn_[A-Za-z0-9]{24,}|e2b_[A-Za-z0-9]{16,}"
        r"|gh[opsur]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w\-]{16,}|xox[abeprs]-[\w\-]{10,}"
        r"|(?:AKIA|ASIA)[A-Z0-9]{16}|eyJ[\w\-]{8,1000}\.[\w\-]{8,4000}\.[\w\-]*)"
    ),
)
# A long word of letters and digits may be a key of a shape nobody told us about; a sample can do without it.
_LONG_WORD = re.compile(r"(?<![\w\-])(?=[\w\-]*\d)(?=[\w\-]*[A-Za-z])(?P<v1>[\w\-]{20,})")
_ALREADY = re.compile(r"<masked(?::[0-9a-f]{8})?>")
# Cheap to look for, and without one of them only a shape could match.
_HINT = re.compile(r"(?i)secret|token|passw|passphrase|pwd|key|credential|signature|auth|cookie|bearer|basic|://")


def redacted(text: str, token: Token = lambda _: MASK) -> str:
    """The text with everything that looks like a secret masked. Masking twice changes nothing."""
    patterns = _PATTERNS if _HINT.search(text) else _PATTERNS[-1:]
    for pattern in patterns:
        text = pattern.sub(lambda match: _hide(match, token), text)
    return text


def sample(value: Any) -> str:
    """A value as it may be kept and shown: masked, in one line, capped."""
    text = (
        value.decode(errors="replace") if isinstance(value, bytes) else value if isinstance(value, str) else repr(value)
    )
    # Cut generously first: a mask must see the whole of a secret, and nobody needs to see a megabyte masked.
    text = _LONG_WORD.sub(lambda match: _hide(match, lambda _: MASK), redacted(text[: 20 * SAMPLE_CHARACTERS]))
    text = "".join(character if character.isprintable() else " " for character in text)
    return text if len(text) <= SAMPLE_CHARACTERS else text[: SAMPLE_CHARACTERS - 1] + "…"


def sealed(value: Any, key: bytes, found: dict[str, None] | None = None) -> Any:
    """Plain data with its secrets masked so that equal secrets stay equal and different ones different.

    The key must be random and stay in this process; without it the mask says nothing about the secret. What was masked
    is added to `found`, to be looked for where nothing says that it is a secret.
    """

    def token(secret: str) -> str:
        if found is not None and len(secret) >= _TELLING:
            found[secret] = None
        return _seal(secret, key)

    return _rewritten(value, lambda text: redacted(text, token))


def sealed_exactly(value: Any, secrets: Collection[str], key: bytes) -> Any:
    """Plain data with these exact values masked, as `sealed` masks them with that key."""
    known = sorted(secrets, key=lambda secret: (-len(secret), secret))
    if not known:
        return value
    pattern = re.compile("|".join(re.escape(secret) for secret in known))
    return _rewritten(value, lambda text: pattern.sub(lambda match: _seal(match.group(), key), text), _same)


def _seal(secret: str, key: bytes) -> str:
    return f"<masked:{hashlib.blake2b(secret.encode(errors='surrogatepass'), key=key, digest_size=4).hexdigest()}>"


def masked(value: Any, secrets: Collection[str]) -> Any:
    """Plain data with these exact values masked, longest first. Different values get different masks."""
    known = sorted((secret for secret in secrets if len(secret) >= 4), key=lambda secret: (-len(secret), secret))
    if not known:
        return value
    pattern = re.compile("|".join(re.escape(secret) for secret in known))
    numbers = {secret: number for number, secret in enumerate(known)}
    return _rewritten(
        value, lambda text: pattern.sub(lambda match: f"<masked:{numbers[match.group()]:08x}>", text), _same
    )


def replaced(value: Any, secrets: Collection[str], token: Token) -> Any:
    """Plain data with these exact values, all that looks like a secret and every long word of letters and digits
    handed to `token`: for what is kept longer, and in larger pieces, than a sample. A token must leave tokens alone."""
    known = sorted({secret for secret in secrets if len(secret) >= 4}, key=lambda secret: (-len(secret), secret))
    exact = re.compile("|".join(re.escape(secret) for secret in known)) if known else None

    def rewrite(text: str) -> str:
        if exact is not None:
            text = exact.sub(lambda match: token(match.group()), text)
        return _LONG_WORD.sub(lambda match: _hide(match, token), redacted(text, token))

    return _rewritten(value, rewrite, lambda key: redacted(key, token))


def named(value: Any) -> tuple[str, ...]:
    """Secrets of plain data, as what stands beside them or their own form says; short ones are left out."""
    found: dict[str, None] = {}

    def noted(secret: str) -> str:
        if len(secret) >= _TELLING:
            found[secret] = None
        return MASK

    _rewritten(value, lambda text: redacted(text, noted))
    return tuple(found)


def secrets_of(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Values of a call's arguments that must show up nowhere: all of its environment, and keys in its texts."""
    found: list[str] = []

    def noted(secret: str) -> str:
        found.append(secret)
        return MASK

    environment = arguments.get("env")
    if isinstance(environment, Mapping):
        found.extend(str(value) for value in environment.values())
    if isinstance(password := arguments.get("password"), str):
        found.append(password)
    for text in (arguments.get("command"), arguments.get("code"), arguments.get("url")):
        if isinstance(text, str):
            redacted(text, noted)
    # Masking short values everywhere would leave nothing to read.
    return tuple(dict.fromkeys(secret for secret in found if len(secret) >= _TELLING))


def _hide(match: re.Match[str], token: Token) -> str:
    for name, secret in match.groupdict().items():
        if secret is not None and not _ALREADY.fullmatch(secret):
            start, end = match.span(name)
            whole = match.group()
            return whole[: start - match.start()] + token(secret) + whole[end - match.start() :]
    return match.group()


def _rewritten(value: Any, rewrite: Callable[[str], str], rename: Callable[[str], str] | None = None) -> Any:
    """Texts rewritten, also inside. `rename` is for keys, where that is something else."""
    rename = rename or rewrite
    match value:
        case str():
            return rewrite(value)
        case bytes():
            return rewrite(value.decode(errors="surrogateescape")).encode(errors="surrogateescape")
        case Mapping():
            return {
                rename(key) if isinstance(key, str) else key: _secretly(key, inner, rewrite, rename)
                for key, inner in value.items()
            }
        case list() | tuple():
            return [_rewritten(inner, rewrite, rename) for inner in value]
        case _:
            return value


def _same(key: str) -> str:
    # A secret may be a word such as `status`: a field by that name has to be found again.
    return key


def _secretly(key: Any, value: Any, rewrite: Callable[[str], str], rename: Callable[[str], str]) -> Any:
    # {"password": "x"}: the name and the value are two strings here, so the patterns alone would see neither.
    if isinstance(key, str) and isinstance(value, str) and value and _NAME_ALONE.fullmatch(key):
        head = f"{key}="
        joined = rewrite(head + '"' + value.replace('"', "'").replace("\n", " ") + '"')
        return joined[len(head) :].strip('"') if joined.startswith(head) else rewrite(value)
    return _rewritten(value, rewrite, rename)
