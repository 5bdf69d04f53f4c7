"""Classification: which tool a call belongs to. Rules are data; the first hit wins (design §5)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from crossfade.decision import Classification
from crossfade.operation import OPERATIONS
from crossfade.stage import TOOLS

_KNOWN = frozenset(TOOLS)
_BAGGAGE_KEY = "crossfade.tool"
_BAGGAGE_LIMIT = 8192  # bytes, as W3C Baggage allows
_TEXT_LIMIT = 65_536  # characters of a command that rules look at


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A fingerprint: the operations it may hit, what it looks at, the pattern, and the tool it stands for."""

    name: str
    operations: tuple[str, ...]
    looks_at: str  # text (the decoded command), path, session (session or PTY id)
    pattern: re.Pattern[str]
    tool: str

    def hits(self, seen: str) -> bool:
        """Whether the pattern is in it."""
        # A search for what must stand at the beginning would look at every character of a long command.
        find = self.pattern.match if self.pattern.pattern.startswith("^") else self.pattern.search
        return find(seen, 0, _TEXT_LIMIT) is not None


# SUNA's tools run their own programs by process.exec; a session is the shell tool's, whatever is typed into it.
_RUNS = ("process.exec", "process.code")
_SESSIONS = tuple(name for name, kind in OPERATIONS.items() if kind.handle)
_FILES = tuple(name for name in OPERATIONS if name.startswith("fs."))


def _rule(name: str, operations: Sequence[str], looks_at: str, pattern: str, tool: str) -> Rule:
    return Rule(name=name, operations=tuple(operations), looks_at=looks_at, pattern=re.compile(pattern), tool=tool)


# In order: the first that hits decides (facts of SUNA's wire, section 4).
RULES: tuple[Rule, ...] = (
    _rule("supervisord", _SESSIONS, "session", r"^supervisord-session$", "lifecycle"),
    _rule("keep-alive", _SESSIONS, "session", r"^keepalive[-_]", "lifecycle"),
    _rule("terminal", _SESSIONS, "session", r"^(?:cmd|terminal)[-_]", "shell"),
    # Before what looks for words: a tmux command carries what the model typed, and that may hold any word.
    _rule("tmux", (*_RUNS, "session.exec"), "text", r"^\s*tmux\s", "shell"),
    _rule("convert-svg", _RUNS, "text", r"localhost:8004/api/convert-svg", "vision"),
    _rule("browser-api", _RUNS, "text", r"localhost:(?:8003|8004|\$\{?PORT)", "browser"),
    _rule("browser-ports", _RUNS, "text", r"^netstat -tlnp .{0,40}8003\\?\|8004", "browser"),
    _rule("browser-processes", _RUNS, "text", r"^ps aux .{0,80}stagehand", "browser"),
    _rule("validate-slide", _RUNS, "text", r"\.validate_slide_temp\.py", "presentation"),
    _rule("knowledge-base", _RUNS, "text", r"knowledge-base-global", "kb"),
    _rule("kb-command", _RUNS, "text", r"kb (?<![^\s;&|/]kb )(?:-v|search|sweep|ls|sync|index)\b", "kb"),
    _rule("kb-install", _RUNS, "text", r"/usr/local/bin/kb\b", "kb"),
    _rule("port-check", _RUNS, "text", r"netstat -tlnp \| grep :\d+", "expose"),
    _rule("presentation-files", _FILES, "path", r"^/?(?:workspace/)?presentations(?:/|$)", "presentation"),
    _rule("slide-check-file", _FILES, "path", r"\.validate_slide_temp\.py$", "presentation"),
    _rule("scrape", _FILES, "path", r"^/?(?:workspace/)?scrape(?:/|$)", "web"),
    _rule("uploads", _FILES, "path", r"^/?(?:workspace/)?uploads(?:/|$)", "upload"),
    _rule("generated-image", _FILES, "path", r"^/?(?:workspace/)?generated_image_[^/]*\.png$", "image"),
    _rule("converted-svg", ("fs.upload",), "path", r"_converted\.png$", "vision"),
    _rule("kb-files", _FILES, "path", r"^/?(?:root/)?knowledge-base-global(?:/|$)", "kb"),
)


def _by_operation(rules: Sequence[Rule]) -> Mapping[str, tuple[Rule, ...]]:
    return {name: found for name in OPERATIONS if (found := tuple(rule for rule in rules if name in rule.operations))}


_RULES = _by_operation(RULES)
_DEFAULTS = {name: Classification(tool=kind.tool, by="default") for name, kind in OPERATIONS.items()}
_OTHER = Classification(tool="other", by="default")
_BY_HEADER = {tool: Classification(tool=tool, by="header") for tool in TOOLS}


def classify(
    *,
    operation: str,
    header: str | None = None,
    baggage: str | None = None,
    text: str = "",
    path: str = "",
    moved_to: str = "",
    session: str = "",
) -> Classification:
    """The call's tool: by header, by baggage, by the first rule that hits, else the operation's own.

    `moved_to` is the second path of a move; a rule about paths hits by either.
    A header or baggage that names no known tool is passed over, so that a client's slip cannot misroute a call.
    """
    if header is not None and (found := _BY_HEADER.get(header.strip().lower())) is not None:
        return found
    if baggage is not None and (tool := tool_in_baggage(baggage)):
        return Classification(tool=tool, by="baggage")
    for rule in _RULES.get(operation, ()):
        seen = text if rule.looks_at == "text" else path if rule.looks_at == "path" else session
        if (seen and rule.hits(seen)) or (moved_to and rule.looks_at == "path" and rule.hits(moved_to)):
            return Classification(tool=rule.tool, by=f"rule:{rule.name}")
    return _DEFAULTS.get(operation, _OTHER)


def tool_in_baggage(baggage: str) -> str:
    """The tool that a W3C baggage header names, or an empty text."""
    for member in baggage[:_BAGGAGE_LIMIT].split(","):
        key, _, value = member.partition("=")
        if key.strip() == _BAGGAGE_KEY:
            tool = unquote(value.split(";", 1)[0].strip()).lower()
            return tool if tool in _KNOWN else ""
    return ""
