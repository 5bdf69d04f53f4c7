"""Commands by their class, each text looked at once."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from policies.commands.classes import Class, Classed, NotUnderstood
from policies.commands.parsing import LONGEST
from policies.commands.reading import Reading
from policies.commands.rules import Rules

_MOST_KEPT = 4096
_LONGEST_KEY = 256  # characters; longer commands are known by their digest


@dataclass(slots=True, eq=False)
class Commands:
    """The class of every command, by these rules."""

    rules: Rules
    _known: dict[str | bytes, Classed] = field(default_factory=dict)

    def classed(self, command: str) -> Classed:
        """Its class, and what made it so. Never raises: what is not understood is unknown. A repeat costs a look-up."""
        if len(command) > LONGEST:
            return Classed(by=Class.UNKNOWN, rule=f"longer than {LONGEST} bytes", anywhere=False)
        key = command if len(command) <= _LONGEST_KEY else hashlib.sha256(command.encode("utf-8", "replace")).digest()
        found = self._known.get(key)
        if found is None:
            found = self._classed(command)
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            self._known[key] = found
        return found

    def harmless(self, variables: Iterable[str]) -> bool:
        """Whether environment variables of these names leave what programs do as it is."""
        return all(self.rules.variables.fullmatch(name) for name in variables)

    def _classed(self, command: str) -> Classed:
        try:
            return Reading(self.rules).script(command)
        except NotUnderstood as problem:
            return Classed(by=Class.UNKNOWN, rule=problem.rule, word=problem.word, anywhere=False)
