"""Terminals."""

import asyncio

from world import WAIT, failure, part, scenario, until


async def terminal(world, name, **options):
    seen = bytearray()

    async def on_data(data):
        seen.extend(data)

    handle = await world.process.create_pty_session(name, on_data=on_data, **options)
    return handle, seen


def pty_size(cols, rows):
    return part("common.pty", "PtySize")(cols=cols, rows=rows)


@scenario(since=(0, 100))
async def pty_echo_and_exit(world):
    handle, seen = await terminal(world, "echo")
    await handle.send_input("echo sum=$((40 + 2))\n")
    await until(lambda: b"sum=42" in seen)
    await handle.send_input("exit 0\n")
    async with asyncio.timeout(WAIT):
        result = await handle.wait()
    return {"exit": result.exit_code, "error": result.error}


@scenario(since=(0, 100))
async def pty_nonzero_exit(world):
    handle, _seen = await terminal(world, "nonzero")
    await handle.send_input("exit 3\n")
    async with asyncio.timeout(WAIT):
        result = await handle.wait()
    return {"exit": result.exit_code, "failed": bool(result.error)}


@scenario(since=(0, 100))
async def pty_size_and_environment(world):
    options = {"cwd": "/workspace/files", "envs": {"GIVEN": "x y"}, "pty_size": pty_size(100, 30)}
    handle, seen = await terminal(world, "sized", **options)
    await handle.send_input("stty size; pwd; echo \"[$GIVEN]\"; echo $TERM; echo 'do''ne'\n")
    await until(lambda: b"done\r\n" in seen)
    text = seen.decode()
    found = [word in text for word in ("30 100", "/workspace/files", "[x y]", "xterm-256color")]
    await handle.resize(pty_size(120, 40))
    await handle.send_input("stty size\n")
    await until(lambda: b"40 120" in seen)
    await world.process.kill_pty_session("sized")
    return found


@scenario(since=(0, 100))
async def pty_killed(world):
    handle, _ = await terminal(world, "killed")
    listed = "killed" in [each.id for each in await listed_ptys(world)]
    await world.process.kill_pty_session("killed")
    async with asyncio.timeout(WAIT):
        result = await handle.wait()
    return {"listed": listed, "exit": result.exit_code}


async def listed_ptys(world):
    found = await world.process.list_pty_sessions()
    return getattr(found, "sessions", found)


@scenario(since=(0, 100))
async def pty_twice(world):
    handle, _ = await terminal(world, "same")
    second = await failure(terminal(world, "same"))
    await world.process.kill_pty_session("same")
    await handle.disconnect()
    return second


@scenario(since=(0, 100))
async def pty_unknown(world):
    return await failure(world.process.get_pty_session_info("never-made"))
