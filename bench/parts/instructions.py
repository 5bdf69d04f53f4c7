"""Instructions a call, by valgrind's callgrind: user space only, one call after another, the same on a busy machine."""

from dataclasses import replace
from pathlib import Path

from bench.field import Field
from bench.load import client
from bench.peers import nginx
from bench.programs import Server
from bench.results import Found, Table, Value, number
from bench.rounds import Tell
from bench.router import Router
from bench.valgrind import Counted, count, under, zero
from bench.work import EXEC, INFO, LIST, READ, Ask

_FEW, _MANY = 100, 400


async def instructions(field: Field, *, quick: bool, count: int, tell: Tell) -> Found:
    """crossfade's main process and nginx's worker; Envoy does not run under valgrind in reasonable time."""
    found = Found(
        part="instructions",
        title="Instructions a call",
        method=(
            f"callgrind, user space, one connection; the slope between {_FEW} and {_MANY} calls, so that what does not "
            "depend on their number is left out. crossfade: the main process with its threads, until nothing is left."
        ),
    )
    rows: dict[str, dict[str, Value]] = {}
    plain = "00000000-520d-48c8-ace7-01660457015b"
    for server in (nginx.split(field.directory, field.old), nginx.mirror(field.directory, field.old, field.new)):
        alone = _alone(server)
        async with alone:
            tell(f"{server.name}: read")
            slope = await _slope(alone.pid, alone.directory, alone.url, READ, plain, None)
            rows[f"{server.name.removesuffix('-http')}: read"] = {"instructions": slope}
    for stage, calls in (("shadow", ("relay", "mirror")), ("complete", ("translated",))):
        tell(f"start crossfade under valgrind, flags {stage}")
        router = field.plain_router(f"counted-{stage}", stage)
        async with replace(router, program_kind=Counted, admin=router.admin) as running:
            (twin,) = await running.twins(1)
            for call in calls:
                for title, ask in _asks(call).items():
                    tell(f"{call} {title}")
                    sandbox = plain if call == "relay" else twin
                    slope = await _slope(running.pid, running.here, running.url, ask, sandbox, running)
                    rows[f"crossfade {call}: {title}"] = {"instructions": slope}
                    found.ratios[f"{call}_{title}_instructions"] = number(slope)
    found.tables.append(Table(title="", columns=("instructions",), rows=rows))
    return found


def _asks(call: str) -> dict[str, Ask]:
    if call == "relay":
        return {"read": READ}
    return {"read": READ, "info": INFO, "list": LIST} | ({"exec": EXEC} if call == "translated" else {})


def _alone(server: Server) -> Server:
    """nginx under callgrind as one process: a worker of its own would not be counted."""
    file = server.directory / "nginx.conf"
    file.write_text(file.read_text().replace("worker_processes 1;", "worker_processes 1;\nmaster_process off;"))
    return replace(server, arguments=under(server.directory, server.arguments))


async def _slope(pid: int, directory: Path, url: str, ask: Ask, sandbox: str, router: Router | None) -> float:
    await _window(pid, directory, url, ask, sandbox, router, _FEW)  # warm
    few = await _window(pid, directory, url, ask, sandbox, router, _FEW)
    many = await _window(pid, directory, url, ask, sandbox, router, _MANY)
    return (many - few) / (_MANY - _FEW)


async def _window(
    pid: int, directory: Path, url: str, ask: Ask, sandbox: str, router: Router | None, calls: int
) -> int:
    address = url.removeprefix("http://")
    await zero(pid)
    await client.order("calls", {"address": address, "request": ask.bytes(sandbox, address).decode(), "count": calls},
                       seconds=300)  # fmt: skip
    if router is not None:
        await router.quiet(seconds=120, pause=2.0)
    return await count(pid, directory)
