"""HTTP through a preview, on either side: bytes, streams, sizes, methods, refusals; a real server in a real sandbox."""

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator

import pytest

from crossfade.stage import Origin
from tests.preview.rig import DOMAIN, KEY, Box, Rig, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_link_is_ours_and_leads_to_the_seat(box: Box) -> None:
    link = await box.link()

    assert link["url"] == f"http://{box.host}"
    assert (await box.seen("/"))["name"] == str(box.twin.seat)


@pytest.mark.parametrize("target", ["/", "/a%2Fb", "//a//b", "/a?b=%20c+d&e=%2F&&f", "/%E2%82%AC;x=y", "/.."])
async def test_the_server_inside_is_asked_byte_for_byte(box: Box, target: str) -> None:
    by_host = await _raw(box, "GET", target, host=box.host)
    by_path = await _raw(box, "GET", f"/preview/{box.port}-{box.id}{target}", host=box.rig.authority)

    assert f'"target": "{target}"'.encode() in by_host
    assert f'"target": "{target}"'.encode() in by_path


async def test_the_query_key_opens_and_is_not_seen_inside(box: Box) -> None:
    key = (await box.link())["token"]

    answer = await box.rig.get(box.host, f"/x?a=%20&DAYTONA_SANDBOX_AUTH_KEY={key}&b=1")

    assert answer.json()["target"] == "/x?a=%20&b=1"
    assert key not in answer.text


async def test_no_credential_of_the_client_reaches_the_server_inside(box: Box) -> None:
    cookie = f"daytona-sandbox-auth-{box.id}=forged; mine=1"
    headers = {
        "Authorization": f"Bearer {KEY}",
        "Cookie": cookie,
        "E2b-Sandbox-Id": "other",
        "X-Crossfade-Tool": "expose",
    }

    seen = await box.seen("/", headers=headers)

    assert KEY not in str(seen)
    assert (await box.link())["token"] not in str(seen)
    assert seen["fields"]["cookie"] == "mine=1"
    assert seen["fields"].keys() & {"authorization", "e2b-sandbox-id", "x-crossfade-tool"} == set()
    assert seen["fields"]["x-forwarded-host"] == box.host
    assert seen["fields"]["x-forwarded-for"] == "127.0.0.1"


async def test_on_new_a_server_is_asked_under_the_name_that_daytona_asks_it_under(box: Box) -> None:
    """Dev servers refuse names they do not know. On old it is the provider's own proxy that says localhost."""
    host = (await box.seen("/"))["fields"]["host"]

    assert host == f"localhost:{box.port}" or box.twin.seat is Origin.OLD


async def test_a_stream_arrives_while_it_is_made(box: Box) -> None:
    headers = {**await box.token(), "Host": box.host}
    async with box.rig.client(Authorization="") as client, client.stream("GET", "/stream", headers=headers) as answer:
        pieces = answer.aiter_raw()
        first = await anext(pieces)
        # The second piece is made only now: whoever waits for the end of the answer never gets here.
        assert (await box.get("/go")).text == "going"
        rest = b"".join([piece async for piece in pieces])

    assert (first, rest) == (b"data: one\n\n", b"data: two\n\n")
    assert answer.headers["content-type"] == "text/event-stream"


@pytest.mark.parametrize("announced", [True, False], ids=["length", "chunked"])
async def test_a_large_body_passes_whole_and_is_never_held(box: Box, announced: bool) -> None:
    piece, count = os.urandom(65_536), 512  # 32 MiB
    expected = hashlib.sha256()

    async def body() -> AsyncIterator[bytes]:
        for _ in range(count):
            expected.update(piece)
            yield piece

    headers = {"Content-Length": str(len(piece) * count)} if announced else {}
    answer = await box.send("POST", "/upload", content=body(), headers=headers)

    said = answer.json()
    assert (said["size"], said["sha256"]) == (len(piece) * count, expected.hexdigest())
    assert said["name"] == str(box.twin.seat)


async def test_a_body_reaches_the_server_inside_while_the_client_still_sends(box: Box) -> None:
    """A client that sends the second half only once the record of the first is open shows that nothing waits for it."""
    half = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"a" * 1000
        await half.wait()
        yield b"b" * 1000

    preview = box.rig.app.preview
    assert preview is not None
    before = preview.visits.open
    sending = asyncio.create_task(box.send("POST", "/upload", content=body(), headers={"Content-Length": "2000"}))
    await until(lambda: preview.visits.open > before and bool(box.twin.open))
    half.set()

    assert (await sending).json()["size"] == 2000


@pytest.mark.parametrize("method", ["HEAD", "DELETE", "OPTIONS", "GET"])
async def test_every_method_passes(box: Box, method: str) -> None:
    answer = await box.send(method, "/x")

    assert answer.status_code == 200
    assert (answer.text == "") is (method == "HEAD")
    assert int(answer.headers["content-length"]) > 100


@pytest.mark.parametrize("status", [204, 304, 404, 418, 500, 503])
async def test_statuses_of_the_page_pass_and_are_not_ours(box: Box, status: int) -> None:
    answer = await box.get(f"/status/{status}")

    assert answer.status_code == status
    assert "x-crossfade-origin" not in answer.headers
    assert answer.headers["x-crossfade-call"]


