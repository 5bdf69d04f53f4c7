"""Files of odd kinds: every way up and down, names, links, sizes, and what is refused."""

import os
import tempfile
from pathlib import Path

from scenarios_files import request
from world import BIG, OLD, VERSION, executed, failure, info, scenario, sdk

# Names that some SDK itself cannot send, or not read back, are left to those that can.
CONTROL = ("new\nline", "tab\there") if VERSION < (0, 160) else ()
ESCAPED = ("100%0A+",) if OLD or VERSION >= (0, 160) else ()
NAMES = (*CONTROL, *ESCAPED, "-rf", "~", "back\\slash", "a'b\"c", "$(id)`id`", "ünï 🌍", "...", "*?[a]")


def root(name):
    return f"/workspace/transfers/{name}"


@scenario(since=(0, 100))
async def file_from_and_to_disk(world):
    with tempfile.TemporaryDirectory() as directory:
        source, target = Path(directory) / "source", Path(directory) / "target"
        source.write_bytes(BIG[:100_000])
        await world.fs.upload_file(str(source), root("disk"))
        await world.fs.download_file(root("disk"), str(target))
        return target.read_bytes() == BIG[:100_000]


@scenario(since=(0, 190))
async def file_streamed(world):
    async def pieces():
        for start in range(0, len(BIG), 100_000):
            yield BIG[start : start + 100_000]

    await world.fs.upload_file_stream(pieces(), root("streamed"))
    got = b"".join([bytes(chunk) async for chunk in await world.fs.download_file_stream(root("streamed"))])

    async def read_missing():
        return [chunk async for chunk in await world.fs.download_file_stream(root("never-there"))]

    return {"same": got == BIG, "missing": await failure(read_missing())}


@scenario
async def file_names_of_all_kinds(world):
    for name in NAMES:
        await world.fs.upload_file(name.encode(), root(f"names/{name}"))
    listed = [each.name for each in await world.fs.list_files(root("names"))]
    sizes = [(await world.fs.get_file_info(root(f"names/{name}"))).size for name in NAMES]
    read = [await world.fs.download_file(root(f"names/{name}")) == name.encode() for name in NAMES]
    ran = await world.process.exec("ls -1b | head -3", cwd=root("names"))
    return {
        "listed": listed == sorted(NAMES, key=str.encode),
        "sizes": sizes == [len(name.encode()) for name in NAMES],
        "read": all(read),
        "ran": ran.result.splitlines(),
    }


@scenario
async def file_names_changed(world):
    for name in NAMES:
        path, moved = root(f"changed/{name}"), root(f"changed/moved {name}")
        await world.fs.upload_file(b"", path)
        await world.fs.set_file_permissions(path, mode="600")
        await world.fs.move_files(path, moved)
        if (await world.fs.get_file_info(moved)).permissions != "0600":
            return name
        await world.fs.delete_file(moved)
    return [each.name for each in await world.fs.list_files(root("changed"))]


@scenario
async def uploads_of_which_one_fails(world):
    await world.fs.create_folder(root("some/dir"), "755")
    uploads = [
        sdk.FileUpload(source=b"one", destination=root("some/1")),
        sdk.FileUpload(source=b"two", destination=root("some/dir")),
        sdk.FileUpload(source=b"three", destination=root("some/3")),
    ]
    failed = await failure(world.fs.upload_files(uploads))
    return {
        "failed": failed,
        "written": [each.name for each in await world.fs.list_files(root("some")) if not each.is_dir],
    }


@scenario
async def upload_below_a_file(world):
    await world.fs.upload_file(b"", root("blocking"))
    return await failure(world.fs.upload_file(b"x", root("blocking/below")))


@scenario
async def upload_overwrites(world):
    await world.fs.upload_file(b"a long content", root("over"))
    await world.fs.set_file_permissions(root("over"), mode="755")
    await world.fs.upload_file(b"short", root("over"))
    return [(await world.fs.download_file(root("over"))).decode(), info(await world.fs.get_file_info(root("over")))]


@scenario(since=(0, 100))
async def downloads_of_all_kinds_together(world):
    await world.fs.upload_file(b"", root("kinds/empty"))
    await world.fs.upload_file(b"\r\n--DAYTONA-FILE-BOUNDARY--\r\n", root("kinds/boundary"))
    await world.fs.upload_file(BIG, root("kinds/big"))
    sources = [root(f"kinds/{name}") for name in ("empty", "boundary", "big", "none", ".")]
    found = await world.fs.download_files([request(source) for source in sources])
    return [[None if each.result is None else len(each.result), bool(each.error)] for each in found]


