"""Background tasks that are named, kept and never lost silently."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger("crossfade.tasks")
_running: set[asyncio.Task[Any]] = set()


def spawn(work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
    """Run it in the background. An error is logged once, with its traceback; cancellation is silent."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    # The loop holds tasks weakly: without this reference a running task may be collected.
    _running.add(task)
    task.add_done_callback(_finished)
    return task


def _finished(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("task failed", extra={"task": task.get_name()}, exc_info=error)
