"""Code in each language that there is: quoting, sizes, bytes, standard input, ends."""

import asyncio
import os

from scenarios_processes import ODD
from world import VERSION, WAIT, Absent, executed, failure, part, scenario, sdk

# Looked for before: npx by itself goes and fetches what it does not have.
RUNS = {"javascript": "node", "typescript": "ts-node"}


async def in_language(world, language, *codes):
    """What each code gives in a sandbox made for the language. Raises Absent where nothing runs it."""
    if (await world.process.exec(f"command -v {RUNS[language]}")).exit_code != 0:
        raise Absent
    snapshot = os.environ.get("SCENARIO_SNAPSHOT") or "kortix/suna:0.1.3.25"
    made = await world.client.create(sdk.CreateSandboxFromSnapshotParams(snapshot=snapshot, language=language))
    try:
        # The language is kept with the sandbox; SDKs before 0.167 do not ask for it again.
        found = await world.client.get(made.id) if VERSION >= (0, 167) else made
        return [executed(await found.process.code_run(code)) for code in codes]
    finally:
        await world.client.delete(made)


@scenario(since=(0, 100))
async def code_in_javascript(world):
    return await in_language(
        world,
        "javascript",
        'const it = `it\'s "${6 * 7}" $HOME \\\\ 日本`; console.log(it)',
        "let text = ''; process.stdin.on('data', (d) => text += d).on('end', () => console.log(`[${text}]`))",
        "console.log('a'.repeat(300000).length)",
    )


@scenario(since=(0, 167))
async def code_in_javascript_that_ends(world):
    return await in_language(
        world,
        "javascript",
        "console.log('out'); process.exit(3)",
        "process.kill(process.pid, 'SIGKILL')",
        f"/*{'y' * 200 * 1024}*/ process.kill(process.pid, 'SIGKILL')",
    )


@scenario
async def code_in_typescript(world):
    return await in_language(
        world,
        "typescript",
        "const n: number = 6 * 7; console.log(`it's ${n}`)",
        "interface A { b: string }\nconst a: A = { b: '日本' }\nconsole.log(a.b)",
    )


LARGE = f"let x = '{'y' * 200 * 1024}'; console.log(x.length, process.argv.slice(1).length)"


@scenario(since=(0, 167))
async def code_of_200_kilobytes_in_javascript(world):
    return await in_language(world, "javascript", LARGE)


@scenario(since=(0, 167))
async def code_of_200_kilobytes_in_typescript(world):
    return await in_language(world, "typescript", LARGE)


@scenario
async def code_odd_text(world):
    words = ("it's", "$(echo no) `id` ${HOME}", "\\", "*", "日本 🌍", "a\tb")
    return executed(await world.process.code_run(f"for each in {words!r}:\n    print(f'<{{each}}>')\n"))


@scenario
async def code_odd_environment(world):
    params = part("common.process", "CodeRunParams")(env=ODD)
    shown = await world.process.code_run(f"import os\nprint([os.environ.get(each) for each in {list(ODD)}])", params)
    return shown.result.strip() == str(list(ODD.values()))


@scenario
async def code_that_reads_input(world):
    return executed(await world.process.code_run("import sys\nprint([sys.stdin.read()])"))


@scenario
async def code_of_200_kilobytes(world):
    return executed(await world.process.code_run(f"x = '{'y' * 200 * 1024}'\nprint(len(x))"))


@scenario
async def code_says_ten_megabytes(world):
    response = await world.process.code_run("for i in range(100): print(str(i % 10) * 99_999)")
    text = response.result.replace("\n", "")
    return {"exit": response.exit_code, "size": len(text), "ends": [text[:3], text[-3:]]}


@scenario
async def code_says_bytes(world):
    return executed(await world.process.code_run("import sys\nsys.stdout.buffer.write(b'a\\xffb\\n')"))


@scenario
async def code_says_nothing(world):
    return executed(await world.process.code_run("x = 1"))


@scenario
async def code_killed_by_a_signal(world):
    code = "import os\nprint('before', flush=True)\nos.kill(os.getpid(), 9)"
    response = await world.process.code_run(code)
    # The oldest run it below a shell, which tells 128 and the signal.
    return {"failed": response.exit_code in (-1, 137), "said": response.result.split()[:1]}


@scenario
async def code_in_parts(world):
    code = "import os, time\nfor each in '日本'.encode():\n    os.write(1, bytes([each])); time.sleep(0.02)\nprint()"
    return executed(await world.process.code_run(code))


@scenario
async def code_at_once(world):
    async with asyncio.timeout(WAIT):
        ran = await asyncio.gather(*(world.process.code_run(f"print({i})") for i in range(5)))
    return [each.result.strip() for each in ran]


@scenario(since=(0, 200))
async def interpreter_odd_text(world):
    interpreter = world.sandbox.code_interpreter
    code = f"import os\nprint([os.environ.get(each) for each in {list(ODD)}] == {list(ODD.values())})\nprint('日本 🌍')"
    return (await interpreter.run_code(code, envs=ODD)).stdout


@scenario(since=(0, 200))
async def interpreter_says_much(world):
    interpreter = world.sandbox.code_interpreter
    result = await interpreter.run_code("for i in range(100): print(str(i % 10) * 9_999)\nx = 'y' * 10")
    silent = await interpreter.run_code("y = 1")
    big = await interpreter.run_code(f"x = '{'y' * 200 * 1024}'\nprint(len(x))")
    return [len(result.stdout), silent.stdout, silent.error, big.stdout]


@scenario(since=(0, 200))
async def interpreter_cwd_missing(world):
    return await failure(world.sandbox.code_interpreter.create_context(cwd="/no/such/directory"))
