"""The composition root: the only file that knows every part."""

import asyncio
import contextlib
import gc
import logging
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import uvicorn
import uvloop

from comparators import surely_agree
from crossfade.comparison import Comparison
from crossfade.operation import Operation
from crossfade.outcome import Outcome
from crossfade.stage import Origin
from crossfade.upstream import Purpose, Upstream
from policies.commands.commands import Commands
from router.admin.app import admin_app
from router.admin.overseer import overseeing, overseer_of
from router.admin.v1 import v1
from router.backends.e2b.backend import E2BBackend
from router.backends.of_settings import backends_of
from router.capture.keep import Captures
from router.clock import SystemClock
from router.compare.capture import captured
from router.compare.kinds import kinds
from router.compare.names import names_of
from router.compare.pairing import bare_pair, pair_of
from router.compare.worker import CompareWorker
from router.engine import masking
from router.engine.adopt import Adoption
from router.engine.answers import Answers
from router.engine.call import Call, new_id
from router.engine.commands import rules_of
from router.engine.decide import Decider
from router.engine.engine import Engine
from router.engine.fast import Fast, refusal
from router.engine.forward import Forward
from router.engine.keys import Keys, digests
from router.engine.lifecycle import Lifecycle
from router.engine.old import OldAddresses
from router.engine.onlynew import OnlyNew
from router.engine.reconcile import Reconciler
from router.engine.sockets import Sockets
from router.engine.translate import Translation
from router.engine.twincall import TwinCalls
from router.flags.embedded import EmbeddedFlags
from router.flags.source import flag_source, last_good_file
from router.gauges import gauges
from router.listeners import announce, listener, started
from router.preview.app import Preview
from router.preview.build import Parts, previews
from router.settings import Settings
from router.store.backfills import SqlBackfills
from router.store.database import Database, open_database
from router.store.flags import SqlFlagRows
from router.store.records import SqlRecords
from router.store.twins import SqlTwins
from router.telemetry import Telemetry, TimedUpstream
from router.twins.birth import Births
from router.twins.budget import Budget
from router.twins.direct import Direct
from router.twins.early import EarlyStops
from router.twins.egress import Egress
from router.twins.evacuate import Evacuation
from router.twins.keeper import Keeper
from router.twins.lanes import Lanes
from router.twins.lifetimes import Lifetimes
from router.twins.marker import Marker
from router.twins.moves import Moves
from router.twins.registry import Registry
from router.twins.settle import Settler
from router.twins.sides import Sides
from router.twins.state import Twin
from router.twins.system import SystemChanges
from router.twins.throttle import Throttle
from router.wire.http1 import Pools
from router.wire.http1.client import Count, Http1Upstream
from router.wire.inbound.protocol import RelayProtocol, relaying
from router.wire.limits import Bucket

log = logging.getLogger("crossfade")


@dataclass(slots=True, eq=False)
class App:
    """A running router."""

    settings: Settings
    engine: Engine
    registry: Registry
    keeper: Keeper
    lanes: Lanes
    flags: EmbeddedFlags
    records: SqlRecords
    telemetry: Telemetry
    database: Database
    sides: Sides
    reconciler: Reconciler
    moves: Moves
    lifetimes: Lifetimes
    evacuation: Evacuation
    adoption: Adoption
    fast: Fast
    preview: Preview | None
    budget: Budget
    starting: bool = True
    draining: bool = False
    reasons: list[str] = field(default_factory=list)

    def why_not_ready(self) -> list[str]:
        """Reasons for readiness to be down. Never of new, of flags or of telemetry."""
        if self.draining:
            return ["draining"]
        return ["starting"] if self.starting else []


