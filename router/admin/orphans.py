"""Orphans in the admin API: looked for on request, deleted on somebody's word."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from router.admin.access import Refused
from router.admin.endpoints import Endpoint, Field, note, order
from router.store.audit import SqlAudit
from router.twins.orphans import Found, Orphan, Orphans

_SCHEMA = "crossfade.orphans/1"


@dataclass(frozen=True, slots=True)
class OrphansApi:
    """/v1/orphans."""

    orphans: Orphans
    audit: SqlAudit

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        return [
            Endpoint(
                method="GET",
                path="/orphans",
                says="Sandboxes on either side that carry our label and that no twin owns. Asks both providers.",
                serve=self._list,
            ),
            Endpoint(
                method="POST",
                path="/orphans/delete",
                says="Delete those that twins of this store have left behind, or those that are named.",
                serve=self._delete,
                body={"sandboxes": Field(says="Ids of orphans, in place of all that are ours.", kind="array")},
                changes=True,
            ),
        ]

    async def _list(self, _request: Request) -> Response:
        found = await self.orphans.find()
        return JSONResponse(_plain(found, {}))

    async def _delete(self, request: Request) -> Response:
        """Looked for anew, so that nothing is deleted that somebody owns by now."""
        asked = await order(request)
        found = await self.orphans.find()
        chosen = _chosen(found, asked.told)
        details = {"sandboxes": [f"{each.origin} {each.id}" for each in chosen]}
        await note(self.audit, asked, "orphans.delete", f"{len(chosen)} sandboxes", details)
        return JSONResponse(_plain(found, await self.orphans.remove(chosen)))


def _chosen(found: Found, told: Mapping[str, Any]) -> list[Orphan]:
    named = told.get("sandboxes")
    if named is None:
        return [each for each in found.orphans if each.ours]
    if not isinstance(named, list) or not all(isinstance(each, str) for each in named):
        raise Refused(400, '"sandboxes" is a list of ids, as /v1/orphans shows them')
    if strange := set(named) - {each.id for each in found.orphans}:
        raise Refused(409, f"'{min(strange)}' is no orphan: somebody owns it, or it is gone")
    return [each for each in found.orphans if each.id in named]


def _plain(found: Found, told: Mapping[str, str]) -> dict[str, Any]:
    return {
        "schema": _SCHEMA,
        "orphans": [
            {
                "origin": str(each.origin),
                "id": each.id,
                "twin": each.twin,
                "why": str(each.why),
                "ours": each.ours,
                "state": each.state,
                "created_at": each.created_at,
                "done": told.get(each.id, ""),
            }
            for each in found.orphans
        ],
        "unread": {str(origin): why for origin, why in found.unread.items()},
    }
