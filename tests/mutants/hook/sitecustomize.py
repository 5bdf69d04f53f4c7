"""Loaded by Python at its start where PYTHONPATH says so: one module is compiled from changed source."""

import importlib.machinery
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles anew every time: what is kept on disk is of the unchanged source."""

    told: dict[str, str]

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        source = self.get_data(path).decode()
        if source.count(self.told["old"]) != 1:
            raise ImportError(f"{fullname} has no such text: {self.told['old']!r}")
        Path(self.told["applied"]).write_text(fullname)
        return compile(source.replace(self.told["old"], self.told["new"]), path, "exec", dont_inherit=True)


class _Finder:
    """Finds the one module, and leaves the rest to others."""

    def __init__(self, told: dict[str, str]) -> None:
        self._told = told

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        if fullname != self._told["module"]:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            loader = _Loader(fullname, spec.origin)
            loader.told = self._told
            spec.loader = loader
        return spec


if told := os.environ.get("CROSSFADE_TEST_MUTANT"):
    sys.meta_path.insert(0, _Finder(json.loads(told)))
