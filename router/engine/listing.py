"""Lists of sandboxes with two sources: those on new alone come first, then old's, through pages of any size.

Old pages what it has by itself; what it is asked for is shifted by what comes from here, so that a client that turns
page after page sees every sandbox once. The two orders are not merged: sandboxes without an old side were made last.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from router.engine.filters import Described, order, wanted
from router.engine.forward import Answer

Fetch = Callable[[bytes], Awaitable[Answer]]  # old's answer to this query string
_PAGE = 100  # what Daytona gives to who names no size
_OURS = "crossfade."  # begins a cursor that stands between two sandboxes of ours
_OF_PAGES = ("page", "limit", "cursor")


async def listed(query: bytes, shape: str, mine: Sequence[Described], fetch: Fetch) -> Answer:
    """One list or page of one. `shape`: "array", "pages" or "cursor", as the caller's SDK expects it.

    `mine`: the caller's sandboxes on new alone, unfiltered. An answer of old that is no list goes out as it is.
    """
    asked = parse_qsl(query.decode("latin-1"), keep_blank_values=True, errors="surrogateescape")
    given = dict(asked)
    after = _place(given.get("cursor", "")) if shape == "cursor" else None
    limit, page = _number(given.get("limit") or _PAGE), _number(given.get("page") or 1)
    found = [each for each in mine if wanted(each, asked)]
    other = shape == "cursor" and given.get("cursor") and after is None
    if not limit or not page or other or not (found or after):
        return await fetch(query)
    key = order(given)
    found.sort(key=key.of, reverse=key.falling)
    filters = [(name, value) for name, value in asked if name not in _OF_PAGES]
    match shape:
        case "pages":
            return await _page(found, filters, page, limit, fetch)
        case "cursor":
            left = [each for each in found if after is None or key.comes_after(each, after)]
            return await _after(left, filters, limit, fetch, key.of)
        case _:
            return _with(await fetch(query), found)


async def _page(
    found: Sequence[Described], filters: list[tuple[str, str]], page: int, limit: int, fetch: Fetch
) -> Answer:
    start = (page - 1) * limit
    ours = found[start : start + limit]
    missing = limit - len(ours)
    # Where old's part begins, counted in its own sandboxes, lies in one of its pages or across two.
    first, skipped = divmod(max(0, start - len(found)), limit)
    answer = await fetch(_query(filters, page=first + 1, limit=limit if missing else 1))
    value = _object(answer)
    if value is None:
        return answer
    theirs = list(value["items"])[skipped : skipped + missing]
    total = _number(value.get("total")) or 0
    if len(theirs) < missing and total > (first + 1) * limit:
        second = await fetch(_query(filters, page=first + 2, limit=limit))
        if (more := _object(second)) is None:
            return second
        theirs += list(more["items"])[: missing - len(theirs)]
    total += len(found)
    paged = {"items": [*ours, *theirs], "total": total, "page": page, "totalPages": -(-total // limit)}
    return _body(answer, {**value, **paged})


async def _after(
    left: Sequence[Described],
    filters: list[tuple[str, str]],
    limit: int,
    fetch: Fetch,
    place: Callable[[Described], tuple[Any, str]],
) -> Answer:
    ours = left[:limit]
    missing = limit - len(ours)
    # Old is asked even where nothing of it is shown: it says whether the key still holds, and whether there is more.
    answer = await fetch(_query(filters, limit=missing or 1))
    value = _object(answer)
    if value is None:
        return _with(answer, left)
    if missing:
        return _body(answer, {**value, "items": [*ours, *value["items"]]})
    more = len(left) > limit or value["items"]
    return _body(answer, {**value, "items": list(ours), "nextCursor": _cursor(place(ours[-1])) if more else None})


def _with(answer: Answer, found: Sequence[Described]) -> Answer:
    """A list without pages; any other answer as it is."""
    try:
        value = json.loads(answer.body) if answer.status == 200 else None
    except ValueError:
        return answer
    if isinstance(value, list):
        return _body(answer, [*found, *value])
    if isinstance(value, dict) and isinstance(value.get("items"), list):
        return _body(answer, {**value, "items": [*found, *value["items"]]})
    return answer


def _object(answer: Answer) -> Mapping[str, Any] | None:
    try:
        value = json.loads(answer.body) if answer.status == 200 else None
    except ValueError:
        return None
    return value if isinstance(value, dict) and isinstance(value.get("items"), list) else None


def _body(answer: Answer, value: Any) -> Answer:
    # Old's tag would stand for a list that changes without old.
    headers = [each for each in answer.headers if each[0].lower() != b"etag"]
    return replace(answer, headers=headers, body=json.dumps(value, ensure_ascii=False).encode())


def _query(filters: list[tuple[str, str]], **pages: int) -> bytes:
    asked = [*filters, *((name, str(number)) for name, number in pages.items())]
    return urlencode(asked, errors="surrogateescape").encode()


def _number(text: object) -> int | None:
    """A whole number above 0; None: it is none, and old says so."""
    return int(str(text)) if str(text).isdecimal() and int(str(text)) > 0 else None


def _cursor(place: tuple[Any, str]) -> str:
    return _OURS + urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[Any, str] | None:
    """Where a cursor of ours stands; None: it is none."""
    text = cursor.removeprefix(_OURS)
    if text == cursor:
        return None
    try:
        value, sandbox = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, TypeError):
        return None
    return (value, sandbox) if isinstance(sandbox, str) else None
