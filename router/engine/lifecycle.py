"""Lifecycle is a twin operation: it runs on the seat, then the follower, and is no matter of percentages (P18)."""

import asyncio
import contextlib
import json
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crossfade.errors import Unreachable
from crossfade.operation import Operation
from crossfade.outcome import Outcome
from crossfade.stage import Origin
from crossfade.twin import FollowerState, TwinRow
from crossfade.upstream import Purpose
from router import tasks
from router.engine import masking, translate
from router.engine.call import Call
from router.engine.decide import Decider, Wishes
from router.engine.forward import Answer, Forward
from router.engine.keys import digest
from router.engine.onlynew import OnlyNew, with_interval
from router.front.daytona.errors import error_body
from router.twins.birth import Births
from router.twins.keeper import Keeper
from router.twins.moves import Moves
from router.twins.registry import Registry
from router.twins.sides import Sides
from router.twins.state import Twin

log = logging.getLogger("crossfade.lifecycle")
ANSWER_LIMIT = 8 * 1024 * 1024
_AGAIN_SECONDS = (0.5, 2.0, 5.0, 15.0)
_TRANSITIONS = ("sandbox.start", "sandbox.stop", "sandbox.archive")
_GOING = ("destroying", "destroyed")
_SECRET_FIELDS = ("env", "authToken")


