"""Ramps: the plan of each tool and how far it is, kept so that a restart or another router goes on where it was."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import orjson
from sqlalchemy import Column, Integer, MetaData, String, Table, Text, insert, select, update

from crossfade.errors import Conflict
from policies.ramp import Act, Mode, Plan, State, Step
from router.store.database import Database

_ours = MetaData()
# Made when it is first needed, so that a store of an earlier program gets it too; an earlier program does not mind it.
_table = Table(
    "ramps",
    _ours,
    Column("tool", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("body", Text, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """A tool's ramp as it stands. Moments are Unix seconds."""

    plan: Plan
    state: State = State.PLANNED
    share: float = 0.0  # on new, at which `since` began
    since: float = 0.0
    lost: int = 0  # sandboxes with lost changes, and
    drifted: int = 0  # twins that drifted, when the step began: they are of an earlier one
    units: int = 0  # of evidence, when it was last looked at
    grew_at: float = 0.0  # when units last grew
    last: Step | None = None  # what was decided at `looked_at`
    looked_at: float = 0.0
    version: int = 0  # rises with every write; 0: not in the store yet


class SqlRamps:
    """Ramps in the store. Safe with other processes reading and writing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self) -> Mapping[str, Ramp]:
        """All ramps by tool. Raises Unreachable."""
        with self._database.reading() as connection:
            if not connection.dialect.has_table(connection, _table.name):
                return {}
            rows = connection.execute(select(_table).order_by(_table.c.tool)).all()
        return {row.tool: _ramp(row.body, row.version) for row in rows}

    def write(self, ramp: Ramp) -> Ramp:
        """Put it in the place of the version that it was made from; as it then is. Raises Conflict, Unreachable."""
        tool, body = ramp.plan.tool, _body(ramp)
        with self._database.writing_durably() as connection:
            _ours.create_all(connection, checkfirst=True)
            here = _table.c.tool == tool
            found = connection.execute(select(_table.c.version).where(here).with_for_update()).scalar()
            if (found or 0) != ramp.version:
                raise Conflict(f"the ramp of {tool} was changed by someone else meanwhile; look at it and try again")
            values = {"version": ramp.version + 1, "body": body}
            if found is None:
                connection.execute(insert(_table).values(tool=tool, **values))
            else:
                connection.execute(update(_table).where(here).values(**values))
        return replace(ramp, version=ramp.version + 1)


def _body(ramp: Ramp) -> str:
    told = asdict(ramp)
    del told["version"]
    return orjson.dumps(told).decode()


def _ramp(body: str, version: int) -> Ramp:
    told: dict[str, Any] = orjson.loads(body)
    known = {each.name for each in fields(Ramp)} - {"plan", "state", "last", "version"}
    plan, last = told["plan"], told["last"]
    return Ramp(
        plan=Plan(**{**plan, "steps": tuple(plan["steps"]), "mode": Mode(plan["mode"])}),
        state=State(told["state"]),
        last=Step(**{**last, "act": Act(last["act"])}) if last else None,
        version=version,
        **{name: told[name] for name in known if name in told},
    )
