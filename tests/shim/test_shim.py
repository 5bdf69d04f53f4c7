"""shim/: the header is on every request of genuine SDKs, and only where it belongs."""

import asyncio
import os
import sys
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import pytest
import uvicorn
from shim_recorder import Recorder

ROOT = Path(__file__).parents[2]
SHIM = ROOT / "shim"
SDKS = {"daytona-0.115.0": "daytona-sdk==0.115.0", "daytona-newest": "daytona"}


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    recorder = Recorder()
    config = uvicorn.Config(
        recorder.app, host="127.0.0.1", port=0, log_level="error", ws="websockets-sansio", lifespan="off"
    )
    server = uvicorn.Server(config)
    serving = asyncio.get_running_loop().create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:
            await asyncio.sleep(0.005)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    recorder.url = f"http://{host}:{port}"
    yield recorder
    server.should_exit = True
    server.force_exit = True
    await serving


async def run(*command: str, environment: dict[str, str] | None = None) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT, env=environment
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    return process.returncode or 0, out.decode(), err.decode()


@pytest.mark.sdk
@pytest.mark.parametrize("sdk", SDKS)
async def test_every_request_of_a_genuine_sdk_names_its_tool(sdk: str, recorder: Recorder) -> None:
    code, _, problem = await run("sh", "scripts/sdk_env.sh", sdk, SDKS[sdk])
    assert code == 0, problem
    environment = {
        "PYTHONPATH": str(SHIM),
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "PYTHONWARNINGS": "ignore",
    }
    python = str(ROOT / ".envs" / sdk / "bin" / "python")
    code, out, problem = await run(python, str(ROOT / "tests/shim/driver.py"), recorder.url, environment=environment)
    assert code == 0, problem + str(recorder.requests[-3:])

    assert out.split()[-1] == "4"
    seen: dict[str, set[tuple[str, str]]] = {}
    for method, path, header in recorder.requests:
        sandbox = next((part for part in path.split("/") if part.startswith("sb-")), None)
        if sandbox is not None:
            assert header == (None if sandbox == "sb-none" else sandbox.removeprefix("sb-")), (method, path)
            seen.setdefault(sandbox, set()).add((method, path.rsplit("/", 1)[1]))
    assert set(seen) == {"sb-files", "sb-shell", "sb-kb", "sb-browser", "sb-upload", "sb-none"}
    for sandbox in ("sb-files", "sb-shell", "sb-kb"):
        assert {
            ("POST", "bulk-upload"),
            ("POST", "bulk-download"),
            ("POST", "execute"),
            ("WS", "connect"),
            ("WS", "logs"),
        } <= seen[sandbox]
    assert ("WS", "connect") in seen["sb-upload"]


@pytest.fixture
def shim(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SHIM))
    import crossfade_suna

    return crossfade_suna


def packages(tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the four generated packages on the path, with this as their api_client."""
    names = (
        "daytona_api_client",
        "daytona_api_client_async",
        "daytona_toolbox_api_client",
        "daytona_toolbox_api_client_async",
    )
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        (tmp_path / name / "api_client.py").write_text(source)
        for module in (name, f"{name}.api_client"):
            monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("", "ApiClient.param_serialize is gone"),
        ("class ApiClient:\n    pass\n", "ApiClient.param_serialize is gone"),
        ("raise RuntimeError('half installed')\n", "half installed"),
    ],
)
def test_an_sdk_of_another_shape_is_told_and_left_alone(
    source: str, complaint: str, shim: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages(tmp_path, source, monkeypatch)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")

        assert shim.install() == 0
    assert complaint in str(told[0].message)
    assert "no Daytona SDK was found" in str(told[-1].message)


def test_without_an_sdk_nothing_breaks_even_where_warnings_are_errors(shim: ModuleType) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        assert shim.install() == 0


def test_a_request_of_another_shape_is_passed_on_and_told_once(
    shim: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages(tmp_path, "class ApiClient:\n    def param_serialize(self, *a, **k):\n        return 'odd'\n", monkeypatch)
    assert shim.install() == 4
    import daytona_api_client.api_client as generated  # type: ignore[import-not-found]

    with warnings.catch_warnings(record=True) as told, shim.tool("files"):
        warnings.simplefilter("always")

        assert [generated.ApiClient().param_serialize() for _ in range(3)] == ["odd"] * 3
    assert len(told) == 1


def test_installing_twice_wraps_once(shim: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (
        "class ApiClient:\n    def param_serialize(self, *a, **k):\n        return ('GET', '/', {'a': 'b'}, None, [])\n"
    )
    packages(tmp_path, source, monkeypatch)
    assert (shim.install(), shim.install()) == (4, 4)
    import daytona_api_client.api_client as generated

    with shim.tool("browser_act"):
        assert generated.ApiClient().param_serialize()[2] == {"a": "b", "X-Crossfade-Tool": "browser"}
    assert generated.ApiClient().param_serialize()[2] == {"a": "b"}
    assert generated.ApiClient.param_serialize.__wrapped__.__name__ == "param_serialize"
    assert not hasattr(generated.ApiClient.param_serialize.__wrapped__, "__wrapped__")


def test_names_of_suna_are_tools_that_crossfade_knows(shim: ModuleType) -> None:
    from crossfade import TOOLS

    assert set(shim.TOOLS.values()) == set(TOOLS)
    assert all(shim.tool_of(tool) == tool for tool in TOOLS)
    assert shim.tool_of("BrowserTool") == shim.tool_of("browser_screenshot") == "browser"
    assert shim.tool_of("some_mcp_function") is None


async def test_tasks_that_run_at_once_do_not_mix(shim: ModuleType) -> None:
    async def task(name: str) -> str | None:
        shim.set_tool(name)
        for _ in range(5):
            await asyncio.sleep(0)
        return shim.current_tool()

    assert await asyncio.gather(*map(task, ("files", "shell", "kb"))) == ["files", "shell", "kb"]
    assert shim.current_tool() is None


def test_a_block_ends_and_a_name_can_be_cleared(shim: ModuleType) -> None:
    with shim.tool("files"):
        with shim.tool("SandboxPresentationTool"):
            assert shim.current_tool() == "presentation"
        assert shim.current_tool() == "files"
        shim.set_tool(None)
        assert shim.current_tool() is None
    assert shim.current_tool() is None
