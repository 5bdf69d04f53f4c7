"""The parts of previews, put together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from crossfade.decision import FlagValue, Subject
from crossfade.ports import Backend, Clock, Records
from crossfade.record import Record
from crossfade.stage import Origin
from crossfade.upstream import Upstream
from router.preview.address import Addressing
from router.preview.answers import Lines
from router.preview.app import App, Preview
from router.preview.credentials import Signer, derived_secret
from router.preview.doors import Doors
from router.preview.links import Links
from router.preview.origins import Origins
from router.preview.rights import Rights
from router.preview.seat import Seated
from router.preview.visit import Visits, Wished
from router.settings import Settings
from router.twins.keeper import Keeper
from router.twins.registry import Registry
from router.twins.state import Twin


class Wishes(Protocol):
    """What flags ask for a sandbox."""

    @property
    def values(self) -> Mapping[str, FlagValue]:
        """By tool."""


class Decider(Protocol):
    """Turns flags into wishes."""

    def wishes(self, twin: Twin) -> Wishes:
        """Of one sandbox."""

    def subject(self, routing_key: str, organization: str) -> Subject:
        """With its bucket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the rest of the router gives to previews."""

    upstream: Upstream
    backends: Mapping[Origin, Backend]
    registry: Registry
    keeper: Keeper
    missed: Callable[[Twin], None]
    decider: Decider
    clock: Clock
    records: Records
    observe: Callable[[Record], None]
    new_id: Callable[[], str]


def previews(settings: Settings, parts: Parts, api: App) -> Preview | None:
    """Previews before the API, or None where no address for them is set."""
    said = settings.preview
    addressing = Addressing(
        domain=said.domain.rstrip("."),
        scheme=said.scheme,
        prefix=said.path,
        public_url=settings.listen.public_url.rstrip("/"),
    )
    if not addressing.configured:
        return None
    secret = said.secret.encode() if said.secret else derived_secret(settings.old.key, settings.new.key)
    signer = Signer(secret)
    origins = Origins(parts.upstream, parts.backends, parts.registry, parts.clock, settings.old.url)
    rights = Rights(origins, signer)
    doors = Doors(
        origins=origins,
        rights=rights,
        upstream=parts.upstream,
        addressing=addressing,
        login_url=said.login_url,
    )
    visits = Visits(parts.new_id, parts.records, parts.observe, lambda twin, tool: _wished(parts.decider, twin, tool))
    extra = _named if settings.telemetry.call_header else _unnamed
    return Preview(
        api=api,
        addressing=addressing,
        doors=doors,
        seated=Seated(parts.registry, parts.keeper, parts.missed, parts.clock),
        visits=visits,
        links=Links(api, addressing, origins, rights, signer, visits, extra),
        extra=extra,
    )


def _wished(decider: Decider, twin: Twin, tool: str) -> Wished:
    value = decider.wishes(twin).values[tool]
    bucket = decider.subject(twin.row.routing_key, twin.row.organization).bucket
    return Wished(stage=value.stage, flag_version=value.version, bucket=bucket)


def _named(call: str) -> Lines:
    return [(b"X-Crossfade-Call", call.encode())]


def _unnamed(_call: str) -> Lines:
    return []
