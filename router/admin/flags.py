"""Flags in the admin API: read, predicted, changed on a version that somebody has seen; the kill switch."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from crossfade.errors import SettingsError
from crossfade.stage import PROCESS_GROUP, TOOLS, Stage
from policies.prediction import Known, Prediction, predicted
from router.admin.access import Refused
from router.admin.desk import Change, Desk
from router.admin.endpoints import Endpoint, Field, Order, order
from router.engine.decide import Decider
from router.flags import schema
from router.flags.shown import kill_state, known_targets, other_rules, shares_of, version_of
from router.settings import FlagSettings
from router.twins.registry import Registry

_AS_ALL = "as-all"
_VERSION = Field(says="The version that was looked at; 0 for a flag never set.", kind="integer", needed=True)
_SHOWN = 50  # sandboxes of a prediction


@dataclass(frozen=True, slots=True)
class FlagsApi:
    """/v1/flags and /v1/kill."""

    desk: Desk
    registry: Registry
    decider: Decider
    settings: FlagSettings

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        value = Field(says="A stage, or shares such as live=10,shadow=90.")
        return [
            Endpoint(method="GET", path="/flags", says="Every tool's flag, and the kill switch.", serve=self._list),
            Endpoint(method="GET", path="/flags/{tool}", says="One tool's flag, with its history.", serve=self._show),
            Endpoint(
                method="PUT",
                path="/flags/{tool}",
                says="Set a tool's shares, or stages of single sandboxes. 409 when somebody changed it meanwhile.",
                serve=self._set,
                body={
                    "value": value,
                    "sandboxes": Field(
                        says=f'Stage by routing key; "{_AS_ALL}" takes a sandbox\'s own stage back.', kind="object"
                    ),
                    "expected_version": _VERSION,
                    "dry_run": Field(says="Say what would change, and change nothing.", kind="boolean"),
                },
                changes=True,
            ),
            Endpoint(
                method="GET",
                path="/flags/{tool}/prediction",
                says="Which sandboxes a value would change: how many, and where to.",
                serve=self._predict,
                query={"value": value},
            ),
            Endpoint(method="GET", path="/kill", says="The kill switch.", serve=self._killed),
            Endpoint(
                method="PUT",
                path="/kill",
                says="Turn every tool off at once, or let each follow its own flag again.",
                serve=self._kill,
                body={
                    "on": Field(says="Whether every tool is off.", kind="boolean", needed=True),
                    "expected_version": Field(says="The version that was looked at; may be left out.", kind="integer"),
                },
                changes=True,
            ),
        ]

    async def _list(self, _request: Request) -> Response:
        flags = await self._read()
        found = [flag_line(tool, flags.get(schema.key_of(tool))) for tool in TOOLS]
        kill = flags.get(schema.KILL)
        told = {"schema": "crossfade.flags/1", "source": self.settings.source, "seed": self.settings.seed}
        return JSONResponse({**told, "killed": kill_state(kill), "kill_version": version_of(kill), "flags": found})

    async def _show(self, request: Request) -> Response:
        tool, key = self._tool(request)
        flag = (await self._read()).get(key)
        history = await asyncio.to_thread(self.desk.history, tool)
        told = {"schema": "crossfade.flag/1", **flag_line(tool, flag), "flag": flag}
        return JSONResponse({**told, "history": history})

    async def _set(self, request: Request) -> Response:
        tool, _ = self._tool(request)
        asked = await order(request)
        change = _change(tool, asked)
        before, after = await asyncio.to_thread(self.desk.change, change)
        told = {"schema": "crossfade.flag/1", "changed": not change.dry_run, "before": shares_of(before)}
        return JSONResponse({**told, **flag_line(tool, after), "flag": after})

    async def _predict(self, request: Request) -> Response:
        tool, key = self._tool(request)
        weights = schema.shares(request.query_params.get("value") or "off")
        targets = known_targets((await self._read()).get(key))
        found = predicted(
            [
                Known(id=twin.id, routing_key=twin.row.routing_key, bucket=each.bucket, stage=each.stage(tool))
                for twin in self.registry
                for each in (self.decider.wishes(twin),)
            ],
            weights,
            targets,
        )
        told = {"schema": "crossfade.prediction/1", "tool": tool, "with_processes": tool in PROCESS_GROUP}
        return JSONResponse({**told, **_counted(found)})

    async def _killed(self, _request: Request) -> Response:
        flag = (await self._read()).get(schema.KILL)
        history = await asyncio.to_thread(self.desk.history, "kill")
        told = {"schema": "crossfade.kill/1", "killed": kill_state(flag), "version": version_of(flag)}
        return JSONResponse({**told, "history": history})

    async def _kill(self, request: Request) -> Response:
        asked = await order(request)
        on = asked.told.get("on")
        if not isinstance(on, bool):
            raise Refused(400, '"on" is true or false')
        expected = asked.told.get("expected_version")
        changed, version = await asyncio.to_thread(self.desk.switch, on, asked.author, asked.reason, expected)
        return JSONResponse({"schema": "crossfade.kill/1", "changed": changed, "killed": on, "version": version})

    async def _read(self) -> Mapping[str, Mapping[str, Any]]:
        return await asyncio.to_thread(self.desk.read)

    def _tool(self, request: Request) -> tuple[str, str]:
        tool = str(request.path_params["tool"])
        if tool not in TOOLS:
            raise Refused(404, f"no tool '{tool}'; known: {', '.join(TOOLS)}")
        return tool, schema.key_of(tool)


def flag_line(tool: str, flag: Mapping[str, Any] | None) -> dict[str, Any]:
    """A tool's flag in a few values; shares in percent, empty where the flag cannot be read."""
    targets = {key: str(stage) for key, stage in known_targets(flag).items()}
    counted = {"targets": targets, "rules": other_rules(flag)}
    return {"tool": tool, "version": version_of(flag), "shares": shares_of(flag), **counted}


def _change(tool: str, asked: Order) -> Change:
    text, expected = asked.told.get("value"), asked.told.get("expected_version")
    chosen = _chosen(asked.told.get("sandboxes") or {})
    if not isinstance(expected, int) or isinstance(expected, bool):
        raise SettingsError('"expected_version" is needed: the version of the flag that you have seen')
    if text is None and not chosen:
        raise SettingsError('nothing to set; give "value" such as live=10,shadow=90, or "sandboxes"')
    return Change(
        tool=tool,
        weights=schema.shares(str(text)) if text is not None else None,
        sandboxes=chosen,
        expected=expected,
        author=asked.author,
        reason=asked.reason,
        dry_run=bool(asked.told.get("dry_run")),
    )


def _chosen(told: object) -> dict[str, Stage | None]:
    if not isinstance(told, Mapping):
        raise SettingsError('"sandboxes" is an object: stage by routing key')
    wrong = [stage for stage in told.values() if stage not in (*schema.VARIATIONS, _AS_ALL)]
    if wrong:
        raise SettingsError(f"no stage {wrong[0]!r}; known: {', '.join(schema.VARIATIONS)}, {_AS_ALL}")
    return {str(key): None if stage == _AS_ALL else Stage(stage) for key, stage in told.items()}


def _counted(found: Prediction) -> dict[str, Any]:
    lists = {name: list(each) for name, each in asdict(found).items() if name != "known"}
    counts = {name: len(each) for name, each in lists.items()}
    return {"known": found.known, **counts, "sandboxes": {name: each[:_SHOWN] for name, each in lists.items()}}
