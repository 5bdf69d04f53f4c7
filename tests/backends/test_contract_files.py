"""What every backend does with files."""

import pytest

from tests.backends.asking import Asking, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOT_FOUND, BAD, CONFLICT = (404, "NOT_FOUND"), (400, "BAD_REQUEST"), (409, "CONFLICT")
ABSENT = "/workspace/absent"


async def test_what_is_uploaded_is_downloaded(box: Asking) -> None:
    data = bytes(range(256)) * 2000
    await box.put("/workspace/deep/er/file.bin", data)

    assert await box.get("/workspace/deep/er/file.bin") == data


async def test_an_upload_may_come_in_pieces(box: Asking) -> None:
    async def pieces():
        for piece in (b"one ", b"", b"two"):
            yield piece

    assert (await box.ask("fs.upload", pieces(), path="/workspace/pieces")).status == 200

    assert await box.get("/workspace/pieces") == b"one two"


async def test_an_upload_replaces_and_truncates(box: Asking) -> None:
    await box.put("/workspace/a", b"long content")
    await box.put("/workspace/a", b"x")

    assert await box.get("/workspace/a") == b"x"


async def test_a_relative_path_lies_in_the_work_dir_and_a_tilde_is_a_name(box: Asking) -> None:
    await box.put("notes/a.txt", b"a")
    await box.put("~/b.txt", b"b")

    assert await box.get("/workspace/notes/a.txt") == b"a"
    assert sorted(await box.names("")) == ["notes", "~"]


async def test_a_download_announces_its_size(box: Asking) -> None:
    await box.put("/workspace/a", b"12345")

    outcome = await box.ask("fs.download", path="/workspace/a")

    assert outcome.status == 200
    assert outcome.value.size in (5, None)
    assert [chunk async for chunk in outcome.value.stream] == [b"12345"]


async def test_a_missing_file_is_404_everywhere(box: Asking) -> None:
    for name in ("fs.info", "fs.list", "fs.download", "fs.delete"):
        assert refusal(await box.ask(name, path=ABSENT)) == NOT_FOUND, name
    assert refusal(await box.ask("fs.delete", path=ABSENT, recursive=True)) == NOT_FOUND
    assert refusal(await box.ask("fs.chmod", path=ABSENT, mode="600")) == NOT_FOUND
    assert refusal(await box.ask("fs.move", source=ABSENT, destination="/workspace/x")) == NOT_FOUND


async def test_a_directory_cannot_be_downloaded_or_overwritten(box: Asking) -> None:
    await box.put("/workspace/dir/file", b"")

    refused = await box.ask("fs.download", path="/workspace/dir")
    assert refusal(refused) == BAD
    # In these words: SDKs show them, and their callers read them.
    assert refused.message == "bad request: /workspace/dir: is a directory"
    assert refusal(await box.ask("fs.upload", b"x", path="/workspace/dir")) == BAD


async def test_a_file_cannot_be_listed_or_be_a_parent(box: Asking) -> None:
    await box.put("/workspace/file", b"")

    assert refusal(await box.ask("fs.list", path="/workspace/file")) == BAD
    assert refusal(await box.ask("fs.upload", b"x", path="/workspace/file/below")) == BAD
    assert refusal(await box.ask("fs.mkdir", path="/workspace/file", mode="755")) == BAD


async def test_a_listing_is_sorted_by_bytes_and_omits_dangling_links(box: Asking) -> None:
    for name in ("b", "B", ".hidden", "ä"):
        await box.put(f"/workspace/d/{name}", b"12")
    assert await box.sh("ln -s absent dangling; ln -s b link; mkdir sub", cwd="/workspace/d") == (0, "")

    outcome = await box.ask("fs.list", path="/workspace/d")

    assert [each.name for each in outcome.value] == [".hidden", "B", "b", "link", "sub", "ä"]
    link, sub = outcome.value[3], outcome.value[4]
    assert (link.size, link.is_dir, sub.is_dir) == (2, False, True)


async def test_a_listing_of_several_levels_tells_where_each_entry_is(box: Asking) -> None:
    for name in ("b/x", "b/deep/er/f", "a", "b.c", "none/of"):
        await box.put(f"/workspace/t/{name}", b"12")
    assert await box.sh("ln -s ../b b/way; ln -s absent b/dangling", cwd="/workspace/t") == (0, "")

    levels = [
        [each.path.removeprefix("/workspace/t/") for each in (await box.ask("fs.list", path=path, depth=depth)).value]
        for path, depth in (("/workspace/t", 2), ("t", 3), ("/workspace/t/b", 9))
    ]

    two = ["a", "b", "b/deep", "b/way", "b/x", "b.c", "none", "none/of"]
    assert levels == [two, [*two[:3], "b/deep/er", *two[3:]], ["b/deep", "b/deep/er", "b/deep/er/f", "b/way", "b/x"]]
    assert refusal(await box.ask("fs.list", path=ABSENT, depth=2)) == NOT_FOUND


