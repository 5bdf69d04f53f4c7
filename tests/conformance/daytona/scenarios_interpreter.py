"""Interpreter contexts, which the newest SDKs alone know."""

from world import failure, scenario


def ran(result):
    error = None if result.error is None else {"name": result.error.name, "value": result.error.value}
    return {"stdout": result.stdout, "stderr": result.stderr, "failed": error}


@scenario(since=(0, 200))
async def interpreter_keeps_its_state(world):
    interpreter = world.sandbox.code_interpreter
    first = await interpreter.run_code("import sys\nx = 41\nprint('made')\nprint('to err', file=sys.stderr)")
    second = await interpreter.run_code("x += 1\nprint(x)\nx")
    return [ran(first), ran(second)]


@scenario(since=(0, 200))
async def interpreter_error(world):
    seen = []
    result = await world.sandbox.code_interpreter.run_code("print('a')\nraise ValueError('no')", on_error=seen.append)
    return {**ran(result), "told": len(seen), "traceback": "ValueError: no" in result.error.traceback}


@scenario(since=(0, 200))
async def interpreter_contexts(world):
    interpreter = world.sandbox.code_interpreter
    one = await interpreter.create_context(cwd="/workspace/files")
    two = await interpreter.create_context()
    await interpreter.run_code("y = 1", context=one)
    where = await interpreter.run_code(
        "import os\nprint(os.getcwd(), y, os.environ['GIVEN'])", context=one, envs={"GIVEN": "a b"}
    )
    other = await interpreter.run_code("print(y)", context=two)
    listed = {one.id, two.id} <= {each.id for each in await interpreter.list_contexts()}
    await interpreter.delete_context(one)
    after = one.id in {each.id for each in await interpreter.list_contexts()}
    again = await failure(interpreter.delete_context(one))
    used = await failure(interpreter.run_code("1", context=one))
    return {"where": ran(where), "other": ran(other), "listed": listed, "after": after, "again": again, "used": used}


@scenario(since=(0, 200))
async def interpreter_timeout(world):
    return await failure(world.sandbox.code_interpreter.run_code("import time\ntime.sleep(60)", timeout=1))
