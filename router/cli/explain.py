"""`crossfade explain`: why a call goes where it goes."""

import json
from collections.abc import Mapping
from urllib.parse import quote

import click

from router.cli.admin import ADMIN, ask
from router.cli.changing import AS_JSON, CONFIG


@click.group()
def explain() -> None:
    """Say why."""


@explain.command()
@click.option("--operation", help="Operation, such as process.exec; or give --method and --url.")
@click.option("--method", default="GET", show_default=True, help="Method of the request.")
@click.option("--url", help="Path of the request, such as /toolbox/SANDBOX/files/info.")
@click.option("--command", "text", default="", help="Command the call runs.")
@click.option("--path", default="", help="File the call names.")
@click.option("--session", default="", help="Session or terminal id.")
@click.option("--header", help="Value of X-Crossfade-Tool.")
@click.option("--baggage", help="Value of the W3C baggage header.")
@click.option("--routing-key", help="Also evaluate the flags for this key.")
@click.option("--organization", default="", help="Organisation of the sandbox, for the flags.")
@click.option("--config", metavar="FILE", help="Settings file, for the flags.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def call(
    operation: str | None, method: str, url: str | None, text: str, path: str, session: str, header: str | None,
    baggage: str | None, routing_key: str | None, organization: str, config: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Which tool a call belongs to and what said so; with --routing-key, what that tool's flag asks for."""
    from crossfade.operation import OPERATIONS
    from policies.classification import RULES, classify

    name, named = (operation, {}) if operation else _read(method, url)
    if name not in OPERATIONS:
        raise click.UsageError(f"no operation '{name}'; known: {', '.join(OPERATIONS)}")
    path = path or named.get("path", "")
    session = session or named.get("session", "") or named.get("pty", "")
    moved_to = named.get("moved_to", "")
    found = classify(
        operation=name, header=header, baggage=baggage, text=text, path=path, moved_to=moved_to, session=session
    )
    rule = next((rule for rule in RULES if found.by == f"rule:{rule.name}"), None)
    said = {"operation": name, "tool": found.tool, "by": found.by}
    if rule is not None:
        said |= {"looks_at": rule.looks_at, "pattern": rule.pattern.pattern}
    if routing_key:
        said |= _flag(found.tool, routing_key, organization, config)
    if as_json:
        click.echo(json.dumps({"schema": "crossfade.explain-call/1", **said}))
        return
    for key, value in said.items():
        click.echo(f"{key:<13}{value}")


@explain.command()
@click.argument("id", metavar="SANDBOX")
@CONFIG
@ADMIN
@AS_JSON
def sandbox(id: str, config: str | None, admin: str | None, as_json: bool) -> None:
    """Where a sandbox stands, and for each tool who would answer its next call and why. Asks the running router."""
    told = ask(config, admin, "GET", f"/v1/twins/{quote(id, safe='')}")
    if as_json:
        click.echo(json.dumps({**told, "schema": "crossfade.explain-sandbox/1"}, indent=2))
        return
    clean = "equal" if told["clean"] else "not known to be equal"
    why = [name for name, holds in (("something runs", told["hot"]), ("paths differ", told["dirty_paths"])) if holds]
    follower = f"{told['follower']}, {told['answers']}, {clean} {', '.join(why)}".rstrip()
    click.echo(f"seat on {told['seat']}; follower {follower}")
    if told["held"]:
        click.echo(f"held: {told['held']}")
    if told["limited_by"]:
        click.echo(f"process tools stay on old because of: {', '.join(told['limited_by'])}")
    click.echo(f"bucket {told['bucket']} of 100000, by the key {told['routing_key']}")
    for tool, each in told["tools"].items():
        held_against = f", compared with {each['compared']}" if each["compared"] else ""
        written = "" if each["writing"] == each["answering"] else f" (writes: {each['writing']})"
        click.echo(f"{tool:<13}{each['answering']}{written}{held_against}: {each['why']}")
        if each["dropped"]:
            click.echo(f"{'':<13}not compared: {each['dropped']}")


@explain.command()
@click.argument("text", metavar="COMMAND")
@click.option("--env", "variables", multiple=True, metavar="NAME", help="Environment variable that is set for it.")
@click.option("--config", metavar="FILE", help="Settings file, for rules of your own.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(text: str, variables: tuple[str, ...], config: str | None, as_json: bool) -> None:
    """What a shell command may change (read, local, external, unknown), and which rule and word made it so."""
    from policies.commands.commands import Commands
    from policies.commands.uses import reads
    from router.engine.commands import rules_of
    from router.front.daytona.wrapper import unwrap
    from router.settings import Mirror, load

    commands = Commands(rules_of(load(config).mirror if config else Mirror()))
    wrapped = unwrap(text)
    if wrapped is not None:
        text, variables = wrapped[0], (*variables, *wrapped[1])
    found = commands.classed(text)
    clean = commands.harmless(variables)
    said: dict[str, str | bool | list[str]] = {"class": str(found.by), "rule": found.rule, "word": found.word}
    if found.through:
        said["through"] = list(found.through)
    said["reads processes"] = found.processes
    said["leaves running"] = found.leaves_running
    said["a read, one-shot"] = reads(found, session=False, clean=clean)
    said["a read, in a session"] = reads(found, session=True, clean=clean)
    if not clean:
        said["not clean"] = [name for name in variables if not commands.harmless((name,))]
    if wrapped is not None:
        said["unwrapped"] = text
    if as_json:
        keys = {key.replace(",", "").replace(" ", "_"): value for key, value in said.items()}
        click.echo(json.dumps({"schema": "crossfade.explain-command/1", **keys}))
        return
    for key, value in said.items():
        click.echo(f"{key:<22}{_shown(value)}")


def _shown(value: str | bool | list[str]) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " > ".join(value) if isinstance(value, list) else value


def _read(method: str, url: str | None) -> tuple[str, Mapping[str, str]]:
    """The operation of a request, and what its address names besides: path, moved_to, session, pty."""
    from urllib.parse import parse_qs, urlsplit

    from router.front.daytona.routes import match

    if not url:
        raise click.UsageError("name the call: --operation NAME, or --method METHOD --url PATH")
    address = urlsplit(url)
    route = match(method.upper(), address.path)
    if route is None or not route.operation:
        raise click.UsageError(f"{method} {url} is no call we know: it is passed on to old, unclassified")
    query = {name: values[-1] for name, values in parse_qs(address.query).items()}
    paths = {"path": query.get("path") or query.get("source", ""), "moved_to": query.get("destination", "")}
    return route.operation, {**paths, **route.captures}


def _flag(tool: str, routing_key: str, organization: str, config: str | None) -> dict[str, str]:
    import contextlib
    import tempfile
    from pathlib import Path

    from crossfade.decision import Subject
    from crossfade.stage import PROCESS_GROUP, STAGES, Stage
    from policies.buckets import bucket
    from policies.group import limiting
    from router.flags.embedded import EmbeddedFlags
    from router.settings import load
    from router.store.flags import open_flag_rows

    settings = load(config)
    place = bucket(routing_key, settings.flags.seed)
    subject = Subject(routing_key=routing_key, organization=organization, bucket=place)
    rows = open_flag_rows(settings.store.url, create=False)
    with contextlib.closing(rows), tempfile.TemporaryDirectory() as spare:
        flags = EmbeddedFlags(rows, Path(spare) / "flags.json")
        flags.start()
        try:
            value = flags.stage(tool, subject)
            stages = {name: found.stage for name in PROCESS_GROUP if (found := flags.stage(name, subject)) is not None}
        finally:
            flags.close()
    stage = value.stage if value else Stage.OFF
    said = {
        "bucket": str(place),
        "stage": str(stage) if value else "unknown: the sandbox keeps to its pin, or to off",
        "flag version": f"v{value.version}" if value else "",
        "flag reason": value.reason if value else "",
        "wish": str(STAGES[stage].wish),
    }
    if tool in PROCESS_GROUP and (held := limiting(stages)):
        said["limited by"] = ", ".join(held)
    return said


commands: list[click.Command] = [explain]
