"""Planted secrets: looked for in everything that people and programs are shown of calls that differ."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from reports.files import as_pdf, can_print
from tests.dashboard.place import Place, place, signed_in
from tests.journeys.leaks import holds, text_of
from tests.journeys.probes import Probe, create, recorded, twins, use_flags
from tests.journeys.stack import ADMIN_TOKEN, ALL_TOOLS, KEY, Stack

ENV_WORD, ENV_AWS = "plain-vnc-word", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY01"
FILE_WORD, E2B_KEY, AWS_KEY = "hunter2-of-a-file", "e2b_0a1b2c3d4e5f60718293a4b5c6d7e8f9", "AKIAPLANTEDPRINTEDKY"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmF0dXJlLXBsYW50ZWQ"
SIGNATURE = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
PLANTED = (KEY, ADMIN_TOKEN, ENV_WORD, ENV_AWS, FILE_WORD, E2B_KEY, AWS_KEY, JWT, SIGNATURE)
KINDS = ("file-byte", "exec-stdout", "session-output", "list-extra-entry")
FILE = f"""password: {FILE_WORD}
E2B_API_KEY={E2B_KEY}
url = https://bucket.s3.example.org/a?X-Amz-Signature={SIGNATURE}
auth {JWT}
{AWS_KEY}
"""


@pytest.mark.full
async def test_planted_secrets_are_shown_to_nobody(tmp_path: Path) -> None:
    captures = f'[capture]\nsample = 1.0\nfolder = "{tmp_path / "captures"}"\n'
    async with place(tmp_path, extra=captures) as house:
        system = house.system
        async with await system.client() as client:
            await use_flags(system, dict.fromkeys(ALL_TOOLS, "shadow"))
            await system.inject(kinds=[{"kind": kind} for kind in KINDS])
            probe = await create(client, {"VNC_PASSWORD": ENV_WORD, "AWS_SECRET_ACCESS_KEY": ENV_AWS})
            await twins(system, [probe.id], clean=True)
            await _speak(probe)
            found = await recorded(system, [call for _, call in probe.calls])
        differing = {each["operation"]: id for id, each in found.items() if each["matched"] is False}
        kinds = sorted({name for each in found.values() for name in each["signatures"]})
        shown = await _commands(system, probe.id, kinds, list(differing.values()))
        shown |= await _reports(system, tmp_path)
        shown |= await _pages(house)
        shown |= await _api(system, probe.id)
    shown |= {path.name: path.read_bytes() for path in (tmp_path / "captures").glob("*.jsonl")}
    shown |= {path.name: path.read_bytes() for path in tmp_path.glob("*.log")}

    assert {"fs.download", "process.exec", "session.exec", "fs.list"} <= differing.keys()
    assert len(shown) > 40, sorted(shown)
    # Where it was looked is where it would have stood: samples of what differed are there, masked.
    for page in ("diffs show --json", "/differences/kind", "report.html", "calls show --json"):
        assert any(b"masked" in data for name, data in shown.items() if name.startswith(page)), page
    assert {(name, secret) for name, data in shown.items() for secret in PLANTED if holds(data, secret)} == set()


async def _speak(probe: Probe) -> None:
    answers = [
        await probe.upload("/workspace/.env", FILE.encode()),
        await probe.download("/workspace/.env"),
        await probe.list("/workspace"),
        await probe.exec("cat /workspace/.env; echo $VNC_PASSWORD; env | sort"),
        await probe.exec(f"echo key {E2B_KEY} and {AWS_KEY}; echo Authorization: Bearer {JWT}"),
        await probe.exec(f"cat /nowhere/{E2B_KEY}"),
        await probe.session("work"),
        await probe.session_exec(
            "work", f"export TOKEN={JWT}; cat /workspace/.env; echo $TOKEN $AWS_SECRET_ACCESS_KEY"
        ),
        await probe.info(f"/workspace/{E2B_KEY}"),
    ]
    assert all(answer.status_code < 300 for answer in answers[:-1]), [answer.text for answer in answers]


async def _commands(system: Stack, sandbox: str, kinds: list[str], calls: list[str]) -> dict[str, bytes]:
    """What the command line prints, by command line."""
    asked = ["status", "calls tail", "diffs list", "twins list", f"twins show {sandbox}", f"twins verify {sandbox}"]
    asked += [f"explain sandbox {sandbox}", "config show", "check", "doctor", "capture"]
    asked += ["status --json", "calls tail --json", "diffs list --json", "config show --json"]
    asked += [f"diffs show --json {kind}" for kind in kinds] + [f"diffs show {kinds[0]}"]
    asked += [f"calls show --json {call}" for call in calls] + [f"calls show {calls[0]}"]
    [captured] = (system.directory / "captures").glob("*.jsonl")
    asked += [f"replay {captured} --against new --speed 0"]
    return {line: (await system.command(*line.split())).encode() for line in asked}


async def _reports(system: Stack, directory: Path) -> dict[str, bytes]:
    """Reports in both languages and every format; of a PDF its text."""
    found = {}
    for language in ("en", "ru"):
        out = directory / f"report-{language}"
        pdf = ("--pdf",) if can_print() else ()
        await system.command("report", "--since", "all", "--lang", language, *pdf, "--out", str(out))
        for path in out.iterdir():
            data = path.read_bytes()
            found[f"{path.name} {language}"] = text_of(data) if path.suffix == ".pdf" else data
        assert not pdf or b"process.exec" in found[f"report.pdf {language}"]
    return found


async def _pages(house: Place) -> dict[str, bytes]:
    """Every page of the dashboard that links lead to."""
    found: dict[str, bytes] = {}
    async with signed_in(house.url, "olga") as client:
        waiting = ["/"]
        while waiting and len(found) < 150:
            path = waiting.pop(0)
            if path not in found:
                answer = await client.get(path)
                found[path] = answer.content
                assert answer.status_code < 500, path
                waiting += _links(answer)
    assert {"/calls", "/differences", "/settings", "/audit", "/sandboxes"} <= {path.partition("?")[0] for path in found}
    return found


def _links(answer: httpx2.Response) -> Iterator[str]:
    for link in re.findall(r'href="(/[^"#]*)', answer.text if "html" in answer.headers.get("content-type", "") else ""):
        if not link.startswith(("/logout", "/static", "/preferences", "/oidc")):
            yield link.replace("&amp;", "&")


async def _api(system: Stack, sandbox: str) -> dict[str, bytes]:
    """What the admin listener says, to whom it lets in."""
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with httpx2.AsyncClient(base_url=system.admin, headers=headers, trust_env=False, timeout=30) as client:
        described = (await client.get("/v1/openapi.json")).json()
        paths = [path for path, acts in described["paths"].items() if "get" in acts]
        asked = [re.sub(r"\{(twin|sandbox|id)\}", sandbox, path) for path in paths]
        return {f"GET {path}": (await client.get(path)).content for path in ("/metrics", *asked) if "{" not in path}


def test_a_secret_is_found_inside_base64_and_percent_encoded() -> None:
    for before in ("", "a", "ab", "abc"):
        assert holds(base64.b64encode(f"{before}plain-vnc-word and more".encode()), "plain-vnc-word")
    assert holds(b"x=a%2Fb%3D%3D", "a/b==")
    assert holds(json.dumps({"x": "plain-vnc-word"}).encode(), "plain-vnc-word")
    assert not holds(base64.b64encode(b"something else entirely"), "plain-vnc-word")


@pytest.mark.skipif(not can_print(), reason="WeasyPrint needs Pango: apt-get install libpangoft2-1.0-0")
@pytest.mark.parametrize("style", ["", "font-weight: bold", "font-family: monospace"])
def test_a_secret_is_found_in_a_pdf(style: str) -> None:
    said = text_of(as_pdf(f'<p>before</p><p style="{style}">the word {AWS_KEY} stands here</p>'))

    assert holds(said, AWS_KEY)
    assert not holds(said, E2B_KEY)
