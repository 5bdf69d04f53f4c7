"""Sandbox operations of the local backend: Daytona's lifecycle over embedded sandboxes."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from crossfade.outcome import Outcome, done, unsupported
from crossfade.results import SandboxInfo
from router.backends.local.commands import environment
from router.backends.local.refusals import Refusal, bad_request, not_found
from router.backends.local.sandboxes import LocalSandbox, LocalSandboxes, SandboxMissing

ORGANIZATION = "local"
INTERVALS = ("auto_stop", "auto_archive", "auto_delete")  # kept and shown; embedded sandboxes have no idle timers
DEFAULTS = {"auto_stop_minutes": 15, "auto_archive_minutes": 10080, "auto_delete_minutes": -1}
RESOURCES = {"cpu": 1, "memory": 1, "disk": 3}
START_FROM = ("stopped", "archived")


def find(sandboxes: LocalSandboxes, id_or_name: str) -> LocalSandbox:
    """Raises Refusal."""
    try:
        return sandboxes.get(id_or_name)
    except SandboxMissing:
        pass
    for sandbox in sandboxes.all():
        if id_or_name == sandbox.meta.get("name"):
            return sandbox
    raise not_found(f"Sandbox with ID or name {id_or_name} not found")


async def create(sandboxes: LocalSandboxes, arguments: Mapping[str, Any]) -> Outcome:
    """A new, started sandbox. Raises Refusal."""
    if needs := arguments.get("needs"):
        return unsupported(", ".join(needs), "local")
    id = str(uuid.uuid4())
    name = str(arguments.get("name") or id)
    if any(name in (other.id, other.meta.get("name")) for other in sandboxes.all()):
        raise Refusal(409, f"Sandbox with name {name} already exists")
    now = datetime.now(UTC).isoformat()
    meta = {
        "name": name,
        "snapshot": str(arguments.get("snapshot") or arguments.get("image") or ""),
        "labels": texts("labels", arguments.get("labels")) | texts("metadata", arguments.get("metadata")),
        "public": arguments.get("public") is True,
        "target": str(arguments.get("target") or "local"),
        "user": str(arguments.get("user") or "root"),
        "created_at": now,
        "updated_at": now,
        "archived": False,
        **{name: whole(arguments.get(name), default) for name, default in DEFAULTS.items()},
        **{name: arguments.get(name) or default for name, default in RESOURCES.items()},
    }
    try:
        sandbox = await sandboxes.create(id=id, env=environment(arguments.get("env")), meta=meta)
    except OSError as error:
        raise Refusal(500, f"the sandbox cannot be made: {error}") from error
    return done(info(sandbox))


def listing(sandboxes: LocalSandboxes, arguments: Mapping[str, Any]) -> Outcome:
    """Sandboxes that carry all the labels asked for, newest first."""
    wanted = texts("labels", arguments.get("labels"))
    found = [info(sandbox) for sandbox in sandboxes.all() if wanted.items() <= sandbox.meta.get("labels", {}).items()]
    found.sort(key=lambda sandbox: sandbox.created_at, reverse=True)
    limit = arguments.get("limit")
    return done(tuple(found[: int(limit)] if limit else found))


async def start(sandbox: LocalSandbox) -> Outcome:
    """Raises Refusal."""
    if state(sandbox) in START_FROM:
        try:
            await sandbox.start()
        except OSError as error:
            raise Refusal(500, f"the sandbox cannot be started: {error}") from error
        update(sandbox, archived=False)
    return done(info(sandbox))


async def stop(sandbox: LocalSandbox) -> Outcome:
    """Raises Refusal."""
    if sandbox.state != "started":
        raise Refusal(400, "Sandbox is not started")
    await sandbox.stop()
    update(sandbox)
    return done(info(sandbox))


def archive(sandbox: LocalSandbox) -> Outcome:
    """Raises Refusal."""
    if sandbox.state != "stopped":
        raise Refusal(400, "Sandbox is not stopped")
    update(sandbox, archived=True)
    return done(info(sandbox))


async def delete(sandboxes: LocalSandboxes, sandbox: LocalSandbox) -> Outcome:
    last = info(sandbox)
    await sandboxes.delete(sandbox.id)
    return done(SandboxInfo(**{**fields(last), "state": "destroyed"}))


def label(sandbox: LocalSandbox, arguments: Mapping[str, Any]) -> Outcome:
    """Raises Refusal."""
    labels = texts("labels", arguments.get("labels"))
    update(sandbox, labels=labels)
    return done(labels)


def interval(sandbox: LocalSandbox, arguments: Mapping[str, Any]) -> Outcome:
    """Raises Refusal."""
    kind, minutes = arguments.get("kind"), arguments.get("minutes")
    if kind not in INTERVALS:
        raise bad_request(f"unknown interval {kind!r}; known: {', '.join(INTERVALS)}")
    if isinstance(minutes, bool) or not isinstance(minutes, int) or (minutes < 0 and kind != "auto_delete"):
        raise bad_request(f"minutes must be a whole number, not {minutes!r}")
    update(sandbox, **{f"{kind}_minutes": minutes})
    return done(info(sandbox))


def state(sandbox: LocalSandbox) -> str:
    """Daytona's word for it."""
    return "archived" if sandbox.state == "stopped" and sandbox.meta.get("archived") else sandbox.state


def info(sandbox: LocalSandbox) -> SandboxInfo:
    meta = sandbox.meta
    return SandboxInfo(
        id=sandbox.id,
        state=state(sandbox),
        name=meta.get("name", sandbox.id),
        organization=ORGANIZATION,
        snapshot=meta.get("snapshot", ""),
        user=meta.get("user", "root"),
        target=meta.get("target", "local"),
        public=meta.get("public", False),
        env=dict(sandbox.env),
        labels=dict(meta.get("labels", {})),
        cpu=meta.get("cpu", RESOURCES["cpu"]),
        memory_gib=meta.get("memory", RESOURCES["memory"]),
        disk_gib=meta.get("disk", RESOURCES["disk"]),
        created_at=meta.get("created_at", ""),
        updated_at=meta.get("updated_at", ""),
        **{name: meta.get(name, default) for name, default in DEFAULTS.items()},
    )


def update(sandbox: LocalSandbox, **changes: Any) -> None:
    sandbox.meta.update(changes, updated_at=datetime.now(UTC).isoformat())
    sandbox.save()


def fields(value: SandboxInfo) -> dict[str, Any]:
    return {name: getattr(value, name) for name in SandboxInfo.__dataclass_fields__}


def texts(name: str, given: object) -> dict[str, str]:
    """A mapping of texts; none is empty. Raises Refusal."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise bad_request(f"{name} must be an object of texts")
    return {str(key): str(value) for key, value in given.items()}


def whole(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default
