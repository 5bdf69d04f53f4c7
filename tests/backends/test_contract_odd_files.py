"""What every backend does with files that are odd: names, links, bytes, sizes, rights."""

import itertools

import pytest

from tests.backends.asking import Asking, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOT_FOUND, BAD, CONFLICT = (404, "NOT_FOUND"), (400, "BAD_REQUEST"), (409, "CONFLICT")
# Names that a shell, a query, a form or a line-based answer may trip over.
NAMES = (
    "a b", " ", "-rf", "--", "quo\"te'`$(id)`", "back\\slash", "new\nline", "\r", "\ttab", "*", "[a]", "~", "#&=+?;%20",
    "grüße 🌍", "\x01", "\x7f", "...", "colon:x", "n" * 255,
)  # fmt: skip


async def test_a_name_may_hold_anything_but_a_slash(box: Asking) -> None:
    for number, name in enumerate(NAMES):
        await box.put(f"/workspace/odd/{name}", b"%d" % number)

    listed = await box.names("/workspace/odd")
    read = [await box.get(f"/workspace/odd/{name}") for name in NAMES]
    told = [(await box.ask("fs.info", path=f"/workspace/odd/{name}")).value.name for name in NAMES]

    assert listed == sorted(NAMES, key=str.encode)
    assert read == [b"%d" % number for number in range(len(NAMES))]
    assert told == list(NAMES)


async def test_odd_names_are_changed_moved_and_deleted_like_others(box: Asking) -> None:
    for name in NAMES:
        path, moved = f"/workspace/odd/{name}", f"/workspace/moved/{name}"
        await box.put(path, b"")
        assert (await box.ask("fs.chmod", path=path, mode="640")).status == 200, name
        await box.ask("fs.mkdir", path="/workspace/moved", mode="755")
        assert (await box.ask("fs.move", source=path, destination=moved)).status == 200, name
        assert (await box.ask("fs.info", path=moved)).value.mode == 0o640, name
        assert (await box.ask("fs.delete", path=moved, recursive=False)).status == 204, name

    assert await box.names("/workspace/odd") == await box.names("/workspace/moved") == []


async def test_odd_names_of_directories_are_made_with_their_mode(box: Asking) -> None:
    for name in NAMES:
        assert (await box.ask("fs.mkdir", path=f"/workspace/{name}/in", mode="750")).status == 201, name
        assert (await box.ask("fs.info", path=f"/workspace/{name}/in")).value.mode == 0o750, name

    assert await box.names("/workspace") == sorted(NAMES, key=str.encode)


async def test_odd_names_are_found_searched_and_replaced_in(box: Asking) -> None:
    for name in NAMES:
        await box.put(f"/workspace/odd/{name}", b"first\nneedle\n")

    found = (await box.ask("fs.find", path="/workspace/odd", pattern="needle")).value
    assert len(found) == len(NAMES)
    searched = (await box.ask("fs.search", path="/workspace/odd", pattern="*")).value
    paths = [f"/workspace/odd/{name}" for name in NAMES]
    replaced = (await box.ask("fs.replace", files=paths, pattern="needle", new_value="thread")).value

    assert [(each.path, each.line, each.content) for each in found] == [(path, 2, "needle") for path in sorted(paths)]
    assert sorted(searched) == sorted(["/workspace/odd", *paths])
    assert [(each.path, each.success) for each in replaced] == [(path, True) for path in paths]
    assert {await box.get(path) for path in paths} == {b"first\nthread\n"}


async def test_an_empty_file_is_a_file(box: Asking) -> None:
    async def nothing():
        for piece in (b"", b""):
            yield piece

    await box.put("/workspace/bytes", b"")
    assert (await box.ask("fs.upload", nothing(), path="/workspace/stream")).status == 200

    for name in ("bytes", "stream"):
        outcome = await box.ask("fs.download", path=f"/workspace/{name}")
        assert outcome.value.size in (0, None)
        assert [chunk async for chunk in outcome.value.stream] in ([], [b""])
        assert (await box.ask("fs.info", path=f"/workspace/{name}")).value.size == 0


