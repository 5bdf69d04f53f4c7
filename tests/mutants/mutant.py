"""A mutant: one module's source with one small fault, in a process that is told of it by its environment."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.reading import ROOT

HOOK = Path(__file__).with_name("hook")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`old` stands once in the module's source, `new` comes in its place."""

    name: str
    module: str
    old: str
    new: str

    @property
    def file(self) -> Path:
        """Where the module's source is."""
        path = ROOT.joinpath(*self.module.split("."))
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

    @property
    def found(self) -> int:
        """How often the text stands there: once, or there is no mutant."""
        return self.file.read_text(encoding="utf-8").count(self.old)

    def environment(self, applied: Path) -> dict[str, str]:
        """What makes a process the mutant. It writes `applied` when it has loaded the module."""
        told = {"module": self.module, "old": self.old, "new": self.new, "applied": str(applied)}
        path = os.pathsep.join([str(HOOK), *filter(None, [os.environ.get("PYTHONPATH")])])
        return {"PYTHONPATH": path, "CROSSFADE_TEST_MUTANT": json.dumps(told)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant(Change):
    """A change by which a scenario must give another result.

    `through` says who answers: `new`, so that calls are translated, or `old`, so that they are relayed.
    """

    scenarios: tuple[str, ...]
    sdk: str = "daytona-0.115.0"
    through: Literal["new", "old"] = "new"
