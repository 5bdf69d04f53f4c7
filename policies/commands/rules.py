"""Rules: what a program does when it is run with which options. Data, in TOML; the built-in ones are rules.toml."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from policies.commands.classes import Class, Classed, NotUnderstood

# Programs whose words say what else is run, or reached: seen through by code (wrappers.py names them).
SEES = ("rest", "shell", "stdin", "joined", "eval", "keys", "find", "xargs", "curl", "python")


class RulesError(ValueError):
    """Rules that cannot be used. The text names file, rule, key and what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One program, or one of its subcommands."""

    name: str
    by: Class = Class.READ
    options: Mapping[str, str] | None = field(default_factory=dict)  # name -> how it takes a value; None: any option
    raises: Mapping[str, Class] = field(default_factory=dict)  # options with which it changes more
    ends: frozenset[str] = frozenset()  # options with which, alone, it only answers: its version
    operands: int | None = None  # at most; None: any number
    operand: re.Pattern[str] | None = None  # what each operand must be
    script: re.Pattern[str] | None = None  # what the first operand, or the values of `script_in`, must be
    script_in: frozenset[str] = frozenset()
    sees: str = ""
    skip: int = 0  # operands before the command that is seen
    subcommands: Mapping[str, "Rule"] = field(default_factory=dict)
    processes: bool = False  # it reads the state of processes
    leaves_running: bool = False
    anywhere: bool = False  # holds in a long-lived shell too

    def answered(self, word: str) -> Classed:
        """It is only asked something, such as its version."""
        return Classed(by=Class.READ, rule=self.name, word=word, anywhere=self.anywhere)

    def classed(self, word: str) -> Classed:
        """Its class, because of that word."""
        return Classed(
            by=self.by,
            rule=self.name,
            word=word,
            processes=self.processes,
            leaves_running=self.leaves_running,
            anywhere=self.anywhere,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All that is known of programs."""

    programs: Mapping[str, Rule]
    directories: frozenset[str]  # where programs of these names are what their names say
    variables: re.Pattern[str]  # that change nothing in what a program does

    def rule(self, name: str) -> Rule:
        """The rule of a program. Raises NotUnderstood where there is none."""
        folder, slash, base = name.rpartition("/")
        rule = self.programs.get(base)
        if rule is None or (slash and folder not in self.directories):
            raise NotUnderstood("no rule knows this program", name)
        return rule


@cache
def built_in() -> Rules:
    """The rules that come with crossfade."""
    name = "rules.toml"
    return parse(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"), name)


def extended(rules: Rules, text: str, name: str) -> Rules:
    """These rules and those of the text, which win for programs of the same name. Raises RulesError."""
    more = parse(text, name)
    return Rules(
        programs=MappingProxyType({**rules.programs, **more.programs}),
        directories=rules.directories | more.directories,
        variables=re.compile(f"(?:{rules.variables.pattern})|(?:{more.variables.pattern})"),
    )


def parse(text: str, name: str) -> Rules:
    """Rules from TOML text. Raises RulesError."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"{name}: not TOML: {error}") from None
    if unknown := set(tree) - {"directories", "variables", "many", "programs"}:
        raise RulesError(
            f"{name}: {min(unknown)} is not a part of rules; known: directories, variables, many, programs"
        )
    programs: dict[str, Rule] = {}
    for number, group in enumerate(tree.get("many", ()), 1):
        where = f"{name}: many {number}"
        for each in _texts(group.get("names", ()), where, "names"):
            programs[each] = _rule(each, {key: value for key, value in group.items() if key != "names"}, where)
    for each, table in tree.get("programs", {}).items():
        programs[each] = _rule(each, table, f"{name}: programs.{each}")
    variables = "|".join(_pattern(each, f"{name}: variables").pattern for each in tree.get("variables", ()))
    return Rules(
        programs=MappingProxyType(programs),
        directories=frozenset(tree.get("directories", ())),
        variables=re.compile(variables or "(?!)"),
    )


def _rule(name: str, table: Any, where: str) -> Rule:
    if not isinstance(table, Mapping):
        raise RulesError(f"{where} must be a table")
    made: dict[str, Any] = {"name": name}
    for key, value in table.items():
        match key:
            case "class":
                made["by"] = _class(value, where)
            case "options" if value == "any":
                made["options"] = None
            case "options":
                made["options"] = _options(_texts(value, where, key), where, whole=table.get("sees") == "find")
            case "raises" if isinstance(value, Mapping):
                made["raises"] = {option: _class(by, where) for option, by in value.items()}
            case "ends" | "script_in":
                made[key] = frozenset(_texts(value, where, key))
            case "operand" | "script":
                made[key] = _pattern(value, f"{where}: {key}")
            case "operands" | "skip" if type(value) is int and value >= 0:
                made[key] = value
            case "sees" if value in SEES:
                made[key] = value
            case "processes" | "leaves_running" | "anywhere" if isinstance(value, bool):
                made[key] = value
            case "subcommands" if isinstance(value, Mapping):
                made[key] = _subcommands(name, value, where)
            case _:
                raise RulesError(f"{where}: {key} = {value!r:.60} is not understood (docs/commands.md lists the keys)")
    return Rule(**made)


def _subcommands(name: str, table: Mapping[str, Any], where: str) -> dict[str, Rule]:
    """Each by its name; several that are alike may stand in one key, with blanks between."""
    return {
        each: _rule(f"{name} {each}", value, f"{where}.{each}") for key, value in table.items() for each in key.split()
    }


def _options(written: list[str], where: str, *, whole: bool) -> dict[str, str]:
    """`-lah` is three options; `-n:`, `--lines:` take a value, `-i?` one in the same word only; `-#` is a number."""
    options: dict[str, str] = {}
    for each in written:
        if not each.startswith("-") or len(each) < 2:
            raise RulesError(f"{where}: option {each!r} does not begin with -")
        name = each.rstrip(":?")
        takes = each[len(name) :]
        options |= (
            {name: takes} if whole or takes or each.startswith("--") else {f"-{letter}": "" for letter in name[1:]}
        )
    return options


def _class(value: Any, where: str) -> Class:
    if value not in list(Class):
        raise RulesError(f"{where}: class {value!r:.60} is none of {', '.join(Class)}")
    return Class(value)


def _texts(value: Any, where: str, key: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise RulesError(f"{where}: {key} must be a list of texts")
    return value


def _pattern(value: Any, where: str) -> re.Pattern[str]:
    try:
        return re.compile(value)
    except (re.error, TypeError) as error:
        raise RulesError(f"{where}: {value!r:.60} is no pattern: {error}") from None
