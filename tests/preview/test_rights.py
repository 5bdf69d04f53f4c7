"""Who may look at a port: every way Daytona knows, on either side, and nobody else."""

import asyncio
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from crossfade.stage import Origin
from router.preview.credentials import COOKIE_SECONDS
from router.preview.origins import Sandbox
from router.preview.rights import Rights
from tests.preview.rig import DOMAIN, KEY, Box, Rig, origins, router

pytestmark = pytest.mark.asyncio(loop_scope="module")
OTHER = "another-key"


def rights(box: Box) -> Rights:
    preview = box.rig.app.preview
    assert preview is not None
    return preview.doors.rights


async def status(box: Box, target: str = "/", **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return (await box.rig.get(box.host, target, headers=named)).status_code


async def test_a_private_sandbox_is_closed(box: Box) -> None:
    answer = await box.rig.get(box.host)

    assert answer.status_code == 401
    assert "X-Daytona-Preview-Token" in answer.json()["message"]
    assert answer.headers["x-crossfade-origin"] == "router"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_a_key_that_old_accepts_opens(box: Box, scheme: str) -> None:
    assert await status(box, Authorization=f"{scheme} {KEY}") == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {OTHER}"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": "Bearer"},
        {"X_Daytona_Preview_Token": KEY},
        {"X_Daytona_Preview_Token": "x" * 32},
        {"Cookie": "daytona-sandbox-auth-{id}={id}"},
        {"Cookie": "daytona-sandbox-auth-{id}=x.9999999999.{id}"},
    ],
)
async def test_what_opens_nothing(box: Box, headers: dict[str, str]) -> None:
    given = {name: value.replace("{id}", box.id) for name, value in headers.items()}

    assert await status(box, **given) == 401


async def test_each_right_is_enough_where_the_others_are_wrong(box: Box) -> None:
    token = (await box.link())["token"]
    wrong = {"Authorization": f"Bearer {OTHER}", "X_Daytona_Preview_Token": "wrong"}

    assert await status(box, f"/?DAYTONA_SANDBOX_AUTH_KEY={token}", **wrong) == 200
    assert await status(box, "/?DAYTONA_SANDBOX_AUTH_KEY=wrong", **{**wrong, "X_Daytona_Preview_Token": token}) == 200
    assert await status(box, "/?DAYTONA_SANDBOX_AUTH_KEY=wrong", **{**wrong, "Authorization": f"Bearer {KEY}"}) == 200


async def test_a_token_opens_all_ports_of_its_sandbox_and_of_no_other(box: Box) -> None:
    other = await box.rig.create()
    token = (await box.link(9999))["token"]

    assert token == (await box.link())["token"]
    assert await status(box, X_Daytona_Preview_Token=token) == 200
    assert await status(other, X_Daytona_Preview_Token=token) == 401


async def test_olds_own_token_opens_as_long_as_it_is_olds(box: Box) -> None:
    """A link that was handed out before previews were ours, or by old itself."""
    theirs = (await rights(box).origins.link(_sandbox(box), Origin.OLD, box.port)).value.token

    assert theirs
    assert theirs != (await box.link())["token"]
    assert await status(box, X_Daytona_Preview_Token=theirs) == 200
    assert await status(box, f"/?DAYTONA_SANDBOX_AUTH_KEY={theirs}") == 200


async def test_a_page_opened_by_its_query_lets_in_what_it_asks_for_itself(box: Box) -> None:
    token = (await box.link())["token"]
    page = await box.rig.get(box.host, f"/?DAYTONA_SANDBOX_AUTH_KEY={token}")
    cookie = page.headers["set-cookie"]

    part = await box.rig.get(box.host, "/app.js", headers={"Cookie": cookie.partition(";")[0]})

    assert cookie.startswith(f"daytona-sandbox-auth-{box.id}=")
    assert f"; Max-Age={COOKIE_SECONDS}; Path=/; HttpOnly; Domain={DOMAIN}; SameSite=Lax" in cookie
    assert (part.status_code, "set-cookie" in part.headers) == (200, False)
    assert "set-cookie" not in (await box.get("/")).headers


async def test_a_cookie_ends_after_its_hour(box: Box) -> None:
    name = f"daytona-sandbox-auth-{box.id}"
    fresh = rights(box).signer.cookie(box.id, box.id, time.time() - COOKIE_SECONDS + 60)
    stale = rights(box).signer.cookie(box.id, box.id, time.time() - COOKIE_SECONDS - 1)

    assert await status(box, Cookie=f"{name}={fresh}") == 200
    assert await status(box, Cookie=f"{name}={stale}") == 401
    assert await status(box, Cookie=f"{name}={stale}; {name}={fresh}") == 200


async def test_a_public_sandbox_is_open_but_for_its_private_ports(rig: Rig) -> None:
    box = await rig.create(public=True)
    await box.joined()
    for origin in Origin:
        await box.serve(origin, str(origin))
        await box.seat(origin)

        assert (await rig.get(box.host)).json()["name"] == str(origin)
        async with rig.socket(box.ws_host) as socket:
            assert str(origin) in str(await socket.recv())
        for port in (22222, 2280, 33333):
            assert (await rig.get(f"{port}-{box.id}.{DOMAIN}")).status_code == 401
            with_key = await rig.get(f"{port}-{box.id}.{DOMAIN}", headers={"Authorization": f"Bearer {KEY}"})
            assert with_key.status_code == 502
        await box.end(origin)


async def test_a_page_keeps_its_own_password_and_never_gets_the_apis_key(rig: Rig) -> None:
    box = await rig.create(public=True)
    await box.joined()
    await box.serve(Origin.OLD, "old")

    its_own = await rig.get(box.host, headers={"Authorization": "Bearer of-the-page"})
    the_apis = await rig.get(box.host, headers={"Authorization": f"Bearer {KEY}"})

    assert "of-the-page" in its_own.text
    assert KEY not in the_apis.text


