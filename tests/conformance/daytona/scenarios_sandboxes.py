"""Sandboxes: created, found, stopped, labelled, refused."""

from world import OLD, VERSION, failure, scenario, sdk, state, until


@scenario
async def sandbox_created(world):
    sandbox = world.sandbox
    return {
        "state": state(sandbox),
        "labels": {name: value for name, value in sandbox.labels.items() if name == "suite"},
        "public": sandbox.public,
        "env": sandbox.env.get("RESOLUTION"),
        "auto_stop": sandbox.auto_stop_interval,
    }


@scenario
async def sandbox_got_by_id(world):
    sandbox = await world.client.get(world.sandbox.id)
    return {"same": sandbox.id == world.sandbox.id, "state": state(sandbox)}


@scenario
async def sandbox_unknown(world):
    return await failure(world.client.get("no-such-sandbox"))


@scenario
async def sandboxes_listed_by_label(world):
    label = f"list-{world.sandbox.id}"
    made = await world.create(label)
    try:
        if OLD:
            found = await world.client.list({"suite": label})
        elif VERSION < (0, 180):
            found = (await world.client.list({"suite": label})).items
        else:
            found = [each async for each in world.client.list(sdk.ListSandboxesQuery(labels={"suite": label}))]
        return [each.id == made.id for each in found]
    finally:
        await world.client.delete(made)


@scenario
async def sandboxes_listed_page_by_page(world):
    labels = {"suite": f"pages-{world.sandbox.id}"}
    made = [await world.create(labels["suite"]) for _ in range(3)]
    try:
        if OLD:
            found = await world.client.list(labels)
        elif VERSION < (0, 180):
            pages = [await world.client.list(labels, page=page, limit=2) for page in (1, 2)]
            assert [(page.total, page.total_pages, len(page.items)) for page in pages] == [(3, 2, 2), (3, 2, 1)]
            found = [each for page in pages for each in page.items]
        else:
            found = [each async for each in world.client.list(sdk.ListSandboxesQuery(labels=labels, limit=2))]
        return sorted(each.id for each in found) == sorted(each.id for each in made)
    finally:
        for each in made:
            await world.client.delete(each)


@scenario
async def sandbox_stopped_and_started(world):
    made = await world.create("stop")
    await made.fs.upload_file(b"kept", "/workspace/kept.txt")
    await made.stop()
    stopped = state(made)
    await made.start()
    started = state(made)
    kept = await made.fs.download_file("/workspace/kept.txt")
    await world.client.delete(made)
    return {"stopped": stopped, "started": started, "kept": kept.decode()}


@scenario
async def sandbox_deleted(world):
    made = await world.create("delete")
    await world.client.delete(made)

    async def gone():
        try:
            return state(await world.client.get(made.id)) in ("destroyed", "destroying")
        except Exception:
            return True

    return {"gone": await until(gone)}


@scenario
async def preview_link(world):
    link = await world.sandbox.get_preview_link(8080)
    return {"url": bool(link.url), "token": isinstance(link.token, str)}


@scenario
async def labels_set(world):
    made = await world.create("labels")
    labels = await made.set_labels({"suite": "labelled", "b": "2"})
    await world.client.delete(made)
    return dict(sorted(getattr(labels, "labels", labels).items()))


@scenario
async def interval_set(world):
    made = await world.create("interval")
    await made.set_autostop_interval(20)
    again = await world.client.get(made.id)
    await world.client.delete(made)
    return again.auto_stop_interval