async def test_content_that_looks_like_a_form_is_content(box: Asking) -> None:
    boundary = b"--DAYTONA-FILE-BOUNDARY"
    data = b"\r\n".join((b"", boundary, b'Content-Disposition: form-data; name="file"', b"", boundary + b"--", b""))

    for number, piece in enumerate((data, data[2:], data[:-2], b"\r\n", b"\r", b"--")):
        await box.put(f"/workspace/{number}", piece)
        assert await box.get(f"/workspace/{number}") == piece


async def test_an_upload_keeps_the_mode_of_a_file_that_is_there(box: Asking) -> None:
    await box.put("/workspace/kept", b"1")
    await box.put("/workspace/deep/new", b"1")
    await box.ask("fs.chmod", path="/workspace/kept", mode="700")
    await box.put("/workspace/kept", b"2")

    modes = [(await box.ask("fs.info", path=f"/workspace/{name}")).value.mode for name in ("kept", "deep", "deep/new")]
    assert modes == [0o700, 0o755, 0o644]


async def test_links_are_followed_by_what_reads_and_writes(box: Asking) -> None:
    await box.put("/workspace/d/file", b"1")
    assert await box.sh("ln -s d l; ln -s d/file f; ln -s loop loop; ln -s absent dangling") == (0, "")

    await box.put("/workspace/f", b"22")

    assert await box.get("/workspace/d/file") == b"22"
    assert await box.get("/workspace/l/file") == b"22"
    assert await box.names("/workspace/l") == ["file"]
    listed = (await box.ask("fs.list", path="/workspace")).value
    assert [(each.name, each.is_dir) for each in listed] == [("d", True), ("f", False), ("l", True)]
    for name, link in itertools.product(("fs.info", "fs.download", "fs.list"), ("dangling",)):
        assert refusal(await box.ask(name, path=f"/workspace/{link}")) == NOT_FOUND, (name, link)


async def test_links_themselves_are_moved_and_deleted(box: Asking) -> None:
    await box.put("/workspace/d/file", b"1")
    assert await box.sh("ln -s d l; ln -s absent dangling; mkdir e; ln -s d m") == (0, "")

    assert refusal(await box.ask("fs.move", source="/workspace/d", destination="/workspace/dangling")) == CONFLICT
    assert (await box.ask("fs.move", source="/workspace/l", destination="/workspace/e/l")).status == 200
    assert (await box.ask("fs.delete", path="/workspace/m", recursive=False)).status == 204
    assert (await box.ask("fs.delete", path="/workspace/dangling", recursive=False)).status == 204

    assert (await box.sh("readlink e/l; ls -1; ls -1 d")) == (0, "d\nd\ne\nfile\n")


async def test_a_recursive_delete_does_not_follow_links(box: Asking) -> None:
    await box.put("/workspace/kept/file", b"1")
    assert await box.sh("mkdir -p gone/in && ln -s ../kept gone/link && ln -s /workspace/kept gone/in/link") == (0, "")

    assert (await box.ask("fs.delete", path="/workspace/gone", recursive=True)).status == 204

    assert await box.names("/workspace") == ["kept"]
    assert await box.names("/workspace/kept") == ["file"]


async def test_text_is_not_looked_for_behind_links(box: Asking) -> None:
    await box.put("/workspace/s/file", b"needle")
    await box.put("/workspace/elsewhere", b"needle")
    assert await box.sh("ln -s ../elsewhere s/link; ln -s . s/loop") == (0, "")

    found = (await box.ask("fs.find", path="/workspace/s", pattern="needle")).value
    searched = (await box.ask("fs.search", path="/workspace/s", pattern="l*")).value

    assert [each.path for each in found] == ["/workspace/s/file"]
    assert sorted(searched) == ["/workspace/s/link", "/workspace/s/loop"]


async def test_what_is_part_of_the_machine_is_not_to_be_touched(box: Asking) -> None:
    await box.put("/workspace/f", b"")
    refused = [
        await box.ask("fs.mkdir", path="/usr/x", mode="700"),
        await box.ask("fs.delete", path="/", recursive=True),
        await box.ask("fs.move", source="/workspace/f", destination="/usr/f"),
    ]
    uploaded = await box.ask("fs.upload", b"x", path="/usr/x")

    # Without a view there is no /usr to move to.
    assert [refusal(each)[0] in (403, 404) for each in refused] == [True, True, True]
    assert refusal(refused[0]) == refusal(refused[1]) == (403, "FORBIDDEN")
    assert refusal(uploaded) == BAD
    assert await box.names("/workspace") == ["f"]


