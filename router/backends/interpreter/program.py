"""Runs in a sandbox, by its own Python: executes code in one namespace, request after request, told in JSON lines.

Standard library only, Python 3.8 and newer. Standard input brings requests, a line each: {"id", "code", "envs",
"seconds"}. Standard output takes events, a line each, all with the request's id: {"type": "started"}, stdout and stderr
with "text", error with "name", "value" and "traceback", and at the end {"type": "ended", "how": ...}, where `how` is
completed, interrupted or expired.
"""

from __future__ import annotations

import codecs
import fcntl
import io
import json
import os
import queue
import select
import signal
import sys
import threading
import traceback
import types
from typing import Any

_CHUNK = 65536


class Teller:
    """Writes events; any thread may tell."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.RLock()
        self.id = ""

    def tell(self, kind: str, **fields: Any) -> None:
        event = dict(fields, type=kind, id=self.id)
        line = memoryview(json.dumps(event).encode() + b"\n")
        with self._lock:
            while line:
                line = line[os.write(self._fd, line) :]


class Stream(io.RawIOBase):
    """Standard output or standard error of the code: what Python writes, and what its children do down the pipe."""

    def __init__(self, teller: Teller, kind: str, fd: int) -> None:
        super().__init__()
        self._teller, self._kind, self._fd = teller, kind, fd
        self._written = codecs.getincrementaldecoder("utf-8")("replace")
        self._piped = codecs.getincrementaldecoder("utf-8")("replace")
        self._lock = threading.Lock()
        self._pipe, write = os.pipe()
        flags = fcntl.fcntl(self._pipe, fcntl.F_GETFL)
        fcntl.fcntl(self._pipe, fcntl.F_SETFL, flags | os.O_NONBLOCK)
        os.dup2(write, fd)
        os.close(write)
        threading.Thread(target=self._carry, daemon=True).start()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return False

    def write(self, data: Any) -> int:
        if text := self._written.decode(bytes(data)):
            self._teller.tell(self._kind, text=text)
        return len(data)

    def drain(self) -> None:
        """Tell what is in the pipe, and what a cut character left behind."""
        # Read under the lock only: then nothing can be on its way when this returns.
        with self._lock:
            while True:
                try:
                    data = os.read(self._pipe, _CHUNK)
                except BlockingIOError:
                    return
                if not data:
                    return
                if text := self._piped.decode(data):
                    self._teller.tell(self._kind, text=text)

    def end(self) -> None:
        """Tell the rest of a character that was cut."""
        self.drain()
        rest = self._written.decode(b"", True) + self._piped.decode(b"", True)
        self._written.reset()
        self._piped.reset()
        if rest:
            self._teller.tell(self._kind, text=rest)

    def _carry(self) -> None:
        while True:
            select.select([self._pipe], [], [])
            self.drain()


class Namespace:
    """The code's own world, from one execution to the next."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        # Made once: what the code keeps of them, such as a log handler, is good in its next execution too.
        self._texts = [
            (stream, io.TextIOWrapper(io.BufferedWriter(stream), "utf-8", "replace", None, True))
            for stream in (Stream(teller, "stdout", 1), Stream(teller, "stderr", 2))
        ]
        self._main = types.ModuleType("__main__")
        sys.modules["__main__"] = self._main
        self._running = False
        self._expired = False
        self._thread = threading.get_ident()
        signal.signal(signal.SIGINT, self._interrupted)

    def execute(self, request: dict[str, Any]) -> None:
        """Run one request to its end and tell how it went."""
        self._teller.id, self._expired = str(request["id"]), False
        self._teller.tell("started")
        saved = dict(os.environ)
        os.environ.update(request.get("envs") or {})
        sys.stdout, sys.stderr = (text for _, text in self._texts)
        timer = threading.Timer(request["seconds"], self._expire) if request.get("seconds") else None
        if timer is not None:
            timer.daemon = True
            timer.start()
        how = self._run(str(request["code"]))
        if timer is not None:
            timer.cancel()
        os.environ.clear()
        os.environ.update(saved)
        for stream, text in self._texts:
            text.flush()
            stream.end()
        self._teller.tell("ended", how=how)

    def _run(self, code: str) -> str:
        try:
            self._running = True
            exec(compile(code, "<string>", "exec", dont_inherit=True), self._main.__dict__)
        except BaseException as error:
            self._running = False
            if isinstance(error, KeyboardInterrupt) and self._expired:
                return "expired"
            # Without our own frame, which is the first.
            trace = error.__traceback__.tb_next if error.__traceback__ is not None else None
            text = "".join(traceback.format_exception(type(error), error, trace))
            self._teller.tell("error", name=type(error).__name__, value=str(error), traceback=text)
        finally:
            self._running = False
        return "completed"

    def _expire(self) -> None:
        self._expired = True
        # A signal, not an exception set from here: it ends a sleep and a read as well.
        signal.pthread_kill(self._thread, signal.SIGINT)

    def _interrupted(self, _number: int, _frame: Any) -> None:
        if self._running:
            raise KeyboardInterrupt


def main() -> None:
    """Serve until standard input ends."""
    requests_fd, events_fd = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    waiting: queue.Queue[dict[str, Any]] = queue.Queue()

    def listen() -> None:
        with os.fdopen(requests_fd, "rb") as lines:
            for line in lines:
                waiting.put(json.loads(line))
        os._exit(0)  # nobody is there any more

    namespace = Namespace(Teller(events_fd))
    threading.Thread(target=listen, daemon=True).start()
    while True:
        namespace.execute(waiting.get())


if __name__ == "__main__":
    main()
