"""Every call of a sandbox that is no more: an error each, and none that looks like an answer."""

from scenarios_files import request
from scenarios_terminals import pty_size
from world import OLD, VERSION, failure, scenario, sdk, until

PATH, WHO = "/workspace/x", ("Ann", "ann@example.org")
SESSION = ("s", sdk.SessionExecuteRequest(command="true"))

FILES = {
    "create_folder": (PATH, "755"), "delete_file": (PATH,), "download_file": (PATH,), "find_files": (PATH, "x"),
    "get_file_info": (PATH,), "list_files": (PATH,), "move_files": (PATH, "/workspace/y"), "search_files": (PATH, "*"),
    "replace_in_files": ([PATH], "a", "b"), "set_file_permissions": (PATH, "644"), "upload_file": (b"x", PATH),
    "upload_files": ([sdk.FileUpload(source=b"x", destination=PATH)],),
}  # fmt: skip
PROCESSES = {
    "exec": ("true",), "code_run": ("1",), "create_session": ("s",), "delete_session": ("s",), "get_session": ("s",),
    "execute_session_command": SESSION, "get_session_command": ("s", "c"), "get_session_command_logs": ("s", "c"),
    "list_sessions": (),
}  # fmt: skip
GIT = {
    "add": (PATH, ["x"]), "branches": (PATH,), "clone": ("https://127.0.0.1:1/x", PATH), "pull": (PATH,),
    "push": (PATH,), "commit": (PATH, "m", *WHO), "status": (PATH,),
}  # fmt: skip
LIFE = {
    "stop": (), "start": (), "archive": (), "delete": (), "get_user_root_dir": (), "set_labels": ({"a": "b"},),
    "get_preview_link": (80,), "set_autostop_interval": (5,), "set_auto_archive_interval": (5,), "refresh_data": (),
}  # fmt: skip
CLIENT = ("start", "stop", "delete")
if not OLD:
    PROCESSES |= {"create_pty_session": ("p",), "connect_pty_session": ("p",), "list_pty_sessions": ()}
    PROCESSES |= {
        "get_pty_session_info": ("p",),
        "kill_pty_session": ("p",),
        "resize_pty_session": ("p", pty_size(9, 9)),
    }
    GIT |= {"checkout_branch": (PATH, "main"), "create_branch": (PATH, "b"), "delete_branch": (PATH, "b")}
    LIFE |= {"set_auto_delete_interval": (5,), "get_user_home_dir": (), "get_work_dir": ()}
if VERSION >= (0, 190):
    PROCESSES |= {"get_session_command_logs_async": ("s", "c", print, print)}
    PROCESSES |= {"send_session_command_input": ("s", "c", "x"), "get_entrypoint_session": ()}
    GIT |= {"init": (PATH,), "remotes": (PATH,), "remote_add": (PATH, "r", "https://b/x"), "remote_get": (PATH, "r")}
    GIT |= {"get_config": ("user.name",), "set_config": ("user.name", "x"), "configure_user": WHO, "reset": (PATH,)}
    GIT |= {"restore": (PATH, ["x"]), "dangerously_authenticate": ("ann", "word-1234")}
    LIFE |= {"refresh_activity": ()}
# Told file by file: that one is missing is no error of the call. In 0.115 logs are read without a look at the status.
NO_ERRORS = {"fs.download_files"} | ({"process.get_session_command_logs"} if (0, 100) <= VERSION < (0, 167) else set())


async def heard(_data):
    """Nothing that is heard is looked at."""


async def pieces():
    yield b"x"


async def refused(owner, calls):
    told = {}
    for name, args in calls.items():
        named = {"on_data": heard} if name in ("create_pty_session", "connect_pty_session") else {}
        told[name] = (await failure(getattr(owner, name)(*args, **named))).get("error", "")
    return told


@scenario
async def all_calls_of_a_deleted_sandbox(world):
    made = await world.create("gone")
    await world.client.delete(made)

    async def gone():
        return "error" in await failure(world.client.get(made.id))

    await until(gone)
    files = FILES if OLD else {**FILES, "download_files": ([request(PATH)],)}
    if VERSION >= (0, 190):
        files = {**files, "upload_file_stream": (pieces(), PATH)}
    areas = {"fs": files, "process": PROCESSES, "git": GIT}
    told = {name: await refused(getattr(made, name), calls) for name, calls in areas.items()}
    told["client"] = {name: (await failure(getattr(world.client, name)(made))).get("error", "") for name in CLIENT}
    if VERSION >= (0, 200):
        calls = {"create_context": (), "list_contexts": (), "run_code": ("1",)}
        told["code_interpreter"] = await refused(made.code_interpreter, calls)
    told["sandbox"] = await refused(made, LIFE)
    # Which class each raises is the SDK's; that none answers is what must hold.
    quiet = {f"{area}.{name}" for area, calls in told.items() for name, error in calls.items() if not error}
    return sorted(quiet - NO_ERRORS)
