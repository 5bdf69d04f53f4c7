"""The audit trail in the admin API: changes of flags, acts on sandboxes, words on kinds of difference; who and why."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from crossfade.judgement import Judgement
from router.admin.desk import change_line
from router.admin.endpoints import Endpoint, Field, number
from router.flags import schema
from router.store.audit import SqlAudit
from router.store.flags import SqlFlagRows
from router.store.judgements import SqlJudgements

_MOST = 500
_FOR_EVER = 1e12


@dataclass(frozen=True, slots=True)
class AuditApi:
    """/v1/audit."""

    rows: SqlFlagRows
    audit: SqlAudit
    judgements: SqlJudgements

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        return [
            Endpoint(
                method="GET",
                path="/audit",
                says="Who changed what, and why; newest first. Nothing in it is ever changed or removed.",
                serve=self._list,
                query={
                    "target": Field(says="Only of this tool, `kill`, sandbox, signature or ignore rule."),
                    "before": Field(says="Only before this moment, Unix seconds: `next` of the page before."),
                    "limit": Field(says=f"How many; 50, at most {_MOST}.", kind="integer"),
                },
            )
        ]

    async def _list(self, request: Request) -> Response:
        limit = int(number(request, "limit", 50, least=1, most=_MOST))
        before = number(request, "before", _FOR_EVER, least=0, most=_FOR_EVER)
        found = await asyncio.to_thread(self._entries, request.query_params.get("target") or None, before, limit)
        following = found[-1]["at"] if len(found) == limit else None
        return JSONResponse({"schema": "crossfade.audit/1", "entries": found, "next": following})

    def _entries(self, target: str | None, before: float, limit: int) -> list[dict[str, Any]]:
        key = schema.PREFIX + target if target else None
        changes = self.rows.history(key, before=before, limit=limit)
        acts = self.audit.entries(before=before, target=target, limit=limit)
        said = [
            _said(each)
            for each in self.judgements.read()
            if each.at < before and (target is None or each.subject == target)
        ]
        all_ = [*(_change(change_line(each)) for each in changes), *(asdict(each) for each in acts), *said]
        return sorted(all_, key=lambda each: -float(each["at"]))[:limit]


def _said(each: Judgement) -> dict[str, Any]:
    signed = {"at": each.at, "author": each.author, "reason": each.reason}
    details = {"severity": each.severity, "owner": each.owner, "until": each.until}
    return {**signed, "action": f"difference.{each.saying}", "target": each.subject, "details": details}


def _change(line: Mapping[str, Any]) -> dict[str, Any]:
    signed = {name: line[name] for name in ("at", "author", "reason")}
    target = str(line["key"]).removeprefix(schema.PREFIX)
    action = "kill.set" if line["key"] == schema.KILL else "flag.set"
    return {**signed, "action": action, "target": target, "details": {"before": line["before"], "after": line["after"]}}
