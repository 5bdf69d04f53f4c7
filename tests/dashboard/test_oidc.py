"""Signing in by an identity provider that runs on a socket: who comes in, as what, and what is not believed."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import pytest_asyncio
from joserfc.jwk import OctKey, RSAKey
from playwright.async_api import async_playwright

from tests.dashboard.identity import CLIENT, SECRET, Identity, identity
from tests.dashboard.place import PASSWORD, PATIENCE, Forms, Place, place
from tests.dashboard.test_browser import CHROMIUM
from tests.journeys.stack import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")
GROUPS = {"operators": '["migration"]', "viewers": '["staff"]'}


def oidc(provider: Identity, port: int, **more: str) -> str:
    """The settings that a dashboard on this port needs."""
    keys = {"issuer": f'"{provider.url}"', "client_id": f'"{CLIENT}"', "client_secret": f'"{SECRET}"', **GROUPS, **more}
    lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
    return f'public_url = "http://127.0.0.1:{port}"\n[oidc]\n{lines}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider() -> AsyncIterator[Identity]:
    async with identity() as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory, provider: Identity) -> AsyncIterator[Place]:
    port = free_port()
    async with place(tmp_path_factory.mktemp("house"), extra=oidc(provider, port), port=port) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def browser(house: Place, provider: Identity) -> AsyncIterator[httpx2.AsyncClient]:
    provider.claims, provider.answer, provider.signs_with, provider.algorithm = {}, {}, None, "RS256"
    async with httpx2.AsyncClient(base_url=house.url, timeout=PATIENCE, trust_env=False) as client:
        yield client


async def sent_back(client: httpx2.AsyncClient, target: str = "/") -> str:
    """Begin, let the provider sign in: the address with which it sends the browser back."""
    begun = await client.get("/oidc/begin", params={"next": target})
    assert begun.status_code == 303, begun.text
    async with httpx2.AsyncClient(trust_env=False) as elsewhere:
        return str((await elsewhere.get(begun.headers["location"])).headers["location"])


async def come_in(client: httpx2.AsyncClient, target: str = "/") -> httpx2.Response:
    return await client.get(await sent_back(client, target))


async def test_an_operator_comes_in_and_signs_what_they_change(
    house: Place, provider: Identity, browser: httpx2.AsyncClient
) -> None:
    provider.claims = {"groups": ["staff", "migration"]}
    page = await browser.get("/login?next=/kill")
    link = "/oidc/begin?next=/kill"
    assert link in page.text
    welcome = await come_in(browser, "/kill")
    kill = await browser.get("/kill")
    form = Forms(kill.text).found[""]
    done = await browser.post("/kill", data={**form, "reason": "a drill"})
    undone = Forms((await browser.get("/kill")).text).found[""]
    await browser.post("/kill", data={**undone, "reason": "over"})
    audit = (await house.api.get("/v1/audit")).json()["entries"]

    assert (welcome.status_code, 'content="0; url=/kill"' in welcome.text) == (200, True)
    assert done.status_code == 303, done.text
    assert {"anna@example.org"} == {each["author"] for each in audit if each["reason"] in ("a drill", "over")}


async def test_a_viewer_looks_and_changes_nothing(provider: Identity, browser: httpx2.AsyncClient) -> None:
    provider.claims = {"groups": "staff"}
    await come_in(browser)
    page = await browser.get("/tools/files")
    form = next(each for each in Forms(page.text).found.values() if "csrf" in each)
    refused = await browser.post("/kill", data={"csrf": form["csrf"], "on": "1", "reason": "x"})
    out = await browser.post("/logout", data={"csrf": form["csrf"]})

    assert (page.status_code, refused.status_code, out.status_code) == (200, 403, 303)
    assert (await browser.get("/")).headers["location"].startswith("/login")


UNBELIEVED: dict[str, dict[str, Any]] = {
    "for somebody else": {"aud": "grafana"},
    "for somebody else too": {"aud": [CLIENT, "grafana"], "azp": "grafana"},
    "of another issuer": {"iss": "https://evil.example.org"},
    "expired": {"exp": 1_600_000_000},
    "without an end": {"exp": None},
    "of another sign-in": {"nonce": "n"},
    "of no sign-in": {"nonce": None},
    "without a name": {"email": None},
    "of an address that nobody verified": {"email_verified": False},
    "of no group": {"groups": None},
    "of other groups": {"groups": ["staff-of-others", {"name": "staff"}]},
}


@pytest.mark.parametrize("claims", UNBELIEVED.values(), ids=list(UNBELIEVED))
async def test_a_token_is_not_believed(provider: Identity, browser: httpx2.AsyncClient, claims: dict[str, Any]) -> None:
    provider.claims = {"groups": ["migration"], **claims}
    refused = await come_in(browser)

    assert (refused.status_code, 'role="alert"' in refused.text) == (403, True)
    assert (await browser.get("/")).status_code == 303


@pytest.mark.parametrize("made", ["by another key", "by the secret", "by nobody"])
async def test_a_signature_is_not_believed(provider: Identity, browser: httpx2.AsyncClient, made: str) -> None:
    provider.claims = {"groups": ["migration"]}
    if made == "by another key":
        provider.signs_with = RSAKey.generate_key(2048, {"kid": provider.key.kid})
    else:
        provider.signs_with = OctKey.import_key(SECRET)
        provider.algorithm = "HS256" if made == "by the secret" else "none"

    assert (await come_in(browser)).status_code == 403


async def test_new_keys_of_the_provider_are_fetched_when_they_are_needed(
    provider: Identity, browser: httpx2.AsyncClient
) -> None:
    provider.claims = {"groups": ["migration"]}
    await come_in(browser)
    fetched = provider.asked.count("keys")
    again = await come_in(browser)
    assert (again.status_code, provider.asked.count("keys")) == (200, fetched)

    provider.key = RSAKey.generate_key(2048, {"kid": "two"})
    assert (await come_in(browser)).status_code == 200
    assert provider.asked.count("keys") == fetched + 1


async def test_what_comes_back_belongs_to_the_browser_that_began_and_counts_once(
    house: Place, provider: Identity, browser: httpx2.AsyncClient
) -> None:
    provider.claims = {"groups": ["migration"]}
    async with httpx2.AsyncClient(base_url=house.url, trust_env=False) as other:
        address = await sent_back(browser)
        assert (await other.get(address)).status_code == 403
        assert (await browser.get(address)).status_code == 403  # it is spent
        await sent_back(other)
        assert (await other.get(await sent_back(browser))).status_code == 403
    address = await sent_back(browser)
    assert (await browser.get(address)).status_code == 200
    assert (await browser.get(address)).status_code == 403
    assert (await browser.get("/oidc/callback?state=x&code=y")).status_code == 403


async def test_a_refusal_of_the_provider_and_another_providers_answer_let_nobody_in(
    provider: Identity, browser: httpx2.AsyncClient
) -> None:
    for answer in ({"error": "access_denied"}, {"iss": "https://evil.example.org"}, {"code": "made-up"}):
        provider.answer = answer
        assert (await come_in(browser)).status_code == 403


@pytest.mark.parametrize("target", ["https://evil.example.org/", "//evil.example.org", "/\\evil.example.org"])
async def test_nobody_is_sent_to_another_host(provider: Identity, browser: httpx2.AsyncClient, target: str) -> None:
    provider.claims = {"groups": ["migration"]}

    assert "evil" not in (await come_in(browser, target)).text


async def test_the_provider_is_told_where_to_send_people_and_nothing_else(
    house: Place, provider: Identity, browser: httpx2.AsyncClient
) -> None:
    address = urlsplit((await browser.get("/oidc/begin")).headers["location"])
    asked = {name: each[0] for name, each in parse_qs(address.query).items()}

    assert asked.pop("redirect_uri") == f"{house.url}/oidc/callback"
    assert all(len(asked.pop(name)) >= 32 for name in ("state", "nonce", "code_challenge"))
    assert asked == {
        "response_type": "code",
        "client_id": CLIENT,
        "scope": "openid email profile",
        "code_challenge_method": "S256",
    }


async def test_no_secret_is_in_the_log(house: Place, provider: Identity, browser: httpx2.AsyncClient) -> None:
    provider.claims = {"aud": "grafana", "groups": ["migration"]}
    await come_in(browser)
    log = (house.system.directory / "dashboard.log").read_text()

    assert "aud" in log, "an operator is told why"
    assert not any(each in log for each in (SECRET, "eyJ", "code-0"))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine; apt-get install chromium")
async def test_a_browser_comes_from_another_site_and_is_signed_in(house: Place, provider: Identity) -> None:
    """A strict cookie is not sent on along with a redirect from there."""
    provider.claims = {"groups": ["migration"]}
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await chromium.new_page(base_url=house.url)
        await page.goto("/audit")
        await page.get_by_role("link", name="Sign in with").click()
        await page.wait_for_url(f"{house.url}/audit")
        heading = await page.locator("h1").inner_text()
        await chromium.close()

    assert heading == "Audit"


async def test_without_passwords_only_the_provider_signs_in_and_its_absence_is_said(
    tmp_path: Path, provider: Identity
) -> None:
    port = free_port()
    settings = oidc(provider, port, passwords="false", issuer='"http://127.0.0.1:9"', name='"Keycloak"')
    async with (
        place(tmp_path, extra=settings, port=port) as found,
        httpx2.AsyncClient(base_url=found.url, trust_env=False, timeout=PATIENCE) as client,
    ):
        page = await client.get("/login")
        told = await client.post("/login", data={"name": "olga", "password": PASSWORD, "form": "x"})
        away = await client.get("/oidc/begin")

    assert ("Sign in with Keycloak" in page.text, 'name="password"' in page.text) == (True, False)
    assert (told.status_code, away.status_code) == (403, 503)
