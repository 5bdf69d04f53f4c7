"""What tests of documents read them with: fenced commands, links, headings, tables."""

import importlib
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from router.cli import _GROUPS, crossfade

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    page
    for page in (
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(
            each
            for folder in ("bench", "demo", "docker", "scripts", "shim", "tests")
            for each in (ROOT / folder).glob("*.md")
        ),
    )
    if page.name != "NOTES.md"
)


def fenced(page: Path) -> Iterator[str]:
    """Lines of the page's code blocks that have no language."""
    inside: str | None = None
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith("```"):
            inside = None if inside is not None else line.strip().removeprefix("```")
        elif inside == "":
            yield line.strip()


def inline(page: Path) -> list[str]:
    """Texts between single backticks."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", text)


def words(line: str) -> list[str]:
    """A command line as a shell would take it apart, comments left out."""
    return shlex.split(line, comments=True)


def find(command_line: Sequence[str]) -> tuple[click.Command, list[str]]:
    """The command that `crossfade WORDS...` names, and the words behind it."""
    for name in _GROUPS:
        for command in importlib.import_module(f"router.cli.{name}").commands:
            crossfade.add_command(command)
    found: click.Command = crossfade
    rest = list(command_line)
    while rest and isinstance(found, click.Group) and not rest[0].startswith("-"):
        assert rest[0] in found.commands, f"no command '{rest[0]}' in crossfade {' '.join(command_line)}"
        found = found.commands[rest.pop(0)]
    return found, rest


def parse(command_line: Sequence[str]) -> None:
    """Raises click's own error for a command line that it would refuse."""
    command, rest = find(command_line)
    runs = not isinstance(command, click.Group) or command.invoke_without_command
    assert runs, f"crossfade {' '.join(command_line)} is only a group of commands"
    command.make_context(command.name, rest)


def headings(page: Path) -> set[str]:
    """Anchors of the page's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def rows(text: str) -> dict[str, list[str]]:
    """Table rows by their first cell, a name in backticks."""
    cells = [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| `")
    ]
    return {each[0].strip("| `"): each[1:] for each in cells}
