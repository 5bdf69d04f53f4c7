"""`/v1` of a running router: every endpoint, guarded and described."""

from collections.abc import Callable
from typing import Protocol

from starlette.routing import Route

from router.admin.adoption import AdoptionApi
from router.admin.audit import AuditApi
from router.admin.calls import CallsApi
from router.admin.desk import desk_of
from router.admin.differences import DifferencesApi
from router.admin.endpoints import Endpoint, routes
from router.admin.flags import FlagsApi
from router.admin.moves import MovesApi
from router.admin.openapi import described
from router.admin.origins import OriginsApi
from router.admin.orphans import OrphansApi
from router.admin.overseer import Overseer
from router.admin.ramps import RampsApi
from router.admin.reports import ReportsApi
from router.admin.shown import SettingsApi, origins_of
from router.admin.status import Seen, StatusApi
from router.admin.tools import ToolsApi
from router.admin.twins import TwinsApi
from router.engine.adopt import Adoption
from router.settings import Settings
from router.store.audit import SqlAudit
from router.store.database import Database
from router.store.flags import SqlFlagRows
from router.store.judgements import SqlJudgements
from router.twins.evacuate import Evacuation
from router.twins.moves import Moves
from router.twins.orphans import Orphans
from router.twins.registry import Registry


class Running(Seen, Protocol):
    """The parts of a router that are looked at and changed."""

    settings: Settings
    registry: Registry
    database: Database
    moves: Moves
    evacuation: Evacuation
    adoption: Adoption

    @property
    def why_not_ready(self) -> Callable[[], list[str]]: ...


def v1(app: Running, overseer: Overseer) -> list[Route]:
    """Its routes."""
    found = endpoints(app, overseer)
    return [*described(found), *routes(found, app.settings.listen.admin_token)]


def endpoints(app: Running, overseer: Overseer) -> list[Endpoint]:
    """Everything that is served below /v1."""
    rows, audit, decider = SqlFlagRows(app.database), SqlAudit(app.database), app.engine.twincalls.decider
    desk = desk_of(app.settings.flags, app.flags, rows, audit)
    return [
        *StatusApi(app, app.why_not_ready, overseer.alarms).endpoints(),
        *ToolsApi(app.database, desk, app.registry, decider).endpoints(),
        *FlagsApi(desk, app.registry, decider, app.settings.flags).endpoints(),
        *RampsApi(overseer.pilot).endpoints(),
        *TwinsApi(app.keeper, decider, audit).endpoints(),
        *MovesApi(app.moves, app.evacuation, audit).endpoints(),
        *AdoptionApi(app.adoption, audit).endpoints(),
        *OrphansApi(Orphans(app.registry, app.keeper.sides), audit).endpoints(),
        *CallsApi(app.database).endpoints(),
        *DifferencesApi(app.database).endpoints(),
        *OriginsApi(app.settings, app.database, app.keeper, app.lanes).endpoints(),
        *ReportsApi(app.settings.store.url).endpoints(),
        *AuditApi(rows, audit, SqlJudgements(app.database)).endpoints(),
        *SettingsApi(app.settings, origins_of(app.settings)).endpoints(),
    ]
