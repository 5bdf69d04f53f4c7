"""One origin from outside: name, port, certificate, latency, clock, key."""

import email.utils
import ssl
import statistics
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx2

from crossfade.operation import Operation
from crossfade.ports import Backend
from crossfade.upstream import Purpose
from router.doctor.finding import Finding, note, ok, problem, warning

_SECONDS = 15.0
_ASKED = 5
_SLOW_SECONDS = 1.0
_SKEW_SECONDS = 5.0


class Unreached(Exception):
    """The origin cannot be reached at all; the finding says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.what)
        self.finding = finding


async def examine(side: str, url: str, ca_file: str, backend: Backend) -> AsyncIterator[Finding]:
    """What is to be said of the way to it. Raises Unreached."""
    host = urlsplit(url).netloc
    try:
        async with httpx2.AsyncClient(verify=_trust(ca_file), timeout=_SECONDS, trust_env=False) as client:
            answer = await client.get(url, follow_redirects=False)
    except httpx2.HTTPError as error:
        said = str(error) or type(error).__name__
        fix = f"check origins.{side}, the network and the certificate (origins.{side}.ca_file)"
        raise Unreached(problem(side, f"{host} cannot be reached: {said}", fix)) from None
    yield ok(side, f"{host} answers" + (" over TLS" if url.startswith("https") else ""))
    yield _clock(side, answer.headers.get("date", ""))
    spent = []
    for _ in range(_ASKED):
        started = time.perf_counter()
        outcome = await backend.perform(Operation(name="sandbox.list", arguments={"limit": 1}), Purpose.KEEPER)
        spent.append(time.perf_counter() - started)
        if not outcome.ok:
            break
    if outcome.status in (401, 403):
        yield problem(side, f"the key is refused: {outcome.status} {outcome.message}", f"set origins.{side}.key anew")
        raise Unreached(problem(side, "nothing else can be looked at without a key", f"set origins.{side}.key anew"))
    if not outcome.ok:
        raise Unreached(
            problem(side, f"listing sandboxes failed: {outcome.status} {outcome.message}"[:200], "look there")
        )
    yield ok(side, "the key is accepted")
    median = statistics.median(spent)
    told = f"a small call takes {1000 * median:.0f} ms (median of {len(spent)}, the first {1000 * spent[0]:.0f} ms)"
    if median > _SLOW_SECONDS:
        yield warning(side, told, "run the router nearer to it")
    else:
        yield note(side, told)


def _trust(ca_file: str) -> ssl.SSLContext | bool:
    if not ca_file:
        return True
    context = ssl.create_default_context()
    context.load_verify_locations(ca_file)
    return context


def _clock(side: str, date: str) -> Finding:
    try:
        skew = time.time() - email.utils.parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return note(side, "says nothing of its clock")
    if abs(skew) > _SKEW_SECONDS:
        return warning(side, f"its clock and ours are {abs(skew):.0f} s apart", "set this machine's clock (NTP)")
    return ok(side, "its clock agrees with ours")
