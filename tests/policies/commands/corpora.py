"""The corpus of commands, by class."""

import tomllib
from pathlib import Path

from policies.commands.classes import Class

CORPUS = tomllib.loads((Path(__file__).parent / "corpus.toml").read_text(encoding="utf-8"))
ALL = [(Class(by), command) for by, commands in CORPUS.items() for command in commands]
READ: list[str] = CORPUS["read"]