async def test_a_key_is_asked_for_once_however_many_parts_a_page_has(box: Box) -> None:
    asked = rights(box).origins.allowed
    # What else is asked for, and kept for a while, is asked for now: it must not run out meanwhile.
    rights(box).origins.forget(box.id)
    assert await status(box, **(await box.token())) == 200
    asked.kept.clear()
    box.twin.keys.clear()
    owner = box.twin.row.owner
    await box.rig.app.registry.change(box.twin, owner="")
    before = box.rig.sent(Origin.OLD, "validate")

    answers = await asyncio.gather(*(status(box, f"/{part}", Authorization=f"Bearer {KEY}") for part in range(20)))
    again = await status(box, Authorization=f"Bearer {KEY}")

    await box.rig.app.registry.change(box.twin, owner=owner)
    assert {*answers, again} == {200}
    # /preview/ID/access, which the embedded server does not know, then /sandbox/ID.
    assert box.rig.sent(Origin.OLD, "validate") - before == 2


async def test_a_refused_key_is_asked_for_again_soon(box: Box) -> None:
    asked = rights(box).origins.allowed
    assert await status(box, Authorization=f"Bearer {OTHER}") == 401
    kept = [each for each in asked.kept.values() if each.until > 0]

    assert min(each.until - each.at for each in kept) <= 6.0


async def test_a_browser_without_a_right_is_sent_to_the_login(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("login")
    extra = 'login_url = "https://login.example.org/in?app=crossfade"'
    async with origins(directory) as programs, router(directory, programs, extra=extra) as rig:
        box = await rig.create()
        by_host = await rig.get(box.host, "/a%2Fb?x=1&DAYTONA_SANDBOX_AUTH_KEY=wrong", follow_redirects=False)
        by_path = await rig.get(rig.authority, f"/preview/{box.port}-{box.id}/a", follow_redirects=False)

    assert by_host.status_code == by_path.status_code == 307
    there = urlsplit(by_host.headers["location"])
    assert (there.netloc, there.path) == ("login.example.org", "/in")
    assert parse_qs(there.query) == {
        "app": ["crossfade"],
        "returnTo": [f"http://{box.host}/a%2Fb?x=1"],
        "sandboxId": [box.id],
    }
    assert parse_qs(urlsplit(by_path.headers["location"]).query)["returnTo"] == [
        f"http://{rig.authority}/preview/{box.port}-{box.id}/a"
    ]


async def test_rights_live_through_a_restart_and_end_with_the_secret(tmp_path: Path) -> None:
    async with origins(tmp_path) as programs:
        async with router(tmp_path, programs) as rig:
            box = await rig.create()
            await box.joined()
            await box.serve(Origin.OLD, "old")
            token = await box.token()
            page = await rig.get(box.host, f"/?DAYTONA_SANDBOX_AUTH_KEY={token['X-Daytona-Preview-Token']}")
            cookie = {"Cookie": page.headers["set-cookie"].partition(";")[0]}
        async with router(tmp_path, programs) as rig:
            again = [(await rig.get(box.host, headers=each)).status_code for each in (token, cookie)]
        async with router(tmp_path, programs, extra='secret = "another"') as rig:
            changed = [(await rig.get(box.host, headers=each)).status_code for each in (token, cookie)]

    assert again == [200, 200]
    assert changed == [401, 401]


async def test_while_old_is_down_what_is_known_still_opens(tmp_path: Path) -> None:
    async with origins(tmp_path) as programs, router(tmp_path, programs) as rig:
        box = await rig.create()
        public = await rig.create(public=True)
        for each in (box, public):
            await each.joined()
            await each.serve(Origin.NEW, "new")
            await each.seat(Origin.NEW)
        token = await box.token()
        preview = rig.app.preview
        assert preview is not None
        await programs[0].kill()
        preview.doors.origins.described.kept.clear()
        opened = [
            (await rig.get(box.host, headers=token)).status_code,
            (await rig.get(box.host, headers={"Authorization": f"Bearer {KEY}"})).status_code,
            (await rig.get(public.host)).status_code,
        ]
        unknown = await rig.get(box.host, headers={"Authorization": f"Bearer {OTHER}"})
        elsewhere = await rig.get(f"8080-00000000-0000-4000-8000-000000000000.{DOMAIN}")

    assert opened == [200, 200, 200]
    # Nobody can say whether the key is good: that is no refusal.
    assert unknown.status_code == elsewhere.status_code == 502


async def test_guessed_names_and_keys_do_not_use_up_what_old_allows_us(rig: Rig) -> None:
    box = await rig.create()
    await box.joined()
    preview = rig.app.preview
    assert preview is not None
    bucket = preview.doors.origins.strangers
    before = rig.sent(Origin.OLD, "validate")
    most, bucket.left, bucket.per_second = bucket.left, 3.0, 0.0
    async with rig.client(Authorization="") as client:
        names = [await client.get("/", headers={"Host": f"80-guess{number}.{DOMAIN}"}) for number in range(10)]
        wrong = {"Host": box.host, "Authorization": "Bearer guess"}
        key = await client.get("/", headers=wrong)
        token = await client.get("/", headers={**wrong, **await box.token()})
    bucket.left, bucket.per_second = most, 20.0

    assert [each.status_code for each in names] == [404] * 3 + [429] * 7
    # A right that we can check ourselves goes on to open.
    assert (key.status_code, token.status_code) == (429, 502)
    assert rig.sent(Origin.OLD, "validate") - before <= 6


def _sandbox(box: Box) -> Sandbox:
    return Sandbox(id=box.id, public=False, twin=box.twin)