@dataclass(slots=True)
class Lifecycle:
    """Creates, starts, stops and deletes sandboxes with two sides."""

    forward: Forward
    registry: Registry
    sides: Sides
    births: Births
    keeper: Keeper
    moves: Moves
    decider: Decider
    only_new: OnlyNew
    eligible: frozenset[str]
    organizations: dict[str, str] = field(default_factory=dict)  # key digest -> organisation, as learned from answers

    async def create(self, call: Call, body: bytes, operation: Operation | None) -> Answer:
        """Old creates first and fixes the visible id; the follower is made in the background. Raises UpstreamFailed."""
        key = str(uuid.uuid4())
        owner = digest(call.fields.get(b"authorization", b""))
        known = self.organizations.get(owner, "")
        wishes = self.decider.evaluate(self.decider.subject(key, known), {})
        if operation is not None and wishes.all_complete and self.is_eligible(known):
            return await self.only_new.create(call, operation, key, known, wishes)
        answer = await self.forward.fetch(call, body, ANSWER_LIMIT)
        if answer.status >= 300 or operation is None:
            call.reason = "old answers creates while it takes part"
            return answer
        created = _object(answer.body)
        sandbox = str(created.get("id") or "")
        if not sandbox:
            return answer
        call.sandbox = sandbox
        call.organization = self.organizations[owner] = str(created.get("organizationId") or "")
        if toolbox := created.get("toolboxProxyUrl"):
            self.forward.old.learn_object(sandbox, str(toolbox))
        self._born(call, sandbox, key, created, operation)
        return answer

    def _born(self, call: Call, sandbox: str, key: str, created: Mapping[str, Any], operation: Operation) -> None:
        subject = self.decider.subject(key, call.organization)
        wishes = self.decider.evaluate(subject, {})
        call.routing_key, call.bucket = key, subject.bucket
        call.flag_version = wishes.values["lifecycle"].version
        if not self.is_eligible(call.organization):
            call.reason = f"organisation {call.organization or '(unknown)'} is not listed in mirror.eligible_orgs"
            return
        row = TwinRow(
            id=sandbox,
            routing_key=key,
            organization=call.organization,
            owner=digest(call.fields.get(b"authorization", b"")),
            ids={Origin.OLD: sandbox},
            stages={tool: str(stage) for tool, stage in wishes.stages.items()},
            nonce=uuid.uuid4().hex,
            created_at=call.at,
            dirty=True,
            control={name: value for name, value in created.items() if name not in _SECRET_FIELDS},
            held="made while every tool was off" if wishes.all_off else "",
        )
        twin = self.registry.add(row)
        masking.learn_environment(twin, operation.arguments.get("env"))
        call.twin = twin
        if wishes.all_off:
            call.reason = "every tool is off: no follower"
            tasks.spawn(self.registry.change(twin), name=f"keep {sandbox}")
            return
        move = wishes.seat is Origin.NEW
        call.reason = "old first; the follower is made in the background" + (", then the seat moves" if move else "")
        self._make_follower(twin, operation, wishes, move)

    def _make_follower(self, twin: Twin, operation: Operation, wishes: Wishes, move: bool) -> None:
        self.keeper.lanes.newborn(twin)
        if move:
            # Known before the client has its answer, or its first process call could slip through to old.
            self.births.announce(twin)
        tasks.spawn(self._birth(twin, operation, wishes, move), name=f"birth {twin.id}")

    async def _birth(self, twin: Twin, operation: Operation, wishes: Wishes, move: bool) -> None:
        if not move:
            await self.births.baseline(twin)
        await self.births.make_follower(twin, operation.arguments, move_seat=move)
        lanes = self.keeper.lanes
        if not twin.joined:
            lanes.forget(twin, f"no follower: {twin.row.held or twin.row.follower}")
            return
        # Before the lane starts: on a follower that answers file calls nothing may be run.
        twin.active = wishes.splits(twin.seat)
        if twin.seat is Origin.NEW:
            # What old answered before the move is in both trees by now, and compared with nothing.
            lanes.forget(twin, "the seat moved at birth")
            lanes.settled(twin)
        lanes.born(twin)
        if twin.seat is Origin.NEW:
            await self.births.baseline(twin)
        self.keeper.settle_soon(twin)
        self.moves.consider(twin)

    def is_eligible(self, organization: str) -> bool:
        return "*" in self.eligible or organization in self.eligible

    async def transition(self, call: Call, twin: Twin, body: bytes, operation: str) -> Answer:
        """start, stop, archive: the seat first when it is new, then old's own answer; the follower after it.

        At a start the seat may move: then process calls wait from before it, or the first would slip through.
        """
        moving = operation == "sandbox.start" and self.moves.announce(twin)
        try:
            with twin.transition():
                answer = await self._both(call, twin, body, operation)
        except BaseException:
            if moving:
                self.moves.called_off(twin)
            raise
        if answer.status >= 300:
            if moving:
                self.moves.called_off(twin)
            return answer
        fresh, twin.stopped = twin.stopped, operation != "sandbox.start"
        self.keeper.processes_gone(twin)
        if twin.row.ids.get(Origin.NEW):
            tasks.spawn(self._after(twin, operation, moving=moving, fresh=fresh), name=f"{operation} {twin.id}")
        return answer

    async def _both(self, call: Call, twin: Twin, body: bytes, operation: str) -> Answer:
        if twin.seat is Origin.NEW:
            # The client's answer is old's object; it must not say so before the seat has done it.
            outcome = await self.only_new.carry_out(twin, operation)
            if not outcome.ok:
                call.reason = f"new, which has the seat, did not {operation.partition('.')[2]}"
                return _refused(call, outcome)
        return await self.forward.fetch(call, body, ANSWER_LIMIT)

    async def _after(self, twin: Twin, operation: str, *, moving: bool, fresh: bool) -> None:
        """The follower after the seat, then the move of the seat that was announced."""
        stopped_at = self.sides.clock.now() if twin.stopped else 0.0
        if bool(stopped_at) != bool(twin.row.stopped_at):
            with contextlib.suppress(Unreachable):  # known until this process ends
                await self.registry.change(twin, stopped_at=stopped_at)
        followed = twin.seat is Origin.NEW or await self._follow(twin, operation)
        if moving and followed:
            await self.moves.at_start(twin, fresh=fresh)
        elif moving:
            self.moves.called_off(twin)
        if followed and operation == "sandbox.start":
            self.keeper.settle_soon(twin)

    async def _follow(self, twin: Twin, operation: str) -> bool:
        """The follower does what its seat did; a failure is tried again while that is still what the seat did."""
        stopped = twin.stopped
        for wait in (*_AGAIN_SECONDS, 0.0):
            outcome = await self._on_new(twin, operation)
            if outcome.ok:
                return True
            if not wait or outcome.status == 404 or twin.stopped is not stopped or self.deleted(twin):
                break
            await asyncio.sleep(wait)
        log.error(
            "follower did not follow", extra={"sandbox": twin.id, "operation": operation, "status": outcome.status}
        )
        return False

    async def _on_new(self, twin: Twin, operation: str) -> Outcome:
        # E2B has no archive: a paused sandbox is its cheap storage.
        name = "sandbox.stop" if operation == "sandbox.archive" else operation
        return await self.sides.perform(twin, Origin.NEW, Operation(name=name), Purpose.KEEPER, seconds=60)

    async def learn_interval(self, call: Call, twin: Twin, body: bytes) -> None:
        """A timer that its owner set on old holds for the seat on new, too."""
        if call.operation == "sandbox.interval" and (asked := await translate.operations(call, body)):
            await self.registry.change(twin, control=with_interval(twin.row.control, asked[0]))

    async def delete(self, call: Call, twin: Twin, body: bytes) -> Answer:
        """A durable tombstone, then old's answer to the client, then the other side until it is gone (P17)."""
        before = twin.row.follower
        await self.keeper.deleting(twin)
        try:
            answer = await self.forward.fetch(call, body, ANSWER_LIMIT)
        except BaseException:
            # The client is told, or has gone. Nothing is deleted on the word of a call that old may never have heard.
            tasks.spawn(self._undecided(twin, before), name=f"delete of {twin.id} broke off")
            raise
        if answer.status < 300 or answer.status == 404:
            self.keeper.delete_rest(twin, Origin.OLD)
            self.decider.forget(twin.id)
        else:
            # Old refused: both copies stay.
            await self.registry.change(twin, follower=before)
        return answer

    async def _undecided(self, twin: Twin, before: FollowerState) -> None:
        """Old's answer to a delete was lost: what old still has tells whether it was carried out."""
        outcome = await self.sides.perform(twin, Origin.OLD, Operation(name="sandbox.get"), Purpose.KEEPER, seconds=60)
        if outcome.status == 404 or (outcome.ok and outcome.value.state in _GOING):
            self.keeper.delete_rest(twin, Origin.OLD)
            self.decider.forget(twin.id)
        else:
            await self.registry.change(twin, follower=before)

    @staticmethod
    def is_transition(operation: str) -> bool:
        return operation in _TRANSITIONS

    @staticmethod
    def deleted(twin: Twin) -> bool:
        return twin.row.follower in (FollowerState.DELETING, FollowerState.GONE)


def _refused(call: Call, outcome: Outcome) -> Answer:
    status = outcome.status if outcome.status >= 400 else 502
    body = error_body("control", status, outcome.message, code=outcome.code, path=call.path, method=call.method)
    return Answer(status=status, headers=[(b"content-type", b"application/json; charset=utf-8")], body=body)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
