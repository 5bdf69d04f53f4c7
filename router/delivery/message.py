"""What is sent: the files of a report, and what a reader sees before opening any."""

from collections.abc import Mapping
from dataclasses import dataclass

from crossfade.errors import Unreachable
from reports.headline import changes, headline
from reports.language import Language
from reports.model import DECISIONS, ReportData


class Undelivered(Unreachable):
    """A report that did not reach a target. May be tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A report to be sent. `steps`: per tool, its decision and what to do."""

    name: str  # of its files: crossfade-2026-W47
    title: str
    headline: str
    steps: tuple[tuple[str, str], ...]
    changes: tuple[str, ...]
    files: Mapping[str, bytes]  # report.html, ...

    @property
    def text(self) -> str:
        """All of it but the files, as plain text."""
        parts = [self.headline, *(f"{head}\n    {step}" for head, step in self.steps)]
        if self.changes:
            parts.append("\n".join(f"- {each}" for each in self.changes))
        return "\n\n".join(parts) + "\n"

    def named(self) -> Mapping[str, bytes]:
        """The files under names of their own."""
        return {name.replace("report", self.name, 1): content for name, content in self.files.items()}


def message_of(data: ReportData, files: Mapping[str, bytes], t: Language) -> Message:
    """The message of a report."""
    window = data.week or f"{t.day(data.since)}--{t.day(data.until)}"
    return Message(
        name=f"crossfade-{window}",
        title=t("Migration report, week {week}", week=data.week) if data.week else t("Migration report"),
        headline=headline(data, t),
        steps=tuple(
            (f"{DECISIONS[tool.decision]} {tool.tool}: {t(tool.decision)}", t.told(tool.said))
            for tool in data.by_decision
            if tool.decision != "FOLLOWS"
        ),
        changes=tuple(changes(data, t)),
        files=files,
    )
