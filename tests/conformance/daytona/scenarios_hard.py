"""Hard cases of commands, sessions and terminals, second part: what is read, what stays, what is refused, what ends."""

import asyncio
import base64

from scenarios_processes import ODD
from scenarios_sessions import in_session, logged, run
from scenarios_terminals import terminal
from world import WAIT, executed, failure, scenario, until


async def ended(world, session, command):
    """Wait until a command has its exit code, and give that."""

    async def code():
        found = (await world.process.get_session_command(session, command.cmd_id)).exit_code
        return None if found is None else (found,)

    (found,) = await until(code)
    return found


@scenario
async def exec_reads_the_rest_of_its_script(world):
    return executed(await world.process.exec("cat\necho not run, but read"))


@scenario
async def exec_without_a_command(world):
    return await failure(world.process.exec("  "))


@scenario
async def exec_directories_refused(world):
    await world.fs.upload_file(b"", "/workspace/files/no-directory")
    ran = [await world.process.exec("pwd", cwd=cwd) for cwd in ("/workspace/files/no-directory", "no-such", "~")]
    return [each.exit_code for each in ran]


@scenario
async def exec_relative_directory(world):
    await world.process.exec("mkdir -p below", cwd="/workspace/files")
    return executed(await world.process.exec("cd below && pwd", cwd="/workspace/files"))


@scenario
async def exec_not_allowed_and_not_there(world):
    await world.fs.upload_file(b"#!/bin/sh\n", "/workspace/files/not-executable")
    await world.fs.set_file_permissions("/workspace/files/not-executable", mode="644")
    names = ("/workspace/files/not-executable", "/workspace/files", "no-such-command", "/no/such/command")
    return [(await world.process.exec(name)).exit_code for name in names]


@scenario
async def exec_children_killed_by_signals(world):
    ran = [await world.process.exec(f"sh -c 'kill -{each} $$'; echo $?") for each in ("TERM", "KILL", "INT", "SEGV")]
    return [each.result.split()[-1] for each in ran]


@scenario
async def exec_ends_by_other_signals(world):
    return [(await world.process.exec(f"kill -{each} $$; sleep 5")).exit_code for each in ("TERM", "ABRT")]


@scenario
async def exec_waits_for_who_holds_its_output(world):
    return executed(await world.process.exec("(sleep 0.5; echo late) & echo early"))


@scenario
async def exec_leaves_processes_behind(world):
    started = await world.process.exec("setsid sleep 62626 >/dev/null 2>&1 </dev/null & echo $!")
    shown = await world.process.exec("tr '\\0' ' ' < /proc/$(pgrep -f 'slee[p] 62626' | head -1)/cmdline")
    await world.process.exec("pkill -f 'slee[p] 62626'")
    return {"started": started.result.strip().isdigit(), "shown": shown.result.strip()}


@scenario
async def exec_at_once(world):
    async with asyncio.timeout(WAIT):
        ran = await asyncio.gather(*(world.process.exec(f"sleep 0.2; echo {i}; exit {i}") for i in range(6)))
    return [(each.exit_code, each.result.strip()) for each in ran]


@scenario
async def exec_bytes_of_all_kinds(world):
    response = await world.process.exec("printf 'a\\000b\\r\\nc\\rd\\033[1me\\357\\273\\277f\\355\\240\\200\\n'")
    return {"exit": response.exit_code, "output": response.result}


@scenario
async def exec_odd_commands(world):
    commands = (
        "echo a # comment",
        "echo a;",
        "echo a &&\\\n echo b",
        "! true",
        "echo 'it'\\''s' \"$(echo '(\")')\"",
        "\n\necho late\n",
    )
    return [executed(await world.process.exec(each)) for each in commands]


@scenario
async def exec_broken_commands(world):
    ran = [
        await world.process.exec(each) for each in ("echo 'open", 'echo "open', "if true", "echo )", "echo a <<END\nb")
    ]
    return [each.exit_code for each in ran]


@scenario
async def exec_limits_refused(world):
    return await failure(world.process.exec("true", timeout=-1))


@scenario(since=(0, 167))
async def exec_environment_refused(world):
    return [await failure(world.process.exec("true", env={name: "x"})) for name in ("1A", "A-B", "A=B", "")]


