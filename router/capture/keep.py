"""Calls on their way into files: taken over at once, masked and written by a thread of its own."""

import hashlib
import logging
import queue
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comparators import named, plain, secrets_of
from crossfade.operation import Effect, Operation
from crossfade.outcome import Outcome
from crossfade.results import SAMPLE_LIMIT, Content
from crossfade.stage import Origin
from router.capture.call import CapturedCall, line
from router.capture.files import Files
from router.capture.masks import masks_of
from router.engine import masking
from router.engine.call import Call
from router.settings_watch import CaptureSettings
from router.twins.evidence import Verdict

log = logging.getLogger("crossfade.capture")
_WAITING = 256  # calls; more are dropped, counted
_SHARES = 10_000
_SECRETS, _SANDBOXES = 64, 4096  # secrets remembered of a sandbox, and sandboxes of which any are


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """A call as it was handed over: references, nothing copied."""

    call: Call
    operations: tuple[Operation, ...]
    others: tuple[Outcome, ...]
    signatures: tuple[str, ...]
    secrets: tuple[str, ...]
    ids: tuple[str, ...]  # of the sandbox, on either side


class Captures:
    """Keeps the calls of a share of sandboxes. Nothing it does reaches an answer or raises."""

    def __init__(self, settings: CaptureSettings, *, secrets: Sequence[str] = ()) -> None:
        """`secrets`: values to be masked wherever they stand. Raises SettingsError where the folder cannot be used."""
        directory = Path(settings.folder)
        self._share = round(settings.sample * _SHARES)
        self._body_bytes = settings.body_bytes
        self._secrets = tuple(secrets)
        self._masks = masks_of(directory, create=True)
        self._files = Files(directory, keep_bytes=settings.keep_bytes, keep_days=settings.keep_days)
        self._queue: queue.Queue[_Taken | None] = queue.Queue(_WAITING)
        self._told: dict[str, dict[str, None]] = {}  # sandbox -> secrets that its calls named, oldest first
        self.counts: Counter[str] = Counter()  # kept, dropped:<why>
        self._thread = threading.Thread(target=self._run, name="captures", daemon=True)
        self._thread.start()

    def take(self, call: Call, verdict: Verdict | None, signatures: Sequence[str]) -> None:
        """A call that is over. Never blocks; one too many is dropped, counted."""
        twin, kind = call.twin, call.kind
        if twin is None or kind is None or call.operation.startswith("sandbox.") or not self._chosen(twin.id):
            return
        if not call.operations and kind.effect is Effect.READ:
            return
        taken = _Taken(
            call=call,
            operations=call.operations or (Operation(name=call.operation, sandbox=twin.id),),
            others=verdict.others if verdict else call.other_answers,
            signatures=tuple(signatures),
            secrets=(*self._secrets, *masking.secrets(twin)),
            ids=tuple(dict.fromkeys((twin.id, *twin.row.ids.values()))),
        )
        try:
            self._queue.put_nowait(taken)
        except queue.Full:
            self.counts["dropped:full"] += 1

    def close(self) -> None:
        """Write what waits, and end. Blocks."""
        self._queue.put(None)
        self._thread.join()
        log.info("captures closed", extra={"counts": dict(self.counts)})

    def _chosen(self, sandbox: str) -> bool:
        # By sandbox, not by call: a call can only be done again after those before it.
        digest = hashlib.blake2b(sandbox.encode(), digest_size=4, person=b"capture").digest()
        return int.from_bytes(digest, "big") % _SHARES < self._share

    def _run(self) -> None:
        while (taken := self._queue.get()) is not None:
            try:
                for each in self._lines(taken):
                    self.counts["kept" if self._files.add(each) else "dropped:large"] += 1
                if self._queue.empty():
                    self._files.flush()
            except Exception as error:
                # An edge: the next call may be kept all the same. The text may hold payload: name only.
                self.counts["dropped:failed"] += 1
                log.warning("a call is not captured", extra={"call": taken.call.id, "error": type(error).__name__})
        self._files.close()

    def _lines(self, taken: _Taken) -> list[bytes]:
        call = taken.call
        by = Origin.NEW if call.answering == Origin.NEW else Origin.OLD
        whole = bool(call.operations)
        lines = []
        for at, operation in enumerate(taken.operations):
            answers = {by: _answer(operation, call.answers, at), by.other: _answer(operation, taken.others, at)}
            told = self._named(taken.ids[0], operation, answers.values())
            known = (*taken.ids, *taken.secrets, *secrets_of(operation.arguments), *told)
            said = {side: each and self._masks.answer(each, known) for side, each in answers.items()}
            body, complete = self._body(operation, known)
            captured = CapturedCall(
                id=call.id,
                at=call.at,
                sandbox=self._masks.word(taken.ids[0]),
                own=tuple(self._masks.word(each) for each in taken.ids),
                operation=operation.name,
                tool=call.decision.tool if call.decision else "",
                arguments=self._masks.hide(dict(operation.arguments), known),
                body=body,
                complete=complete and whole,
                answered_by=str(by),
                old=said[Origin.OLD],
                new=said[Origin.NEW],
                signatures=taken.signatures,
            )
            lines.append(line(captured))
        return lines

    def _named(self, sandbox: str, operation: Operation, answers: Iterable[Mapping[str, Any] | None]) -> Iterable[str]:
        """Secrets of this call and of the sandbox's calls before: what one side names, the other may only show."""
        found = self._told.pop(sandbox, {})
        body = operation.body if isinstance(operation.body, bytes) and len(operation.body) <= self._body_bytes else b""
        for part in (dict(operation.arguments), body, *answers):
            found |= dict.fromkeys(named(part))
        while len(found) > _SECRETS:
            del found[next(iter(found))]
        self._told[sandbox] = found  # at the end: those longest without a call go first
        while len(self._told) > _SANDBOXES:
            del self._told[next(iter(self._told))]
        return found

    def _body(self, operation: Operation, known: Sequence[str]) -> tuple[bytes | None, bool]:
        """The body masked, and whether it is all there."""
        if operation.body is None:
            return None, operation.name != "fs.upload"
        if not isinstance(operation.body, bytes) or len(operation.body) > self._body_bytes:
            return None, False
        masked: bytes = self._masks.hide(operation.body, known)
        # Of a large content only the digest is kept, which a masked one would not have.
        return (masked, True) if masked == operation.body or len(masked) <= SAMPLE_LIMIT else (None, False)


def _answer(operation: Operation, outcomes: Sequence[Outcome], at: int) -> dict[str, Any] | None:
    if at >= len(outcomes) or isinstance(outcomes[at].value, Content):
        return None
    return plain(operation.name, outcomes[at])
