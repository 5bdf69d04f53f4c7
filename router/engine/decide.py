"""What flags ask for a sandbox: evaluated once per flag version, pinned on the twin, never moved by an outage."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from crossfade.decision import FlagValue, Subject
from crossfade.ports import Flags
from crossfade.stage import PROCESS_GROUP, STAGES, TOOLS, Origin, Stage
from policies.buckets import bucket
from policies.group import limiting, seat_wish
from policies.stages import Decided
from router.twins.state import Twin

# Tools whose one-path file calls may be answered by the side that has not the seat.
FILE_TOOLS = tuple(tool for tool in TOOLS if tool not in PROCESS_GROUP and tool != "lifecycle")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """Every tool's stage for one subject, as of one flag version."""

    version: int
    values: Mapping[str, FlagValue]
    pinned: bool = False  # flags were unknown: these are the pins
    limiting: tuple[str, ...] = ()  # tools of the process group that keep the seat on old
    bucket: int = -1
    # Decisions that were made from these wishes: alike for every call of a tool until they, or the twin, change.
    made: dict[tuple[object, ...], Decided] = field(default_factory=dict, compare=False)

    def stage(self, tool: str) -> Stage:
        return self.values[tool].stage

    @property
    def stages(self) -> dict[str, Stage]:
        return {tool: value.stage for tool, value in self.values.items()}

    @property
    def seat(self) -> Origin:
        return seat_wish(self.stages)

    @property
    def all_off(self) -> bool:
        return all(value.stage is Stage.OFF for value in self.values.values())

    @property
    def all_complete(self) -> bool:
        return all(value.stage is Stage.COMPLETE for tool, value in self.values.items() if tool != "lifecycle")

    def splits(self, seat: Origin) -> bool:
        """Whether some file tool asks for the other side than the seat."""
        return any(STAGES[self.values[tool].stage].wish is not seat for tool in FILE_TOOLS)


@dataclass(slots=True)
class Decider:
    """Turns flags into wishes. Answers from memory."""

    flags: Flags
    seed: int
    cached: dict[str, Wishes] = field(default_factory=dict)

    def subject(self, routing_key: str, organization: str) -> Subject:
        return Subject(routing_key=routing_key, organization=organization, bucket=bucket(routing_key, self.seed))

    def wishes(self, twin: Twin) -> Wishes:
        """The twin's wishes: from the cache, from the flags, or from its pins when flags are unknown."""
        cached = self.cached.get(twin.id)
        version = self.flags.version
        if cached is not None and cached.version == version:
            return cached
        fresh = self.evaluate(self.subject(twin.row.routing_key, twin.row.organization), twin.row.stages)
        self.cached[twin.id] = fresh
        return fresh

    def evaluate(self, subject: Subject, pins: Mapping[str, str]) -> Wishes:
        """Evaluate every tool. A tool whose flag is unknown keeps its pin; without a pin it is off."""
        version = self.flags.version
        values: dict[str, FlagValue] = {}
        pinned = False
        for tool in TOOLS:
            value = self.flags.stage(tool, subject)
            if value is None:
                pinned = True
                # No version: it was no flag that decided.
                value = FlagValue(stage=_pin(pins.get(tool)), version=0, reason="flag unknown: pinned")
            values[tool] = value
        stages = {tool: value.stage for tool, value in values.items()}
        return Wishes(version=version, values=values, pinned=pinned, limiting=limiting(stages), bucket=subject.bucket)

    def seat_wanted(self, twin: Twin) -> Origin | None:
        """The side that is to get the seat; None where it has it, where flags are unknown, or nobody can get it."""
        wishes = self.wishes(twin)
        return wishes.seat if twin.joined and not wishes.pinned and wishes.seat is not twin.seat else None

    def forget(self, sandbox: str) -> None:
        self.cached.pop(sandbox, None)


def _pin(text: str | None) -> Stage:
    return Stage(text) if text in list(Stage) else Stage.OFF