def run(settings: Settings, *, ready_file: str | None = None) -> None:
    """Serve until SIGTERM or SIGINT. Raises SettingsError or Unreachable before anything is served."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # uvicorn's own lines repeat what our records hold; its warnings stay.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    # A handshake that is refused with a plain response is an answer, not an error of the application.
    logging.getLogger("uvicorn.error").addFilter(
        lambda record: "without completing handshake" not in record.getMessage()
    )
    uvloop.run(_serve(settings, ready_file))


async def _serve(settings: Settings, ready_file: str | None) -> None:
    async with assembled(settings) as app:
        # What stands until the end is not looked at again; what calls leave has no cycles, so it is looked at seldom.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        # The threads that write records share this interpreter: 5 ms at a time is a long wait for a call of 1 ms.
        sys.setswitchinterval(0.0005)
        plan = app.preview.before(app.fast.plan) if app.preview else app.fast.plan
        front = app.preview or app.engine
        api = listener(front, settings.listen.api, "listen.api", settings, relaying(plan, refusal))
        admin = listener(
            admin_app(
                ready=app.why_not_ready,
                metrics=app.telemetry.exposition,
                more=v1(app, overseer := overseer_of(app)),
            ),
            settings.listen.admin,
            "listen.admin",
            settings,
        )
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, stop.set)
        serving = [loop.create_task(server.serve()) for server in (api, admin)]
        await started(serving, [(api, settings.listen.api), (admin, settings.listen.admin)])
        app.starting = False
        announce(api, ready_file)
        async with overseeing(overseer):
            await stop.wait()
        await _stop(app, api, admin, serving)


async def _stop(app: App, api: uvicorn.Server, admin: uvicorn.Server, serving: list["asyncio.Task[None]"]) -> None:
    """Readiness falls, calls in flight finish, twins are settled or left marked; the admin listener goes last."""
    log.info("draining")
    app.draining = True
    api.should_exit = True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(app.settings.listen.drain_seconds):
            await asyncio.shield(serving[0])
    api.force_exit = True
    # Relayed calls are no tasks, so uvicorn's own patience does not end them.
    for protocol in list(api.server_state.connections):
        if isinstance(protocol, RelayProtocol):
            protocol.cut()
    await app.lanes.stop(min(5.0, app.settings.listen.drain_seconds))
    await app.keeper.drain(min(10.0, app.settings.listen.drain_seconds))
    admin.should_exit = True
    await asyncio.wait(serving, timeout=5)


@contextlib.asynccontextmanager
async def assembled(settings: Settings) -> AsyncIterator[App]:
    """Every part, wired and started; closed in the right order at the end."""
    database = await asyncio.to_thread(open_database, settings.store.url)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(database.close)
        records = SqlRecords(
            database,
            keep_records_days=settings.store.keep_records_days,
            keep_rollups_days=settings.store.keep_rollups_days,
            keep_bytes=settings.store.keep_bytes,
        )
        stack.push_async_callback(asyncio.to_thread, records.close)
        rows = SqlTwins(database)
        stack.push_async_callback(asyncio.to_thread, rows.close)
        telemetry = Telemetry(settings.telemetry)
        stack.push_async_callback(asyncio.to_thread, telemetry.close)

        def count(origin: Origin, purpose: Purpose) -> None:
            records.count(origin, purpose)
            telemetry.count(origin, purpose)

        pools = await stack.enter_async_context(
            Pools(ca_files=[file for file in (settings.old.ca_file, settings.new.ca_file) if file])
        )
        http = await stack.enter_async_context(Http1Upstream(count=count, pools=pools))
        upstream = TimedUpstream(http, telemetry.timed)
        worker = await stack.enter_async_context(CompareWorker())
        source = flag_source(settings.flags, SqlFlagRows(database), last_good_file(settings.store.url))
        await asyncio.to_thread(source.start)
        stack.push_async_callback(asyncio.to_thread, source.close)
        app = _wire(settings, database, records, rows, telemetry, upstream, worker, source.flags, pools, count)
        app.engine.observe = source.observing(telemetry.observe)
        if settings.capture.sample:
            keys = (settings.old.key, settings.new.key, settings.listen.admin_token)
            captures = await asyncio.to_thread(Captures, settings.capture, secrets=[key for key in keys if key])
            stack.push_async_callback(asyncio.to_thread, captures.close)
            app.engine.keep = captures.take
        if settings.mirror.adopt == "touch":
            app.engine.observe = app.adoption.observing(app.engine.observe)
        await app.registry.load()
        app.reconciler.restore()
        app.reconciler.flags_changed()  # they may have, while nobody was here
        await app.keeper.resume()
        await app.engine.lifecycle.births.resume()
        app.engine.lifecycle.only_new.resume()
        await app.adoption.resume()
        app.lifetimes.start()
        stack.callback(app.lifetimes.stop)
        yield app


def _wire(
    settings: Settings,
    database: Database,
    records: SqlRecords,
    rows: SqlTwins,
    telemetry: Telemetry,
    upstream: Upstream,
    worker: CompareWorker,
    flags: EmbeddedFlags,
    pools: Pools,
    count: Count,
) -> App:
    clock = SystemClock()
    old = OldAddresses(settings.old.url, upstream)
    grace = settings.mirror.orphan_grace_seconds
    sides = Sides(backends_of(settings, upstream), clock, orphan_grace_seconds=grace, awaited=telemetry.awaited_shadow)

    own_keys = tuple(key for key in (settings.old.key, settings.new.key) if key)

    async def compare(operation: Operation, one: Outcome, other: Outcome, answered_by: Origin) -> Comparison:
        # Most pairs agree as they are: only what has to be looked at in detail is masked first.
        if (agreed := agreeing(operation, one, other, answered_by)) is not None:
            return agreed
        twin = registry.get(operation.sandbox)
        hidden = (*own_keys, *masking.secrets(twin))
        names = names_of(
            operation, twin.row if twin else None, old_domain=old.preview_domain, new_domain=settings.new.domain
        )
        return await worker.compare(pair_of(operation, one, other, answered_by, secrets=hidden, names=names))

    registry = Registry(rows, clock, grace)
    settler = Settler(sides, settings.mirror.roots, Throttle(clock, settings.mirror.fill_bytes_per_second))

    def lane_idle(twin: Twin) -> None:
        if twin.joined and (twin.row.dirty or twin.unsettled()):
            keeper.settle_soon(twin)

    def agreeing(operation: Operation, one: Outcome, other: Outcome, answered_by: Origin) -> Comparison | None:
        # The order of the sides says nothing here.
        if surely_agree(operation.name, one, other):
            return worker.agreed(operation.name)
        return worker.agreeing(bare_pair(operation, one, other, answered_by))

    new = sides.backends[Origin.NEW]
    egress = Egress(
        settings.mirror.shadow_egress == "blocked", {Origin.NEW: new} if isinstance(new, E2BBackend) else {}
    )
    lanes = Lanes(
        sides=sides,
        compare=compare,
        agreeing=agreeing,
        direct=Direct(
            pools=pools,
            singles={Origin.NEW: new.single} if isinstance(new, E2BBackend) else {},
            sides=sides,
            count=count,
            timed=telemetry.timed,
            seconds=settings.mirror.call_seconds,
            limit_bytes=settings.mirror.body_limit_bytes,
        ),
        egress=egress,
        capture=captured,
        per_twin=settings.mirror.lane_calls,
        total=settings.mirror.lane_total,
        call_seconds=settings.mirror.call_seconds,
        usable=sides.usable,
        active=lambda twin: twin.active or twin.turning_active,
        idle=lane_idle,
    )
    keeper = Keeper(registry, sides, settler, lanes, settings.mirror.settle_seconds)
    rate = settings.new.creates_per_second
    creates = Bucket(clock, most=max(3.0, 3 * rate), per_second=rate)
    budget = Budget(settings.budget.follower_hours_per_day)
    births = Births(registry, sides, settler, egress, creates=creates, budget=budget)
    decider = Decider(flags, settings.flags.seed)
    forward = Forward(upstream, old, instance=secrets.token_hex(8), repairs=settings.repairs)
    keys = Keys(upstream, old, digests(settings.listen.client_keys), digests(settings.listen.refused_keys))
    translation = Translation(settings.listen.public_url, _call_header if settings.telemetry.call_header else _nothing)
    answers = Answers(
        settings=settings, forward=forward, keys=keys, sides=sides, compare=compare, translation=translation
    )
    twincalls = TwinCalls(
        settings=settings, answers=answers, registry=registry, sides=sides, keeper=keeper, lanes=lanes,
        decider=decider, clock=clock, commands=Commands(rules_of(settings.mirror)),
    )  # fmt: skip
    marker = Marker(registry, sides, settings.new.home_dir)
    only_new = OnlyNew(registry, sides, keeper, keys, settings.listen.public_url, marker, creates)
    lifetimes = Lifetimes(
        keeper, {Origin.NEW: new} if isinstance(new, E2BBackend) else {}, settings.new.longest_run_seconds,
        only_new.delete_idle, marker,
    )  # fmt: skip
    eligible = frozenset(settings.mirror.eligible_orgs)
    reconciler = Reconciler(registry, decider, keeper)
    moves = reconciler.moves = Moves(
        keeper, egress, SystemChanges(sides=sides, roots=settings.mirror.roots, where=settings.mirror.system_roots),
        decider.seat_wanted, reconciler.moved, settings.mirror.move_idle_seconds,
    )  # fmt: skip
    lifetimes.early = EarlyStops(keeper, moves, lifetimes.done)
    lifecycle = Lifecycle(forward, registry, sides, births, keeper, moves, decider, only_new, eligible)
    loop = asyncio.get_running_loop()

    def flags_changed() -> None:  # on a thread of the flag source
        loop.call_soon_threadsafe(reconciler.flags_changed)

    flags.listen(flags_changed)
    engine = Engine(
        forward=forward,
        registry=registry,
        lifecycle=lifecycle,
        twincalls=twincalls,
        sockets=Sockets(upstream, old, twincalls, settings.listen.public_url),
        records=records,
        observe=telemetry.observe,
        signatures=kinds,
        public_url=settings.listen.public_url,
        body_limit=settings.listen.body_limit_bytes,
        extra=translation.extra,
    )
    fast = Fast(engine, pools, count, telemetry.timed, settings.telemetry.call_header)
    parts = Parts(
        upstream=upstream, backends=sides.backends, registry=registry, keeper=keeper, missed=lanes.missed,
        decider=decider, clock=clock, records=records, observe=telemetry.observe, new_id=new_id,
    )  # fmt: skip
    app = App(
        settings, engine, registry, keeper, lanes, flags, records, telemetry, database, sides, reconciler, moves,
        lifetimes, Evacuation(keeper, egress, reconciler.moved),
        Adoption(keeper, births, decider, lifecycle.is_eligible, SqlBackfills(database)), fast,
        previews(settings, parts, engine), budget,
    )  # fmt: skip
    gauges(app)
    return app


def _call_header(call: Call) -> list[tuple[bytes, bytes]]:
    return [(b"X-Crossfade-Call", call.id.encode())]


def _nothing(_call: Call) -> list[tuple[bytes, bytes]]:
    return []
