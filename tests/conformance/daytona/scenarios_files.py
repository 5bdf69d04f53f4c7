"""Files: up, down, listed, found, changed, refused."""

from world import BIG, executed, failure, info, part, scenario, sdk


@scenario
async def file_up_and_down(world):
    await world.fs.upload_file(b"content\n", "/workspace/files/a.txt")
    return (await world.fs.download_file("/workspace/files/a.txt")).decode()


@scenario
async def file_every_byte(world):
    data = bytes(range(256)) + b"\r\n--boundary--\r\n"
    await world.fs.upload_file(data, "/workspace/files/bytes.bin")
    return await world.fs.download_file("/workspace/files/bytes.bin") == data


@scenario
async def file_empty(world):
    await world.fs.upload_file(b"", "/workspace/files/empty")
    content = await world.fs.download_file("/workspace/files/empty")
    return [content == b"", info(await world.fs.get_file_info("/workspace/files/empty"))]


@scenario
async def file_big(world):
    await world.fs.upload_file(BIG, "/workspace/files/big.bin")
    size = (await world.fs.get_file_info("/workspace/files/big.bin")).size
    return {"size": size, "same": await world.fs.download_file("/workspace/files/big.bin") == BIG}


@scenario
async def file_many(world):
    uploads = [
        sdk.FileUpload(source=b"one", destination="/workspace/many/1.txt"),
        sdk.FileUpload(source=b"two", destination="/workspace/many/deep/2.txt"),
        sdk.FileUpload(source=b"three", destination="/workspace/many/3 with space.txt"),
    ]
    await world.fs.upload_files(uploads)
    return [each.name for each in sorted(await world.fs.list_files("/workspace/many"), key=lambda each: each.name)]


@scenario(since=(0, 100))
async def files_downloaded_together(world):
    await world.fs.upload_file(b"one", "/workspace/files/one")
    sources = ["/workspace/files/one", "/workspace/files/not-there"]
    found = await world.fs.download_files([request(source) for source in sources])
    return [(each.source, each.result and bytes(each.result).decode(), bool(each.error)) for each in found]


def request(source):
    return part("common.filesystem", "FileDownloadRequest")(source=source)


@scenario
async def file_odd_names(world):
    names = ["grüße 🌍.txt", "a b&c=d#e?.txt", "quo\"te'.txt", "per%20cent+plus.txt"]
    found = []
    for name in names:
        path = f"/workspace/odd/{name}"
        await world.fs.upload_file(name.encode(), path)
        try:
            found.append((await world.fs.download_file(path)).decode() == name)
        except Exception as error:
            found.append([name, str(error)])
    listed = sorted(each.name for each in await world.fs.list_files("/workspace/odd"))
    return {"read": found, "listed": listed == sorted(names)}


@scenario
async def file_relative_path(world):
    await world.fs.upload_file(b"relative", "relative/r.txt")
    return (await world.fs.download_file("relative/r.txt")).decode()


@scenario
async def file_info(world):
    await world.fs.upload_file(b"12345", "/workspace/files/info.txt")
    return info(await world.fs.get_file_info("/workspace/files/info.txt"))


@scenario
async def directory_info(world):
    await world.fs.create_folder("/workspace/files/dir", "755")
    return info(await world.fs.get_file_info("/workspace/files/dir"))


@scenario
async def files_listed(world):
    await world.fs.create_folder("/workspace/listed/sub", "755")
    for name in ("b.txt", "a.txt", ".hidden"):
        await world.fs.upload_file(name.encode(), f"/workspace/listed/{name}")
    return [info(each) for each in sorted(await world.fs.list_files("/workspace/listed"), key=lambda each: each.name)]


@scenario
async def permissions_set(world):
    await world.fs.upload_file(b"#!/bin/sh\necho ran\n", "/workspace/files/tool.sh")
    await world.fs.set_file_permissions("/workspace/files/tool.sh", mode="750")
    ran = await world.process.exec("/workspace/files/tool.sh")
    return [info(await world.fs.get_file_info("/workspace/files/tool.sh")), executed(ran)]


@scenario
async def folder_made_twice(world):
    await world.fs.create_folder("/workspace/files/twice", "700")
    await world.fs.create_folder("/workspace/files/twice", "755")
    return info(await world.fs.get_file_info("/workspace/files/twice"))["permissions"]


@scenario
async def folder_on_a_file(world):
    await world.fs.upload_file(b"", "/workspace/files/occupied")
    return await failure(world.fs.create_folder("/workspace/files/occupied", "755"))


@scenario
async def file_deleted(world):
    await world.fs.upload_file(b"", "/workspace/files/short-lived")
    await world.fs.delete_file("/workspace/files/short-lived")
    return await failure(world.fs.get_file_info("/workspace/files/short-lived"))


@scenario
async def file_delete_missing(world):
    return await failure(world.fs.delete_file("/workspace/files/never-there"))


@scenario(since=(0, 100))
async def directory_deleted(world):
    await world.fs.upload_file(b"", "/workspace/tree/deep/file")
    plain = await failure(world.fs.delete_file("/workspace/tree"))
    await world.fs.delete_file("/workspace/tree", recursive=True)
    return [plain, await failure(world.fs.get_file_info("/workspace/tree"))]


@scenario
async def file_moved(world):
    await world.fs.upload_file(b"moving", "/workspace/files/from.txt")
    await world.fs.move_files("/workspace/files/from.txt", "/workspace/files/to.txt")
    return (await world.fs.download_file("/workspace/files/to.txt")).decode()


@scenario
async def file_moved_onto_another(world):
    for name in ("m1", "m2"):
        await world.fs.upload_file(name.encode(), f"/workspace/files/{name}")
    return await failure(world.fs.move_files("/workspace/files/m1", "/workspace/files/m2"))


@scenario
async def info_missing(world):
    return await failure(world.fs.get_file_info("/workspace/never-there"))


@scenario
async def list_missing(world):
    return await failure(world.fs.list_files("/workspace/never-there"))


@scenario
async def list_on_a_file(world):
    await world.fs.upload_file(b"", "/workspace/files/plain")
    return await failure(world.fs.list_files("/workspace/files/plain"))


@scenario
async def download_missing(world):
    return await failure(world.fs.download_file("/workspace/never-there"))


@scenario
async def download_directory(world):
    await world.fs.create_folder("/workspace/files/adir", "755")
    return await failure(world.fs.download_file("/workspace/files/adir"))


@scenario
async def upload_onto_a_directory(world):
    await world.fs.create_folder("/workspace/files/target", "755")
    return await failure(world.fs.upload_file(b"x", "/workspace/files/target"))


@scenario
async def text_found(world):
    await world.fs.upload_file(b"one\nneedle here\nthree\n", "/workspace/find/f.txt")
    found = await world.fs.find_files("/workspace/find", "needle")
    return [(each.file, each.line, each.content) for each in found]


@scenario
async def names_searched(world):
    await world.fs.upload_file(b"", "/workspace/search/x.py")
    await world.fs.upload_file(b"", "/workspace/search/sub/y.py")
    found = await world.fs.search_files("/workspace/search", "*.py")
    return sorted(found.files)


@scenario
async def text_replaced(world):
    await world.fs.upload_file(b"a old b old", "/workspace/files/replace.txt")
    results = await world.fs.replace_in_files(["/workspace/files/replace.txt"], "old", "new")
    content = (await world.fs.download_file("/workspace/files/replace.txt")).decode()
    return {"success": [each.success for each in results], "content": content}
