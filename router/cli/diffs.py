"""`crossfade diffs`: the kinds of difference, and what people say of them."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import click

from router.cli.changing import AS_JSON, AUTHOR, DRY_RUN, REASON, YES, agree, signed
from router.cli.differences import day, found, opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossfade.judgement import Judgement
    from router.admin.kinds import Differences

_STATES = ("regressed", "open", "fixed", "ignored", "accepted")
_ENDED_SECONDS = 14 * 86_400.0  # for so long a rule that has ended is still listed
_NAME = click.argument("signature", nargs=-1, required=True)
_FILE = click.option("--config", metavar="FILE", help="Settings file; its store is used.")
_STORE = click.option("--store", metavar="URL", help="Store to use, instead of the settings'.")


@click.group()
def diffs() -> None:
    """Look at the kinds of difference that were seen, and say what they are."""


@diffs.command(name="list")
@click.option("--state", type=click.Choice(_STATES), multiple=True, help="Only these; all when not said.")
@click.option("--tool", help="Only kinds that this tool showed.")
@_FILE
@_STORE
@AS_JSON
def list_kinds(state: tuple[str, ...], tool: str | None, config: str | None, store: str | None, as_json: bool) -> None:
    """Every kind seen in the last 60 days and where it stands, then the ignore rules."""
    from router.admin.kinds import plain, printable

    with opened(config, store) as differences:
        kinds = [
            kind
            for kind in differences.kinds
            if (not state or kind.standing.state in state) and (tool is None or tool in kind.tools)
        ]
        rules = differences.judged.rules(differences.now - _ENDED_SECONDS)
        now = differences.now
    if as_json:
        told = {"schema": "crossfade.diffs/1", "kinds": [plain(kind) for kind in kinds]}
        click.echo(json.dumps(told | {"rules": [_plain(rule) for rule in rules]}, indent=2))
        return
    for kind in kinds:
        standing = kind.standing
        click.echo(
            f"{standing.state:<10}{kind.severity:<10}{kind.count:>8,} x  last {day(kind.last_seen)}  "
            f"{','.join(kind.tools)}  {printable(kind.name)}"
        )
        if standing.because:
            click.echo(f"          {printable(standing.because)}")
    for rule in rules:
        word = "ignored until" if (rule.until or 0.0) > now else "ENDED, counts again since"
        click.echo(
            f"{word} {day(rule.until)}, {printable(rule.owner)}: {printable(rule.subject)}: {printable(rule.reason)}"
        )
    click.echo(f"{len(kinds)} kinds", err=True)


@diffs.command()
@_NAME
@_FILE
@_STORE
@AS_JSON
def show(signature: tuple[str, ...], config: str | None, store: str | None, as_json: bool) -> None:
    """One kind: how often, where it stands and why, the newest samples, all that was said of it."""
    from router.admin.kinds import kind_named, plain, printable

    with opened(config, store) as differences:
        kind = kind_named(differences, " ".join(signature))
        samples = differences.samples(kind.name)
        said = [each for each in differences.judgements if each.subject == kind.name or each is kind.standing.judgement]
    if as_json:
        told = {"schema": "crossfade.diff/1", **plain(kind), "samples": [dataclasses.asdict(each) for each in samples]}
        click.echo(json.dumps(told | {"said": [_plain(each) for each in said]}, indent=2))
        return
    standing = kind.standing
    click.echo(f"{printable(kind.name)}\n  {kind.severity}, {kind.count:,} calls of {', '.join(kind.tools)}")
    click.echo(f"  first {day(kind.first_seen)}, last {day(kind.last_seen)}")
    click.echo(f"  {standing.state}{f': {printable(standing.because)}' if standing.because else ''}")
    for each in said:
        click.echo(f"  {day(each.at)} {each.saying} by {printable(each.author)}: {printable(each.reason)}")
    for sample in samples:
        click.echo(f"  call {sample.call}, at {printable(sample.path)}")
        click.echo(f"    old {printable(sample.old)}\n    new {printable(sample.new)}")


@diffs.command()
@_NAME
@REASON
@AUTHOR
@DRY_RUN
@YES
@_FILE
@_STORE
@AS_JSON
def accept(signature: tuple[str, ...], **options: Any) -> None:
    """This kind is meant to differ: it no longer counts, until it gets worse or is reopened."""
    _name(signature, "accept", **options)


@diffs.command()
@_NAME
@REASON
@AUTHOR
@DRY_RUN
@YES
@_FILE
@_STORE
@AS_JSON
def fixed(signature: tuple[str, ...], **options: Any) -> None:
    """This kind is mended: what was seen still counts, and seen again it has regressed."""
    _name(signature, "fixed", **options)


@diffs.command()
@click.argument("pattern", nargs=-1, required=True)
@click.option("--until", required=True, metavar="30d|DATE", help="When the rule ends: 90 days at most.")
@click.option("--owner", required=True, help="Who answers for it, and is asked when it ends.")
@REASON
@AUTHOR
@DRY_RUN
@YES
@_FILE
@_STORE
@AS_JSON
def ignore(
    pattern: tuple[str, ...],
    until: str,
    owner: str,
    reason: str | None,
    author: str | None,
    dry_run: bool,
    yes: bool,
    config: str | None,
    store: str | None,
    as_json: bool,
) -> None:
    """Leave kinds out until a day: `fs.list entry.* value`. Refused (exit 4) where it would hide too much."""
    from crossfade.judgement import Saying
    from router.admin.kinds import judged

    subject = " ".join(pattern)
    by, why = signed(author, reason)
    if not owner.strip():
        raise click.UsageError("a rule needs somebody who answers for it: --owner NAME")
    with opened(config, store) as differences:
        made = judged(differences, Saying.IGNORE, subject, author=by, reason=why, owner=owner, until=until)
        _say(differences, made, dry_run, yes, as_json)


@diffs.command()
@click.argument("subject", nargs=-1, required=True)
@REASON
@AUTHOR
@DRY_RUN
@YES
@_FILE
@_STORE
@AS_JSON
def reopen(
    subject: tuple[str, ...],
    reason: str | None,
    author: str | None,
    dry_run: bool,
    yes: bool,
    config: str | None,
    store: str | None,
    as_json: bool,
) -> None:
    """Take back what was said of a signature, or an ignore rule by its pattern: it counts again."""
    from crossfade.judgement import Saying
    from router.admin.kinds import judged

    text = " ".join(subject)
    by, why = signed(author, reason)
    with opened(config, store) as differences:
        made = judged(differences, Saying.REOPEN, text, author=by, reason=why)
        _say(differences, made, dry_run, yes, as_json)


def _name(
    signature: Sequence[str],
    saying: str,
    *,
    reason: str | None,
    author: str | None,
    dry_run: bool,
    yes: bool,
    config: str | None,
    store: str | None,
    as_json: bool,
) -> None:
    """Say something of one kind that was seen."""
    from crossfade.judgement import Saying
    from router.admin.kinds import judged

    by, why = signed(author, reason)
    with opened(config, store) as differences:
        made = judged(differences, Saying(saying), " ".join(signature), author=by, reason=why)
        _say(differences, made, dry_run, yes, as_json)


def _say(differences: Differences, judgement: Judgement, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Tell the effect, ask, keep it."""
    from router.admin.kinds import printable

    effect = differences.effect(judgement)
    change = f"{judgement.saying} '{printable(judgement.subject)}'"
    counted = found(effect)
    if dry_run:
        click.echo(_json(judgement, effect, kept=False) if as_json else f"would {change}: {counted}")
        return
    click.echo(counted, err=True)
    agree(change, yes)
    differences.add(judgement)
    click.echo(_json(judgement, effect, kept=True) if as_json else f"done: {change}")


def _json(judgement: Judgement, effect: int, *, kept: bool) -> str:
    told = {"schema": "crossfade.judgement/1", "kept": kept, "calls": effect, "judgement": _plain(judgement)}
    return json.dumps(told, indent=2)


def _plain(judgement: Judgement) -> dict[str, Any]:
    return dataclasses.asdict(judgement)


commands: list[click.Command] = [diffs]
