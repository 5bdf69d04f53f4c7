"""Keeping calls: the caps hold, what is not whole says so, and nothing waits."""

from pathlib import Path

import pytest

from crossfade import Operation, Origin, done
from crossfade.results import ExecResult, FileInfo
from router.capture.call import CapturedCall, calls_in
from router.capture.files import files_in
from router.capture.keep import Captures
from router.engine.call import Call
from router.settings_watch import CaptureSettings
from router.twins.evidence import Verdict
from tests.engine.calls import call_of
from tests.twins.stand import twin_of

SECRET = "a-value-nobody-could-guess"


def call(sandbox: str, operation: Operation | None, line: str = "GET /toolbox/s1/files/info?path=a") -> Call:
    found = call_of(line)
    found.twin = twin_of(f"{sandbox}-on-the-old-side", f"{sandbox}-on-the-new-side")
    found.twin.environment_secrets = (SECRET,)
    if operation is not None:
        found.operations = (operation,)
        found.answers = (done(FileInfo(name="a", path=f"/{SECRET}")),)
    return found


def kept(folder: Path, *calls: Call, verdict: Verdict | None = None, **settings: float | int) -> list[CapturedCall]:
    captures = Captures(CaptureSettings(folder=str(folder), **{"sample": 1.0, **settings}))  # type: ignore[arg-type]
    for each in calls:
        captures.take(each, verdict, ("fs.info mode value",))
    captures.close()
    return [found for path in files_in(folder) for found in calls_in(path)]


def test_both_answers_are_kept_without_secrets(tmp_path: Path) -> None:
    asked = Operation(name="fs.info", sandbox="s1", arguments={"path": f"/{SECRET}"})
    verdict = Verdict(others=(done(FileInfo(name="a", mode=0o600)),))

    [found] = kept(tmp_path, call("s1", asked), verdict=verdict)

    assert found.old is not None
    assert found.new is not None
    assert (found.old["value"]["mode"], found.new["value"]["mode"]) == (0o644, 0o600)
    assert found.old["value"]["path"] == found.arguments["path"]
    assert (found.complete, found.signatures) == (True, ("fs.info mode value",))
    for path in files_in(tmp_path):
        assert all(
            word.encode() not in path.read_bytes() for word in (SECRET, "s1-on-the-old-side", "s1-on-the-new-side")
        )


def test_an_answer_of_new_is_kept_as_news(tmp_path: Path) -> None:
    answered = call("s1", Operation(name="fs.info", sandbox="s1", arguments={"path": "a"}))
    answered.answering = str(Origin.NEW)

    [found] = kept(tmp_path, answered)

    assert (found.answered_by, found.old) == ("new", None)
    assert found.new is not None


@pytest.mark.parametrize(
    ("body", "whole"),
    [
        (b"x" * 1_000, True),
        (b"x" * 1_001, False),
        (None, False),
    ],
)
def test_an_upload_is_kept_up_to_its_cap_and_says_when_it_is_not_whole(
    tmp_path: Path, body: bytes | None, whole: bool
) -> None:
    upload = Operation(name="fs.upload", sandbox="s1", arguments={"path": "a"}, body=body)

    [found] = kept(tmp_path, call("s1", upload), body_bytes=1_000)

    assert found.complete is whole
    assert found.body == (body if whole else None)


def test_a_large_upload_that_holds_a_secret_is_not_kept(tmp_path: Path) -> None:
    body = f"{SECRET} ".encode() + b"x " * 50_000
    upload = Operation(name="fs.upload", sandbox="s1", arguments={"path": "a"}, body=body)

    [found] = kept(tmp_path, call("s1", upload))

    assert (found.complete, found.body) == (False, None)


def test_a_change_that_could_not_be_read_is_kept_as_not_whole_and_a_read_not_at_all(tmp_path: Path) -> None:
    change = call("s1", None, "POST /toolbox/s1/process/execute")

    [found] = kept(tmp_path, change, call("s1", None))

    assert (found.operation, found.complete) == ("process.exec", False)


def test_a_share_of_sandboxes_is_kept_and_of_those_every_call(tmp_path: Path) -> None:
    asked = Operation(name="fs.info", sandbox="s1", arguments={"path": "a"})

    found = kept(tmp_path, *(call(f"s{number}", asked) for number in range(100) for _ in range(2)), sample=0.3)

    sandboxes = [each.sandbox for each in found]
    assert 15 <= len(set(sandboxes)) <= 45
    assert all(sandboxes.count(sandbox) == 2 for sandbox in sandboxes)


def test_what_cannot_be_kept_holds_up_nothing(tmp_path: Path) -> None:
    odd = Operation(name="fs.info", sandbox="s1", arguments={"path": object()})
    sound = Operation(name="fs.info", sandbox="s1", arguments={"path": "a"})

    found = kept(tmp_path, call("s1", odd), call("s1", sound))

    assert [each.arguments for each in found] == [{"path": "a"}]


def test_what_is_named_a_secret_once_is_masked_in_all_calls_of_the_sandbox_from_then_on(tmp_path: Path) -> None:
    word = "hunter2-of-a-file"
    told = call("s1", Operation(name="process.exec", sandbox="s1", arguments={"command": "cat .env"}))
    told.answers = (done(ExecResult(exit_code=0, output=f"password: {word}\n".encode())),)
    flipped = Verdict(others=(done(ExecResult(exit_code=0, output=f"qassword: {word}\n".encode())),))
    later = call("s1", Operation(name="process.exec", sandbox="s1", arguments={"command": "echo"}))
    later.answers = (done(ExecResult(exit_code=0, output=f"it is {word}\n".encode())),)
    elsewhere = call("s2", Operation(name="process.exec", sandbox="s2", arguments={"command": "echo"}))
    elsewhere.answers = later.answers

    found = kept(tmp_path / "one", told, later, verdict=flipped)
    other = kept(tmp_path / "two", told, elsewhere)

    assert [word in f"{each.old}{each.new}" for each in found] == [False, False]
    assert len(other) == 2
    # Of another sandbox nobody knows that it is one.
    assert [word in str(each.old) for each in other] == [False, True]
