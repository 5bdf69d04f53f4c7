"""Kinds of difference in the admin API: where each stands, both sides of it, and what people say of it."""

import asyncio
import dataclasses
import time
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from comparators.standing import State
from crossfade.errors import SettingsError
from crossfade.judgement import Saying
from router.admin.endpoints import Endpoint, Field, Order, order
from router.admin.kinds import Differences, judged, kind_named, plain
from router.store.database import Database


@dataclass(frozen=True, slots=True)
class DifferencesApi:
    """/v1/differences."""

    database: Database

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        return [
            Endpoint(
                method="GET",
                path="/differences",
                says="Every kind of difference seen in the last 60 days and where it stands, and the ignore rules.",
                serve=self._list,
                query={
                    "state": Field(says=f"Only these: {', '.join(State)}."),
                    "tool": Field(says="Only kinds that this tool showed."),
                },
            ),
            Endpoint(
                method="GET",
                path="/differences/kind",
                says="One kind: the newest samples of both sides, and all that was said of it.",
                serve=self._show,
                query={"name": Field(says="Its name.", needed=True)},
            ),
            Endpoint(
                method="POST",
                path="/differences",
                says="Say something of a kind: it counts, or no longer counts, from then on.",
                serve=self._say,
                body={
                    "saying": Field(says=f"One of: {', '.join(Saying)}.", needed=True),
                    "subject": Field(says="The kind's name; to ignore, a pattern with `*`.", needed=True),
                    "owner": Field(says="To ignore: who answers for the rule."),
                    "until": Field(says="To ignore: 30d or a date, 90 days at most."),
                    "dry_run": Field(says="Only say how many calls would count otherwise.", kind="boolean"),
                },
                changes=True,
            ),
        ]

    async def _list(self, request: Request) -> Response:
        state, tool = (request.query_params.get(name, "") for name in ("state", "tool"))
        if state and state not in list(State):
            raise SettingsError(f"no state '{state}'; known: {', '.join(State)}")
        found = await asyncio.to_thread(self._now)
        kinds = [
            plain(kind)
            for kind in found.kinds
            if (not state or kind.standing.state == state) and (not tool or tool in kind.tools)
        ]
        rules = [dataclasses.asdict(rule) for rule in found.judged.rules(found.now)]
        return JSONResponse({"schema": "crossfade.diffs/1", "kinds": kinds, "rules": rules})

    async def _show(self, request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(self._one, request.query_params.get("name", "")))

    def _one(self, name: str) -> dict[str, Any]:
        found = self._now()
        kind = kind_named(found, name)
        samples = [dataclasses.asdict(each) for each in found.samples(kind.name)]
        said = [each for each in found.judgements if each.subject == kind.name or each is kind.standing.judgement]
        told = {"schema": "crossfade.diff/1", **plain(kind), "samples": samples}
        return {**told, "said": [dataclasses.asdict(each) for each in said]}

    async def _say(self, request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(self._kept, await order(request)))

    def _kept(self, asked: Order) -> dict[str, Any]:
        text, dry_run = str(asked.told.get("saying") or ""), bool(asked.told.get("dry_run"))
        if text not in list(Saying):
            raise SettingsError(f"nothing is said by '{text}'; known: {', '.join(Saying)}")
        found = self._now()
        subject, owner, until = (str(asked.told.get(name) or "") for name in ("subject", "owner", "until"))
        signed = {"author": asked.author, "reason": asked.reason}
        made = judged(found, Saying(text), subject, **signed, owner=owner, until=until)
        effect = found.effect(made)
        if not dry_run:
            found.add(made)
        told = {"schema": "crossfade.judgement/1", "kept": not dry_run, "calls": effect}
        return {**told, "judgement": dataclasses.asdict(made)}

    def _now(self) -> Differences:
        return Differences(self.database, time.time())
