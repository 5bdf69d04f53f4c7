"""Charts are told apart from what else is printed, and nothing else is lost."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.results import ExecResult
from router.front.daytona.artifacts import split
from router.front.daytona.objects import code_executed

CHART = {"type": "line", "title": "T"}
LINE = b"dtn_artifact_k39fd2:" + json.dumps({"type": "chart", "value": CHART}).encode()
lines = st.lists(st.one_of(st.just(LINE), st.binary(max_size=9).filter(lambda line: b"\n" not in line)), max_size=9)


@given(lines)
def test_every_chart_is_taken_out_and_every_other_line_stays(printed: list[bytes]) -> None:
    output, charts = split(b"\n".join(printed))

    assert charts == [CHART] * printed.count(LINE)
    assert output == b"\n".join(line for line in printed if line != LINE)


@pytest.mark.parametrize(
    "rest", [b"no json", b"[]", b"{}", b'{"type": "chart"}', b'{"type": "x", "value": {}}', b"\xff"]
)
def test_a_marked_line_that_is_no_chart_is_output(rest: bytes) -> None:
    line = b"dtn_artifact_k39fd2:" + rest + b"\n"

    assert split(line) == (line, [])


def test_a_mark_inside_a_line_is_output() -> None:
    assert split(b"x" + LINE) == (b"x" + LINE, [])


def test_code_is_answered_with_its_charts() -> None:
    answer = code_executed(ExecResult(exit_code=3, output=b"a\n" + LINE + b"\nb\n"))

    assert answer == {"exitCode": 3, "result": "a\nb\n", "artifacts": {"charts": [CHART]}}
