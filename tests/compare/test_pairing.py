"""router/compare/pairing.py: who is old, who is new, and what is masked."""

import pytest

from comparators import compare
from crossfade import Operation, Origin, done
from crossfade.results import ExecResult
from router.compare.pairing import pair_of


def ran(output: bytes) -> ExecResult:
    return ExecResult(exit_code=0, output=output)


@pytest.mark.parametrize(
    ("answered_by", "old", "new"), [(Origin.OLD, b"answer", b"other"), (Origin.NEW, b"other", b"answer")]
)
def test_old_comes_first_whoever_answered(answered_by: Origin, old: bytes, new: bytes) -> None:
    pair = pair_of(Operation(name="process.exec"), done(ran(b"answer")), done(ran(b"other")), answered_by)

    assert (pair.old["value"]["output"], pair.new["value"]["output"]) == (old, new)


def test_values_of_the_calls_environment_are_masked_before_anything_else() -> None:
    operation = Operation(name="process.exec", arguments={"command": "env", "env": {"GREETING": "good evening"}})
    pair = pair_of(operation, done(ran(b"good evening")), done(ran(b"hello")), Origin.OLD, secrets=["hello"])

    assert b"good evening" not in pair.old["value"]["output"]
    assert b"hello" not in pair.new["value"]["output"]
    assert pair.old != pair.new


def test_both_sides_bring_the_names_of_both() -> None:
    names = {"box": "<sandbox>", "e2b": "<sandbox>"}
    pair = pair_of(Operation(name="process.exec"), done(ran(b"box")), done(ran(b"e2b")), Origin.OLD, names=names)

    assert compare(pair).matched
