"""What every backend does with interpreter contexts."""

import asyncio
import json
from typing import Any

import pytest

from crossfade.operation import Operation
from crossfade.results import StreamEnd
from tests.backends.asking import PATIENCE, Asking, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")
COMPLETED = {"type": "control", "text": "completed"}


async def run(box: Asking, code: str, **asked: Any) -> tuple[list[dict[str, Any]], StreamEnd]:
    """One execution: its messages, and how it ended."""
    return await said(box, json.dumps({"code": code, **asked}).encode())


async def said(box: Asking, request: bytes) -> tuple[list[dict[str, Any]], StreamEnd]:
    channel = await box.channel("interpreter.execute")
    await channel.send(request)
    async with asyncio.timeout(PATIENCE):
        messages = [json.loads(message) async for message in channel.output()]
    end = channel.end
    await channel.close()
    return messages, end


def text(messages: list[dict[str, Any]], kind: str) -> str:
    return "".join(each["text"] for each in messages if each["type"] == kind)


async def context(box: Asking, **asked: Any) -> str:
    made = await box.ask("interpreter.create", **asked)
    assert made.ok, made
    return str(made.value.id)


async def test_code_tells_its_streams_and_that_it_completed(box: Asking) -> None:
    messages, end = await run(box, "import sys\nprint('one')\nprint('two', file=sys.stderr)\n6 * 7")

    assert messages == [{"type": "stdout", "text": "one\n"}, {"type": "stderr", "text": "two\n"}, COMPLETED]
    assert end.exit_code == 0


async def test_the_default_context_keeps_what_was_made_in_it(box: Asking) -> None:
    await run(box, "import math\nx = [1]\ndef f(): return sum(x)")
    messages, _ = await run(box, "x.append(2)\nprint(f(), math.pi > 3)")

    assert text(messages, "stdout") == "3 True\n"


async def test_contexts_do_not_see_each_other(box: Asking) -> None:
    one, two = await context(box), await context(box, cwd="/tmp")
    await run(box, "x = 1", contextId=one)

    assert text((await run(box, "print(x)", contextId=one))[0], "stdout") == "1\n"
    messages, _ = await run(box, "import os\nprint(os.path.basename(os.getcwd()))\nx", contextId=two)
    assert text(messages, "stdout") == "tmp\n"
    error = next(each for each in messages if each["type"] == "error")
    assert (error["name"], error["value"]) == ("NameError", "name 'x' is not defined")
    assert messages[-1] == COMPLETED


async def test_an_error_has_its_name_value_and_a_traceback_of_the_code_alone(box: Asking) -> None:
    messages, end = await run(box, "def f():\n    raise ValueError('no')\nf()")

    error = messages[0]
    assert (error["type"], error["name"], error["value"]) == ("error", "ValueError", "no")
    assert error["traceback"].startswith("Traceback (most recent call last):")
    assert error["traceback"].count("File ") == 2
    assert end.exit_code == 0
    assert (await run(box, "def"))[0][0]["name"] == "SyntaxError"
    assert (await run(box, "raise SystemExit(3)"))[0][0]["name"] == "SystemExit"


async def test_variables_of_the_environment_are_there_for_one_execution(box: Asking) -> None:
    code = "import os\nprint(repr(os.environ.get('GIVEN')), os.environ['MADE'])"

    assert text((await run(box, code, envs={"GIVEN": "$(a) 'b'"}))[0], "stdout") == "\"$(a) 'b'\" with this\n"
    assert text((await run(box, code))[0], "stdout") == "None with this\n"


async def test_what_children_and_raw_writes_print_is_told_too(box: Asking) -> None:
    code = "import os, subprocess, sys\nsubprocess.run('echo child; echo bad >&2', shell=True)\n"
    code += "sys.stdout.buffer.write('日'.encode()[:2])\nsys.stdout.flush()\nsys.stdout.buffer.write('日'.encode()[2:])"

    messages, _ = await run(box, code)

    assert sorted(text(messages, "stdout")) == sorted("child\n日")
    assert text(messages, "stderr") == "bad\n"


async def test_output_is_told_while_the_code_runs_and_input_is_at_its_end(box: Asking) -> None:
    channel = await box.channel("interpreter.execute")
    code = "print('up')\nimport os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint(input())"
    await channel.send(json.dumps({"code": code}).encode())
    output = channel.output()

    async with asyncio.timeout(PATIENCE):
        first = json.loads(await anext(aiter(output)))
        await box.put("/workspace/go", b"")
        rest = [json.loads(each) async for each in output]

    assert first == {"type": "stdout", "text": "up\n"}
    assert rest[0]["name"] == "EOFError"


