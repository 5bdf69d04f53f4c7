"""Which tool a call belongs to: SUNA's calls as its tools make them, then the rules themselves."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.operation import OPERATIONS
from crossfade.stage import TOOLS
from policies.classification import RULES, classify, tool_in_baggage

RUN, TYPED = "process.exec", "session.exec"
SLIDE_CHECK = "/workspace/.validate_slide_temp.py"
CURL = "curl -s -X POST 'http://localhost:8004/api/{}' -H 'Content-Type: application/json'"
NETSTAT = "netstat -tlnp 2>/dev/null | grep -E ':(8003|8004)' || echo 'No netstat'"
PROCESSES = "ps aux | grep -E '(python|uvicorn|stagehand|node)' | grep -v grep"

# operation, what is known of the call, tool, and what says so.
CORPUS: list[tuple[str, dict[str, Any], str, str]] = [
    # Files
    ("fs.info", {"path": "/workspace/src/app.py"}, "files", "default"),
    ("fs.mkdir", {"path": "/workspace/src"}, "files", "default"),
    ("fs.upload", {"path": "/workspace/src/app.py"}, "files", "default"),
    ("fs.chmod", {"path": "/workspace/src/app.py"}, "files", "default"),
    ("fs.download", {"path": "/workspace/index.html"}, "files", "default"),
    ("fs.delete", {"path": "/workspace/old.txt"}, "files", "default"),
    ("fs.find", {"path": "/workspace"}, "files", "default"),
    # Shell: tmux in a session, later PTYs and sessions of its own
    (TYPED, {"text": "tmux has-session -t main 2>/dev/null || echo 'not_exists'", "session": "a1"}, "shell", "tmux"),
    (TYPED, {"text": "tmux new-session -d -s main -c /workspace", "session": "a1"}, "shell", "tmux"),
    (TYPED, {"text": 'tmux send-keys -t main "curl localhost:8004/api" Enter', "session": "a1"}, "shell", "tmux"),
    (TYPED, {"text": 'tmux send-keys -t main "kb search x y" Enter', "session": "a1"}, "shell", "tmux"),
    (TYPED, {"text": "tmux capture-pane -t main -p -S - -E -", "session": "a1"}, "shell", "tmux"),
    (TYPED, {"text": "python3 run.py", "session": "cmd_1a2b3c4d"}, "shell", "terminal"),
    (TYPED, {"text": "curl localhost:8003", "session": "cmd_1a2b3c4d"}, "shell", "terminal"),
    ("session.create", {"session": "0b0e3a7c-6f63"}, "shell", "default"),
    ("session.logs", {"session": "cmd_1a2b3c4d"}, "shell", "terminal"),
    ("pty.create", {"session": "cmd-1a2b3c4d"}, "shell", "terminal"),
    ("pty.connect", {"session": "terminal-1a2b3c4d"}, "shell", "terminal"),
    (TYPED, {"text": "ls", "session": "terminal_1a2b"}, "shell", "terminal"),
    (TYPED, {"text": "bash -lc 'git commit -m x'", "session": "session_1a2b"}, "shell", "default"),
    (RUN, {"text": "pdftotext /workspace/a.pdf -"}, "shell", "default"),
    ("process.code", {"text": "print(1)"}, "shell", "default"),
    # Browser
    (RUN, {"text": "curl -s -X GET 'http://localhost:8004/api'"}, "browser", "browser-api"),
    (RUN, {"text": CURL.format("init") + ' -d "{\\"api_key\\": \\"$GEMINI_API_KEY\\"}"'}, "browser", "browser-api"),
    (RUN, {"text": CURL.format("navigate") + """ -d '{"url": "https://a.b"}'"""}, "browser", "browser-api"),
    (RUN, {"text": CURL.format("act") + """ -d '{"action": "kb search for x"}'"""}, "browser", "browser-api"),
    (RUN, {"text": CURL.format("extract")}, "browser", "browser-api"),
    (RUN, {"text": CURL.format("screenshot")}, "browser", "browser-api"),
    (RUN, {"text": "curl -s http://localhost:${PORT}/api"}, "browser", "browser-api"),
    (RUN, {"text": NETSTAT}, "browser", "browser-ports"),
    (RUN, {"text": PROCESSES}, "browser", "browser-processes"),
    # Vision, upload, image
    (RUN, {"text": CURL.format("convert-svg")}, "vision", "convert-svg"),
    ("fs.upload", {"path": "/workspace/logo_converted.png"}, "vision", "converted-svg"),
    ("fs.list", {"path": "/workspace/uploads"}, "upload", "uploads"),
    ("fs.upload", {"path": "/workspace/uploads/report.pdf"}, "upload", "uploads"),
    ("fs.upload", {"path": "/workspace/generated_image_7f.png"}, "image", "generated-image"),
    # Expose
    (RUN, {"text": "netstat -tlnp | grep :3000"}, "expose", "port-check"),
    ("sandbox.preview", {}, "expose", "default"),
    # Presentation
    ("fs.list", {"path": "/workspace/presentations"}, "presentation", "presentation-files"),
    ("fs.upload", {"path": "/workspace/presentations/a/metadata.json"}, "presentation", "presentation-files"),
    ("fs.download", {"path": "presentations/a/slide_1.html"}, "presentation", "presentation-files"),
    ("fs.upload", {"path": SLIDE_CHECK}, "presentation", "slide-check-file"),
    (RUN, {"text": f"cd /workspace && python3 {SLIDE_CHECK}"}, "presentation", "validate-slide"),
    ("fs.delete", {"path": SLIDE_CHECK}, "presentation", "slide-check-file"),
    # Knowledge base
    (RUN, {"text": "kb -v"}, "kb", "kb-command"),
    (RUN, {"text": 'kb search "/workspace/a.txt" "what is it" -k 18 --json'}, "kb", "kb-command"),
    (RUN, {"text": "kb sweep --retention-days 30"}, "kb", "kb-command"),
    (RUN, {"text": "kb ls"}, "kb", "kb-command"),
    (RUN, {"text": "curl -L https://a.b/v0.1.1/kb -o /usr/local/bin/kb"}, "kb", "kb-install"),
    (RUN, {"text": "chmod +x /usr/local/bin/kb"}, "kb", "kb-install"),
    (RUN, {"text": "mkdir -p ~/knowledge-base-global"}, "kb", "knowledge-base"),
    (RUN, {"text": "rm -rf ~/knowledge-base-global/*"}, "kb", "knowledge-base"),
    ("fs.upload", {"path": "knowledge-base-global/folder/a.md"}, "kb", "kb-files"),
    ("fs.download", {"path": "/root/knowledge-base-global/a.md"}, "kb", "kb-files"),
    # Web search
    ("fs.mkdir", {"path": "/workspace/scrape"}, "web", "scrape"),
    ("fs.upload", {"path": "/workspace/scrape/20250101_a_b.json"}, "web", "scrape"),
    # Lifecycle
    ("sandbox.create", {}, "lifecycle", "default"),
    ("sandbox.get", {}, "lifecycle", "default"),
    ("session.create", {"session": "supervisord-session"}, "lifecycle", "supervisord"),
    (TYPED, {"text": "exec /usr/bin/supervisord -n", "session": "supervisord-session"}, "lifecycle", "supervisord"),
    (TYPED, {"text": "echo alive", "session": "keepalive_1a2b"}, "lifecycle", "keep-alive"),
    # Look-alikes
    ("fs.info", {"path": "/workspace/src/uploads.py"}, "files", "default"),
    ("fs.info", {"path": "/workspace/my/scrape/a"}, "files", "default"),
    ("fs.info", {"path": "/workspace/presentations.md"}, "files", "default"),
    (RUN, {"text": "echo 100 kb searching"}, "shell", "default"),
    (RUN, {"text": "curl http://localhost:8080/"}, "shell", "default"),
    ("unknown", {}, "other", "default"),
]


@pytest.mark.parametrize(("operation", "call", "tool", "by"), CORPUS)
def test_a_call_of_suna_gets_its_tool(operation: str, call: dict[str, Any], tool: str, by: str) -> None:
    found = classify(operation=operation, **call)

    assert (found.tool, found.by) == (tool, by if by == "default" else f"rule:{by}")


def test_every_rule_has_a_call_that_it_decides() -> None:
    assert {f"rule:{rule.name}" for rule in RULES} == {
        classify(operation=operation, **call).by for operation, call, _, _ in CORPUS
    } - {"default"}


def test_rules_have_names_of_their_own_and_known_tools() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert {rule.tool for rule in RULES} <= set(TOOLS)


def test_header_beats_baggage_beats_rule_beats_default() -> None:
    call: dict[str, Any] = {"operation": RUN, "text": "kb -v"}
    baggage = "a=b, crossfade.tool=browser;p=1"

    assert classify(**call, header="web", baggage=baggage).tool == "web"
    assert classify(**call, baggage=baggage).tool == "browser"
    assert classify(**call).tool == "kb"
    assert classify(operation=RUN, text="true").tool == "shell"


@pytest.mark.parametrize("header", ["", "nonsense", "files,web", "x" * 100_000, "\x00", "shell2"])
def test_a_header_that_names_no_tool_is_passed_over(header: str) -> None:
    assert classify(operation=RUN, header=header, baggage="crossfade.tool=kb").by == "baggage"
    assert classify(operation=RUN, header=header, text="kb -v").by == "rule:kb-command"


@pytest.mark.parametrize("header", ["Files", " files ", "FILES"])
def test_a_header_is_read_kindly(header: str) -> None:
    assert classify(operation=RUN, header=header).tool == "files"


@pytest.mark.parametrize(
    ("baggage", "tool"),
    [
        ("crossfade.tool=web", "web"),
        ("crossfade.tool = web ; ttl=3", "web"),
        ("a=1,crossfade.tool=%77eb,b=2", "web"),
        ("crossfade.tool=nonsense", ""),
        ("crossfade.tools=web", ""),
        ("crossfade.tool", ""),
        (",,,=;", ""),
        ("", ""),
    ],
)
def test_baggage_is_read_as_w3c_writes_it(baggage: str, tool: str) -> None:
    assert tool_in_baggage(baggage) == tool


anything = st.text(max_size=200)


@given(st.sampled_from([*OPERATIONS, "unknown"]), anything, anything, anything, anything, anything)
def test_whatever_a_client_sends_there_is_a_tool(
    operation: str, header: str, baggage: str, text: str, path: str, session: str
) -> None:
    found = classify(operation=operation, header=header, baggage=baggage, text=text, path=path, session=session)

    assert found.tool in TOOLS


HOSTILE = ["kb ", "kb" + " " * 50, "localhost:", "netstat -tlnp | grep :", "netstat -tlnp ", "ps aux ", " ", "\n"]
HOSTILE += ["tmux", "/", "presentations", "generated_image_", "generated_image_/", "_converted", "crossfade.tool=,"]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hostile_megabyte_is_cheap(piece: str) -> None:
    long = piece * (1_000_000 // len(piece))
    started = time.process_time()
    for operation in (RUN, TYPED, "fs.upload"):
        classify(operation=operation, header=long, baggage=long, text=long, path=long, session=long)

    assert time.process_time() - started < 0.25