@scenario
async def links_followed(world):
    await world.fs.upload_file(b"12345", root("links/dir/file"))
    line = "ln -s dir way; ln -s dir/file to; ln -s absent dangling; ln -s loop loop"
    ran = await world.process.exec(line, cwd=root("links"))
    await world.fs.upload_file(b"through", root("links/to"))
    return {
        "ran": executed(ran),
        "listed": [[each.name, each.is_dir, each.size if not each.is_dir else None]
                   for each in await world.fs.list_files(root("links"))],
        "through": (await world.fs.download_file(root("links/way/file"))).decode(),
        "dangling": await failure(world.fs.get_file_info(root("links/dangling"))),
        "below": [each.name for each in await world.fs.list_files(root("links/way"))],
    }  # fmt: skip


@scenario
async def permissions_refused(world):
    await world.fs.upload_file(b"", root("refused"))
    return {
        "missing": await failure(world.fs.set_file_permissions(root("never-there"), mode="644")),
        "owner": await failure(world.fs.set_file_permissions(root("refused"), owner="no-such-user")),
        "group": await failure(world.fs.set_file_permissions(root("refused"), group="no-such-group")),
        "mode": await failure(world.fs.set_file_permissions(root("refused"), mode="rwx")),
        "folder": await failure(world.fs.create_folder(root("refused-folder"), "rwx")),
        "after": info(await world.fs.get_file_info(root("refused")))["permissions"],
    }


@scenario
async def moves_of_all_kinds(world):
    await world.fs.upload_file(b"1", root("moves/dir/in/file"))
    await world.fs.upload_file(b"2", root("moves/plain"))
    missing = await failure(world.fs.move_files(root("moves/none"), root("moves/x")))
    nowhere = await failure(world.fs.move_files(root("moves/plain"), root("moves/none/x")))
    onto = await failure(world.fs.move_files(root("moves/plain"), root("moves/dir")))
    await world.fs.move_files(root("moves/dir"), root("moves/tree"))
    read = (await world.fs.download_file(root("moves/tree/in/file"))).decode()
    return {"missing": missing, "nowhere": nowhere, "onto": onto, "read": read}


@scenario
async def folder_deep_with_its_mode(world):
    await world.fs.create_folder(root("folders/a/b"), "750")
    found = [await world.fs.get_file_info(root(f"folders/{name}")) for name in ("a", "a/b")]
    return [each.permissions for each in found]


@scenario
async def text_found_in_all_kinds(world):
    files = {
        "latin": b"caf\xe9 needle\n", "binary": b"needle\0", "crlf": b"one\r\nneedle\r\n", "case": b"Needle\n",
        "late": b"needle\n" + b"x" * 600 + b"\0\nneedle\n", "long": b"needle\n" + b"x" * 70_000 + b"\nneedle\n",
    }  # fmt: skip
    for name, content in files.items():
        await world.fs.upload_file(content, root(f"texts/{name}"))
    found = await world.fs.find_files(root("texts"), "needle")
    literal = await world.fs.find_files(root("texts"), "n.*e")
    nothing = await world.fs.find_files(root("never-there"), "needle")
    shown = [[os.path.basename(each.file), each.line, each.content] for each in found]
    return {"found": shown, "literal": len(literal or []), "nothing": len(nothing or [])}


@scenario
async def names_matched(world):
    for name in ("a", "b", "c", "c.py", ".h", "é"):
        await world.fs.upload_file(b"", root(f"globs/{name}"))
    patterns = ("?", "[^a]", "[b-ac]", "*.py", "[", "\\a", ".*", "none")
    found = {}
    for pattern in patterns:
        files = (await world.fs.search_files(root("globs"), pattern)).files
        found[pattern] = sorted(os.path.basename(each) for each in files or ())
    return found


@scenario
async def text_replaced_in_some(world):
    await world.fs.upload_file(b"a.b axb a.b", root("replaced"))
    paths = [root("replaced"), root("never-there")]
    results = await world.fs.replace_in_files(paths, "a.b", "\\0&$1")
    return [[each.success for each in results], (await world.fs.download_file(root("replaced"))).decode()]


@scenario(since=(0, 100))
async def delete_does_not_follow_links(world):
    await world.fs.upload_file(b"kept", root("outside/file"))
    await world.process.exec(f"mkdir -p gone/in && ln -s {root('outside')} gone/in/link", cwd="/workspace/transfers")
    await world.fs.delete_file(root("gone"), recursive=True)
    missing = await failure(world.fs.delete_file(root("gone"), recursive=True))
    return [(await world.fs.download_file(root("outside/file"))).decode(), missing]


@scenario(since=(0, 200))
async def files_listed_in_levels(world):
    for name in ("b/x", "b/deep/er", "a"):
        await world.fs.upload_file(b"", root(f"levels/{name}"))
    found = [await world.fs.list_files(root("levels"), depth=depth) for depth in (1, 2, 3)]
    return [[each.path or each.name for each in level] for level in found]
