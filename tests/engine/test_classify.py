"""What a request tells the policies of its tool."""

import pytest

from crossfade.operation import Operation
from router.engine.classify import classify
from tests.engine.calls import call_of

FILES = "/toolbox/s1/files"
# Request line -> the tool, and what said so.
LINES: dict[str, tuple[str, str]] = {
    f"GET {FILES}/info?path=/workspace/a.txt": ("files", "default"),
    f"GET {FILES}?path=/workspace/uploads": ("upload", "rule:uploads"),
    f"GET {FILES}/download?path=%2Fworkspace%2Fscrape%2Fa.json": ("web", "rule:scrape"),
    f"GET {FILES}/download?path=/workspace/a&path=/workspace/uploads/a": ("upload", "rule:uploads"),
    f"GET {FILES}": ("files", "default"),
    f"POST {FILES}/move?source=/workspace/uploads/a&destination=/workspace/b": ("upload", "rule:uploads"),
    f"POST {FILES}/move?source=/workspace/a&destination=/workspace/presentations/a": (
        "presentation",
        "rule:presentation-files",
    ),
    f"POST {FILES}/move?source=/workspace/a&destination=/workspace/b": ("files", "default"),
    "GET /toolbox/s1/process/session/supervisord-session": ("lifecycle", "rule:supervisord"),
    "GET /toolbox/s1/process/pty/cmd-7": ("shell", "rule:terminal"),
    "GET /api/sandbox/s1/ports/80/preview-url": ("expose", "default"),
    "GET /api/organizations": ("other", "default"),
}


@pytest.mark.parametrize(("line", "tool", "by"), [(line, *found) for line, found in LINES.items()], ids=LINES)
def test_a_request_line_that_is_only_passed_on_tells_its_tool(line: str, tool: str, by: str) -> None:
    call = call_of(line)

    classify(call)

    assert call.decision is not None
    assert (call.decision.tool, call.classified_by) == (tool, by)


@pytest.mark.parametrize("moved", ["source", "destination"])
def test_a_decoded_move_is_told_by_either_of_its_paths(moved: str) -> None:
    call = call_of(f"POST {FILES}/move")
    paths = {"source": "/workspace/a", "destination": "/workspace/b", moved: "/workspace/scrape/a"}
    call.operations = (Operation(name="fs.move", sandbox="s1", arguments=paths),)

    classify(call)

    assert call.decision is not None
    assert (call.decision.tool, call.classified_by) == ("web", "rule:scrape")


def test_a_decoded_command_is_told_by_its_words() -> None:
    call = call_of("POST /toolbox/s1/process/execute")
    call.operations = (Operation(name="process.exec", sandbox="s1", arguments={"command": "kb -v"}),)

    classify(call)

    assert call.decision is not None
    assert call.decision.tool == "kb"


@pytest.mark.parametrize(
    ("headers", "tool", "by"),
    [
        ([(b"x-crossfade-tool", b"vision")], "vision", "header"),
        ([(b"baggage", b"a=b,crossfade.tool=image")], "image", "baggage"),
        ([(b"x-crossfade-tool", b"vision"), (b"baggage", b"crossfade.tool=image")], "vision", "header"),
        ([(b"x-crossfade-tool", b"\xff\xfe")], "upload", "rule:uploads"),
    ],
)
def test_what_the_client_says_of_its_tool_comes_first(headers: list[tuple[bytes, bytes]], tool: str, by: str) -> None:
    call = call_of(f"GET {FILES}?path=/workspace/uploads", *headers)

    classify(call)

    assert call.decision is not None
    assert (call.decision.tool, call.classified_by) == (tool, by)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"GET {FILES}?path=a", "only on old: made before crossfade"),
        ("GET /api/sandbox", "not about one sandbox"),
        ("GET /api/organizations", "not a call we know"),
    ],
)
def test_a_call_without_a_twin_says_why_old_answers_it(line: str, reason: str) -> None:
    call = call_of(line)

    classify(call)

    assert call.decision is not None
    assert reason in call.decision.reason
