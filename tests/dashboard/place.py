"""A dashboard beside a running router, and people who may sign in."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2

from demo.programs import Program
from router.dashboard.users import Role, Users
from tests.journeys.stack import ADMIN_TOKEN, Stack, stack

PASSWORD = "correct horse battery"
PATIENCE = 30.0
PEOPLE: Mapping[str, Role] = {"olga": Role.OPERATOR, "omar": Role.OPERATOR, "vera": Role.VIEWER}


@dataclass(eq=False)
class Place:
    """The programs, and sandboxes that have two sides."""

    system: Stack
    url: str
    users: Users
    api: httpx2.AsyncClient
    sandboxes: list[str] = field(default_factory=list)


@contextlib.asynccontextmanager
async def place(
    directory: Path, *, sandboxes: int = 0, flags: Mapping[str, str] | None = None, extra: str = "", port: int = 0
) -> AsyncIterator[Place]:
    """Start a router before two embedded backends, and the dashboard; end everything."""
    file = directory / "users.json"
    users = Users(file)
    for name, role in PEOPLE.items():
        users.put(name, role, PASSWORD)
    mine = f'[dashboard]\nlisten = "127.0.0.1:{port}"\nusers_file = "{file}"\n{extra}'
    async with contextlib.AsyncExitStack() as started:
        system = await started.enter_async_context(stack(directory, extra=mine))
        words = ["dashboard", "--config", str(system.config)]
        program = await started.enter_async_context(Program("dashboard", words, directory))
        api = await started.enter_async_context(
            httpx2.AsyncClient(
                base_url=system.admin,
                headers={"Authorization": f"Bearer {ADMIN_TOKEN}"},
                timeout=PATIENCE,
                trust_env=False,
            )
        )
        found = Place(system, program.url, users, api)
        await system.set_flags(flags or {})
        async with await system.client() as client:
            for _ in range(sandboxes):
                found.sandboxes.append(str((await client.post("/api/sandbox", json={})).json()["id"]))
        yield found


class Forms(HTMLParser):
    """The fields of every form on a page, by the form's action."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str]] = {}
        self._form: dict[str, str] | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given: dict[str, Any] = dict(attrs)
        if tag == "form":
            self._form = self.found.setdefault(given.get("action") or "", {})
        elif tag == "input" and self._form is not None and given.get("name"):
            self._form[given["name"]] = given.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None


@contextlib.asynccontextmanager
async def signed_in(url: str, name: str, password: str = PASSWORD) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with that person's session, as a browser has it."""
    async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE, trust_env=False) as client:
        form = Forms((await client.get("/login")).text).found[""]
        answer = await client.post("/login", data={**form, "name": name, "password": password})
        assert answer.status_code == 303, answer.text
        yield client