async def test_a_timeout_interrupts_the_code_and_keeps_the_context(box: Asking) -> None:
    id = await context(box)
    await run(box, "x = 1", contextId=id)

    messages, end = await run(box, "print('up')\nimport time\ntime.sleep(600)", contextId=id, timeout=1)

    assert messages[0] == {"type": "stdout", "text": "up\n"}
    assert messages[-1] == {"type": "control", "text": "interrupted"}
    assert (end.exit_code, end.close) == (None, 4008)
    assert text((await run(box, "print(x)", contextId=id))[0], "stdout") == "1\n"


async def test_code_that_will_not_be_interrupted_is_killed(box: Asking) -> None:
    code = "import time\nwhile True:\n    try: time.sleep(600)\n    except BaseException: pass"

    _, end = await run(box, code, timeout=1)

    assert end.close == 4008
    assert text((await run(box, "print('new')"))[0], "stdout") == "new\n"


async def test_an_interpreter_that_ends_is_no_success(box: Asking) -> None:
    id = await context(box)

    messages, end = await run(box, "print('before')\nimport os\nos._exit(0)", contextId=id)

    assert COMPLETED not in messages
    assert (end.exit_code, end.close) == (None, 1011)
    assert (await run(box, "1", contextId=id))[1].close in (1008, 1011)


async def test_executions_in_one_context_run_one_after_another(box: Asking) -> None:
    await run(box, "n = 0")
    code = "n += 1; m = n\nimport time; time.sleep(0.02)\nprint(m == n)"

    answers = await asyncio.gather(*(run(box, code) for _ in range(5)))

    assert [text(messages, "stdout") for messages, _ in answers] == ["True\n"] * 5
    assert text((await run(box, "print(n)"))[0], "stdout") == "5\n"


async def test_much_output_comes_whole(box: Asking) -> None:
    messages, _ = await run(box, "for i in range(20000): print('line', i)")

    assert text(messages, "stdout") == "".join(f"line {i}\n" for i in range(20000))


@pytest.mark.parametrize(
    "request_",
    [b"no json", b"[]", b"{}", b'{"code": ""}', b'{"code": "1", "timeout": -1}', b'{"code": "1", "contextId": "none"}'],
)
async def test_what_cannot_be_run_is_a_policy_error(box: Asking, request_: bytes) -> None:
    messages, end = await said(box, request_)

    assert messages == []
    assert (end.exit_code, end.close) == (None, 1008)
    assert end.reason


async def test_contexts_are_listed_without_the_default_one_and_deleted(box: Asking) -> None:
    await run(box, "1")
    id = await context(box, cwd="/tmp")

    listed = (await box.ask("interpreter.list")).value
    assert [(each.id, each.language, each.active) for each in listed] == [(id, "python", True)]
    assert listed[0].cwd.endswith("/tmp")
    assert listed[0].created_at
    assert (await box.ask("interpreter.delete", context=id)).ok

    assert (await box.ask("interpreter.list")).value == ()
    assert refusal(await box.ask("interpreter.delete", context=id)) == (404, "NOT_FOUND")
    assert refusal(await box.ask("interpreter.delete", context="default")) == (400, "BAD_REQUEST")


async def test_a_context_that_cannot_be_made_is_refused(box: Asking) -> None:
    assert refusal(await box.ask("interpreter.create", language="ruby")) == (400, "BAD_REQUEST")
    assert refusal(await box.ask("interpreter.create", cwd="/no/such")) == (400, "BAD_REQUEST")


async def test_a_stopped_sandbox_has_no_contexts_afterwards(box: Asking) -> None:
    await context(box)
    await run(box, "x = 1")
    assert (await box.ask("sandbox.stop")).ok

    opened = await box.backend.open(Operation(name="interpreter.execute", sandbox=box.id))
    assert (await box.ask("sandbox.start")).ok

    assert getattr(opened, "status", 101) >= 400 or (await ended(opened)).close == 1011
    assert (await box.ask("interpreter.list")).value == ()
    assert (await run(box, "print(x)"))[0][0]["name"] == "NameError"


async def ended(channel: Any) -> StreamEnd:
    await channel.send(b'{"code": "1"}')
    async for _ in channel.output():
        pass
    end: StreamEnd = channel.end
    return end
