"""The pilot: plans, starts, looks each minute, and turns flags where it may. Blocks, so it is asked on a thread."""

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace

from crossfade.errors import Conflict, CrossfadeError, Refused, SettingsError
from crossfade.evidence import Evidence
from crossfade.stage import PROCESS_GROUP
from policies.ramp import BY_HAND, Act, Mode, Plan, Standing, State, Step, harm, step, weights
from policies.verdicts import share_on_new
from router.ramp.ports import Board, EvidenceOf, Facts, Seen, Trail
from router.store.ramps import Ramp, SqlRamps

log = logging.getLogger("crossfade.ramp")
AUTHOR = "crossfade ramp"  # signs what no person asked for
_HOUR = 3600
_EDGE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A ramp, what was seen of its tool, and the one step of now."""

    ramp: Ramp
    seen: Seen
    evidence: Evidence
    step: Step


@dataclass(slots=True)
class Pilot:
    """Ramps of one store. Each act is written down with its evidence before it is done."""

    ramps: SqlRamps
    board: Board
    evidence: EvidenceOf
    facts: Callable[[], Facts]
    trail: Trail
    now: Callable[[], float] = time.time
    _failed: set[str] = field(default_factory=set)
    # Within a router a person's word and the minute's look take turns; between routers the store's versions decide.
    _turn: threading.RLock = field(default_factory=threading.RLock)

    # By people...

    def plan(self, plan: Plan, *, author: str, reason: str) -> Ramp:
        """Keep a plan; a ramp that runs is changed only when it was paused. Raises Refused, Conflict, Unreachable."""
        with self._turn:
            before = self.ramps.read().get(plan.tool, Ramp(plan=plan))
            if before.state is State.RUNNING:
                raise Refused(f"the ramp of {plan.tool} is running; pause it before its plan is changed")
            details = {"plan": asdict(plan), "before": asdict(before.plan) if before.version else None}
            self._write_down("ramp.plan", plan.tool, author, reason, details)
            return self.ramps.write(replace(before, plan=plan, state=State.PLANNED, last=None))

    def start(self, tool: str, *, author: str, reason: str, since: float | None = None) -> Ramp:
        """Begin, or go on after a pause or a step back: evidence is counted from now.

        `since` (Unix seconds) counts what was compared before, too, while nothing is on new: a tool that was shadowed
        for weeks need not be shadowed for another. Raises Refused and as plan does.
        """
        with self._turn:
            ramp = self._of(tool)
            if ramp.state is State.RUNNING:
                raise Refused(f"the ramp of {tool} is running already")
            _, flags = self.board.read()
            share = share_on_new(flags[tool].stages)
            if since is not None and share:
                raise Refused(
                    f"{tool} is at {100 * share:g} % on new: there, a step is judged by what came after it only"
                )
            details = {"plan": asdict(ramp.plan), "was": str(ramp.state), "share": share, "since": since}
            self._write_down("ramp.start", tool, author, reason, details)
            began = self._begun(replace(ramp, state=State.RUNNING, last=None), share, whole_hour=not share)
            if since is not None:
                began = replace(began, since=min(since, self.now()))
            return self.look(self.ramps.write(began)).ramp

    def pause(self, tool: str, *, author: str, reason: str) -> Ramp:
        """Decide nothing more until it is started; the flag stays as it is. Raises Refused and as plan does."""
        with self._turn:
            ramp = self._of(tool)
            if ramp.state is not State.RUNNING:
                raise Refused(f"the ramp of {tool} is {ramp.state}, not running")
            self._write_down("ramp.pause", tool, author, reason, {"share": ramp.share})
            return self.ramps.write(replace(ramp, state=State.PAUSED))

    def take(self, tool: str, *, author: str, reason: str, back: bool = False, dry_run: bool = False) -> Look:
        """Take the step that evidence allows at this moment, or with `back` go back to shadow on a person's word.

        Raises Refused where it allows none, Conflict where the flag was changed meanwhile.
        """
        with self._turn:
            found = self.look(self._of(tool))
            if back:
                text = "Back to shadow, on a person's word."
                found = replace(found, step=Step(act=Act.BACK, share=0.0, because=BY_HAND, text=text))
            if dry_run:
                return found
            if found.step.act not in (Act.BACK, Act.ADVANCE):
                raise Refused(f"{tool}: {found.step.act}: {found.step.text}")
            return self._act(found, author=author, reason=reason)

    # Each minute...

    def evaluate(self) -> Mapping[str, Ramp]:
        """Look at every running ramp and do what its mode allows. One that fails is logged and does not stop others."""
        ramps = dict(self.ramps.read())
        for tool, ramp in list(ramps.items()):
            if ramp.state is not State.RUNNING:
                continue
            try:
                with self._turn:
                    ramps[tool] = self._advanced(self.look(self._of(tool)))
            except Conflict as error:
                log.info("ramp left to somebody else", extra={"tool": tool, "reason": str(error)})
            except CrossfadeError as error:
                if tool not in self._failed:
                    log.warning("ramp cannot be looked at", extra={"tool": tool, "reason": str(error)})
                self._failed.add(tool)
            else:
                self._failed.discard(tool)
        return ramps

    def look(self, ramp: Ramp) -> Look:
        """See the tool as it is now, decide, and keep what was decided. Raises Conflict, Unreachable."""
        now, tool = self.now(), ramp.plan.tool
        killed, flags = self.board.read()
        seen = flags[tool]
        share = share_on_new(seen.stages)
        if ramp.state is State.RUNNING and abs(share - ramp.share) > _EDGE:
            # Somebody set the flag, or we were killed between turning it and saying so: the step began just now.
            ramp = self._begun(ramp, share)
        counted = self.evidence(ramp.since, now)
        evidence = self._with_facts(ramp, replace(counted.get(tool, Evidence(tool=tool)), stages=dict(seen.stages)))
        units = _units(evidence)
        ramp = replace(
            ramp, units=units, grew_at=now if units > ramp.units else min(now, ramp.grew_at or now), looked_at=now
        )
        standing = Standing(
            state=ramp.state,
            seconds_at_step=max(0.0, now - ramp.since),
            quiet_seconds=max(0.0, now - ramp.grew_at),
            killed=killed,
            harming=_harming(tool, counted),
        )
        decided = step(ramp.plan, standing, evidence)
        if ramp.state is State.RUNNING:
            if ramp.last is None or ramp.last.act is not decided.act:
                log.warning("ramp", extra={"tool": tool, "act": str(decided.act), "reason": decided.text})
            ramp = self.ramps.write(replace(ramp, last=decided))
        return Look(ramp=ramp, seen=seen, evidence=evidence, step=decided)

    def _advanced(self, found: Look) -> Ramp:
        """What the mode allows without a person."""
        ramp = found.ramp
        if found.step.act is Act.DONE and ramp.plan.mode is not Mode.DRY_RUN:
            self._write_down("ramp.done", ramp.plan.tool, AUTHOR, found.step.text, told(found))
            return self.ramps.write(replace(ramp, state=State.DONE))
        if found.step.act in (Act.BACK, Act.ADVANCE) and ramp.plan.mode is Mode.ACT:
            return self._act(found, author=AUTHOR, reason=found.step.text).ramp
        return ramp

    def _act(self, found: Look, *, author: str, reason: str) -> Look:
        """Turn the flag on the version that was looked at."""
        tool, decided = found.ramp.plan.tool, found.step
        self._write_down(f"ramp.{decided.act}", tool, author, reason, told(found))
        version = self.board.turn(tool, weights(decided.share), found.seen.version, author, reason)
        state = State.STOPPED if decided.act is Act.BACK else found.ramp.state
        ramp = self._begun(replace(found.ramp, state=state, last=decided), decided.share)
        stages = {str(stage): part / 100_000 for stage, part in weights(decided.share).items()}
        return replace(found, ramp=self.ramps.write(ramp), seen=Seen(version=version, stages=stages))

    def _begun(self, ramp: Ramp, share: float, *, whole_hour: bool = False) -> Ramp:
        """A step that begins now. The store counts by the hour; `whole_hour`: from the next one, so that nothing of
        what a person has seen and mended is counted again. Where sandboxes are on new, harm cannot wait for that."""
        now, facts = self.now(), self.facts()
        since = math.ceil(now / _HOUR) * _HOUR if whole_hour else now
        return replace(ramp, share=share, since=since, grew_at=now, units=0, lost=facts.lost, drifted=facts.drifted)

    def _with_facts(self, ramp: Ramp, evidence: Evidence) -> Evidence:
        facts = self.facts()
        lost, drifted = max(0, facts.lost - ramp.lost), max(0, facts.drifted - ramp.drifted)
        quality = replace(evidence.quality, drifted=evidence.quality.drifted + drifted)
        return replace(evidence, quality=quality, data_lost=evidence.data_lost + lost)

    def _of(self, tool: str) -> Ramp:
        ramp = self.ramps.read().get(tool)
        if ramp is None:
            raise SettingsError(f"there is no plan for '{tool}'; make one: crossfade ramp plan {tool} --reason ...")
        return ramp

    def _write_down(self, action: str, tool: str, author: str, reason: str, details: Mapping[str, object]) -> None:
        log.warning(action, extra={"target": tool, "author": author, "reason": reason})
        self.trail.add(author=author, reason=reason, action=action, target=tool, details=details)


def told(found: Look) -> dict[str, object]:
    """A step with the evidence that it rests on, in values."""
    evidence, decided = found.evidence, found.step
    return {
        "step": {**asdict(decided), "act": str(decided.act)},
        "from": dict(found.seen.stages),
        "flag_version": found.seen.version,
        "since": found.ramp.since,
        "evidence": {
            "metrics": [
                {name: getattr(metric, name) for name in _SHOWN} | {"equal": metric.equal}
                for metric in evidence.metrics
            ],
            "quality": asdict(evidence.quality),
            "data_lost": evidence.data_lost,
            "hard_stop": evidence.hard_stop,
            "broken": evidence.broken,
        },
    }


_SHOWN = ("name", "estimate", "lower", "upper", "harm", "budget", "units", "counted", "critical", "ratio")


def _units(evidence: Evidence) -> int:
    """Grows with every piece of evidence."""
    return evidence.quality.compared + sum(metric.units for metric in evidence.metrics if metric.critical)


def _harming(tool: str, evidence: Mapping[str, Evidence]) -> tuple[str, ...]:
    """Process tools share a seat: what harms one is met by sandboxes of all."""
    if tool not in PROCESS_GROUP:
        return ()
    return tuple(each for each in PROCESS_GROUP if each != tool and each in evidence and harm(evidence[each]))
