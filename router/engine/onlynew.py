"""Sandboxes that have no old side: made when every tool is complete; our row is the only truth of them (P16)."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from crossfade.operation import Operation
from crossfade.outcome import Fate, Outcome, done, refused
from crossfade.results import SandboxInfo
from crossfade.stage import Origin
from crossfade.twin import FollowerState, TwinRow
from crossfade.upstream import Purpose
from router import tasks
from router.engine.call import Call
from router.engine.decide import Wishes
from router.engine.forward import Answer
from router.engine.keys import Keys, digest
from router.engine.translate import asking
from router.front.daytona import objects, responses
from router.twins.keeper import Keeper
from router.twins.marker import Marker
from router.twins.reaper import Reaper
from router.twins.registry import Registry
from router.twins.sides import Sides
from router.twins.state import Twin
from router.wire.headers import call_id
from router.wire.limits import Bucket

_SECONDS = 120.0
_INTERVALS = {
    "auto_stop": "autoStopInterval",
    "auto_archive": "autoArchiveInterval",
    "auto_delete": "autoDeleteInterval",
}
_STATES = {"sandbox.start": "started", "sandbox.stop": "stopped", "sandbox.archive": "archived"}
_KEPT = (
    *("snapshot", "name", "user", "target", "public", "env", "labels"),
    *("auto_stop_minutes", "auto_archive_minutes", "auto_delete_minutes"),
)


@dataclass(slots=True)
class OnlyNew:
    """Creates and manages sandboxes on new alone. The visible id is the routing key, minted and stored first."""

    registry: Registry
    sides: Sides
    keeper: Keeper
    keys: Keys
    public_url: str
    marker: Marker
    creates: Bucket | None = None
    given_up_seconds: float = 600.0
    reaper: Reaper = field(init=False)

    def __post_init__(self) -> None:
        self.reaper = Reaper(self.sides.backends)

    async def create(self, call: Call, operation: Operation, key: str, organization: str, wishes: Wishes) -> Answer:
        """Create on new and answer in Daytona's words. Raises KeyRefused, UpstreamFailed."""
        owner = digest(call.fields.get(b"authorization", b""))
        if owner in self.keys.never or not any(twin.row.owner == owner for twin in self.registry):
            await self.keys.known_to_old(call)
        if (name := operation.arguments.get("name")) and self.registry.named(str(name), organization) is not None:
            taken = f"Sandbox with name {name} already exists"
            return self._answer(call, operation, refused(409, "CONFLICT", taken))
        row = TwinRow(
            id=key,
            routing_key=key,
            seat=Origin.NEW,
            follower=FollowerState.ABSENT,
            organization=organization,
            owner=owner,
            stages={tool: str(stage) for tool, stage in wishes.stages.items()},
            nonce=uuid.uuid4().hex,
            created_at=call.at,
            held="every tool is complete: there is no old side",
        )
        twin = self.registry.add(row)
        # As on Daytona, a client that does not wait for it has made it all the same: it is listed, and stops in time.
        work = tasks.spawn(self._made(call, operation, twin), name=f"create {key}", awaited=True)
        return await asyncio.shield(work)

    async def _made(self, call: Call, operation: Operation, twin: Twin) -> Answer:
        try:
            await self.registry.change(twin)
            return await self._make(call, operation, twin)
        except BaseException:
            # Without its row nobody would find it again, nor delete it.
            self.registry.twins.pop(twin.id, None)
            self.reaper.watch(Origin.NEW, twin.row.nonce)
            raise

    async def _make(self, call: Call, operation: Operation, twin: Twin) -> Answer:
        row, key = twin.row, twin.id
        metadata = {"crossfade_key": key, "crossfade_nonce": row.nonce, "dt_id": key}
        asked = replace(operation, arguments={**operation.arguments, "metadata": metadata})
        if self.creates is not None:
            self.creates.spend()  # a client's own create waits for nobody; followers wait longer for it
        outcome = await self.sides.backends[Origin.NEW].perform(asked, Purpose.ANSWER)
        call.sandbox, call.twin, call.answering = key, twin, str(Origin.NEW)
        call.reason = "every tool is complete: made on new only"
        if not outcome.ok or not isinstance(outcome.value, SandboxInfo):
            if outcome.ok or outcome.fate is Fate.UNKNOWN:
                self.reaper.watch(Origin.NEW, row.nonce)
            await self.registry.remove(twin)
            return self._answer(call, operation, outcome)
        info = _info(key, operation.arguments, row.organization, call)
        control = objects.sandbox(replace(info, env={}), asking(call, self.public_url).dialect, "")
        await self.registry.change(twin, ids={Origin.NEW: outcome.value.id}, control=control)
        return self._answer(call, operation, done(info))

    def resume(self) -> None:
        """After a start: creates that a router did not live to see the end of are given up, in a while."""
        for twin in self.registry:
            if twin.seat is Origin.NEW and not twin.row.ids:
                tasks.spawn(self._abandoned(twin), name=f"create {twin.id} given up")

    async def _abandoned(self, twin: Twin) -> None:
        call_id.set("")
        # Another router may be making it, where one takes the place of another.
        await asyncio.sleep(max(0.0, twin.row.created_at + self.given_up_seconds - self.sides.clock.now()))
        found = next((row for row in await self.registry.rows.load() if row.id == twin.id), twin.row)
        if found.ids:
            twin.row = found
            return
        # No client was ever told of it.
        self.reaper.watch(Origin.NEW, twin.row.nonce)
        await self.registry.remove(twin)

    async def perform(self, call: Call, twin: Twin, operation: Operation) -> Answer:
        """A control-plane call of such a sandbox. Raises KeyRefused."""
        await self.keys.check(call, twin, self.sides.clock.monotonic())
        call.answering = str(Origin.NEW)
        match operation.name:
            case "sandbox.get":
                return await self._described(call, twin, operation)
            case "sandbox.start" | "sandbox.stop" | "sandbox.archive":
                with twin.transition():
                    outcome = await self.carry_out(twin, operation.name)
                if not outcome.ok:
                    return self._answer(call, operation, outcome)
                # Lists are answered from what is kept.
                state = _STATES[operation.name]
                twin.stopped = state != "started"
                twin.last_activity = self.sides.clock.monotonic()
                stopped_at = (twin.row.stopped_at or self.sides.clock.now()) if twin.stopped else 0.0
                await self.registry.change(twin, control={**twin.row.control, "state": state}, stopped_at=stopped_at)
                return await self._described(call, twin, operation)
            case "sandbox.delete":
                return await self._delete(call, twin, operation)
            case "sandbox.interval":
                await self.registry.change(twin, control=with_interval(twin.row.control, operation))
                return await self._described(call, twin, operation)
            case "sandbox.labels":
                labels = {str(name): str(value) for name, value in operation.arguments.get("labels", {}).items()}
                await self.registry.change(twin, control={**twin.row.control, "labels": labels})
                return self._answer(call, operation, done(labels))
            case _:
                return self._answer(call, operation, await self._on_new(twin, operation))

    async def carry_out(self, twin: Twin, operation: str) -> Outcome:
        """A transition of a seat on new, its generation marked before it rests and looked at when it is back."""
        if operation == "sandbox.archive" and not twin.stopped and await self._runs(twin):
            return refused(400, "BAD_REQUEST", "Sandbox is not stopped")
        if operation != "sandbox.start":
            await self.marker.write(twin)
        # E2B has no archive: a paused sandbox is its cheap storage.
        name = "sandbox.stop" if operation == "sandbox.archive" else operation
        outcome = await self._on_new(twin, Operation(name=name))
        if outcome.ok and operation == "sandbox.start":
            await self.marker.check(twin)
        return outcome

    async def _runs(self, twin: Twin) -> bool:
        outcome = await self._on_new(twin, Operation(name="sandbox.get"))
        return isinstance(outcome.value, SandboxInfo) and outcome.value.state == "started"

    def told(self, call: Call) -> Answer:
        """The answer to a note of activity, or to the question where the toolbox is."""
        assert call.route is not None
        if call.route.kind == "activity":
            return Answer(status=201, headers=[], body=b"")
        return _json({"url": objects.toolbox_url(asking(call, self.public_url).public_url)})

    def mine(self, call: Call) -> list[dict[str, Any]]:
        """The caller's own sandboxes of this kind, as a list shows them."""
        owner = digest(call.fields.get(b"authorization", b""))
        return [
            self._object(call, twin, str(twin.row.control.get("state") or "started"))
            for twin in self.registry
            if twin.row.owner == owner
            and Origin.OLD not in twin.row.ids
            and Origin.NEW in twin.row.ids
            and twin.row.follower is not FollowerState.DELETING
        ]

    async def _described(self, call: Call, twin: Twin, operation: Operation) -> Answer:
        outcome = await self._on_new(twin, Operation(name="sandbox.get"))
        if not outcome.ok or not isinstance(outcome.value, SandboxInfo):
            return self._answer(call, operation, outcome)
        state = outcome.value.state
        if state == "stopped" and twin.row.control.get("state") == "archived":
            state = "archived"  # E2B has one word for both
        return _json(self._object(call, twin, state))

    def _object(self, call: Call, twin: Twin, state: str) -> dict[str, Any]:
        who = asking(call, self.public_url)
        changing = {"state": who.dialect.state(state), "toolboxProxyUrl": objects.toolbox_url(who.public_url)}
        wished = {"desiredState": state} if state in objects.DESIRED else {}
        return {**twin.row.control, **changing, **wished}

    async def delete_idle(self, twin: Twin) -> None:
        """Nobody asked, but its owner's time is over: as a delete of theirs, until it is gone."""
        await self.keeper.deleting(twin)
        self.keeper.delete_rest(twin, None)

    async def _delete(self, call: Call, twin: Twin, operation: Operation) -> Answer:
        await self.keeper.deleting(twin)
        outcome = await self._on_new(twin, operation)
        if not outcome.ok and outcome.status != 404:
            # The tombstone stands: the keeper goes on until it is gone.
            self.keeper.delete_rest(twin, None)
            return self._answer(call, operation, outcome)
        described = self._object(call, twin, "destroyed")
        tasks.spawn(self.registry.remove(twin), name=f"forget {twin.id}")
        return _json(described)

    async def _on_new(self, twin: Twin, operation: Operation) -> Outcome:
        if Origin.NEW not in twin.row.ids:
            return refused(404, "NOT_FOUND", f"Sandbox with ID or name {twin.id} not found")
        return await self.sides.perform(twin, Origin.NEW, operation, Purpose.ANSWER, seconds=_SECONDS)

    def _answer(self, call: Call, operation: Operation, outcome: Outcome) -> Answer:
        response = responses.render(operation, outcome, asking(call, self.public_url))
        assert isinstance(response.body, bytes)
        return Answer(status=response.status, headers=response.headers, body=response.body)


def _info(key: str, arguments: Mapping[str, Any], organization: str, call: Call) -> SandboxInfo:
    made = datetime.fromtimestamp(call.at, UTC).isoformat()
    given = {name: arguments[name] for name in _KEPT if arguments.get(name) is not None}
    return SandboxInfo(id=key, state="started", organization=organization, created_at=made, updated_at=made, **given)


def with_interval(control: Mapping[str, Any], operation: Operation) -> dict[str, Any]:
    """What is kept of a sandbox, with an interval that its owner has set anew."""
    name = _INTERVALS[str(operation.arguments["kind"])]
    return {**control, name: int(operation.arguments["minutes"])}


def _json(value: Any) -> Answer:
    headers = [(b"content-type", b"application/json; charset=utf-8")]
    return Answer(status=200, headers=headers, body=json.dumps(value, ensure_ascii=False).encode())
