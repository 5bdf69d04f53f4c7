"""File contents that differ, looked at by what they are: text, JSON, pictures, archives; anything else by its bytes."""

from comparators import forms
from comparators.archives import compare_archives, is_archive
from comparators.finding import Finding
from comparators.pictures import compare_pictures, is_picture
from comparators.text import compare_text
from comparators.trees import compare_trees, tree
from crossfade.comparison import Change, Severity


def compare_contents(old: bytes, new: bytes) -> tuple[Finding, ...]:
    """Findings in two unequal whole contents. Empty: nothing is known of them but that their bytes differ.

    Cosmetic are only a document, picture or archive that says the same in other bytes, and lines that differ in times
    and the like; what cannot be decoded within the caps has no finding, so that its bytes decide.
    """
    if is_picture(old) and is_picture(new):
        return _of_pictures(old, new)
    if is_archive(old) and is_archive(new):
        return _of_archives(old, new)
    one, other = _text(old), _text(new)
    if one is None or other is None:
        return ()
    trees = tree(one), tree(other)
    if trees[0] is not None and trees[1] is not None:
        return _of_trees(*trees, *_around(one, other))
    return _of_texts(one, other)


def only_written_otherwise(old: bytes, new: bytes) -> tuple[Finding, ...]:
    """How two unequal outputs, a JSON document each, say the same in other bytes. Empty: they say more than that."""
    one, other = _text(old), _text(new)
    if one is None or other is None:
        return ()
    trees = tree(one), tree(other)
    if trees[0] is None or trees[1] is None:
        return ()
    found = _of_trees(*trees, *_around(one, other))
    return found if all(each.severity is Severity.COSMETIC for each in found) else ()


def _text(content: bytes) -> str | None:
    """The text that bytes are; None for anything a person would not call text."""
    if b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _of_pictures(old: bytes, new: bytes) -> tuple[Finding, ...]:
    found = compare_pictures(old, new)
    if found is None:
        return ()
    change, severity, here, there = found
    return (Finding(place="picture", change=change, severity=severity, old=here, new=there),)


def _of_archives(old: bytes, new: bytes) -> tuple[Finding, ...]:
    return tuple(
        Finding(place="member", change=change, severity=severity, old=here, new=there)
        for change, severity, here, there in compare_archives(old, new) or ()
    )


def _of_trees(old: object, new: object, here: str, there: str) -> tuple[Finding, ...]:
    # Equal trees: spaces between the same things.
    kinds = compare_trees(old, new) or ((Change.VALUE, Severity.COSMETIC),)
    # Shown as it stands in the file, where secrets were masked before; an unescaped string might show one that was not.
    return tuple(
        Finding(
            place="json", change=change, severity=severity,
            old="" if change is Change.EXTRA else here, new="" if change is Change.MISSING else there,
        )
        for change, severity in kinds
    )  # fmt: skip


def _of_texts(old: str, new: str) -> tuple[Finding, ...]:
    if form := forms.only_form(old, new):
        here, there = _around(old, new)
        return (Finding(place=form, change=Change.VALUE, severity=Severity.CONTENT, old=here, new=there),)
    changes = compare_text(old.encode(), new.encode())
    if {each.change for each in changes} == {Change.ORDER}:
        # In a command's output the order of lines may be chance; a file has the order that somebody gave it.
        severity, place = Severity.CONTENT, "line"
    elif {each.severity for each in changes} == {Severity.COSMETIC}:
        severity, place = Severity.COSMETIC, ""
    else:
        return ()  # named by size and bytes, as ever
    return tuple(
        Finding(place=place, change=each.change, severity=severity, old=each.old, new=each.new) for each in changes
    )


def _around(old: str, new: str) -> tuple[str, str]:
    """The lines around the first character that differs."""
    shorter = min(len(old), len(new))
    at = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    return _line(old, at), _line(new, at)


def _line(text: str, at: int) -> str:
    start = max(text.rfind("\n", 0, at) + 1, at - 80)
    end = text.find("\n", at)
    return text[start : len(text) if end < 0 else end]
