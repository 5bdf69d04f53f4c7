"""Classes of commands, in their order, and what is said of one command."""

from dataclasses import dataclass, replace
from enum import StrEnum


class Class(StrEnum):
    """What a command may change, from least to most. Several commands together have the highest class of them."""

    READ = "read"  # nothing
    LOCAL = "local"  # its own sandbox, by programs that reach nothing else
    EXTERNAL = "external"  # other machines
    UNKNOWN = "unknown"  # anything: not understood


_RANK = {each: rank for rank, each in enumerate(Class)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Classed:
    """A command's class, which rule and which word made it so. `word` may hold a secret: it is shown, never kept."""

    by: Class
    rule: str
    word: str = ""
    through: tuple[str, ...] = ()  # the wrappers seen through on the way to the word, outermost first
    processes: bool = False  # something it reads is the state of processes, which no two sandboxes share
    leaves_running: bool = False  # it may leave something running when it is over
    anywhere: bool = True  # it holds in a long-lived shell too, where names may have been given other meanings

    def raised(self, least: Class, rule: str, word: str = "") -> "Classed":
        """The same, of that class at least."""
        if _RANK[self.by] >= _RANK[least]:
            return self
        return replace(self, by=least, rule=rule, word=word, through=())

    def seen_through(self, wrapper: str) -> "Classed":
        """The same, found inside a wrapper."""
        return replace(self, through=(wrapper, *self.through))


NOTHING = Classed(by=Class.READ, rule="nothing to run")


class NotUnderstood(Exception):
    """A part of the command that no rule explains: the whole is unknown."""

    def __init__(self, rule: str, word: str = "") -> None:
        super().__init__(rule)
        self.rule = rule
        self.word = word


def together(one: Classed, other: Classed) -> Classed:
    """Both are run."""
    if one is NOTHING:
        return other
    if other is NOTHING:
        return one
    higher = other if _RANK[other.by] > _RANK[one.by] else one
    return replace(
        higher,
        processes=one.processes or other.processes,
        leaves_running=one.leaves_running or other.leaves_running,
        anywhere=one.anywhere and other.anywhere,
    )
