"""Sessions: shells that stay, and the commands given to them."""

import asyncio

from world import OLD, WAIT, failure, scenario, sdk, until


async def run(world, session, command, **options):
    return await world.process.execute_session_command(session, sdk.SessionExecuteRequest(command=command, **options))


def in_session(response):
    seen = {"exit": response.exit_code, "output": response.output}
    for name in ("stdout", "stderr"):
        if not OLD:
            seen[name] = getattr(response, name)
    return seen


def logged(logs):
    if isinstance(logs, str):
        return {"output": logs}
    return {"output": logs.output, "stdout": logs.stdout, "stderr": logs.stderr}


@scenario
async def session_keeps_its_state(world):
    await world.process.create_session("state")
    await run(world, "state", "cd /workspace/files && export A='b c' && f() { echo \"f $1\"; }")
    return in_session(await run(world, "state", "pwd; echo $A; f x"))


@scenario
async def session_exit_codes(world):
    await world.process.create_session("codes")
    return [(await run(world, "codes", command)).exit_code for command in ("true", "(exit 7)", "no_such_command")]


@scenario
async def session_streams(world):
    await world.process.create_session("streams")
    out = await run(world, "streams", "echo out")
    err = await run(world, "streams", "echo err >&2")
    return [in_session(out), in_session(err)]


@scenario
async def session_logs(world):
    await world.process.create_session("logs")
    command = await run(world, "logs", "echo one; echo two")
    return logged(await world.process.get_session_command_logs("logs", command.cmd_id))


@scenario
async def session_async_and_logs(world):
    await world.process.create_session("async")
    command = await run(world, "async", "for i in 1 2 3; do echo line $i; sleep 0.1; done", run_async=True)

    async def ended():
        return (await world.process.get_session_command("async", command.cmd_id)).exit_code is not None

    await until(ended)
    found = await world.process.get_session_command("async", command.cmd_id)
    logs = await world.process.get_session_command_logs("async", command.cmd_id)
    return {"at_once": command.exit_code, "exit": found.exit_code, "logs": logged(logs)}


@scenario
async def session_follow(world):
    await world.process.create_session("follow")
    command = await run(
        world, "follow", "for i in 1 2 3; do echo out $i; sleep 0.1; done; echo err >&2", run_async=True
    )
    out, err = [], []
    handlers = (out.append,) if OLD else (out.append, err.append)
    async with asyncio.timeout(WAIT):
        await world.process.get_session_command_logs_async("follow", command.cmd_id, *handlers)
    text = "".join(out)
    # Of the two streams the order among each other is not told.
    return {"out": [line for line in text.splitlines() if line != "err"], "err": "err" in text + "".join(err)}


@scenario
async def session_read_back(world):
    await world.process.create_session("read")
    await run(world, "read", "echo hi")
    session = await world.process.get_session("read")
    return {"id": session.session_id, "commands": [(each.command, each.exit_code) for each in session.commands]}


@scenario
async def sessions_listed(world):
    await world.process.create_session("listed")
    sessions = await world.process.list_sessions()
    return "listed" in [each.session_id for each in sessions]


@scenario
async def session_deleted(world):
    await world.process.create_session("deleted")
    await world.process.delete_session("deleted")
    return await failure(world.process.get_session("deleted"))


@scenario
async def session_twice(world):
    await world.process.create_session("twice")
    return await failure(world.process.create_session("twice"))


@scenario
async def session_unknown(world):
    return await failure(world.process.get_session("never-made"))


@scenario
async def session_command_unknown(world):
    await world.process.create_session("nocommand")
    return await failure(world.process.get_session_command("nocommand", "no-such-command"))