@scenario
async def session_says_nothing(world):
    await world.process.create_session("silent")
    answers = [await run(world, "silent", each) for each in ("true", "x=1", ":")]
    logs = await world.process.get_session_command_logs("silent", answers[0].cmd_id)
    return [[in_session(each) for each in answers], logged(logs)]


@scenario
async def session_says_bytes(world):
    await world.process.create_session("bytes")
    answers = [
        await run(world, "bytes", each) for each in ("printf 'a\\377b\\n'", "printf 'no end'", "printf '\\n\\n'")
    ]
    return [in_session(each) for each in answers]


@scenario
async def session_says_ten_megabytes(world):
    await world.process.create_session("much")
    answer = await run(world, "much", "seq 1 1500000 | tr '\\n' ' ' | head -c 10000000 | fold -w 99999; echo")
    text = answer.output.replace("\n", "").replace("\1", "")
    logs = await world.process.get_session_command_logs("much", answer.cmd_id)
    again = logged(logs)["output"].replace("\n", "").replace("\1", "")
    return {"exit": answer.exit_code, "size": len(text), "end": text[-20:], "logs": again == text}


@scenario
async def session_says_characters_in_parts(world):
    await world.process.create_session("parts")
    return in_session(
        await run(world, "parts", 'for b in 346 227 245 346 234 254; do printf "\\\\$b"; sleep 0.02; done; echo')
    )


@scenario
async def session_reads_nothing(world):
    await world.process.create_session("reader")
    async with asyncio.timeout(WAIT):
        first = await run(world, "reader", "cat; echo read to its end")
        second = await run(world, "reader", "read a; echo $? [$a]")
    return [in_session(first), in_session(second)]


@scenario
async def session_directory_missing(world):
    await world.process.create_session("lost")
    failed = await run(world, "lost", "cd /no/such/directory")
    return [failed.exit_code, in_session(await run(world, "lost", "cd /workspace/files; pwd"))]


@scenario
async def session_children_killed_by_signals(world):
    await world.process.create_session("signals")
    answers = [await run(world, "signals", f"sh -c 'kill -{each} $$'") for each in ("TERM", "KILL")]
    after = await run(world, "signals", "echo still here")
    return [[each.exit_code for each in answers], in_session(after)]


@scenario
async def session_odd_environment(world):
    await world.process.create_session("environment")
    quoted = [name + "='" + value.replace("'", "'\\''") + "'" for name, value in ODD.items()]
    await run(world, "environment", f"export {' '.join(quoted)}")
    shown = await run(world, "environment", "env -0 | tr '\\0' '|' | tr '\\n' '_'; echo")
    return {name: f"{name}={value}".replace("\n", "_") in shown.output for name, value in ODD.items()}


@scenario
async def session_odd_commands(world):
    await world.process.create_session("commands")
    heredoc = "cat <<'END'\n$one\n  two\nEND"
    commands = ("echo a # comment", "echo a;", "echo a &&\\\n echo b", heredoc, "echo '}'; echo ')'", "\n\necho late\n")
    async with asyncio.timeout(WAIT):
        return [in_session(await run(world, "commands", each)) for each in commands]


@scenario
async def session_broken_commands(world):
    seen = []
    for i, command in enumerate(("echo 'open", "if true", "echo )", "cat <<END\nb")):
        await world.process.create_session(f"broken-{i}")
        async with asyncio.timeout(WAIT):
            answer = await run(world, f"broken-{i}", command)
            after = await run(world, f"broken-{i}", "echo after")
        seen.append([answer.exit_code, in_session(after)])
    return seen


@scenario
async def session_ends_in_other_ways(world):
    seen = []
    for i, command in enumerate(("exec true", "kill -9 $$", "set -u; echo $no_such", "trap 'echo bye' EXIT; exit 4")):
        await world.process.create_session(f"ends-{i}")
        async with asyncio.timeout(WAIT):  # Daytona's own would hang here
            answer = await run(world, f"ends-{i}", command)
        seen.append([answer.exit_code, await failure(run(world, f"ends-{i}", "true"))])
    return seen


@scenario
async def session_strict_from_one_command_to_the_next(world):
    await world.process.create_session("strict-later")
    async with asyncio.timeout(WAIT):
        first = await run(world, "strict-later", "set -e")
        kept = await run(world, "strict-later", "false || echo caught")
        ends = await run(world, "strict-later", "false")
    return [first.exit_code, in_session(kept), ends.exit_code, await failure(run(world, "strict-later", "true"))]


