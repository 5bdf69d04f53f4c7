"""Background tasks that are named, kept and never lost silently."""

import asyncio
import contextvars
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger("crossfade.tasks")
# Whose call the running code answers: a twin whose follower no answer may wait for. Background work answers nobody.
answering: contextvars.ContextVar[object | None] = contextvars.ContextVar("answering", default=None)
_running: set[asyncio.Task[Any]] = set()


def spawn(work: Coroutine[Any, Any, Any], *, name: str, awaited: bool = False) -> asyncio.Task[Any]:
    """Run it in the background. An error is logged once, with its traceback; cancellation is silent.

    `awaited`: the caller's answer waits for it, so that it is part of answering and no background work.
    """
    context = contextvars.copy_context()
    if not awaited:
        context.run(answering.set, None)
    task = asyncio.get_running_loop().create_task(work, name=name, context=context)
    # The loop holds tasks weakly: without this reference a running task may be collected.
    _running.add(task)
    task.add_done_callback(_finished)
    return task


def _finished(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("task failed", extra={"task": task.get_name()}, exc_info=error)
