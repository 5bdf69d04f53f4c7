"""What a user of E2B's SDK does, run by the genuine SDK in an environment of its own: one JSON line per scenario.

Stands alone: `E2B_API_KEY=... E2B_API_URL=... E2B_SANDBOX_URL=... python scenarios.py [NAME...]`.
"""

import hashlib
import io
import json
import sys
import time
import traceback
import uuid

try:
    import e2b
except ImportError:  # the test suite reads the names only
    e2b = None

SCENARIOS = {}


def scenario(act):
    """Take it into the list, under its name."""
    SCENARIOS[act.__name__] = act
    return act


def eventually(check, seconds=10):
    """Ask until it holds. The SDK gives no event to wait for."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "did not become true in time"
        time.sleep(0.02)


def raises(kind, act, *arguments, **named):
    """The error that the call ends with."""
    try:
        act(*arguments, **named)
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


@scenario
def create_describes_what_was_asked_for(shared):
    sandbox = e2b.Sandbox.create("suna", timeout=120, metadata={"owner": "a&b=c %", "n": "1"}, envs={"GREETING": "hi"})
    try:
        info = sandbox.get_info()
        assert info.sandbox_id == sandbox.sandbox_id and sandbox.sandbox_id.startswith("i")
        assert info.metadata == {"owner": "a&b=c %", "n": "1"}
        assert info.state.value == "running"
        assert 100 < (info.end_at - info.started_at).total_seconds() <= 120
        assert sandbox.is_running()
        assert sandbox.commands.run("echo $GREETING").stdout == "hi\n"
    finally:
        assert sandbox.kill() is True
    assert sandbox.kill() is False
    assert not sandbox.is_running()


@scenario
def connect_reaches_the_same_sandbox(shared):
    shared.files.write("connected.txt", "one")
    again = e2b.Sandbox.connect(shared.sandbox_id, timeout=200)
    assert again.files.read("connected.txt") == "one"
    raises(e2b.NotFoundException, e2b.Sandbox.connect, "inosuchsandbox0000000")


@scenario
def list_by_metadata_with_pages(shared):
    mark = uuid.uuid4().hex
    made = [e2b.Sandbox.create("suna", metadata={"batch": mark, "a key": "ä/&="}) for _ in range(3)]
    try:
        query = e2b.SandboxQuery(metadata={"batch": mark, "a key": "ä/&="})
        pages = e2b.Sandbox.list(query=query, limit=2)
        first = pages.next_items()
        assert len(first) == 2 and pages.has_next
        second = pages.next_items()
        assert len(second) == 1 and not pages.has_next
        assert {one.sandbox_id for one in first + second} == {one.sandbox_id for one in made}
        assert e2b.Sandbox.list(query=e2b.SandboxQuery(metadata={"batch": "other"})).next_items() == []
        made[0].pause()
        paused = e2b.SandboxQuery(metadata={"batch": mark}, state=[e2b.SandboxState.PAUSED])
        assert [one.sandbox_id for one in e2b.Sandbox.list(query=paused).next_items()] == [made[0].sandbox_id]
    finally:
        for one in made:
            one.kill()


@scenario
def set_timeout_ends_a_sandbox(shared):
    sandbox = e2b.Sandbox.create("suna", timeout=60)
    sandbox.set_timeout(1)
    eventually(lambda: not sandbox.is_running())
    raises(e2b.NotFoundException, sandbox.get_info)
    raises(e2b.TimeoutException, sandbox.commands.run, "true")
    raises(e2b.NotFoundException, e2b.Sandbox.set_timeout, sandbox.sandbox_id, 10)


@scenario
def pause_keeps_files_and_stops_processes(shared):
    sandbox = e2b.Sandbox.create("suna", timeout=60)
    try:
        sandbox.files.write("kept.txt", "still here")
        sandbox.commands.run("sleep 100", background=True)
        assert sandbox.pause()
        assert sandbox.pause() is False
        assert not sandbox.is_running()
        raises(e2b.TimeoutException, sandbox.files.read, "kept.txt")
        sandbox.connect(timeout=60)
        assert sandbox.files.read("kept.txt") == "still here"
        assert sandbox.commands.list() == []
    finally:
        sandbox.kill()


@scenario
def auto_pause_at_the_end(shared):
    sandbox = e2b.Sandbox.create("suna", timeout=1, lifecycle={"on_timeout": "pause"})
    try:
        eventually(lambda: not sandbox.is_running())
        eventually(lambda: sandbox.get_info().state.value == "paused")
    finally:
        assert sandbox.kill()


@scenario
def metrics_are_a_list(shared):
    assert isinstance(shared.get_metrics(), list)


@scenario
def a_wrong_key_is_refused(shared):
    raises(e2b.AuthenticationException, e2b.Sandbox.create, "suna", api_key="wrong")


@scenario
def run_keeps_streams_apart(shared):
    result = shared.commands.run("echo out; echo err >&2; echo ä")
    assert (result.stdout, result.stderr, result.exit_code, result.error) == ("out\nä\n", "err\n", 0, None)
    seen = []
    shared.commands.run("echo one; echo two >&2", on_stdout=seen.append, on_stderr=seen.append)
    assert sorted("".join(seen).split()) == ["one", "two"]


@scenario
def run_takes_directory_and_environment(shared):
    shared.files.make_dir("/tmp/where")
    result = shared.commands.run("pwd; echo $WHO", cwd="/tmp/where", envs={"WHO": "me"})
    assert result.stdout == "/tmp/where\nme\n"
    raises(e2b.InvalidArgumentException, shared.commands.run, "true", cwd="/no/such/place")


@scenario
def a_failed_command_says_how(shared):
    error = raises(e2b.CommandExitException, shared.commands.run, "echo partly; echo why >&2; exit 3")
    assert (error.exit_code, error.stdout, error.stderr, error.error) == (3, "partly\n", "why\n", "exit status 3")
    error = raises(e2b.CommandExitException, shared.commands.run, "no-such-program-at-all")
    assert error.exit_code == 127


@scenario
def a_background_command_is_listed_and_killed(shared):
    handle = shared.commands.run("echo started; exec sleep 100", background=True)
    listed = [one for one in shared.commands.list() if one.pid == handle.pid]
    assert listed and listed[0].cmd == "/bin/bash" and listed[0].args[-1] == "echo started; exec sleep 100"
    assert next(iter(handle)) == ("started\n", None, None)
    assert handle.kill() is True
    error = raises(e2b.CommandExitException, handle.wait)
    assert (error.exit_code, error.error, error.stdout) == (-1, "signal: killed", "started\n")
    assert shared.commands.kill(handle.pid) is False


@scenario
def a_command_can_be_left_and_taken_up_again(shared):
    handle = shared.commands.run("read line; echo got $line; exit 4", background=True, stdin=True)
    handle.disconnect()
    again = shared.commands.connect(handle.pid)
    shared.commands.send_stdin(handle.pid, "hello\n")
    error = raises(e2b.CommandExitException, again.wait)
    assert (error.exit_code, error.stdout) == (4, "got hello\n")
    late = shared.commands.connect(handle.pid)
    assert raises(e2b.CommandExitException, late.wait).exit_code == 4


@scenario
def input_and_its_end(shared):
    handle = shared.commands.run("cat", background=True, stdin=True)
    shared.commands.send_stdin(handle.pid, "first ")
    shared.commands.send_stdin(handle.pid, "second")
    shared.commands.close_stdin(handle.pid)
    assert handle.wait().stdout == "first second"
    raises(e2b.NotFoundException, shared.commands.send_stdin, 999_999_999, "x")


@scenario
def streamed_input(shared):
    if not hasattr(shared.commands, "stream_input"):
        return
    handle = shared.commands.run("head -c 12", background=True, stdin=True)
    shared.commands.stream_input(handle.pid, iter(["abcd", "efgh", "ijkl"]))
    assert handle.wait().stdout == "abcdefghijkl"


@scenario
def the_timeout_is_the_life_of_the_command(shared):
    raises(e2b.TimeoutException, shared.commands.run, "echo begun; exec sleep 50", timeout=1)
    eventually(lambda: not [one for one in shared.commands.list() if one.args[-1:] == ["echo begun; exec sleep 50"]])


@scenario
def killing_the_sandbox_ends_a_stream(shared):
    sandbox = e2b.Sandbox.create("suna", timeout=60)
    handle = sandbox.commands.run("sleep 100", background=True)
    sandbox.kill()
    raises(e2b.TimeoutException, handle.wait)


@scenario
def much_output_arrives_whole(shared):
    result = shared.commands.run("head -c 3000000 /dev/zero | tr '\\0' x; echo; seq 20000 | tail -1")
    assert len(result.stdout) == 3_000_001 + 6 and result.stdout.endswith("20000\n")


@scenario
def a_terminal(shared):
    seen = bytearray()
    handle = shared.pty.create(e2b.PtySize(rows=30, cols=100), cwd="/tmp", envs={"PS1": "$ "})
    shared.pty.send_stdin(handle.pid, b"stty size; tty >/dev/null && echo is-a-tty\n")
    shared.pty.resize(handle.pid, e2b.PtySize(rows=33, cols=111))
    shared.pty.send_stdin(handle.pid, b"stty size; pwd; exit 7\n")
    error = raises(e2b.CommandExitException, handle.wait, on_pty=seen.extend)
    text = seen.decode(errors="replace")
    assert error.exit_code == 7
    assert "30 100" in text or "33 111" in text, text
    assert "33 111" in text and "is-a-tty" in text and "/tmp" in text, text
    other = shared.pty.create(e2b.PtySize(rows=24, cols=80))
    assert shared.pty.kill(other.pid) is True


@scenario
def text_and_bytes_come_back(shared):
    written = shared.files.write("notes/deep/a.txt", "héllo\n")
    assert (written.name, written.path) == ("a.txt", "/workspace/notes/deep/a.txt"), written
    assert shared.files.read("notes/deep/a.txt") == "héllo\n"
    blob = bytes(range(256)) * 1000
    shared.files.write("/tmp/blob.bin", blob)
    assert bytes(shared.files.read("/tmp/blob.bin", format="bytes")) == blob
    assert b"".join(shared.files.read("/tmp/blob.bin", format="stream")) == blob
    shared.files.write("/tmp/empty", "")
    assert shared.files.read("/tmp/empty") == ""
    shared.files.write("/tmp/blob.bin", "shorter")
    assert shared.files.read("/tmp/blob.bin") == "shorter"
    odd = "/tmp/odd ä name.txt"
    shared.files.write(odd, "odd")
    assert shared.files.read(odd) == "odd"


@scenario
def many_files_in_one_request(shared):
    entries = [{"path": f"/tmp/many/{n}.txt", "data": f"file {n}"} for n in range(5)]
    written = shared.files.write_files(entries) if hasattr(shared.files, "write_files") else shared.files.write(entries)
    assert [one.path for one in written] == [f"/tmp/many/{n}.txt" for n in range(5)]
    assert shared.files.read("/tmp/many/3.txt") == "file 3"


@scenario
def a_big_file_streams_both_ways(shared):
    blob = hashlib.sha256(b"seed").digest() * (16 * 1024 * 1024 // 32)
    shared.files.write("/tmp/big.bin", io.BytesIO(blob))
    digest = hashlib.sha256()
    for chunk in shared.files.read("/tmp/big.bin", format="stream"):
        digest.update(chunk)
    assert digest.hexdigest() == hashlib.sha256(blob).hexdigest()
    assert shared.commands.run("sha256sum < /tmp/big.bin").stdout.split()[0] == digest.hexdigest()
    shared.files.write("/tmp/packed.bin", blob, gzip=True)
    assert shared.files.get_info("/tmp/packed.bin").size == len(blob)


@scenario
def directories_are_listed_in_order(shared):
    for path in ("b.txt", "a/inner.txt", "c/d/e.txt"):
        shared.files.write(f"/tmp/tree/{path}", "x")
    shared.commands.run("ln -s /tmp/tree/b.txt /tmp/tree/link; ln -s /nowhere /tmp/tree/broken")
    assert [one.name for one in shared.files.list("/tmp/tree")] == ["a", "b.txt", "c", "link"]
    deep = [one.path.removeprefix("/tmp/tree/") for one in shared.files.list("/tmp/tree", depth=3)]
    assert deep == ["a", "a/inner.txt", "b.txt", "c", "c/d", "c/d/e.txt", "link"]
    raises(e2b.NotFoundException, shared.files.list, "/tmp/tree/none")
    raises(e2b.InvalidArgumentException, shared.files.list, "/tmp/tree/b.txt")


@scenario
def an_entry_is_described(shared):
    shared.files.write("/tmp/described", "12345")
    shared.commands.run("chmod 640 /tmp/described; ln -sf /tmp/described /tmp/described-link")
    info = shared.files.get_info("/tmp/described")
    assert (info.name, info.path, info.size) == ("described", "/tmp/described", 5)
    assert (info.mode, info.permissions, info.type.value) == (0o640, "-rw-r-----", "file")
    assert abs(info.modified_time.timestamp() - time.time()) < 60
    folder = shared.files.get_info("/tmp")
    assert folder.type.value == "dir" and folder.permissions.lstrip("dugt")[:3] == "rwx"
    link = shared.files.get_info("/tmp/described-link")
    assert link.symlink_target == "/tmp/described" and link.permissions.startswith("L")
    raises(e2b.NotFoundException, shared.files.get_info, "/tmp/none")


@scenario
def directories_are_made_once(shared):
    assert shared.files.make_dir("/tmp/made/deep") is True
    assert shared.files.make_dir("/tmp/made/deep") is False
    shared.files.write("/tmp/made/file", "x")
    raises(e2b.InvalidArgumentException, shared.files.make_dir, "/tmp/made/file")


@scenario
def files_are_renamed_and_removed(shared):
    shared.files.write("/tmp/from", "content")
    moved = shared.files.rename("/tmp/from", "/tmp/new/parent/to")
    assert moved.path == "/tmp/new/parent/to"
    assert not shared.files.exists("/tmp/from") and shared.files.exists("/tmp/new/parent/to")
    shared.files.write("/tmp/target", "old")
    shared.files.rename("/tmp/new/parent/to", "/tmp/target")
    assert shared.files.read("/tmp/target") == "content"
    raises(e2b.NotFoundException, shared.files.rename, "/tmp/none", "/tmp/other")
    shared.files.remove("/tmp/new")
    assert not shared.files.exists("/tmp/new")
    shared.files.remove("/tmp/new")


@scenario
def file_errors(shared):
    missing = raises(e2b.NotFoundException, shared.files.read, "/tmp/none.txt")
    assert "does not exist" in str(missing)
    raises(e2b.InvalidArgumentException, shared.files.read, "/tmp")
    raises(e2b.AuthenticationException, shared.files.read, "/tmp/none.txt", user="nobody-here")
    raises(e2b.AuthenticationException, shared.files.get_info, "/tmp", user="nobody-here")


@scenario
def a_path_stays_inside(shared):
    secret = shared.commands.run("echo inside > /tmp/inside; realpath /tmp/inside").stdout.strip()
    assert shared.files.read("/../../../../../tmp/inside") == "inside\n", secret
    raises(e2b.NotFoundException, shared.files.read, "/../../../../../../no-such-root-file")


def main(names):
    """Run them in the order they are written, all on one shared sandbox where they take no own."""
    shared = e2b.Sandbox.create("suna", timeout=300)
    failed = 0
    try:
        for name, act in SCENARIOS.items():
            if names and name not in names:
                continue
            started = time.perf_counter()
            error = ""
            try:
                act(shared)
            except Exception:
                error = traceback.format_exc(limit=-6)
                failed += 1
            seconds = round(time.perf_counter() - started, 3)
            print(json.dumps({"scenario": name, "ok": not error, "seconds": seconds, "error": error}), flush=True)
    finally:
        shared.kill()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
