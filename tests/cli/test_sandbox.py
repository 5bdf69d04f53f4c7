"""The sandbox command, as a process of its own."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

CROSSFADE = str(Path(sys.executable).with_name("crossfade"))
SECONDS = 20


def start(tmp_path: Path, *options: str) -> tuple["subprocess.Popen[str]", str]:
    command = [CROSSFADE, "sandbox", "--port", "0", "--dir", str(tmp_path / "sandboxes"), *options]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert server.stdout is not None
    line = server.stdout.readline()
    if not line.startswith("listening on "):
        pytest.fail(f"not listening: {server.communicate(timeout=SECONDS)}")
    return server, line.split()[-1]


def stop(server: "subprocess.Popen[str]") -> tuple[int, str]:
    server.send_signal(signal.SIGTERM)
    _, said = server.communicate(timeout=SECONDS)
    return server.returncode, said


def wait_until_gone(pattern: str) -> bool:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = [each for each in Path("/proc").glob("[0-9]*/cmdline") if pattern.encode() in _read(each)]
        if not found:
            return True
        time.sleep(0.02)
    return False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_sigterm_ends_it_cleanly_and_every_process_in_every_sandbox(tmp_path: Path) -> None:
    server, url = start(tmp_path, "--api", "daytona", "--ready-file", str(tmp_path / "ready"))
    mark = f"31{time.time_ns() % 10**9}.5"
    headers = {"Authorization": "Bearer local-key"}
    with httpx2.Client(headers=headers) as client:
        made = client.post(f"{url}/api/sandbox", json={}).json()
        toolbox = f"{made['toolboxProxyUrl']}/{made['id']}"
        ran = client.post(f"{toolbox}/process/execute", json={"command": f"sleep {mark} >/dev/null 2>&1 & echo up"})

    code, said = stop(server)

    assert made["state"] == "started"
    assert ran.json()["result"] == "up\n"
    assert code == 0
    assert (tmp_path / "ready").read_text() == url + "\n"
    assert "isolate nothing" in said
    assert "DAYTONA_API_URL" in said
    assert wait_until_gone(mark)


def test_an_e2b_server_starts_and_ends(tmp_path: Path) -> None:
    server, url = start(tmp_path, "--api", "e2b", "--key", "e2b_secret")
    unauthorised = httpx2.get(f"{url}/v2/sandboxes").status_code

    code, said = stop(server)

    assert (code, unauthorised) == (0, 401)
    assert "E2B_API_URL" in said
    assert "e2b_secret" not in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--api", "daytona", "--disk-limit", "lots"], "such as 500M"),
        (["--api", "daytona", "--inject", "file-byte"], "--api e2b only"),
        (["--api", "docker"], "daytona"),
    ],
)
def test_a_wrong_option_is_named_with_its_fix(options: list[str], words: str) -> None:
    ran = subprocess.run([CROSSFADE, "sandbox", *options], capture_output=True, text=True, timeout=SECONDS, check=False)

    assert ran.returncode == 2
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_port_in_use_is_an_error_not_a_traceback(tmp_path: Path) -> None:
    server, url = start(tmp_path, "--api", "daytona")
    port = url.rsplit(":", 1)[1]

    command = [CROSSFADE, "sandbox", "--api", "daytona", "--port", port, "--dir", str(tmp_path / "other")]
    second = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    stop(server)

    assert second.returncode == 2
    assert "choose another --port" in second.stderr
    assert "Traceback" not in second.stderr
