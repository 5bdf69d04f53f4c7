"""The dashboard's pages over a socket, beside a running router: who may see and change what, and what a change does."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from crossfade.judgement import Saying
from router.dashboard.users import Role
from router.store.database import open_database
from router.store.judgements import SqlJudgements
from tests.dashboard.place import PASSWORD, PATIENCE, Forms, Place, place, signed_in
from tests.journeys.probes import twins

pytestmark = pytest.mark.asyncio(loop_scope="module")
PAGES = (
    *("/", "/kill", "/tools/files", "/tools/files?share=50", "/tools/shell?value=live", "/sandboxes"),
    *("/sandboxes?seat=new&held=1", "/calls", "/calls?tool=files&differing=1", "/origins", "/reports", "/audit"),
    *("/audit?target=files", "/settings"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    flags = {"files": "live=10,shadow=90"}
    async with place(tmp_path_factory.mktemp("house"), sandboxes=2, flags=flags) as found:
        async with await found.system.client() as client:
            for id in found.sandboxes:
                await client.get(f"/api/toolbox/{id}/toolbox/files", params={"path": "/workspace"})
        await twins(found.system, found.sandboxes)
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def olga(house: Place) -> AsyncIterator[httpx2.AsyncClient]:
    async with signed_in(house.url, "olga") as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def vera(house: Place) -> AsyncIterator[httpx2.AsyncClient]:
    async with signed_in(house.url, "vera") as client:
        yield client


async def version(house: Place, tool: str) -> int:
    return int((await house.api.get(f"/v1/flags/{tool}")).json()["version"])


async def form(client: httpx2.AsyncClient, page: str, action: str) -> dict[str, str]:
    return Forms((await client.get(page)).text).found[action]


async def test_who_is_not_signed_in_sees_the_sign_in_and_comes_back_to_the_page(house: Place) -> None:
    async with httpx2.AsyncClient(base_url=house.url, trust_env=False, timeout=PATIENCE) as stranger:
        for path in (*PAGES, f"/sandboxes/{house.sandboxes[0]}", "/reports/report.json"):
            answer = await stranger.get(path)
            assert (answer.status_code, answer.headers["location"][:12]) == (303, "/login?next=")
            assert house.sandboxes[0] not in answer.text
        assert (await stranger.post("/kill", data={"on": "1"})).headers["location"] == "/login"

        page = await stranger.get("/login?next=/tools/files%3Fshare%3D50")
        done = await stranger.post(
            str(page.url), data={**Forms(page.text).found[""], "name": "olga", "password": PASSWORD}
        )
        assert done.headers["location"] == "/tools/files?share=50"
        cookie = next(each for each in done.headers.get_list("set-cookie") if each.startswith("crossfade-session="))
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_there_in_both_languages_for_both_roles(
    olga: httpx2.AsyncClient, vera: httpx2.AsyncClient, path: str
) -> None:
    for client, language in ((olga, "en"), (vera, "ru")):
        answer = await client.get(path, headers={"Accept-Language": language})
        assert answer.status_code == 200, answer.text
        assert f'<html lang="{language}"' in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert not re.search(r"<script(?! src=\"/static/)|\bstyle=|\bon\w+=\"", answer.text)


async def test_one_sandbox_and_one_call_have_pages(house: Place, olga: httpx2.AsyncClient) -> None:
    assert house.sandboxes[0] in (await olga.get(f"/sandboxes/{house.sandboxes[0]}?act=settle")).text
    id = (await house.api.get("/v1/calls", params={"tool": "files"})).json()["calls"][0]["id"]
    page = (await olga.get(f"/calls/{id}")).text
    assert "Reason of the decision" in page and f"crossfade calls show {id}" in page
    assert (await olga.get("/sandboxes/nobody")).status_code == 404
    assert (await olga.get("/nothing")).status_code == 404


async def test_a_change_needs_the_form_of_this_session(house: Place, olga: httpx2.AsyncClient) -> None:
    before = await version(house, "web")
    good = await form(olga, "/tools/web?share=10", "/tools/web/flag")
    async with signed_in(house.url, "omar") as omar:
        other = await form(omar, "/tools/web?share=10", "/tools/web/flag")
    for csrf in ("", "x" * 32, other["csrf"]):
        answer = await olga.post("/tools/web/flag", data={**good, "reason": "r", "csrf": csrf})
        assert answer.status_code == 403
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        answer = await olga.post("/tools/web/flag", data={**good, "reason": "r"}, headers=headers)
        assert answer.status_code == 403
    assert await version(house, "web") == before

    done = await olga.post("/tools/web/flag", data={**good, "reason": "r", "author": "somebody else"})
    assert (done.status_code, done.headers["location"]) == (303, "/tools/web?done=1")
    entry = (await house.api.get("/v1/audit", params={"target": "web"})).json()["entries"][0]
    assert (entry["author"], entry["reason"], entry["details"]["after"]["shares"]) == (
        "olga", "r", {"shadow": 90.0, "live": 10.0},
    )  # fmt: skip


async def test_a_viewer_sees_no_form_that_changes_something_and_is_refused(
    house: Place, vera: httpx2.AsyncClient
) -> None:
    sandbox = f"/sandboxes/{house.sandboxes[0]}"
    csrf = (await form(vera, "/", "/logout"))["csrf"]
    changing = {
        "/tools/kb?share=10": "/tools/kb/flag",
        "/kill": "/kill",
        f"{sandbox}?act=settle": f"{sandbox}/settle",
    }
    for page, action in changing.items():
        forms = Forms((await vera.get(page)).text).found
        assert not any("reason" in fields for fields in forms.values())
        body = {"csrf": csrf, "reason": "r", "value": "live", "version": "0", "on": "1"}
        assert (await vera.post(action, data=body)).status_code == 403
    assert await version(house, "kb") == 0
    assert (await house.api.get("/v1/kill")).json()["killed"] is False


async def test_of_two_who_change_at_once_the_second_is_shown_the_first(house: Place, olga: httpx2.AsyncClient) -> None:
    async with signed_in(house.url, "omar") as omar:
        first = await form(olga, "/tools/image?share=10", "/tools/image/flag")
        second = await form(omar, "/tools/image?value=live", "/tools/image/flag")
        assert (await olga.post("/tools/image/flag", data={**first, "reason": "olga's"})).status_code == 303
        answer = await omar.post("/tools/image/flag", data={**second, "reason": "omar's <b>"})

    assert answer.status_code == 409
    assert "changed by someone else meanwhile" in answer.text and "olga&#39;s" in answer.text
    again = Forms(answer.text).found["/tools/image/flag"]
    assert (again["version"], again["reason"], again["value"]) == ("1", "omar's <b>", "live")
    assert "<b>" not in answer.text


async def test_a_change_that_cannot_be_meant_is_said_on_the_page(house: Place, olga: httpx2.AsyncClient) -> None:
    page = await olga.get("/tools/files?value=live%3D10")
    assert page.status_code == 400 and "adds up to 10 %" in page.text
    good = await form(olga, "/tools/files?share=20", "/tools/files/flag")
    assert (await olga.post("/tools/files/flag", data={**good, "reason": " "})).status_code == 400
    assert (await olga.get("/tools/nothing")).status_code == 404


async def test_a_kill_is_turned_on_and_off_with_its_reason(house: Place, olga: httpx2.AsyncClient) -> None:
    fields = await form(olga, "/kill", "")
    assert (await olga.post("/kill", data={**fields, "reason": "new loses files"})).status_code == 303
    assert "Everything is killed" in (page := (await olga.get("/")).text) and "new loses files" in page

    late = await olga.post("/kill", data={**fields, "on": "0", "reason": "an old page"})
    assert late.status_code == 409
    fields = await form(olga, "/kill", "")
    assert (await olga.post("/kill", data={**fields, "reason": "fixed"})).status_code == 303
    assert "Everything is killed" not in (await olga.get("/")).text


async def test_a_sandbox_is_compared_and_settled_from_its_page(house: Place, olga: httpx2.AsyncClient) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await house.api.get(f"/v1/twins/{house.sandboxes[0]}")).json()["follower"] != "joined":
            await asyncio.sleep(0.1)
    there = f"/sandboxes/{house.sandboxes[0]}"
    settle = await form(olga, f"{there}?act=settle", f"{there}/settle")
    done = await olga.post(f"{there}/settle", data={**settle, "reason": "look"})
    assert (done.status_code, done.headers["location"]) == (303, f"{there}?done=settle")
    verify = await form(olga, f"{there}?act=verify", f"{there}/verify")
    assert "Both trees are equal." in (await olga.post(f"{there}/verify", data={**verify, "reason": "look"})).text
    assert (await olga.post(f"{there}/explode", data={**verify, "reason": "look"})).status_code == 404


async def test_a_word_on_a_difference_stands_in_the_trail_and_leads_to_no_sandbox(
    house: Place, olga: httpx2.AsyncClient
) -> None:
    rows = SqlJudgements(open_database(house.system.store, create=False))
    rows.add(rows.make(Saying.IGNORE, "fs.list *", author="ada", reason="known", owner="bob", until=2e9))
    page = (await olga.get("/audit?target=fs.list+*")).text

    assert "difference.ignore" in page and "owner bob, until 2033-05-18" in page
    assert "/sandboxes/fs" not in page


async def test_a_report_is_shown_without_scripts(olga: httpx2.AsyncClient) -> None:
    report = await olga.get("/reports/report.html?since=all")

    assert report.status_code == 200 and "<svg" in report.text
    assert "sandbox" in report.headers["content-security-policy"]


async def test_who_guesses_is_made_to_wait_also_with_the_right_password(tmp_path: Path) -> None:
    async with place(tmp_path, extra="login_attempts = 3\n") as own:

        async def tried(client: httpx2.AsyncClient, name: str, password: str) -> httpx2.Response:
            page = Forms((await client.get("/login")).text).found[""]
            return await client.post("/login", data={**page, "name": name, "password": password})

        async with httpx2.AsyncClient(base_url=own.url, trust_env=False, timeout=PATIENCE) as client:
            guessed = [(await tried(client, "olga", f"wrong {each}")).status_code for each in range(3)]
            late = await tried(client, "olga", PASSWORD)
            other = await tried(client, "vera", PASSWORD)
            many = [(await tried(client, f"name {each}", "wrong")).status_code for each in range(10)]
            without_form = await client.post("/login", data={"name": "vera", "password": PASSWORD})

    assert guessed == [401, 401, 401]
    assert late.status_code == 429 and int(late.headers["retry-after"]) > 0
    assert other.status_code == 303
    assert many == [401] * 9 + [429]  # from one address
    assert without_form.status_code == 403


async def test_who_is_removed_demoted_or_signed_out_is_so_at_once(tmp_path: Path) -> None:
    async with (
        place(tmp_path) as own,
        signed_in(own.url, "vera") as vera,
        signed_in(own.url, "omar") as omar,
        signed_in(own.url, "olga") as olga,
    ):
        out = Forms((await vera.get("/")).text).found["/logout"]
        kept = {"Cookie": f"crossfade-session={vera.cookies['crossfade-session']}"}
        assert (await vera.post("/logout", data=out)).status_code == 303
        assert (await vera.get("/", headers=kept)).status_code == 303

        own.users.remove("omar")
        assert (await omar.get("/")).status_code == 303
        own.users.put("olga", Role.VIEWER, PASSWORD)
        assert (await olga.get("/")).status_code == 303  # signs in anew


async def test_a_router_that_is_down_is_said_and_signing_in_goes_on(tmp_path: Path) -> None:
    async with place(tmp_path) as own:
        await own.system.router.stop()
        async with signed_in(own.url, "olga") as olga:
            down = await olga.get("/")

    assert down.status_code == 503 and "no router answers" in down.text


async def test_language_and_colours_are_remembered_and_lead_nowhere_else(olga: httpx2.AsyncClient) -> None:
    chosen = await olga.get("/preferences?language=ru&theme=dark&next=//evil.example")
    assert chosen.headers["location"] == "/"
    again = await olga.get("/sandboxes", headers={"Accept-Language": "en"})
    assert '<html lang="ru" data-theme="dark">' in again.text
    assert "set-cookie" not in (await olga.get("/preferences?language=fr&theme=x")).headers


async def test_a_kind_of_difference_is_explained_and_taken_back(house: Place, olga: httpx2.AsyncClient) -> None:
    await house.system.set_flags({"shell": "shadow"})
    async with await house.system.client() as client:
        await client.post(
            f"/api/toolbox/{house.sandboxes[0]}/toolbox/process/execute", json={"command": "echo $RANDOM$RANDOM$RANDOM"}
        )
    async with asyncio.timeout(PATIENCE):
        while not (kinds := (await house.api.get("/v1/differences", params={"tool": "shell"})).json()["kinds"]):
            await asyncio.sleep(0.1)
    name = kinds[0]["signature"]
    there = str(httpx2.URL("/differences/kind", params={"name": name}))
    action = re.sub(r"\+", "%20", there)
    assert name in (await olga.get("/differences?state=open&tool=shell")).text

    fields = await form(olga, f"{there}&saying=accept", action)
    done = await olga.post(there, data={**fields, "reason": "random by nature"})
    assert done.status_code == 303, done.text
    assert "random by nature" in (page := (await olga.get(done.headers["location"])).text) and "accepted" in page
    assert (await house.api.get("/v1/differences", params={"state": "open"})).json()["kinds"] == []

    wide = await form(olga, f"{there}&saying=ignore", action)
    refused = await olga.post(there, data={**wide, "subject": "*", "reason": "all"})
    assert refused.status_code == 409 and "is refused" in refused.text
    fields = await form(olga, f"{there}&saying=reopen", action)
    assert (await olga.post(there, data={**fields, "reason": "look again"})).status_code == 303
    assert len((await house.api.get("/v1/differences", params={"state": "open"})).json()["kinds"]) == 1
    assert (await olga.get("/differences/kind?name=nothing")).status_code == 400
    for state in ("nothing", "open&x=1"):
        assert (await house.api.get(f"/v1/differences?state={state}")).status_code == 400
