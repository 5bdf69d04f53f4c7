"""What runs in a worker process: reads pairs, writes comparisons. Killed from outside when it takes too long.

Both directions are frames: four bytes of length, then the body. Pairs come pickled, from the process that started
this one; comparisons go back as JSON, because their text was written by strangers.
"""

import os
import pickle
import resource
import signal
import sys
from typing import BinaryIO

import orjson

from comparators.compare import compare
from comparators.limits import Limits
from crossfade.comparison import Change, Comparison, Difference, Pair, Severity

READY = b"ready"
LENGTH_BYTES = 4


def frame(body: bytes) -> bytes:
    """A body with its length before it."""
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def encode(comparison: Comparison) -> bytes:
    """A comparison for the way back."""
    return orjson.dumps(
        {
            "operation": comparison.operation,
            "limited": comparison.limited,
            "differences": [
                (each.path, each.change, each.severity, _unicode(each.old), _unicode(each.new))
                for each in comparison.differences
            ],
        }
    )


def decode(body: bytes) -> Comparison:
    """The comparison that `encode` was given. Raises ValueError or KeyError for anything else."""
    found = orjson.loads(body)
    return Comparison(
        operation=found["operation"],
        limited=found["limited"],
        differences=tuple(
            Difference(path=path, change=Change(change), severity=Severity(severity), old=old, new=new)
            for path, change, severity, old, new in found["differences"]
        ),
    )


def serve(requests: BinaryIO, answers: BinaryIO, *, seconds: float, limits: Limits) -> None:
    """Answer pairs until the other end closes."""
    import deepdiff  # noqa: F401  # imported before the first deadline runs, not within it

    answers.write(frame(READY))
    answers.flush()
    while head := requests.read(LENGTH_BYTES):
        pair: Pair = pickle.loads(requests.read(int.from_bytes(head, "big")))
        # A backstop for the case that nobody is left to kill this process: the default action of SIGALRM ends it,
        # even inside a tight loop.
        signal.setitimer(signal.ITIMER_REAL, seconds * 2 + 1)
        answers.write(frame(encode(_compared(pair, limits))))
        answers.flush()
        signal.setitimer(signal.ITIMER_REAL, 0)


def main(arguments: list[str]) -> None:
    """Started as `python -m router.compare.process SECONDS MEMORY_BYTES SIZE NODES DEPTH`."""
    seconds, memory = float(arguments[0]), int(arguments[1])
    size, nodes, depth = (int(argument) for argument in arguments[2:5])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the router, which then closes us
    os.nice(10)  # evidence never competes with answers
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a stray print must not become a frame
    serve(requests, answers, seconds=seconds, limits=Limits(size_bytes=size, nodes=nodes, depth=depth))


def _compared(pair: Pair, limits: Limits) -> Comparison:
    try:
        return compare(pair, limits)
    except Exception as error:
        # An edge: whatever went wrong with this pair, the next one is compared. The text may hold payload: name only.
        return Comparison(operation=pair.operation, limited=f"comparison failed ({type(error).__name__})")


def _unicode(text: str) -> str:
    return text.encode(errors="replace").decode()


if __name__ == "__main__":
    main(sys.argv[1:])