async def test_a_path_that_no_file_can_have_is_the_callers_doing(box: Asking) -> None:
    long, null = "/workspace/" + "n" * 256, "/workspace/a\0b"

    for name in ("fs.info", "fs.list", "fs.mkdir", "fs.download", "fs.delete"):
        assert refusal(await box.ask(name, path=long)) == BAD, name
        assert refusal(await box.ask(name, path=null)) == BAD, name
    assert refusal(await box.ask("fs.upload", b"x", path=long)) == BAD
    assert refusal(await box.ask("fs.upload", b"x", path=null)) == BAD
    told = await box.ask("fs.download", path=long)
    assert "too long" in told.message.lower()


async def test_a_file_below_a_file_is_not_there(box: Asking) -> None:
    await box.put("/workspace/file", b"")
    below = "/workspace/file/below"

    for name in ("fs.info", "fs.list", "fs.download", "fs.delete"):
        assert refusal(await box.ask(name, path=below))[0] in (400, 404), name
    assert refusal(await box.ask("fs.move", source=below, destination="/workspace/x"))[0] in (400, 404)
    assert refusal(await box.ask("fs.move", source="/workspace/file", destination=below))[0] in (400, 404)
    assert await box.names("/workspace") == ["file"]


async def test_a_directory_cannot_be_moved_into_itself(box: Asking) -> None:
    await box.put("/workspace/d/file", b"1")

    outcome = await box.ask("fs.move", source="/workspace/d", destination="/workspace/d/in")

    assert not outcome.ok
    assert await box.get("/workspace/d/file") == b"1"


async def test_a_move_onto_itself_is_a_conflict_and_a_directory_moves_whole(box: Asking) -> None:
    await box.put("/workspace/d/in/file", b"1")

    assert refusal(await box.ask("fs.move", source="/workspace/d", destination="/workspace/d")) == CONFLICT
    assert (await box.ask("fs.move", source="/workspace/d", destination="/workspace/e")).status == 200
    assert await box.get("/workspace/e/in/file") == b"1"


async def test_paths_are_taken_lexically_clean_or_not(box: Asking) -> None:
    await box.put("/workspace//a/./b/../c", b"1")

    assert await box.get("/workspace/a/c") == b"1"
    assert await box.get("a/../a/c") == b"1"
    assert (await box.ask("fs.info", path="/workspace/a/")).value.is_dir


async def test_text_is_found_by_bytes_and_binary_files_are_not_looked_into(box: Asking) -> None:
    await box.put("/workspace/s/latin", b"caf\xe9 needle\n")
    await box.put("/workspace/s/binary", b"needle\0")
    await box.put("/workspace/s/crlf", b"one\r\nneedle\r\n")
    await box.put("/workspace/s/regex", b"a.*b\naxxb\n")
    await box.put("/workspace/s/case", b"Needle\n")

    found = (await box.ask("fs.find", path="/workspace/s", pattern="needle")).value
    literal = (await box.ask("fs.find", path="/workspace/s", pattern="a.*b")).value
    dashed = (await box.ask("fs.find", path="/workspace/s", pattern="-e")).value
    one = (await box.ask("fs.find", path="/workspace/s/crlf", pattern="needle")).value

    assert [(each.path, each.line, each.content) for each in found] == [
        ("/workspace/s/crlf", 2, "needle"),
        ("/workspace/s/latin", 1, "caf\ufffd needle"),
    ]
    assert [(each.path, each.line) for each in literal] == [("/workspace/s/regex", 1)]
    assert dashed == ()
    assert [(each.path, each.line) for each in one] == [("/workspace/s/crlf", 2)]


