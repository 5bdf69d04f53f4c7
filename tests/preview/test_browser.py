"""A real browser behind preview links: page, parts, events and sockets, before and after the sandbox moved."""

from dataclasses import replace
from pathlib import Path

import pytest

from crossfade.stage import Origin
from tests.preview.chromium import PROGRAM, Chromium
from tests.preview.rig import Box, Rig, free_port, origins, router

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine: install the package chromium"),
]
# What a page with hot reload does: asks for its parts, listens to events, and opens a socket on another port.
LOOK = """(async () => {
    const part = await (await fetch('%(root)s/part?x=%%2F')).json();
    const posted = await (await fetch('%(root)s/upload', {method: 'POST', body: 'x'.repeat(100000)})).json();
    const events = new EventSource('%(root)s/stream');
    const event = await new Promise(done => events.onmessage = message => done(message.data));
    await fetch('%(root)s/go');
    events.close();
    const socket = new WebSocket('%(socket)s', ['vite-hmr']);
    const said = [];
    await new Promise((done, failed) => {
        socket.onerror = failed;
        socket.onmessage = message => { said.push(message.data); said.length == 1 ? socket.send('reload') : done(); };
    });
    socket.close(4000);
    return {name: part.name, target: part.target, size: posted.size, event, protocol: socket.protocol,
            socket: JSON.parse(said[0]).name, echo: said[1], title: document.title, cookies: document.cookie};
})()"""


@pytest.mark.parametrize("form", ["host", "path"])
async def test_a_page_works_whole_before_and_after_its_sandbox_moved(tmp_path: Path, form: str) -> None:
    port = free_port()
    domain = f"preview.localhost:{port}" if form == "host" else ""
    seen = []
    async with (
        origins(tmp_path) as programs,
        router(tmp_path, programs, port=port, preview=lambda said: replace(said, domain=domain)) as rig,
        Chromium(tmp_path / "profile") as browser,
    ):
        box = await rig.create()
        await box.joined()
        await box.serve(Origin.OLD, "old")
        link = await box.link()
        look = LOOK % {"root": _root(box, form), "socket": await _socket(box)}
        page = f"{link['url']}/page.html?<title>page</title>"
        tab = await browser.open(f"{page}&DAYTONA_SANDBOX_AUTH_KEY={link['token']}")
        seen.append(await tab.run(look))
        await box.end(Origin.OLD)
        await box.serve(Origin.NEW, "new")
        await box.seat(Origin.NEW)
        # The same tab, without a key: what the browser kept is enough.
        await tab.go(page)
        seen.append(await tab.run(look))
        closed = await _closed(browser, rig, link["url"])

    assert [each["name"] for each in seen] == [each["socket"] for each in seen] == ["old", "new"]
    for each in seen:
        assert (each["target"], each["size"], each["event"]) == ("/part?x=%2F", 100_000, "one")
        assert (each["protocol"], each["echo"]) == ("vite-hmr", "reload")
        assert "daytona-sandbox-auth" not in each["cookies"]  # not for the page's scripts
    assert "missing authentication" in closed


def _root(box: Box, form: str) -> str:
    return "" if form == "host" else f"/preview/{box.port}-{box.id}"


async def _socket(box: Box) -> str:
    link = await box.link(box.ws_port)
    return str(link["url"]).replace("http", "ws", 1) + "/hmr"


async def _closed(browser: Chromium, rig: Rig, url: str) -> str:
    """What somebody else's browser shows: another host name of the same sandbox, without its cookies."""
    other = await rig.create()
    tab = await browser.open(url.replace(url.partition("-")[2].partition(".")[0].partition("/")[0], other.id) + "/")
    text: str = await tab.run("document.body.innerText")
    return text
