"""Settings, flags and rules, looked at without a connection."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from crossfade.errors import CrossfadeError, SettingsError
from crossfade.stage import TOOLS
from router.doctor.finding import Finding, note, ok, problem, warning
from router.flags import schema
from router.settings import Settings

_SQLITE = "sqlite:///"


def examine(settings: Settings) -> Iterator[Finding]:
    """Everything that can be known of a router before it is started."""
    yield ok(settings.file, "settings can be read")
    yield from _rules(settings)
    yield from _origins(settings)
    yield from _mirror(settings)
    yield from _listen(settings)
    yield from _store(settings)


def _rules(settings: Settings) -> Iterator[Finding]:
    from router.engine.commands import rules_of

    try:
        rules_of(settings.mirror)
    except SettingsError as error:
        yield problem("mirror.command_rules", str(error), "mend the line that is named")
        return
    yield ok("mirror.command_rules", "rules of commands can be read")


def _origins(settings: Settings) -> Iterator[Finding]:
    for name, url in (("origins.old.url", settings.old.url), ("origins.new.url", settings.new.url)):
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            yield warning(name, "http: keys travel readable", "use https unless this network is yours alone")
    if not settings.old.url.rstrip("/").endswith("/api"):
        yield warning("origins.old.url", "does not end in /api", "give what SUNA has in DAYTONA_SERVER_URL today")
    if settings.old.url and urlsplit(settings.old.url).netloc == settings.listen.api:
        yield problem("origins.old.url", "leads back to listen.api", "give Daytona's own address")
    for name, key in (("origins.old.key", settings.old.key), ("origins.new.key", settings.new.key)):
        if key:
            yield ok(name, "is set")
        else:
            yield warning(name, "is not set: no follower can be made or settled", 'set it, as { env = "..." }')
    if not settings.new.templates:
        fix = 'add [origins.new.templates], such as "*" = "base"'
        yield warning("origins.new.templates", "no snapshot has a template: no follower can be made", fix)


def _mirror(settings: Settings) -> Iterator[Finding]:
    mirror = settings.mirror
    if not mirror.eligible_orgs:
        fix = "list the organisations whose sandboxes may be copied to the other vendor"
        yield warning("mirror.eligible_orgs", "is empty: every sandbox stays on old, and is only observed", fix)
    for root in mirror.roots:
        if not root.startswith("/") or root == "/":
            yield problem("mirror.roots", f"'{root}' is not a directory below /", 'write it like "/workspace"')
    for tool in settings.tools:
        if tool not in TOOLS:
            yield problem(f"tools.{tool}", "is no tool", f"known: {', '.join(TOOLS)}")


def _listen(settings: Settings) -> Iterator[Finding]:
    listen = settings.listen
    if listen.api == listen.admin:
        yield problem("listen.admin", "is the same as listen.api", "give it a port of its own")
    if not listen.admin_token:
        yield note("listen.admin_token", "is not set: /v1, `crossfade twins` and `kill --hard` are off")
    if listen.public_url and urlsplit(listen.public_url).scheme not in ("http", "https"):
        yield problem("listen.public_url", f"'{listen.public_url}' is no http address", "write https://your.host")
    if not listen.public_url:
        yield note("listen.public_url", "is not set: addresses that are handed out name the Host that clients ask")


def _store(settings: Settings) -> Iterator[Finding]:
    url = settings.store.url
    if not url.startswith(_SQLITE):
        yield problem("store.url", f"'{url.partition(':')[0]}' is no store that is built yet", "use sqlite:///PATH")
        return
    path = Path(url.removeprefix(_SQLITE))
    if not path.parent.is_dir():
        yield problem("store.url", f"there is no directory '{path.parent}'", "make it, or name another")
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        yield problem("store.url", f"'{path}' cannot be written", "give the router's user the right to")
    else:
        yield ok("store.url", "can be written")
    if settings.flags.source == "launchdarkly":
        yield note("flags", "are looked at in LaunchDarkly: `crossfade flags list`")
    elif path.exists():
        yield from _flags(url)
    else:
        yield note("flags", "no store yet: every tool is off until `crossfade flags set`")


def _flags(url: str) -> Iterator[Finding]:
    from router.store.flags import open_flag_rows

    try:
        rows = open_flag_rows(url, create=False)
    except CrossfadeError as error:
        yield problem("store.url", str(error), "mend or remove the file; docs/operations.md says how")
        return
    try:
        _, flags = rows.read()
    except CrossfadeError as error:
        yield problem("flags", str(error), "restore the store")
        return
    finally:
        rows.close()
    known = {schema.key_of(tool) for tool in TOOLS} | {schema.KILL}
    for key, flag in flags.items():
        if key not in known:
            yield warning(f"flag {key}", "belongs to no tool: nobody looks at it", "remove it")
            continue
        try:
            schema.killed(flag) if key == schema.KILL else schema.check(flag)
        except SettingsError as error:
            fix = f'crossfade flags set {schema.tool_of(key)} off --reason "mend"'
            yield problem(f"flag {key}", f"cannot be read ({error}): its last good form stays in force", fix)
    if flags.keys() <= known:
        yield ok("flags", f"{len(flags)} set, every other tool is off")