async def test_a_deep_tree_is_listed_whole(box: Asking) -> None:
    assert (await box.ask("fs.mkdir", path="/workspace" + "/d" * 300)).status == 201

    found = (await box.ask("fs.list", path="/workspace", depth=2048)).value

    assert len(found) == 300
    assert found[-1].path == "/workspace" + "/d" * 300


async def test_info_tells_what_is_there_links_followed(box: Asking) -> None:
    await box.put("/workspace/f", b"123")
    await box.sh("chmod 640 f; ln -s f l; ln -s absent dangling", cwd="/workspace")

    file, link, directory = [
        (await box.ask("fs.info", path=f"/workspace/{name}")).value for name in ("f", "l", "../workspace")
    ]

    assert (file.name, file.size, file.mode, file.is_dir) == ("f", 3, 0o640, False)
    assert (link.name, link.size) == ("l", 3)
    assert directory.is_dir
    assert file.owner.isdigit()
    assert file.modified_ns > 1_600_000_000 * 10**9
    assert refusal(await box.ask("fs.info", path="/workspace/dangling")) == NOT_FOUND


async def test_making_a_directory_makes_parents_and_an_existing_one_is_fine(box: Asking) -> None:
    assert (await box.ask("fs.mkdir", path="/workspace/x/y", mode="700")).status == 201
    assert (await box.ask("fs.mkdir", path="/workspace/x/y", mode="755")).status == 201

    assert (await box.ask("fs.info", path="/workspace/x/y")).value.mode == 0o700


async def test_a_mode_that_is_not_octal_is_refused(box: Asking) -> None:
    assert refusal(await box.ask("fs.mkdir", path="/workspace/x", mode="rwx")) == BAD
    await box.put("/workspace/f", b"")
    assert refusal(await box.ask("fs.chmod", path="/workspace/f", mode="99")) == BAD


async def test_deleting_a_directory_needs_the_recursive_flag(box: Asking) -> None:
    await box.put("/workspace/d/f", b"")

    assert refusal(await box.ask("fs.delete", path="/workspace/d", recursive=False)) == BAD
    assert (await box.ask("fs.delete", path="/workspace/d/f", recursive=False)).status == 204
    assert (await box.ask("fs.delete", path="/workspace/d", recursive=True)).status == 204
    assert await box.names("/workspace") == []


async def test_permissions_are_set_and_an_unknown_owner_is_refused(box: Asking) -> None:
    await box.put("/workspace/f", b"")

    assert (await box.ask("fs.chmod", path="/workspace/f", mode="755")).status == 200

    assert (await box.ask("fs.info", path="/workspace/f")).value.mode == 0o755
    assert refusal(await box.ask("fs.chmod", path="/workspace/f", mode="755", owner="no-such-user")) == BAD


async def test_moving_renames_and_never_overwrites(box: Asking) -> None:
    await box.put("/workspace/a", b"a")
    await box.put("/workspace/b", b"b")
    await box.put("/workspace/d/x", b"")
    move = "/workspace/a"

    assert refusal(await box.ask("fs.move", source=move, destination="/workspace/b")) == CONFLICT
    assert refusal(await box.ask("fs.move", source=move, destination="/workspace/d")) == CONFLICT
    assert refusal(await box.ask("fs.move", source=move, destination="/workspace/absent/a")) == NOT_FOUND
    assert (await box.ask("fs.move", source=move, destination="/workspace/c")).status == 200
    assert await box.names("/workspace") == ["b", "c", "d"]


async def test_text_is_found_literally_in_text_files(box: Asking) -> None:
    await box.put("/workspace/src/a.txt", b"one\na.c two\nabc\n")
    await box.put("/workspace/src/b.bin", b"\0a.c")

    found = (await box.ask("fs.find", path="/workspace/src", pattern="a.c")).value

    assert [(each.path, each.line, each.content) for each in found] == [("/workspace/src/a.txt", 2, "a.c two")]
    assert (await box.ask("fs.find", path=ABSENT, pattern="x")).value == ()


async def test_names_are_searched_by_glob_directories_included(box: Asking) -> None:
    for name in ("a.py", "b.py", "sub/c.py", "sub.py/d.txt"):
        await box.put(f"/workspace/s/{name}", b"")

    found = (await box.ask("fs.search", path="/workspace/s", pattern="[^b]*.py")).value

    assert sorted(found) == [f"/workspace/s/{name}" for name in ("a.py", "sub.py", "sub/c.py")]
    assert (await box.ask("fs.search", path="/workspace/s", pattern="[")).value == ()
    assert (await box.ask("fs.search", path=ABSENT, pattern="*")).value == ()


async def test_replacing_reports_each_file(box: Asking) -> None:
    await box.put("/workspace/a", b"x.x\xff x")
    await box.put("/workspace/b", b"none")

    outcome = await box.ask("fs.replace", files=["/workspace/a", "/workspace/b", ABSENT], pattern="x", new_value="yy")

    assert [(each.path, each.success) for each in outcome.value] == [
        ("/workspace/a", True),
        ("/workspace/b", True),
        (ABSENT, False),
    ]
    assert await box.get("/workspace/a") == b"yy.yy\xff yy"
