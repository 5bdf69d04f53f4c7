"""Sandboxes over their life: every way to start, stop, archive and delete, what is told of them, what is refused."""

import asyncio

from scenarios_terminals import pty_size, terminal
from world import WAIT, failure, scenario, sdk, state, until


@scenario
async def sandbox_waited_for(world):
    made = await world.create("waiting")
    await made.wait_for_sandbox_start()
    other = await world.client.get(made.id)
    await made.stop()
    await other.wait_for_sandbox_stop()
    seen = state(other)
    await made.start()
    await other.refresh_data()
    again = state(other)
    await made.delete()
    return [seen, again]


@scenario(since=(0, 200))
async def sandbox_waited_for_in_vain(world):
    # SDKs before it wait on, whatever time they are given.
    made = await world.create("in-vain")
    await made.stop()
    late = await failure(made.wait_for_sandbox_start(timeout=1))
    await made.delete()
    return late.get("error")


@scenario
async def sandbox_stopped_refuses(world):
    made = await world.create("stopped")
    await made.stop()
    told = [
        await failure(made.process.exec("true")),
        await failure(made.fs.upload_file(b"x", "/workspace/x")),
        await failure(made.fs.list_files("/workspace")),
    ]
    await made.delete()
    return [each.get("error") is not None for each in told]


@scenario
async def sandbox_deleted_by_itself(world):
    made = await world.create("by-itself")
    await made.delete()

    async def gone():
        return (await failure(made.start())).get("error") is not None

    return await until(gone)


@scenario
async def sandbox_from_an_image(world):
    made = await world.client.create(sdk.CreateSandboxFromImageParams(image="python:3.12", labels={"suite": "image"}))
    try:
        return [state(made), (await made.process.exec("exit 3")).exit_code]
    finally:
        await world.client.delete(made)


@scenario(since=(0, 100))
async def pty_held(world):
    handle, seen = await terminal(world, "handle")
    await handle.wait_for_connection()
    connected = handle.is_connected()
    await handle.send_input(b"echo it is $((6 * 7))\n")
    await until(lambda: b"it is 42" in seen)
    await handle.kill()
    async with asyncio.timeout(WAIT):
        result = await handle.wait()
    # Ended: there is nobody to write to, and nothing to kill.
    after = [handle.is_connected(), await failure(handle.send_input("x")), await failure(handle.kill())]
    after.append(await failure(handle.resize(pty_size(9, 9))))
    await handle.disconnect()
    return {"connected": connected, "exit": result.exit_code, "after": after}


@scenario(since=(0, 180))
async def sandbox_names(world):
    name = f"named-{world.sandbox.id[:13]}"
    made = await world.client.create(sdk.CreateSandboxFromSnapshotParams(name=name))
    again = await failure(world.client.create(sdk.CreateSandboxFromSnapshotParams(name=name)))
    by_name = await world.client.get(name)
    await world.client.delete(made)
    return [made.name == name, by_name.id == made.id, again]


@scenario
async def sandbox_archive_refused(world):
    # Daytona archives what is stopped, and nothing else.
    return await failure(world.sandbox.archive())


@scenario
async def intervals_refused(world):
    names = ("set_autostop_interval", "set_auto_archive_interval")
    return [await failure(getattr(world.sandbox, name)(-7)) for name in names]


@scenario(before=(0, 180))
async def sandbox_not_found_by_label(world):
    return await failure(world.client.find_one(labels={"suite": "no-such-label"}))
