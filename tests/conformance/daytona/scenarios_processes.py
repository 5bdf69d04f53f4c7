"""Hard cases of commands, sessions and terminals: sizes, bytes, quoting, signals, ends, processes left behind."""

import asyncio

from scenarios_sessions import in_session, run
from scenarios_terminals import listed_ptys, pty_size, terminal
from world import OLD, WAIT, executed, failure, part, scenario, until

# Newlines at the very end are left out: the SDKs before 0.167 pass values through $(...), which drops them.
ODD = {
    "SUBSTITUTED": "$(echo no) `id` ${HOME}",
    "QUOTED": "it's \"fine\" \\ '\"'",
    "LINES": "one\ntwo\n\n  three",
    "SPACED": "  a  b\t c ",
    "SIGNS": "*?[]{}();&|<>!#~%=^",
    "WIDE": "日本 🌍",
    "EMPTY": "",
}


@scenario
async def exec_odd_environment(world):
    shown = await world.process.exec("env -0 | tr '\\0' '|' | tr '\\n' '_'; echo", env=ODD)
    return {name: f"{name}={value}".replace("\n", "_") in shown.result for name, value in ODD.items()}


@scenario
async def exec_odd_directory(world):
    path = '/workspace/files/it\'s "$(a)" ü'
    await world.fs.create_folder(path, "755")
    return executed(await world.process.exec("pwd", cwd=path))


@scenario
async def exec_nothing_said(world):
    return [executed(await world.process.exec(command)) for command in ("true", "exit 9")]


@scenario
async def exec_long_command(world):
    return executed(await world.process.exec(f"x='{'y' * 200 * 1024}'; echo ${{#x}}"))


@scenario
async def exec_ten_megabytes(world):
    # Few long lines: the oldest SDK takes a text apart and puts it together again line by line.
    response = await world.process.exec("seq 1 1500000 | tr '\\n' ' ' | head -c 10000000 | fold -w 99999; echo")
    text = response.result.replace("\n", "")
    return {"exit": response.exit_code, "size": len(text), "start": text[:6], "end": text[-20:]}


@scenario
async def exec_split_characters(world):
    return executed(
        await world.process.exec('for b in 346 227 245 346 234 254; do printf "\\\\$b"; sleep 0.02; done; echo')
    )


@scenario
async def exec_streams_in_order(world):
    response = await world.process.exec("for i in $(seq 50); do echo o$i; echo e$i >&2; done")
    return response.result.split() == [f"{stream}{i}" for i in range(1, 51) for stream in "oe"]


@scenario
async def exec_killed_by_a_signal(world):
    response = await world.process.exec("echo before; kill -9 $$; sleep 5")
    return {"exit": response.exit_code, "output": response.result.split()[:1]}


@scenario
async def exec_piped_input(world):
    return executed(await world.process.exec("printf 'first second' | (read a b; echo \"$b\"; cat; echo end)"))


@scenario
async def exec_timeout_ends_children(world):
    told = await failure(world.process.exec("sleep 61616 | cat & wait", timeout=1))

    async def gone():
        found = await world.process.exec(
            "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c 'slee[p] 61616'"
        )
        return found.result.strip() == "0"

    await until(gone)
    return told


@scenario
async def code_run_failing(world):
    response = await world.process.code_run("import sys\nprint('out')\nsys.exit(4)")
    return executed(response)


@scenario
async def code_run_with_arguments(world):
    params = part("common.process", "CodeRunParams")(argv=["one", "two"], env={"GIVEN": "a b"})
    code = "import os, sys\nprint(sys.argv[1:], os.environ['GIVEN'])"
    return executed(await world.process.code_run(code, params))


@scenario
async def code_run_error(world):
    response = await world.process.code_run("raise ValueError('no')")
    return {"exit": response.exit_code, "said": "ValueError: no" in response.result}


@scenario
async def code_run_timeout(world):
    return await failure(world.process.code_run("import time; time.sleep(60)", timeout=1))


@scenario(since=(0, 100))
async def code_run_artifacts(world):
    code = "print('before')\nimport json\n"
    chart = "{'type': 'chart', 'value': {'type': 'line', 'title': 'T', 'elements': []}}"
    code += f"print('dtn_artifact_k39fd2:' + json.dumps({chart}))\nprint('after')"
    response = await world.process.code_run(code)
    charts = response.artifacts.charts or []
    return {"text": response.result.split(), "charts": [(each.title, str(each.type)) for each in charts]}


@scenario
async def session_ended_by_its_command(world):
    seen = []
    for name, command in (("bye", "echo a; exit 5"), ("strict", "set -e; echo a; (exit 6); echo b")):
        await world.process.create_session(name)
        async with asyncio.timeout(WAIT):  # Daytona's own would hang here
            seen.append(in_session(await run(world, name, command)))
        seen.append(await failure(run(world, name, "true")))
        await world.process.delete_session(name)
    return seen


@scenario
async def session_commands_at_once(world):
    await world.process.create_session("at-once")
    answers = await asyncio.gather(*(run(world, "at-once", f"n=$((n + 1)); echo {i} $n") for i in range(6)))
    said = [answer.output.strip("\1\2\n").split() for answer in answers]
    return {"own": [int(own) for own, _ in said], "turns": sorted(int(turn) for _, turn in said)}


