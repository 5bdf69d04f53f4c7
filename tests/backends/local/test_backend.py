"""The local backend, beyond the shared contract."""

import asyncio
import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.operation import OPERATIONS, Operation
from crossfade.outcome import Fate
from router.backends.local.sandboxes import LocalSandboxes
from router.backends.matching import glob_expression
from tests.backends.asking import Asking, refusal


async def test_every_operation_has_an_answer(asking: Asking) -> None:
    for kind in OPERATIONS.values():
        if kind.name in ("sandbox.delete", "sandbox.stop"):
            continue
        outcome = await asking.backend.perform(Operation(name=kind.name, sandbox=asking.id))
        assert outcome.fate in (Fate.OK, Fate.FAILED, Fate.UNSUPPORTED), kind.name
        assert outcome.seconds > 0


async def test_an_upload_beyond_the_disk_limit_is_507_and_room_comes_back(asking: Asking) -> None:
    full = await asking.ask("fs.upload", b"x" * 1_200_000, path="/workspace/big")

    assert refusal(full) == (507, "INSUFFICIENT_STORAGE")
    assert (await asking.ask("fs.delete", path="/workspace/big")).status == 204
    await asking.put("/workspace/small", b"x" * 900_000)


async def test_a_command_goes_on_when_its_caller_leaves(asking: Asking) -> None:
    await asking.sh("mkfifo up go done")
    script = "echo > up; read x < go; echo finished > done"
    call = asyncio.create_task(asking.ask("process.exec", command=script))
    await asking.sh("cat up")

    call.cancel()

    assert (await asking.sh("echo > go; cat done"))[1] == "finished\n"


async def test_a_change_of_state_is_not_disturbed_by_another(asking: Asking) -> None:
    first, second = await asyncio.gather(asking.ask("sandbox.stop"), asking.ask("sandbox.delete"))

    assert first.ok
    assert refusal(second) == (409, "CONFLICT")


async def test_intervals_labels_and_archive_are_kept(asking: Asking) -> None:
    assert (await asking.ask("sandbox.interval", kind="auto_stop", minutes=0)).value.auto_stop_minutes == 0
    assert refusal(await asking.ask("sandbox.interval", kind="never", minutes=1)) == (400, "BAD_REQUEST")
    assert (await asking.ask("sandbox.labels", labels={"a": "b"})).value == {"a": "b"}
    assert refusal(await asking.ask("sandbox.archive")) == (400, "BAD_REQUEST")
    await asking.ask("sandbox.stop")
    assert (await asking.ask("sandbox.archive")).value.state == "archived"
    assert refusal(await asking.ask("sandbox.stop")) == (400, "BAD_REQUEST")

    started = (await asking.ask("sandbox.start")).value

    assert (started.state, started.labels, started.auto_stop_minutes) == ("started", {"a": "b"}, 0)


async def test_a_name_stands_for_the_id_and_is_unique(asking: Asking, limited: LocalSandboxes) -> None:
    made = await asking.ask("sandbox.create", name="by-name")

    assert (await asking.backend.perform(Operation(name="sandbox.get", sandbox="by-name"))).value.id == made.value.id
    assert refusal(await asking.ask("sandbox.create", name="by-name")) == (409, "CONFLICT")
    assert len(limited.all()) == 2


async def test_paths_may_end_with_a_slash(asking: Asking) -> None:
    assert (await asking.ask("fs.mkdir", path="/workspace/a/b/", mode="755")).status == 201
    assert (await asking.ask("fs.move", source="/workspace/a/", destination="/workspace/c/")).status == 200
    assert (await asking.ask("fs.info", path="/workspace/c/b/")).value.name == "b"
    assert (await asking.ask("fs.delete", path="/workspace/c/", recursive=True)).status == 204


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*.py", "a.py", True),
        ("*", "", True),
        ("a?c", "abc", True),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        (r"[\]a]", "]", True),
        (r"\*", "*", True),
        (r"\*", "a", False),
        ("[z-a]", "b", False),
        ("a.c", "abc", False),
    ],
)
def test_names_match_as_in_go(pattern: str, name: str, matches: bool) -> None:
    expression = glob_expression(pattern)

    assert bool(expression and expression.fullmatch(name)) is matches


@pytest.mark.parametrize("pattern", ["[", "[]a]", "[a", "a\\", "[-]", "[a-]"])
def test_malformed_patterns_are_told_apart(pattern: str) -> None:
    assert glob_expression(pattern) is None


@given(st.text(alphabet="ab*?.", max_size=8), st.text(alphabet="ab.", max_size=8))
def test_simple_patterns_match_as_everywhere(pattern: str, name: str) -> None:
    expression = glob_expression(pattern)

    assert expression is not None
    assert bool(expression.fullmatch(name)) is fnmatch.fnmatchcase(name, pattern)
