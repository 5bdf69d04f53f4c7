"""Commands and code, run to their end."""

from world import executed, failure, scenario


@scenario
async def exec_ok(world):
    return executed(await world.process.exec("echo hello; echo world"))


@scenario
async def exec_nonzero(world):
    return executed(await world.process.exec("echo before; echo problem >&2; exit 3"))


@scenario
async def exec_cwd(world):
    return executed(await world.process.exec("pwd", cwd="/workspace/files"))


@scenario
async def exec_environment(world):
    env = {"PLAIN": "a b", "QUOTED": 'it\'s "fine"', "EXPANDS": "$(echo no) $HOME `id`", "UNICODE": "grüße 🌍"}
    command = 'printf \'%s\\n\' "$PLAIN" "$QUOTED" "$EXPANDS" "$UNICODE" "$RESOLUTION"'
    return executed(await world.process.exec(command, env=env))


@scenario
async def exec_quotes_and_pipes(world):
    return executed(await world.process.exec("""echo "a 'b' \\"c\\"" | tr a-c A-C; X='$(echo no)'; echo "$X" """))


@scenario
async def exec_unicode(world):
    return executed(await world.process.exec("echo 'grüße 🌍'; printf '%s' žluťoučký | wc -c"))


@scenario
async def exec_binary_output(world):
    return executed(await world.process.exec("printf 'a\\377b\\n'"))


@scenario
async def exec_many_lines(world):
    response = await world.process.exec("seq 1 20000")
    lines = response.result.split()
    return {"exit": response.exit_code, "lines": len(lines), "last": lines[-1]}


@scenario
async def exec_heredoc(world):
    return executed(await world.process.exec("cat <<'END'\n$one\n  two\nEND\necho after"))


@scenario
async def exec_bad_cwd(world):
    response = await world.process.exec("pwd", cwd="/no/such/directory")
    return {"exit": response.exit_code, "said": "no such file or directory" in response.result}


@scenario
async def exec_timeout(world):
    return await failure(world.process.exec("sleep 20", timeout=1))


@scenario
async def exec_timeout_not_reached(world):
    return executed(await world.process.exec("echo quick", timeout=20))


@scenario
async def exec_background_redirected(world):
    return executed(await world.process.exec("sleep 5 >/dev/null 2>&1 & echo started"))


@scenario
async def code_run(world):
    return executed(await world.process.code_run("print('from python', 6 * 7)"))
