"""What only Daytona can do: asked all the same, so that it is known how each side refuses it.

On sandboxes that live on E2B each is refused with 501 and its own name; that is what test_router.py looks at.
"""

from world import OLD, VERSION, part, said, scenario, sdk, until


async def told(work):
    """Done, or the error."""
    try:
        await work
    except Exception as error:
        return said(error)
    return "done"


def offers(thing, name):
    """Whether this SDK has it."""
    return hasattr(thing, name)


@scenario(since=(0, 100))
async def alone_computer_use(world):
    use = world.sandbox.computer_use
    return {
        "start": await told(use.start()),
        "status": await told(use.get_status()),
        "process": await told(use.get_process_status("novnc")),
        "logs": await told(use.get_process_logs("novnc")),
        "errors": await told(use.get_process_errors("novnc")),
        "restart": await told(use.restart_process("novnc")),
        "stop": await told(use.stop()),
    }


@scenario
async def alone_language_server(world):
    server = world.sandbox.create_lsp_server("python", "/workspace")
    if OLD:
        position = {"line": 0, "character": 0}
    else:
        position = part("common.lsp_server", "LspCompletionPosition")(line=0, character=0)
    return {
        "start": await told(server.start()),
        "open": await told(server.did_open("/workspace/a.py")),
        "close": await told(server.did_close("/workspace/a.py")),
        "symbols": await told(server.document_symbols("/workspace/a.py")),
        "found": await told(server.sandbox_symbols("x")),
        "found by its old name": await told(server.workspace_symbols("x")),
        "completions": await told(server.completions("/workspace/a.py", position)),
        "stop": await told(server.stop()),
    }


@scenario(since=(0, 100))
async def alone_ssh(world):
    return {
        "create": await told(world.sandbox.create_ssh_access(60)),
        "validate": await told(world.sandbox.validate_ssh_access("token")),
        "revoke": await told(world.sandbox.revoke_ssh_access("token")),
    }


@scenario(since=(0, 200))
async def alone_control(world):
    sandbox = world.sandbox
    asked = {
        "fork": lambda: sandbox.fork("copy", timeout=5),
        "pause": lambda: sandbox.pause(timeout=5),
        "recover": lambda: sandbox.recover(timeout=5),
        "resize": lambda: sandbox.resize(sdk.Resources(cpu=2), timeout=5),
        "resize waited for": lambda: sandbox.wait_for_resize_complete(timeout=1),
        "signing key": lambda: sandbox.rotate_signing_key(),
        "auto pause": lambda: sandbox.set_auto_pause_interval(5),
        "public": lambda: sandbox.set_public(True),
        "ttl": lambda: sandbox.set_ttl(60),
        "env": lambda: sandbox.update_env({"A": "b"}),
        "network": lambda: sandbox.update_network_settings(network_block_all=True),
        "secrets": lambda: sandbox.update_secrets({"A": "b"}),
        "metrics": lambda: sandbox.get_metrics(),
        "latest metrics": lambda: sandbox.get_metrics_latest(),
        "snapshot": lambda: sandbox.create_snapshot("copy", timeout=5),
        "upload url": lambda: sandbox.upload_url("/workspace/up"),
        "download url": lambda: sandbox.download_url("/workspace/down"),
    }
    return {name: await told(ask()) for name, ask in asked.items()}


@scenario
async def account_volumes(world):
    volume = world.client.volume
    return {
        "list": await told(volume.list()),
        "get": await told(volume.get("no-such-volume")),
        "create": await told(volume.create("a-volume")),
        "delete": await told(volume.delete(type("Volume", (), {"id": "no-such-volume"})())),
    }


@scenario
async def account_snapshots(world):
    snapshot = world.client.snapshot
    missing = type("Snapshot", (), {"id": "no-such-snapshot", "name": "no-such-snapshot"})()
    seen = {
        "list": await told(snapshot.list()),
        "get": await told(snapshot.get("no-such-snapshot")),
        "delete": await told(snapshot.delete(missing)),
    }
    if offers(snapshot, "activate"):
        seen["activate"] = await told(snapshot.activate(missing))
    seen["create"] = await told(snapshot.create(sdk.CreateSnapshotParams(name="a-snapshot", image="debian:12")))
    return seen


@scenario
async def sandbox_directories(world):
    found = {"root": await world.sandbox.get_user_root_dir()}
    if VERSION >= (0, 100):
        found["home"] = await world.sandbox.get_user_home_dir()
        found["work"] = await world.sandbox.get_work_dir()
    # Where they are is the template's own; that they are there, and are directories, is not.
    return {name: [path.startswith("/"), (await world.fs.get_file_info(path)).is_dir] for name, path in found.items()}


@scenario
async def sandbox_started_by_the_client(world):
    made = await world.create("client")
    await world.client.stop(made)
    stopped = str(getattr(made.state, "value", made.state))
    await world.client.start(made)
    ran = await made.process.exec("echo up")
    await world.client.delete(made)
    return {"stopped": stopped, "ran": ran.exit_code}


@scenario
async def sandbox_archived(world):
    made = await world.create("archive")
    await made.fs.upload_file(b"kept", "/workspace/kept.txt")
    await made.stop()
    await made.archive()

    async def rests():
        await made.refresh_data()
        return str(getattr(made.state, "value", made.state)) in ("archived", "archiving", "stopped")

    resting = bool(await until(rests))
    await made.start(120)
    kept = await made.fs.download_file("/workspace/kept.txt")
    await made.delete()
    return {"rests": resting, "kept": kept.decode()}


@scenario
async def intervals_set(world):
    made = await world.create("intervals")
    await made.set_auto_archive_interval(60)
    if offers(made, "set_auto_delete_interval"):
        await made.set_auto_delete_interval(120)
    again = await world.client.get(made.id)
    await world.client.delete(made)
    return [again.auto_archive_interval, getattr(again, "auto_delete_interval", None)]


@scenario(since=(0, 200))
async def activity_refreshed(world):
    return await told(world.sandbox.refresh_activity())


@scenario(since=(0, 200))
async def entrypoint_logs_followed(world):
    out = []
    return await told(world.process.get_entrypoint_logs_async(out.append, out.append))


@scenario(since=(0, 200))
async def preview_link_signed(world):
    made = await told(world.sandbox.create_signed_preview_url(8080, 60))
    return {"made": made, "ended": await told(world.sandbox.expire_signed_preview_url(8080, "token"))}


@scenario(before=(0, 200))
async def sandbox_found_by_label(world):
    if not offers(world.client, "find_one"):
        return True
    label = f"one-{world.sandbox.id}"
    made = await world.create(label)
    found = await world.client.find_one(labels={"suite": label})
    await world.client.delete(made)
    return found.id == made.id
