"""Commands that are classed as read, run for real by the shells of this machine: nothing changes."""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.commands.classes import Class
from policies.commands.commands import Commands
from policies.commands.rules import built_in
from tests.policies.commands.corpora import READ

COMMANDS = Commands(built_in())
SHELLS = [shell for shell in ("bash", "dash", "zsh", "busybox sh") if shutil.which(shell.split()[0])]
SECONDS = 3
# Not run here: they wait, or ask what runs beside us.
SLOW = ("tmux", "curl", "lsof", "netstat", "sleep", "tr a-z", "npm", "pip")
# Pieces of scripts that mean something to a shell, or write something; a line end is a piece too.
PIECES = [*(Path(__file__).parent / "pieces.txt").read_text(encoding="utf-8").split(), "\n", "\\\n", "<<E\n", "\nE\n"]


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


def run(shell: str, command: str, folder: Path) -> None:
    """Run it as the sandboxes do: by a shell that reads it from its input."""
    shell_ = subprocess.Popen(
        shell.split(),
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        shell_.communicate(command.encode("utf-8", "surrogateescape"), timeout=SECONDS)
    except subprocess.TimeoutExpired:
        pass  # it goes on for ever, as `yes` does
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell_.pid, signal.SIGKILL)  # with all that it left running
        shell_.wait()


def filled(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "a").write_text("a\nb\n")
    (folder / "b.txt").write_text("touch canary\n")
    (folder / "-delete").write_text("")
    (folder / "src").mkdir(exist_ok=True)
    return folder


@pytest.mark.parametrize("shell", SHELLS)
def test_a_command_of_the_corpus_that_is_read_changes_nothing(shell: str, tmp_path: Path) -> None:
    folder = filled(tmp_path / "box")
    before = tree(folder)
    changed = []
    for command in READ:
        if not any(word in command for word in SLOW):
            run(shell, command, folder)
            if tree(folder) != before:
                changed.append(command)
                break

    assert changed == []


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(pieces=st.lists(st.sampled_from(PIECES), min_size=1, max_size=9), glue=st.sampled_from([" ", " ", ""]))
def test_whatever_is_classed_as_read_changes_nothing(
    shell: str, pieces: list[str], glue: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    command = glue.join(pieces)
    if COMMANDS.classed(command).by is not Class.READ:
        return
    folder = filled(tmp_path_factory.mktemp("box"))
    before = tree(folder)
    run(shell, command, folder)

    assert tree(folder) == before, command
