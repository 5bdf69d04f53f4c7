"""A tool's ramp on its page, beside a running router: planned, started, refused a step, taken back."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import async_playwright, expect

from tests.dashboard.place import Forms, Place, place, signed_in
from tests.dashboard.test_browser import CHROMIUM, LOOKS, person

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    flags = {"files": "live=10,shadow=90", "web": "live=50,shadow=50"}
    async with place(tmp_path_factory.mktemp("ramp"), flags=flags, extra="[ramp]\nevery_seconds = 0.2\n") as found:
        yield found


async def done(client: httpx2.AsyncClient, tool: str, act: str, **more: str) -> httpx2.Response:
    """Press the button `act`, fill in the reason, and send the form that comes."""
    there = f"/tools/{tool}/ramp/{act}"
    fields = Forms((await client.get(f"/tools/{tool}?ramp={act}")).text).found[there]
    return await client.post(there, data={**fields, "reason": "week 48", **more})


async def ramp(house: Place, tool: str) -> dict[str, object]:
    found: dict[str, object] = (await house.api.get(f"/v1/ramps/{tool}")).json()["ramp"]
    return found


async def test_a_ramp_is_planned_started_and_paused_and_a_step_that_is_not_proven_is_refused(house: Place) -> None:
    async with signed_in(house.url, "olga") as olga:
        page = (await olga.get("/tools/files")).text
        assert "No plan yet." in page and "?ramp=plan" in page and "?ramp=step" not in page
        page = (await olga.get("/tools/files?ramp=plan")).text
        assert "crossfade ramp plan files --steps 10,50,100 --days 7 --sandboxes 30 --mode suggest" in page

        planned = await done(olga, "files", "plan", least_days="3", mode="act")
        assert (planned.status_code, planned.headers["location"]) == (303, "/tools/files?ramped=plan#ramp")
        assert (await ramp(house, "files")).items() >= {"least_days": 3.0, "mode": "act", "state": "planned"}.items()
        assert (await done(olga, "files", "start")).status_code == 303
        refused = await done(olga, "files", "step")
        assert refused.status_code == 403 and "There is no evidence" in refused.text
        assert (await house.api.get("/v1/flags/files")).json()["shares"] == {"shadow": 90.0, "live": 10.0}
        page = (await olga.get("/tools/files?ramp=step")).text
        assert "halt" in page and "crossfade ramp step files --reason" in page
        assert (await done(olga, "files", "pause")).status_code == 303

        trail = (await house.api.get("/v1/audit", params={"target": "files"})).json()["entries"]
        assert [(each["action"], each["author"], each["reason"]) for each in trail[:3]] == [
            (f"ramp.{act}", "olga", "week 48") for act in ("pause", "start", "plan")
        ]


async def test_back_to_shadow_is_one_button(house: Place) -> None:
    async with signed_in(house.url, "olga") as olga:
        await done(olga, "web", "plan")
        await done(olga, "web", "start")
        assert (await done(olga, "web", "back")).status_code == 303

        assert (await house.api.get("/v1/flags/web")).json()["shares"] == {"shadow": 100.0}
        assert (await ramp(house, "web"))["state"] == "stopped"
        assert "?ramp=start" in (await olga.get("/tools/web")).text


async def test_what_cannot_be_meant_is_said_on_the_page_with_what_was_filled_in(house: Place) -> None:
    async with signed_in(house.url, "olga") as olga:
        wrong = await done(olga, "image", "plan", steps="10,100")
        assert wrong.status_code == 400 and "leave out 50" in wrong.text and 'value="10,100"' in wrong.text
        assert (await olga.get("/tools/image?ramp=explode")).status_code == 200
        fields = Forms((await olga.get("/tools/image?ramp=plan")).text).found["/tools/image/ramp/plan"]
        assert (await olga.post("/tools/image/ramp/explode", data={**fields, "reason": "r"})).status_code == 404
        assert (await ramp(house, "image")) is None


async def test_a_viewer_sees_the_ramp_and_no_form_and_is_refused(house: Place) -> None:
    async with signed_in(house.url, "vera") as vera, signed_in(house.url, "olga") as olga:
        page = (await vera.get("/tools/kb?ramp=plan")).text
        assert "/tools/kb/ramp/plan" not in Forms(page).found and "your role is viewer" in page
        csrf = Forms((await olga.get("/tools/kb?ramp=plan")).text).found["/tools/kb/ramp/plan"]
        assert (await vera.post("/tools/kb/ramp/plan", data={**csrf, "reason": "r"})).status_code == 403
        assert (await ramp(house, "kb")) is None


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine; apt-get install chromium")
async def test_it_is_planned_and_started_by_the_keyboard_in_a_browser_of_any_width(
    house: Place, tmp_path: Path
) -> None:
    shots = Path(os.environ.get("CROSSFADE_SCREENSHOTS") or tmp_path)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        async with person(browser, house, "olga") as page:
            await page.goto("/tools/upload?ramp=plan#ramp")
            await page.fill("#least-days", "5")
            await page.fill("#reason", "week 48")
            await page.press("#reason", "Enter")
            await expect(page.locator("#ramp .notice.go")).to_contain_text("Done.")
            await page.focus('#ramp a[href*="ramp=start"]')
            await page.keyboard.press("Enter")
            await page.fill("#reason", "week 48")
            await page.press("#reason", "Enter")
            await expect(page.locator("#ramp .facts")).to_contain_text("running")
        for name, (width, scheme, language) in LOOKS.items():
            async with person(browser, house, "olga", width=width, scheme=scheme, language=language) as page:
                for shown, address in (("ramp", "/tools/upload?ramp=step"), ("ramp-plan", "/tools/kb?ramp=plan")):
                    await page.goto(address)
                    wide = await page.evaluate("document.documentElement.scrollWidth")
                    assert wide <= width, f"{address} is {wide} wide at {width}"
                    await page.locator("#ramp").screenshot(path=shots / f"{shown}-{name}.png")
                await page.goto("/")
                await page.screenshot(path=shots / f"now-ramp-{name}.png")
        await browser.close()
    assert (await ramp(house, "upload"))["least_days"] == 5.0
