"""Reports in the admin API, made in a process of their own: drawing is no work for the one that answers clients."""

import asyncio
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from crossfade.errors import Unreachable
from router.admin.access import Refused
from router.admin.endpoints import Endpoint, Field

_WINDOWS = ("2h", "24h", "7d", "30d", "all")
_KINDS = {"html": "text/html", "md": "text/markdown; charset=utf-8", "json": "application/json"}
_SECONDS = 120.0


@dataclass(slots=True)
class ReportsApi:
    """/v1/reports."""

    store: str
    _making: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        since = {"since": Field(says="Window: 90m, 2h, 7d, 2026-11-20 or all.")}
        made = [
            Endpoint(
                method="GET",
                path=f"/reports/report.{name}",
                says=f"The migration report as {name}; takes seconds.",
                serve=self._report,
                query=since,
                kind=kind.partition(";")[0],
            )
            for name, kind in _KINDS.items()
        ]
        return [Endpoint(method="GET", path="/reports", says="Links to reports.", serve=self._list), *made]

    async def _list(self, _request: Request) -> Response:
        links = [
            {"since": since, **{name: f"/v1/reports/report.{name}?since={since}" for name in _KINDS}}
            for since in _WINDOWS
        ]
        return JSONResponse({"schema": "crossfade.reports/1", "reports": links})

    async def _report(self, request: Request) -> Response:
        name = request.url.path.rpartition(".")[2]
        since = request.query_params.get("since") or "all"
        if since.startswith("-"):
            raise Refused(400, f"'{since:.40}' is no window; write 90m, 2h, 7d, a date such as 2026-11-20, or all")
        async with self._making:
            with tempfile.TemporaryDirectory(prefix="crossfade-report-") as directory:
                await self._make(since, directory)
                body = (Path(directory) / f"report.{name}").read_bytes()
        return Response(body, media_type=_KINDS[name])

    async def _make(self, since: str, directory: str) -> None:
        program = [sys.executable, "-c", "from router.cli import main; main()", "report"]
        words = ["--store", self.store, "--since", since, "--out", directory]
        process = await asyncio.create_subprocess_exec(
            *program, *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(_SECONDS):
                _, problems = await process.communicate()
        except BaseException as error:
            if process.returncode is None:
                process.kill()
            await process.wait()
            if isinstance(error, TimeoutError):
                raise Unreachable(f"the report was not made within {_SECONDS:g} s; ask for a shorter window") from None
            raise
        if process.returncode:
            said = problems.decode("utf-8", "replace").strip().rpartition("\n")[2].removeprefix("crossfade: ")
            raise Refused(400 if process.returncode == 2 else 503, said or "the report could not be made")
