"""Files on Daytona's wire: what is answered to an upload, a download, a part of one."""

import json
from pathlib import Path

import httpx2
import pytest

from router.backends.local.backend import LocalBackend
from router.backends.local.sandboxes import LocalSandboxes
from router.front.daytona.app import daytona_app
from tests.front.daytona.serving import KEY, serving

NAMES = ("plain", 'quo"te', "new\nline", "back\\slash", "grüße 🌍", "100%0A", "\x01")


class Files:
    """The toolbox of one sandbox."""

    def __init__(self, http: httpx2.AsyncClient, url: str) -> None:
        self.http, self.url = http, url

    async def ask(self, method: str, path: str, version: str = "0.226.1", **rest: object) -> httpx2.Response:
        headers = {"X-Daytona-SDK-Version": version, **rest.pop("headers", {})}  # type: ignore[dict-item]
        return await self.http.request(method, self.url + path, headers=headers, **rest)  # type: ignore[arg-type]


@pytest.fixture
async def files(tmp_path: Path):
    sandboxes = LocalSandboxes(tmp_path)
    await sandboxes.open()
    backend = LocalBackend(sandboxes)
    async with (
        serving(daytona_app(backend, keys=[KEY])) as (host, port),
        httpx2.AsyncClient(base_url=f"http://{host}:{port}", headers={"Authorization": f"Bearer {KEY}"}) as http,
    ):
        made = await http.post("/api/sandbox", json={"snapshot": "s"})
        yield Files(http, f"/toolbox/{made.json()['id']}")
    await backend.close()
    await sandboxes.close()


async def test_a_single_upload_is_a_form_or_the_file_itself(files: Files) -> None:
    form = await files.ask("POST", "/files/upload-v2?path=a/b.txt", files={"file": ("x", b"form")})
    raw = await files.ask("POST", "/files/upload-v2?path=/workspace/a/c.txt", content=b"raw")
    old = await files.ask("POST", "/files/upload?path=a/d.txt", files={"file": ("x", b"old")})
    nowhere = await files.ask("POST", "/files/upload-v2", content=b"raw")

    assert (form.status_code, form.json()) == (200, {"name": "b.txt", "path": "a/b.txt", "type": "file"})
    assert (raw.status_code, raw.json()["path"]) == (200, "/workspace/a/c.txt")
    assert (old.status_code, old.content) == (200, b"")
    assert nowhere.status_code == 400
    read = [(await files.ask("GET", f"/files/download?path=a/{name}.txt")).content for name in "bcd"]
    assert read == [b"form", b"raw", b"old"]


async def test_a_part_is_answered_as_such(files: Files) -> None:
    await files.ask("POST", "/files/upload-v2?path=f", content=b"0123456789")
    path = "/files/download?path=f"

    whole = await files.ask("GET", path)
    part = await files.ask("GET", path, headers={"Range": "bytes=2-4"})
    same = await files.ask("GET", path, headers={"Range": "bytes=2-4", "If-Range": whole.headers["last-modified"]})
    other = await files.ask("GET", path, headers={"Range": "bytes=2-4", "If-Range": '"tag"'})
    beyond = await files.ask("GET", path, headers={"Range": "bytes=10-"})

    assert (whole.status_code, whole.headers["accept-ranges"]) == (200, "bytes")
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert (same.status_code, other.status_code, other.content) == (206, 200, b"0123456789")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */10")
    assert beyond.json()["statusCode"] == 416


async def test_a_file_that_did_not_change_is_not_sent_again(files: Files) -> None:
    await files.ask("POST", "/files/upload-v2?path=f", content=b"0123456789")
    path = "/files/download?path=f"
    at = (await files.ask("GET", path)).headers["last-modified"]

    same = await files.ask("GET", path, headers={"If-Modified-Since": at, "Range": "bytes=2-4"})
    since = await files.ask("GET", path, headers={"If-Modified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"})
    failed = await files.ask("GET", path, headers={"If-Unmodified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"})

    assert (same.status_code, same.content, "content-length" in same.headers) == (304, b"", False)
    assert (since.status_code, since.content) == (200, b"0123456789")
    assert (failed.status_code, failed.json()["statusCode"]) == (412, 412)


async def test_a_bulk_download_names_its_parts_as_they_were_asked_for(files: Files) -> None:
    for name in NAMES:
        sent = await files.ask("POST", "/files/upload-v2", params={"path": f"odd/{name}"}, content=name.encode())
        assert sent.status_code == 200, sent.text
    paths = [*(f"odd/{name}" for name in NAMES), "odd/none"]

    old = await files.ask("POST", "/files/bulk-download", "0.115.0", json={"paths": paths})
    new = await files.ask("POST", "/files/bulk-download", json={"paths": paths})

    for answer in (old, new):
        assert answer.status_code == 200
        mark = b"--" + answer.headers["content-type"].partition("boundary=")[2].encode()
        assert answer.content.endswith(mark + b"--\r\n")
        parts = answer.content.split(mark)[1:-1]
        assert [part.partition(b"\r\n\r\n")[2][:-2] for part in parts[:-1]] == [name.encode() for name in NAMES]
        assert all(part.partition(b"\r\n\r\n")[0].decode() for part in parts)  # UTF-8, all of them
    assert b"odd/none" in old.content
    assert old.headers["content-type"] != new.headers["content-type"], "a file could hold what is known before"
    assert b'filename="odd/back\\slash"' in old.content
    assert b'filename="odd/back\\\\slash"' in new.content
    failed = parts[-1].partition(b"\r\n\r\n")[2]
    assert json.loads(failed)["statusCode"] == 404


async def test_a_listing_of_several_levels_says_where_each_entry_is(files: Files) -> None:
    await files.ask("POST", "/files/upload-v2?path=t/b/x", content=b"12")

    one = await files.ask("GET", "/files?path=t")
    two = await files.ask("GET", "/files?path=t&depth=2")
    endless = await files.ask("GET", f"/files?path=t&depth={'9' * 40}")
    none = await files.ask("GET", "/files?path=t&depth=0")

    assert ["path" in each for each in one.json()] == [False]
    assert [each["path"] for each in two.json()] == ["/workspace/t/b", "/workspace/t/b/x"]
    assert endless.json() == two.json()
    assert (none.status_code, none.json()["statusCode"]) == (400, 400)