async def test_a_binary_mark_late_in_a_text_does_not_hide_its_lines(box: Asking) -> None:
    text = b"needle\n" + b"x" * 600 + b"\n\0\nneedle again\n"
    await box.put("/workspace/s/late", text)
    await box.put("/workspace/s/last", b"needle\n".ljust(511, b"x") + b"\0")
    await box.put("/workspace/s/behind", b"needle\n".ljust(512, b"x") + b"\0")

    found = (await box.ask("fs.find", path="/workspace/s", pattern="needle")).value

    assert [(each.path.rpartition("/")[2], each.line, each.content) for each in found] == [
        ("behind", 1, "needle"),
        ("late", 1, "needle"),
        ("late", 4, "needle again"),
    ]


async def test_a_file_with_an_endless_line_is_looked_into_up_to_it(box: Asking) -> None:
    await box.put("/workspace/s/long", b"needle 1\n" + b"x" * 70_000 + b"needle\nneedle 3\n")
    await box.put("/workspace/s/most", b"x" * 65_529 + b"needle\nneedle 2\n")
    await box.put("/workspace/s/over", b"x" * 65_530 + b"needle\nneedle 2\n")

    found = (await box.ask("fs.find", path="/workspace/s", pattern="needle")).value

    assert [(each.path.rpartition("/")[2], each.line) for each in found] == [("long", 1), ("most", 1), ("most", 2)]


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("*", ["", "a", "b", "c", "é"]), ("?", ["a", "b", "c", "é"]), ("[a-b]", ["a", "b"]), ("[^a]", ["b", "c", "é"]),
        ("[b-ac]", ["c"]), ("[^b-a]", ["a", "b", "c", "é"]), ("[!a]", ["a"]), ("\\a", ["a"]), ("[\\a]", ["a"]),
        ("a[", []), ("[]", []), ("", []), ("A", []), ("a/b", []), ("[b-a]", []), ("\\", []),
    ],
)  # fmt: skip
async def test_names_are_matched_as_go_matches_them(box: Asking, pattern: str, wanted: list[str]) -> None:
    for name in "abcé":
        await box.put(f"/workspace/ss/{name}", b"")

    outcome = await box.ask("fs.search", path="/workspace/ss", pattern=pattern)

    assert sorted(outcome.value or ()) == [f"/workspace/ss/{name}".rstrip("/") for name in wanted]


async def test_replacing_is_literal_and_in_bytes(box: Asking) -> None:
    await box.put("/workspace/a", b"a.b axb a.b\xff\0")
    await box.ask("fs.mkdir", path="/workspace/dir", mode="755")
    await box.ask("fs.chmod", path="/workspace/a", mode="755")

    files = ["a", "/workspace/dir"]
    outcome = await box.ask("fs.replace", files=files, pattern="a.b", new_value="\\0&$1\n")

    assert [(each.path, each.success, bool(each.error)) for each in outcome.value] == [
        ("a", True, False),
        ("/workspace/dir", False, True),
    ]
    assert await box.get("/workspace/a") == b"\\0&$1\n axb \\0&$1\n\xff\0"
    assert (await box.ask("fs.info", path="/workspace/a")).value.mode == 0o755


@pytest.mark.parametrize("mode", ["7777", "0644", "000", "1777", "4755"])
async def test_a_mode_is_set_but_for_what_is_above_the_permissions(box: Asking, mode: str) -> None:
    await box.put("/workspace/f", b"")

    assert (await box.ask("fs.chmod", path="/workspace/f", mode=mode)).status == 200
    assert (await box.ask("fs.mkdir", path="/workspace/d", mode=mode)).status == 201

    assert (await box.ask("fs.info", path="/workspace/f")).value.mode == int(mode, 8) & 0o777
    assert (await box.ask("fs.info", path="/workspace/d")).value.mode == int(mode, 8) & 0o755
    assert (await box.sh("stat -c %a f")) == (0, f"{int(mode, 8) & 0o777:o}\n")


@pytest.mark.parametrize("mode", ["8", "-1", "0o7", "17777", "7_7", " 7", "rwx", "٧"])
async def test_a_mode_that_is_none_changes_nothing(box: Asking, mode: str) -> None:
    await box.put("/workspace/f", b"")

    assert refusal(await box.ask("fs.chmod", path="/workspace/f", mode=mode)) == BAD
    assert refusal(await box.ask("fs.mkdir", path="/workspace/d", mode=mode)) == BAD

    assert (await box.ask("fs.info", path="/workspace/f")).value.mode == 0o644
    assert await box.names("/workspace") == ["f"]