@scenario
async def session_background(world):
    await world.process.create_session("behind")
    answer = await run(world, "behind", "sleep 61717 >/dev/null 2>&1 & echo started")
    ended = await run(world, "behind", "kill %1; wait %1")
    return {**in_session(answer), "ended": ended.exit_code}


@scenario
async def session_odd_text(world):
    await world.process.create_session("odd text/ü")
    words = ["it's", '"$(echo no)"', "`id`", "\\", "*", "日本"]
    command = "printf '<%s>' " + " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
    return in_session(await run(world, "odd text/ü", command))


@scenario
async def session_long_command(world):
    await world.process.create_session("long")
    return in_session(await run(world, "long", f"x='{'y' * 200 * 1024}'; echo ${{#x}}"))


@scenario(since=(0, 167))
async def session_input(world):
    await world.process.create_session("input")
    command = await run(world, "input", "read a; echo got $a", run_async=True)
    await world.process.send_session_command_input("input", command.cmd_id, "it's $1\n")

    async def ended():
        return (await world.process.get_session_command("input", command.cmd_id)).exit_code is not None

    await until(ended)
    logs = await world.process.get_session_command_logs("input", command.cmd_id)
    text = logs if isinstance(logs, str) else logs.output
    late = await failure(world.process.send_session_command_input("input", command.cmd_id, "x"))
    return {"lines": sorted(line.strip("\1\2") for line in text.splitlines()), "late": late}


@scenario(since=(0, 167))
async def session_quiet_input(world):
    await world.process.create_session("quiet")
    command = await run(world, "quiet", "read a; echo got $a", run_async=True, suppress_input_echo=True)
    await world.process.send_session_command_input("quiet", command.cmd_id, "secret")

    async def ended():
        return (await world.process.get_session_command("quiet", command.cmd_id)).exit_code is not None

    await until(ended)
    return (await world.process.get_session_command_logs("quiet", command.cmd_id)).stdout


@scenario(since=(0, 167))
async def entrypoint(world):
    # What an image starts by itself: nothing, where these tests run.
    process = world.process
    asked = (process.get_entrypoint_session(), process.get_entrypoint_logs())
    return [await failure(each) for each in asked]


@scenario
async def session_missing(world):
    return [
        await failure(run(world, "never-made", "true")),
        await failure(world.process.delete_session("never-made")),
    ]


@scenario
async def session_deleted_while_it_runs(world):
    await world.process.create_session("busy")
    await run(world, "busy", "echo up; sleep 61818", run_async=True)
    await world.process.delete_session("busy")
    found = await world.process.exec("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c 'slee[p] 61818'")
    return [found.result.strip(), "busy" in [each.session_id for each in await world.process.list_sessions()]]


@scenario
async def session_followed_characters(world):
    await world.process.create_session("wide")
    pieces = 'for b in 346 227 245 346 234 254; do printf "\\\\$b"; sleep 0.02; done; echo; seq 2000'
    command = await run(world, "wide", pieces, run_async=True)
    out, err = [], []
    handlers = (out.append,) if OLD else (out.append, err.append)
    async with asyncio.timeout(WAIT):
        await world.process.get_session_command_logs_async("wide", command.cmd_id, *handlers)
    lines = "".join(out).split()
    return {"first": lines[0], "count": len(lines), "last": lines[-1], "err": err}


@scenario(since=(0, 100))
async def pty_info_and_list(world):
    handle, _ = await terminal(world, "shown", cwd="/workspace/files", envs={"A": "b c"}, pty_size=pty_size(90, 33))
    info = await world.process.get_pty_session_info("shown")
    listed = [each.id for each in await listed_ptys(world)]
    resized = await world.process.resize_pty_session("shown", pty_size(70, 22))
    await world.process.kill_pty_session("shown")
    await handle.disconnect()
    shape = (info.id, info.cwd, info.cols, info.rows, info.active)
    return {"info": shape, "listed": "shown" in listed, "resized": (resized.cols, resized.rows)}


@scenario(since=(0, 100))
async def pty_connected_again(world):
    handle, seen = await terminal(world, "again")
    await handle.send_input("kept=yes\n")
    await until(lambda: b"kept=yes" in seen)
    await handle.disconnect()
    second, shown = None, bytearray()

    async def on_data(data):
        shown.extend(data)

    second = await world.process.connect_pty_session("again", on_data=on_data)
    await second.send_input("echo it is $kept; exit 7\n")
    async with asyncio.timeout(WAIT):
        result = await second.wait()
    return {"kept": b"it is yes" in shown, "exit": result.exit_code}


@scenario(since=(0, 100))
async def pty_refused(world):
    return [
        await failure(world.process.kill_pty_session("never-made")),
        await failure(world.process.resize_pty_session("never-made", pty_size(80, 24))),
        await failure(terminal(world, "wide", pty_size=pty_size(5000, 24))),
    ]


@scenario(since=(0, 100))
async def pty_wide_characters(world):
    handle, seen = await terminal(world, "wide")
    await handle.send_input("printf '<%s>\\n' '日本 🌍'\n")
    await until(lambda: "<日本 🌍>".encode() in seen)
    await handle.send_input("exit\n")
    async with asyncio.timeout(WAIT):
        return (await handle.wait()).exit_code
