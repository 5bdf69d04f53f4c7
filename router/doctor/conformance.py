"""A short conformance set on one side: what agents do all day, with the answer that it must have."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from crossfade.outcome import Outcome
from crossfade.results import FileInfo, PreviewLink, SessionExec
from router.doctor.finding import Finding, ok, problem
from router.doctor.scratch import NotMade, Scratch

# Each gives what was found where it is wrong; empty where all is well.
Check = Callable[[Scratch, str], Awaitable[str]]
_ODD = "a b 'q' \u00fc$(x).txt"


async def _bytes(box: Scratch, root: str) -> str:
    data = os.urandom(200_000) + b"\0\r\n\xff"
    sent = await box.ask("fs.upload", data, path=f"{root}/blob")
    if not sent.ok:
        return _said(sent)
    back = await box.get(f"{root}/blob")
    if isinstance(back, Outcome):
        return _said(back)
    return "" if back == data else f"{len(data)} bytes went in, {len(back)} others came out"


async def _names(box: Scratch, root: str) -> str:
    sent = await box.ask("fs.upload", b"1", path=f"{root}/{_ODD}")
    if not sent.ok:
        return _said(sent)
    listed = await box.ask("fs.list", path=root)
    if not listed.ok:
        return _said(listed)
    names = [each.name for each in listed.value if isinstance(each, FileInfo)]
    return "" if _ODD in names else f"a file named {_ODD!r} is not in the list"


async def _missing(box: Scratch, root: str) -> str:
    asked = await box.ask("fs.info", path=f"{root}/nothing-here")
    return "" if asked.status == 404 else f"a file that is not there is answered with {asked.status}"


async def _exit(box: Scratch, _root: str) -> str:
    code, output = await box.sh("echo out; echo err >&2; exit 7")
    if code != 7:
        return f"exit code 7 came back as {code}"
    return "" if b"out" in output and b"err" in output else f"output came back as {output[:80]!r}"


async def _environment(box: Scratch, root: str) -> str:
    value = "a 'b' \"c\" $(d)\ne"
    code, output = await box.sh('printf %s "$ODD"; pwd', env={"ODD": value}, cwd=root)
    wanted = f"{value}{root}\n".encode()
    return "" if (code, output) == (0, wanted) else f"variables or directory came back as {output[:80]!r}"


async def _deadline(box: Scratch, _root: str) -> str:
    ended = await box.ask("process.exec", command="sleep 30", timeout=1)
    return "" if not ended.ok and ended.status == 408 else f"a command past its timeout is answered with {ended.status}"


async def _session(box: Scratch, _root: str) -> str:
    made = await box.ask("session.create", session="crossfade-doctor")
    if not made.ok:
        return _said(made)
    await box.ask("session.exec", session="crossfade-doctor", command="cd /tmp && KEPT=yes", run_async=False)
    kept = await box.ask("session.exec", session="crossfade-doctor", command="echo $PWD $KEPT", run_async=False)
    await box.ask("session.delete", session="crossfade-doctor")
    if not kept.ok or not isinstance(kept.value, SessionExec):
        return _said(kept)
    return "" if b"/tmp yes" in (kept.value.marked or b"") else "a session forgets its directory and variables"


async def _terminal(box: Scratch, _root: str) -> str:
    made = await box.ask("pty.create", pty="crossfade-doctor", cols=80, rows=24)
    if not made.ok:
        return _said(made)
    ended = await box.ask("pty.delete", pty="crossfade-doctor")
    return "" if ended.ok else _said(ended)


async def _preview(box: Scratch, _root: str) -> str:
    link = await box.ask("sandbox.preview", port=8080)
    if not link.ok or not isinstance(link.value, PreviewLink):
        return _said(link)
    return "" if link.value.url.startswith("http") else f"the link is {link.value.url!r}"


CHECKS: Mapping[str, Check] = {
    "bytes of a file": _bytes,
    "odd file names": _names,
    "a missing file": _missing,
    "exit code and output": _exit,
    "variables and directory of a command": _environment,
    "timeout of a command": _deadline,
    "state of a session": _session,
    "a terminal": _terminal,
    "a preview link": _preview,
}


async def examine(side: str, box: Scratch, root: str) -> AsyncIterator[Finding]:
    """Every check, one after the other."""
    made = await box.ask("fs.mkdir", path=root, mode="755")
    if not made.ok and made.status != 409:
        yield problem(side, f"{root} cannot be made: {_said(made)}", "check the template's user and its rights")
    for name, check in CHECKS.items():
        try:
            wrong = await check(box, root)
        except (NotMade, TimeoutError) as error:
            wrong = str(error) or "no answer within a minute"
        if wrong:
            yield problem(side, f"{name}: {wrong}", "agents would notice: look into the template or the provider")
        else:
            yield ok(side, name)


def _said(outcome: Outcome) -> str:
    return f"{outcome.status} {outcome.message}"[:200]
