"""What flags ask for is looked up: evaluated once for each sandbox and flag version, and never awaited."""

import inspect
from dataclasses import dataclass, field

from crossfade.decision import FlagValue, Subject
from crossfade.ports import Listener
from crossfade.stage import TOOLS, Stage
from crossfade.twin import TwinRow
from router.engine.decide import Decider
from router.twins.state import Twin


@dataclass
class Counted:
    """Flags that count what they are asked; a stage of None is unknown."""

    version: int = 1
    fresh_at: float = 1.0
    stages: dict[str, Stage | None] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def stage(self, tool: str, subject: Subject) -> FlagValue | None:
        self.asked.append(subject.routing_key)
        stage = self.stages.get(tool, Stage.OFF)
        return None if stage is None else FlagValue(stage=stage, version=self.version)

    def listen(self, listener: Listener) -> None:
        raise AssertionError("nobody listens here")


def twin(id: str, **pins: str) -> Twin:
    return Twin(TwinRow(id=id, routing_key=f"key of {id}", stages=pins))


def test_a_decision_after_the_first_evaluates_nothing_and_awaits_nothing() -> None:
    flags = Counted()
    decider = Decider(flags, seed=7)
    one = twin("one")
    first = decider.wishes(one)
    asked = len(flags.asked)

    assert asked == len(TOOLS)
    assert all(decider.wishes(one) is first for _ in range(100))
    assert len(flags.asked) == asked
    assert not inspect.iscoroutinefunction(decider.wishes)


def test_a_change_of_flags_is_evaluated_once_for_each_sandbox_that_is_asked_about() -> None:
    flags = Counted()
    decider = Decider(flags, seed=7)
    one, other = twin("one"), twin("other")
    for each in (one, other):
        decider.wishes(each)
    flags.asked.clear()
    flags.version, flags.stages = 2, {"files": Stage.LIVE}
    found = [decider.wishes(one).stage("files") for _ in range(10)]

    assert found == [Stage.LIVE] * 10
    assert flags.asked == ["key of one"] * len(TOOLS), "the other is asked about when its next call comes"
    assert decider.wishes(other).stage("files") is Stage.LIVE


def test_a_sandbox_that_is_forgotten_leaves_the_others_looked_up() -> None:
    flags = Counted()
    decider = Decider(flags, seed=7)
    one, other = twin("one"), twin("other")
    kept = [decider.wishes(each) for each in (one, other)]
    flags.asked.clear()
    decider.forget("one")

    assert decider.wishes(other) is kept[1]
    assert decider.wishes(one) is not kept[0]
    assert set(flags.asked) == {"key of one"}


def test_an_unknown_flag_keeps_the_pin_of_its_tool_and_of_no_other() -> None:
    flags = Counted(stages={"files": None, "web": None})
    wishes = Decider(flags, seed=7).wishes(twin("one", files="live", shell="live"))

    assert wishes.pinned
    assert (wishes.stage("files"), wishes.stage("web"), wishes.stage("shell")) == (Stage.LIVE, Stage.OFF, Stage.OFF)
