"""Run by an SDK's own Python: every kind of call, under a tool named like the sandbox it goes to.

Usage: driver.py URL. A sandbox `sb-files` may only be called under the tool `files`, `sb-none` under none.
"""

import asyncio
import sys

import crossfade_suna
from crossfade_suna import tool

crossfade_suna.install()  # before the SDK is imported, and again after
try:
    import daytona as sdk
except ModuleNotFoundError:
    import daytona_sdk as sdk

wrapped = crossfade_suna.install()
configuration = sdk.DaytonaConfig(api_key="key", api_url=sys.argv[1] + "/api", target="us")


async def calls(sandbox) -> None:
    await sandbox.fs.create_folder("/workspace/a", "755")
    await sandbox.fs.upload_file(b"content", "/workspace/a/f")
    await sandbox.fs.download_file("/workspace/a/f")
    await sandbox.fs.list_files("/workspace")
    await sandbox.fs.get_file_info("/workspace/a/f")
    await sandbox.process.exec("true")
    await asyncio.sleep(0)
    await sandbox.process.create_session("s")
    await sandbox.process.execute_session_command("s", sdk.SessionExecuteRequest(command="true"))
    await sandbox.process.get_session_command_logs("s", "c")
    await sandbox.process.get_session_command_logs_async("s", "c", lambda _: None, lambda _: None)
    await sandbox.get_preview_link(8080)
    await sandbox.fs.delete_file("/workspace/a/f")


async def terminal(sandbox) -> None:
    handle = await sandbox.process.create_pty_session("t", lambda _: None)
    await handle.disconnect()
    handle = await sandbox.process.connect_pty_session("t", lambda _: None)
    await handle.disconnect()


async def under(daytona, name: str) -> None:
    with tool(name):
        sandbox = await daytona.get(f"sb-{name}")
        await calls(sandbox)
        await terminal(sandbox)


async def set_in_a_helper(daytona) -> None:
    async def helper() -> None:
        crossfade_suna.set_tool("BrowserTool")

    await helper()
    await (await daytona.get("sb-browser")).process.exec("true")


async def main() -> None:
    async with sdk.AsyncDaytona(configuration) as daytona:
        nobody = await daytona.get("sb-none")
        await asyncio.gather(
            *(under(daytona, name) for name in ("files", "shell", "kb")), set_in_a_helper(daytona), calls(nobody)
        )
        await calls(nobody)
        with tool("no such tool"):
            await nobody.process.exec("true")


def synchronous() -> None:
    daytona = sdk.Daytona(configuration)
    with tool("upload_file"):
        sandbox = daytona.get("sb-upload")
        sandbox.fs.upload_file(b"content", "/workspace/f")
        sandbox.fs.download_file("/workspace/f")
        sandbox.process.exec("true")
        sandbox.process.connect_pty_session("t").disconnect()
    daytona.get("sb-none").process.exec("true")


asyncio.run(main())
synchronous()
print(wrapped)
