"""The rest of what only Daytona can do: desktops part by part, secrets, warm pools, and what a create may ask for."""

from operator import attrgetter

from world import failure, part, scenario, sdk

NEWEST = (0, 200)
NODE, HERE = ("node-1",), (10, 10)


async def each_of(owner, calls):
    """What every call ends with, by the dotted name of its method."""
    return {name: await failure(attrgetter(name)(owner)(*args)) for name, args in calls.items()}


@scenario(since=(0, 100))
async def alone_desktop(world):
    region = sdk.ScreenshotRegion(x=0, y=0, width=10, height=10)
    calls = {f"mouse.{name}": HERE for name in ("move", "down", "up", "click")}
    calls |= {"mouse.get_position": (), "mouse.drag": (*HERE, 20, 20), "mouse.scroll": (*HERE, "up")}
    calls |= {f"keyboard.{name}": ("a",) for name in ("type", "press", "hotkey", "down", "up")}
    calls |= {f"screenshot.{name}": () for name in ("take_full_screen", "take_compressed")}
    calls |= {f"screenshot.{name}": (region,) for name in ("take_region", "take_compressed_region")}
    calls |= {"display.get_info": (), "display.get_windows": ()}
    calls |= {"recording.start": (), "recording.list": (), "recording.download": (*NODE, "/dev/null")}
    calls |= {f"recording.{name}": NODE for name in ("get", "stop", "delete")}
    calls |= {"accessibility.get_tree": (), "accessibility.find_nodes": (), "accessibility.focus_node": NODE}
    calls |= {"accessibility.invoke_node": NODE, "accessibility.set_node_value": (*NODE, "x")}
    desktop = world.sandbox.computer_use
    return await each_of(desktop, {name: args for name, args in calls.items() if offers(desktop, *name.split("."))})


def offers(owner, group, name):
    return hasattr(owner, group) and hasattr(getattr(owner, group), name)


@scenario(since=NEWEST)
async def account_secrets(world):
    calls = {"secret.list": (), "secret.get": NODE, "secret.create": (sdk.CreateSecretParams(name="s", value="x"),)}
    calls |= {"secret.update": (*NODE, sdk.UpdateSecretParams(value="y")), "secret.delete": NODE}
    return await each_of(world.client, calls)


@scenario(since=NEWEST)
async def account_warm_pools(world):
    calls = {"warm_pool.list": (), "warm_pool.create": ("s", 1), "warm_pool.update": ("w", 1), "warm_pool.delete": NODE}
    return await each_of(world.client, calls)


@scenario
async def created_with_what_one_side_lacks(world):
    """Volumes and closed networks: a sandbox without them would look as if it had them."""
    asked = {"volumes": {"volumes": [part("common.volume", "VolumeMount")(volume_id="v", mount_path="/data")]}}
    if "network_block_all" in sdk.CreateSandboxFromSnapshotParams.model_fields:
        asked["network"] = {"network_block_all": True}
    return {
        name: await failure(world.client.create(sdk.CreateSandboxFromSnapshotParams(**each)))
        for name, each in asked.items()
    }