async def test_redirects_and_cookies_of_the_page_pass(box: Box) -> None:
    redirect = await box.get("/redirect?/there", follow_redirects=False)
    cookies = await box.get("/cookies?a=1;%20Path=/&b=2")

    assert redirect.headers["location"] == "/there"
    assert cookies.headers.get_list("set-cookie") == ["a=1;%20Path=/", "b=2"]


async def test_redirects_and_cookies_of_the_path_form_stay_below_the_port(box: Box) -> None:
    root = f"/preview/{box.port}-{box.id}"
    async with box.rig.client(**await box.token()) as client:
        bare = await client.get(f"{root}?x=1", follow_redirects=False)
        redirect = await client.get(f"{root}/redirect?/there", follow_redirects=False)
        cookies = await client.get(f"{root}/cookies?a=1;Path=/")
        seen = (await client.get(f"{root}/x")).json()

    assert (bare.status_code, bare.headers["location"]) == (307, f"{root}/?x=1")
    assert redirect.headers["location"] == f"{root}/there"
    assert cookies.headers["set-cookie"] == f"a=1; Path={root}/"
    assert dict(seen["headers"]).get("X-Forwarded-Prefix", dict(seen["headers"]).get("x-forwarded-prefix")) == root


async def test_a_browsers_preflight_is_answered_without_a_right(box: Box) -> None:
    asked = {"Origin": "https://front.example", "Access-Control-Request-Headers": "x-mine"}

    answer = await box.rig.send("OPTIONS", box.host, "/x", headers=asked)
    page = await box.get("/cors", headers={"Origin": "https://front.example"})
    other = await box.get("/x", headers={"Origin": "https://front.example"})

    assert (answer.status_code, answer.headers["access-control-allow-headers"]) == (204, "x-mine")
    assert page.headers.get_list("access-control-allow-origin") == ["https://only.example"]
    assert other.headers["access-control-allow-origin"] == "https://front.example"


async def test_a_port_that_nobody_listens_on_is_a_bad_gateway(box: Box) -> None:
    answer = await box.rig.get(f"9-{box.id}.{DOMAIN}", headers=await box.token())

    assert answer.status_code == 502


@pytest.mark.parametrize(
    "host",
    [
        *(f"8080-unknown.{DOMAIN}", f"0-unknown.{DOMAIN}", f"99999-unknown.{DOMAIN}", f"unknown.{DOMAIN}"),
        f"8080-00000000-0000-4000-8000-000000000000.{DOMAIN}",
    ],
)
async def test_unknown_hosts_are_404_for_http_and_websockets(rig: Rig, host: str) -> None:
    answer = await rig.get(host, "/toolbox/x/files", headers={"Authorization": f"Bearer {KEY}"})

    assert answer.status_code == 404
    assert answer.headers["x-crossfade-origin"] == "router"
    assert answer.json()["statusCode"] == 404


async def test_a_path_that_looks_like_the_apis_is_the_servers_on_its_own_host(box: Box) -> None:
    """The listener answers toolbox calls before the application sees them: not on a preview's host."""
    for target in (f"/toolbox/{box.id}/files?path=/workspace", f"/toolbox/{box.id}/work-dir", "/api/sandbox"):
        assert (await box.seen(target))["target"] == target


async def test_an_id_in_capitals_is_the_same_sandbox(box: Box) -> None:
    answer = await box.rig.get(f"{box.port}-{box.id.upper()}.{DOMAIN.upper()}", headers=await box.token())

    assert answer.json()["name"] == str(box.twin.seat)


async def test_a_client_that_goes_away_ends_the_request_inside(box: Box) -> None:
    preview = box.rig.app.preview
    assert preview is not None
    headers = {**await box.token(), "Host": box.host}
    async with box.rig.client(Authorization="") as client, client.stream("GET", "/stream", headers=headers) as answer:
        await anext(answer.aiter_raw())
        assert box.twin.open
    await until(lambda: not box.twin.open and preview.visits.open == 0)
    assert (await box.get("/go")).status_code == 200


async def test_a_head_past_the_limit_is_refused(box: Box) -> None:
    answer = await box.get("/x", headers={"X-Long": "x" * 70_000})

    assert answer.status_code == 431


async def test_novnc_pages_in_the_path_form_are_told_where_their_socket_is(box: Box) -> None:
    root = f"/preview/6080-{box.id}"
    async with box.rig.client() as client:
        answer = await client.get(f"{root}/vnc_lite.html?password=x", follow_redirects=False)

    assert answer.status_code == 307
    assert answer.headers["location"] == f"{root}/vnc_lite.html?password=x&path={root[1:]}/websockify"


async def test_e2bs_own_daemon_is_no_port_of_the_sandbox(box: Box) -> None:
    answer = await box.rig.get(f"49983-{box.id}.{DOMAIN}", "/health", headers=await box.token())

    assert answer.status_code == (404 if box.twin.seat is Origin.NEW else 502)


async def _raw(box: Box, method: str, target: str, *, host: str) -> bytes:
    """An answer to exactly these bytes: HTTP clients tidy paths up."""
    ip, port = box.rig.authority.split(":")
    token = (await box.link())["token"]
    reader, writer = await asyncio.open_connection(ip, int(port))
    head = (
        f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nX-Daytona-Preview-Token: {token}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode())
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    assert re.match(rb"HTTP/1.1 200 ", answer), answer[:300]
    return answer
