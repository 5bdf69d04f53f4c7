import pytest

from router.backends.local.tree import Entry
from router.front.e2b.entries import permissions, rfc3339
from tests.front.e2b.conftest import Sandbox

FS = "filesystem.Filesystem"


def entry(kind: str, mode: int) -> Entry:
    return Entry(name="x", path="/x", kind=kind, size=0, mode=mode, modified_ns=0, uid=0, gid=0, link_target=None)


@pytest.mark.parametrize(
    ("kind", "mode", "text"),
    [
        ("file", 0o644, "-rw-r--r--"),
        ("dir", 0o755, "drwxr-xr-x"),
        ("symlink", 0o777, "Lrwxrwxrwx"),
        ("dir", 0o1777, "dtrwxrwxrwx"),
        ("file", 0o4750, "urwxr-x---"),
        ("file", 0, "----------"),
    ],
)
def test_permissions_are_written_as_go_does(kind, mode, text):
    assert permissions(entry(kind, mode)) == text


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_500_000_000, "1970-01-01T00:00:01.500Z"),
        (1_000_001_000, "1970-01-01T00:00:01.000001Z"),
        (1_000_000_001, "1970-01-01T00:00:01.000000001Z"),
    ],
)
def test_times_have_as_many_digits_as_they_need(nanoseconds, text):
    assert rfc3339(nanoseconds) == text


async def test_an_entry_leaves_out_what_is_zero(sandbox: Sandbox):
    await sandbox.start("touch /tmp/empty; chmod 0 /tmp/empty; printf 12345 > /tmp/five")
    empty = (await sandbox.call(f"{FS}/Stat", {"path": "/tmp/empty"})).json()["entry"]
    five = (await sandbox.call(f"{FS}/Stat", {"path": "/tmp/five"})).json()["entry"]

    assert "size" not in empty
    assert "mode" not in empty
    assert (five["size"], five["type"], five["mode"]) == ("5", "FILE_TYPE_FILE", 0o644)


async def test_a_link_has_its_own_size_and_its_targets_type_and_mode(sandbox: Sandbox):
    await sandbox.start("mkdir -m 750 /tmp/d; ln -s d /tmp/l; ln -s nowhere /tmp/broken")
    link = (await sandbox.call(f"{FS}/Stat", {"path": "/tmp/l"})).json()["entry"]
    broken = (await sandbox.call(f"{FS}/Stat", {"path": "/tmp/broken"})).json()["entry"]

    assert (link["type"], link["mode"], link["size"]) == ("FILE_TYPE_DIRECTORY", 0o750, "1")
    assert (link["symlinkTarget"], link["permissions"][0]) == ("/tmp/d", "L")
    assert "type" not in broken


async def test_a_list_is_flat_and_in_the_order_of_a_walk(sandbox: Sandbox):
    await sandbox.start("cd /tmp; mkdir -p w/b/c; touch w/a w/b/x w/b/c/deep w/b.txt; ln -s b w/link")

    async def names(**more) -> list[str]:
        answer = await sandbox.call(f"{FS}/ListDir", {"path": "/tmp/w", **more})
        return [one["path"].removeprefix("/tmp/w/") for one in answer.json().get("entries", [])]

    assert await names() == ["a", "b", "b.txt", "link"]
    assert await names(depth=2) == ["a", "b", "b/c", "b/x", "b.txt", "link"]
    assert await names(depth=3) == ["a", "b", "b/c", "b/c/deep", "b/x", "b.txt", "link"]


@pytest.mark.parametrize(
    ("call", "message", "status", "code"),
    [
        ("Stat", {"path": "/tmp/none"}, 404, "not_found"),
        ("Stat", {"path": "/tmp/file/below"}, 404, "not_found"),
        ("ListDir", {"path": "/tmp/none"}, 404, "not_found"),
        ("ListDir", {"path": "/tmp/file"}, 400, "invalid_argument"),
        ("MakeDir", {"path": "/tmp"}, 409, "already_exists"),
        ("MakeDir", {"path": "/tmp/file"}, 400, "invalid_argument"),
        ("Move", {"source": "/tmp/none", "destination": "/tmp/x"}, 404, "not_found"),
        ("Stat", {"path": 5}, 400, "invalid_argument"),
        ("WatchNothing", {}, 501, "unimplemented"),
        ("CreateWatcher", {"path": "/tmp"}, 501, "unimplemented"),
    ],
)
async def test_refusals_have_connects_codes(sandbox: Sandbox, call, message, status, code):
    await sandbox.start("touch /tmp/file")
    answer = await sandbox.call(f"{FS}/{call}", message)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_remove_is_recursive_and_what_is_not_there_is_removed(sandbox: Sandbox):
    await sandbox.start("mkdir -p /tmp/r/s; touch /tmp/r/s/t")
    answers = [await sandbox.call(f"{FS}/Remove", {"path": "/tmp/r"}) for _ in range(2)]

    assert [one.status_code for one in answers] == [200, 200]
    assert (await sandbox.call(f"{FS}/Stat", {"path": "/tmp/r"})).status_code == 404


async def test_move_makes_parents_and_overwrites(sandbox: Sandbox):
    await sandbox.start("echo new > /tmp/a; mkdir -p /tmp/x; echo old > /tmp/x/b")
    moved = await sandbox.call(f"{FS}/Move", {"source": "/tmp/a", "destination": "/tmp/x/b"})
    further = await sandbox.call(f"{FS}/Move", {"source": "/tmp/x/b", "destination": "/tmp/y/z/c"})

    assert moved.json()["entry"]["path"] == "/tmp/x/b"
    assert further.json()["entry"]["size"] == "4"


async def test_the_wrong_media_type_method_or_user_is_refused(sandbox: Sandbox):
    proto = await sandbox.send("POST", f"/{FS}/Stat", content=b"", headers={"Content-Type": "application/proto"})
    method = await sandbox.send("GET", f"/{FS}/Stat")
    ghost = await sandbox.call(f"{FS}/Stat", {"path": "/"}, Authorization="Basic Z2hvc3Q6")
    user = await sandbox.call(f"{FS}/Stat", {"path": "/"}, Authorization="Basic dXNlcjo=")

    assert (proto.status_code, method.status_code) == (415, 405)
    assert (ghost.status_code, ghost.json()["code"]) == (401, "unauthenticated")
    assert user.status_code == 200
