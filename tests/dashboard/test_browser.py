"""The dashboard in a real Chromium, before a real router whose traffic is seen to change at the taps."""

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.dashboard.place import PASSWORD, PATIENCE, Place, place

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine; apt-get install chromium"),
]
SANDBOXES = 16
MILLISECONDS = PATIENCE * 1000
PAGES = (
    *("/", "/kill", "/tools/files?share=50", "/differences", "/sandboxes"),
    *("/calls", "/origins", "/reports", "/audit", "/settings"),
)
LOOKS = {"light": (1280, "light", "en"), "dark": (1280, "dark", "en"), "phone": (390, "dark", "ru")}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    flags = {"files": "live=10,shadow=90"}
    async with place(tmp_path_factory.mktemp("browser"), sandboxes=SANDBOXES, flags=flags) as found:
        async with asyncio.timeout(PATIENCE):
            while not all(each["clean"] for each in await twins(found)) or len(await twins(found)) < SANDBOXES:
                await asyncio.sleep(0.1)
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


@contextlib.asynccontextmanager
async def person(
    browser: Browser, house: Place, name: str, *, width: int = 1280, scheme: str = "light", language: str = "en"
) -> AsyncIterator[Page]:
    """Somebody who has signed in, in a browser of their own."""
    context = await browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        locale=language,
        base_url=house.url,
    )
    context.set_default_timeout(MILLISECONDS)
    page = await context.new_page()
    await page.goto("/login")
    await page.fill("#name", name)
    await page.fill("#password", PASSWORD)
    await page.press("#password", "Enter")
    await page.wait_for_url(f"{house.url}/")
    yield page
    await context.close()


async def twins(house: Place) -> list[dict[str, str]]:
    found: list[dict[str, str]] = (await house.api.get("/v1/twins")).json()["twins"]
    return found


async def answered_by_new(house: Place) -> set[str]:
    """Sandboxes whose read, made now, the new origin is seen to answer."""
    calls = {}
    async with await house.system.client() as client:
        for id in house.sandboxes:
            answer = await client.get(f"/api/toolbox/{id}/toolbox/files", params={"path": "/workspace"})
            assert answer.status_code == 200, answer.text
            calls[answer.headers["X-Crossfade-Call"]] = id
    new, old = (tap.calls("answer") & set(calls) for tap in (house.system.new_tap, house.system.old_tap))
    assert new | old == set(calls)
    return {calls[call] for call in new}


async def until_answered_by_new(house: Place, expected: set[str]) -> None:
    async with asyncio.timeout(PATIENCE):
        while await answered_by_new(house) != expected:
            await asyncio.sleep(0.1)


async def slide(page: Page, share: int) -> None:
    """Move the slider as fingers do, and wait until the page says what it would do."""
    await page.locator("#share").fill(str(share))
    await expect(page.locator("#share-shown")).to_have_text(f"{share} %")
    await expect(page.locator("#planned h3")).to_contain_text(f"live={share}", timeout=MILLISECONDS)


async def test_the_slider_from_10_to_50_moves_the_sandboxes_that_the_page_names(
    house: Place, chromium: Browser
) -> None:
    before = await answered_by_new(house)
    async with person(chromium, house, "olga") as page:
        await page.goto("/tools/files")
        await slide(page, 50)
        assert "share=50" in page.url
        await page.click("#planned summary")
        named = {text.split(" ")[0] for text in await page.locator("#planned .ids li").all_inner_texts()}
        assert "crossfade flags set files live=50,shadow=50" in await page.locator("#planned code").first.inner_text()
        await page.fill("#reason", "report says ADVANCE")
        await page.click("#planned button.primary")
        await page.wait_for_url(re.compile("done="))
        await expect(page.locator(".notice.go")).to_contain_text("version 2")

        await until_answered_by_new(house, before | named)
        await page.goto("/audit?target=files")
        row = page.locator("tbody tr").first
        await expect(row).to_contain_text("olga")
        await expect(row).to_contain_text("report says ADVANCE")
    assert named and not named & before


async def test_a_kill_sends_every_call_home_and_is_lifted(house: Place, chromium: Browser) -> None:
    before = await answered_by_new(house)
    assert before
    async with person(chromium, house, "olga") as page:
        await page.click("text=Kill …")
        await page.fill("#reason", "new loses files")
        await page.click("button.danger")
        await page.wait_for_url(f"{house.url}/")
        await expect(page.locator(".notice.stop")).to_contain_text("new loses files")
        await until_answered_by_new(house, set())

        await page.click("text=Lift the kill")
        await page.fill("#reason", "fixed")
        await page.click("form.confirm button.primary")
        await expect(page.locator(".notice.go")).to_contain_text("No alarm")
        await until_answered_by_new(house, before)


async def test_a_viewer_is_shown_no_button_and_the_page_of_another_site_cannot_press_it(
    house: Place, chromium: Browser
) -> None:
    async with person(chromium, house, "vera") as page:
        await page.goto("/tools/files?share=90")
        await expect(page.locator("#planned .blast")).to_be_visible()
        assert await page.locator("#reason").count() == 0
        csrf = await page.locator(".me input[name=csrf]").get_attribute("value")
        form = {"csrf": csrf or "", "on": "1", "reason": "r", "version": "0"}
        assert (await page.request.post("/kill", form=form)).status == 403

    before = (await house.api.get("/v1/kill")).json()
    async with person(chromium, house, "olga") as page:
        # A page elsewhere that sends a form here: the browser says where it is from, and keeps the cookie back.
        await page.route(
            "http://evil.test/",
            lambda route: route.fulfill(
                content_type="text/html",
                body=f'<form method="post" action="{house.url}/kill"><input name="on" value="1">'
                '<input name="reason" value="r"></form><script>document.forms[0].submit()</script>',
            ),
        )
        async with page.expect_response(f"{house.url}/kill") as sent:
            await page.goto("http://evil.test/")
        assert (await sent.value).status == 303  # to the sign-in: it came without the session
        await page.goto("/kill")
        await page.fill("#reason", "r")
        await page.evaluate("document.querySelector('form.confirm [name=csrf]').value = 'guessed'")
        await page.click("form.confirm button")
        await expect(page.locator("main")).to_contain_text("did not come from a page of yours")
    assert (await house.api.get("/v1/kill")).json() == before