@scenario
async def session_ended_by_a_command_in_the_background(world):
    await world.process.create_session("leaves")
    command = await run(world, "leaves", "echo a; exit 5", run_async=True)
    code = await ended(world, "leaves", command)
    logs = logged(await world.process.get_session_command_logs("leaves", command.cmd_id))

    async def told():
        # Its code is known a moment before its shell is gone.
        said = await failure(run(world, "leaves", "true"))
        return said if "error" in said else None

    return [code, logs, await until(told)]


@scenario
async def session_commands_wait_their_turn(world):
    await world.process.create_session("turns")
    first = await run(world, "turns", "sleep 0.5; echo one >> turns.txt; n=1", run_async=True)
    second = await run(world, "turns", "echo two >> turns.txt; cat turns.txt; rm turns.txt; echo n=$n")
    return [await ended(world, "turns", first), in_session(second)]


@scenario
async def sessions_do_not_wait_for_each_other(world):
    for name in ("slow", "quick"):
        await world.process.create_session(name)
    slow = await run(world, "slow", "until [ -e /workspace/files/go ]; do sleep 0.05; done", run_async=True)
    async with asyncio.timeout(WAIT):
        quick = await run(world, "quick", "touch /workspace/files/go; echo done")
    return [in_session(quick), await ended(world, "slow", slow)]


@scenario
async def session_without_a_command(world):
    await world.process.create_session("wordless")
    return await failure(run(world, "wordless", ""))


@scenario
async def session_waits_for_who_holds_its_output(world):
    await world.process.create_session("held")
    async with asyncio.timeout(WAIT):
        return in_session(await run(world, "held", "(sleep 0.5; echo late) & echo early"))


@scenario(since=(0, 100))
async def pty_odd_environment(world):
    # By names of their own: the shell of a terminal sets LINES itself.
    odd = {f"ODD_{name}": value for name, value in ODD.items()}
    handle, seen = await terminal(world, "pty-odd", envs=odd)
    await handle.send_input("env -0 | base64 -w0; echo; echo 'do''ne'\n")
    await until(lambda: b"done\r\n" in seen)
    await world.process.kill_pty_session("pty-odd")
    await handle.disconnect()
    [text] = [line for line in bytes(seen).split() if len(line) > 200]
    shown = base64.b64decode(text).decode().split("\0")
    return {name: f"{name}={value}" in shown for name, value in odd.items()}


@scenario(since=(0, 100))
async def pty_directory_missing(world):
    return await failure(terminal(world, "pty-lost", cwd="/no/such/directory"))


@scenario(since=(0, 100))
async def pty_interrupted(world):
    handle, seen = await terminal(world, "pty-interrupted")
    await handle.send_input("echo 'st''art'; sleep 63636\n")
    await until(lambda: b"start\r\n" in seen)
    await handle.send_input("\x03")
    await handle.send_input("echo code=$?; exit\n")
    async with asyncio.timeout(WAIT):
        result = await handle.wait()
    return {"code": b"code=130" in seen, "exit": result.exit_code}


@scenario(since=(0, 100))
async def pty_says_much(world):
    handle, seen = await terminal(world, "pty-much")
    await handle.send_input('stty -opost; for i in $(seq 1 60000); do echo "日本 $i"; done; exit 3\n')
    async with asyncio.timeout(WAIT):
        result = await handle.wait()
    lines = bytes(seen).decode("utf-8", "replace").splitlines()
    shown = [line.split()[-1] for line in lines if line.startswith("日本 ")]
    return {"exit": result.exit_code, "count": len(shown), "last": shown[-1:]}


@scenario(since=(0, 100))
async def pty_ended_by_a_signal(world):
    handle, _ = await terminal(world, "pty-killed-inside")
    await handle.send_input("kill -9 $$\n")
    async with asyncio.timeout(WAIT):
        return (await handle.wait()).exit_code


@scenario
async def files_not_permitted(world):
    await world.fs.upload_file(b"x", "/workspace/files/stays")
    refused = [
        await failure(world.fs.upload_file(b"x", "/proc/not-permitted")),
        await failure(world.fs.create_folder("/proc/not-permitted", "755")),
        await failure(world.fs.move_files("/workspace/files/stays", "/proc/not-permitted")),
    ]
    return [*refused, (await world.fs.download_file("/workspace/files/stays")).decode()]
