"""Which kinds of difference people have explained: accepted by name, or ignored by a rule. Pure."""

import re
from collections.abc import Iterable, Sequence

from crossfade.comparison import Change, Severity
from crossfade.judgement import Judgement, Saying
from crossfade.operation import OPERATIONS

LONGEST_DAYS = 90  # of an ignore rule: longer is an acceptance, which wants a name
MOST_KINDS = 5  # seen kinds that one rule may cover
_WORST_FIRST = list(Severity)
_CONTRACT_PLACES = ("status", "code", "exit_code", "is_dir", "state")
_CUT_SHORT = re.compile(r" without detail: | differs, not detailed\Z")  # the second as earlier programs said it


class Judged:
    """What holds now of all that was ever said, oldest first."""

    def __init__(self, judgements: Iterable[Judgement] = ()) -> None:
        self._named: dict[str, Judgement] = {}
        self._rules: dict[str, Judgement] = {}
        for each in judgements:
            if each.saying is Saying.IGNORE:
                self._rules[each.subject] = each
            else:
                self._named[each.subject] = each
            if each.saying is Saying.REOPEN:
                self._rules.pop(each.subject, None)

    @property
    def excuses_nothing(self) -> bool:
        """Whether no kind can be explained by what was said."""
        return not self._rules and all(each.saying is not Saying.ACCEPT for each in self._named.values())

    def named(self, name: str) -> Judgement | None:
        """What was last said of this very kind, unless it was taken back."""
        found = self._named.get(name)
        return found if found is not None and found.saying is not Saying.REOPEN else None

    def rules(self, now: float) -> Sequence[Judgement]:
        """The ignore rules in force."""
        return [rule for rule in self._rules.values() if (rule.until or 0.0) > now]

    def explains(self, name: str, severity: str, now: float) -> Judgement | None:
        """Why this kind, so severe, does not count; None: it counts."""
        if unexplainable(name):
            return None
        said = self.named(name)
        if said is not None and said.saying is Saying.ACCEPT and not worse(severity, said.severity):
            return said
        if severity == Severity.CONTRACT:
            return None  # by a rule nobody has looked at this one
        return next((rule for rule in self.rules(now) if covers(rule.subject, name)), None)


def worse(severity: str, than: str) -> bool:
    """Whether a severity is worse than another."""
    return _rank(severity) < _rank(than)


def _rank(severity: str) -> int:
    return _WORST_FIRST.index(Severity(severity)) if severity in _WORST_FIRST else len(_WORST_FIRST)


def unexplainable(name: str) -> str:
    """Why nothing can be said of this name; empty when it can."""
    if _CUT_SHORT.search(name):
        return "it was not looked at in full, so nobody knows what would be explained"
    if name == "(more)":
        return "it stands for kinds whose names did not fit"
    return ""


def covers(pattern: str, name: str) -> bool:
    """Whether a rule is about this kind: `*` stands for anything."""
    return pattern == name or re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL) is not None


def too_broad(pattern: str, seen: Iterable[tuple[str, str]]) -> str:
    """Why no rule may be this broad, in view of the kinds seen (name, severity); empty when it may.

    A rule says the operation, the beginning of the place and the change; `*` is for the rest of the place.
    """
    operation, _, rest = pattern.removesuffix(" (cosmetic)").partition(" ")
    place, _, change = rest.rpartition(" ")
    if operation not in OPERATIONS:
        return f"it must begin with one operation, and '{operation}' is none"
    if rest.startswith("status ") or place.rpartition(".")[2] in _CONTRACT_PLACES:
        return "statuses and exit codes are the contract: accept each such kind by its name"
    if change not in list(Change):
        return f"it must end with what changed: {', '.join(Change)}"
    if not place or "*" in place.partition(".")[0]:
        return "it must name the place that differs; only what follows its first dot may be '*', as in 'entry.*'"
    covered = [(name, severity) for name, severity in seen if covers(pattern, name)]
    broken = [name for name, severity in covered if severity == Severity.CONTRACT]
    if broken:
        return f"it would cover '{broken[0]}', which breaks the contract: accept such a kind by its name"
    if len(covered) > MOST_KINDS:
        return f"it would cover {len(covered)} kinds that were seen; at most {MOST_KINDS}"
    return ""