async def test_of_two_operators_at_once_the_second_sees_the_change_of_the_first(
    house: Place, chromium: Browser
) -> None:
    async with person(chromium, house, "olga") as olga, person(chromium, house, "omar") as omar:
        for page, share in ((olga, 20), (omar, 30)):
            await page.goto("/tools/vision")
            await slide(page, share)
            await page.fill("#reason", f"wants {share}")
        await olga.click("#planned button.primary")
        await olga.wait_for_url(re.compile("done="))
        await omar.click("#planned button.primary")

        await expect(omar.locator(".notice.stop")).to_contain_text("changed by someone else meanwhile")
        await expect(omar.locator(".notice.wait")).to_contain_text("wants 20")
        assert await omar.locator("#reason").input_value() == "wants 30"
        assert (await house.api.get("/v1/flags/vision")).json()["shares"] == {"shadow": 80.0, "live": 20.0}
        await omar.click("#planned button.primary")  # still meant, now that it was seen
        await omar.wait_for_url(re.compile("done=2"))


async def test_a_kind_of_difference_is_triaged(house: Place, chromium: Browser) -> None:
    await house.system.set_flags({"shell": "shadow"})
    quiet = min(each["id"] for each in await twins(house) if each["answers"] == "passive")
    async with await house.system.client() as client:
        command = {"command": "echo $RANDOM$RANDOM$RANDOM"}
        await client.post(f"/api/toolbox/{quiet}/toolbox/process/execute", json=command)
    async with asyncio.timeout(PATIENCE):
        while not (await house.api.get("/v1/differences", params={"tool": "shell"})).json()["kinds"]:
            await asyncio.sleep(0.1)

    async with person(chromium, house, "omar") as page:
        await page.goto("/differences?state=open&tool=shell")
        await page.click("tbody th a")
        await expect(page.locator(".sides pre")).to_have_count(2)  # one sample, both sides
        await page.click("text=accept")
        await expect(page.locator(".effect")).to_contain_text("1 recorded calls no longer count")
        await page.fill("#reason", "random by nature")
        await page.click("#say button.primary")
        await expect(page.locator(".history")).to_contain_text("omar: random by nature")
        await page.goto("/differences?state=open&tool=shell")
        await expect(page.locator("tbody")).to_contain_text("None.")


async def test_a_change_is_made_with_the_keyboard_alone(house: Place, chromium: Browser) -> None:
    async def tab_to(page: Page, wanted: str) -> None:
        for _ in range(80):
            await page.keyboard.press("Tab")
            if await page.evaluate("wanted => document.activeElement.matches(wanted)", wanted):
                return
        raise AssertionError(f"no way to {wanted} with the Tab key")

    async with person(chromium, house, "olga") as page:
        await page.goto("/tools/web")
        await tab_to(page, "#share")
        for _ in range(3):
            await page.keyboard.press("ArrowRight")
        await expect(page.locator("#planned h3")).to_contain_text("live=3,shadow=97", timeout=MILLISECONDS)
        await tab_to(page, "#reason")
        await page.keyboard.type("by hand")
        await page.keyboard.press("Enter")
        await page.wait_for_url(re.compile("done=1"))

    assert (await house.api.get("/v1/flags/web")).json()["history"][0]["reason"] == "by hand"


async def test_now_follows_without_a_reload(house: Place, chromium: Browser) -> None:
    async with person(chromium, house, "vera") as page:
        row = page.locator("tr", has=page.locator("a[href='/tools/kb']"))
        await expect(row).to_contain_text("off 100 %")
        await house.system.set_flags({"kb": "dualwrite"})
        await expect(row).to_contain_text("dualwrite 100 %", timeout=MILLISECONDS)


@pytest.mark.parametrize("look", LOOKS)
async def test_every_page_fits_and_says_nothing_to_the_console(
    house: Place, chromium: Browser, look: str, tmp_path: Path
) -> None:
    width, scheme, language = LOOKS[look]
    shots = Path(os.environ.get("CROSSFADE_SCREENSHOTS", tmp_path))
    problems: list[str] = []
    call = (await house.api.get("/v1/calls")).json()["calls"][0]["id"]
    sandbox = f"/sandboxes/{house.sandboxes[0]}?act=settle"
    async with person(chromium, house, "olga", width=width, scheme=scheme, language=language) as page:
        page.on("console", lambda said: problems.append(f"{page.url}: {said.text}") if said.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(f"{page.url}: {error}"))
        for path in (*PAGES, sandbox, f"/calls/{call}"):
            await page.goto(path)
            if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                problems.append(f"{path} is wider than {width}")
            name = re.sub(r"\W+", "-", path.split("?")[0]).strip("-") or "now"
            await page.screenshot(path=shots / f"{name[:20]}-{look}.png", full_page=True)

    assert problems == []
