"""Git: cloned, changed, pushed and pulled, over remotes that are files of the sandbox."""

from world import OLD, failure, scenario

REMOTE = "file:///workspace/git/remote.git"
WHO = ("Ann", "ann@example.org")
NEW = (0, 200)
# Made once per run: two commits on main, one on side.
MAKE = """
mkdir -p /workspace/git && cd /workspace/git && [ ! -e remote.git ] || exit 0
git init -q -b main made && cd made
git config user.name Eve && git config user.email eve@example.org
echo one >one.txt && git add . && git commit -q -m first
git checkout -q -b side && echo side >side.txt && git add . && git commit -q -m aside && git checkout -q main
echo two >two.txt && git add . && git commit -q -m second
cd .. && git clone -q --bare made remote.git && rm -rf made && git -C remote.git remote remove origin
"""


async def cloned(world, name, **options):
    await world.process.exec(MAKE)
    path = f"/workspace/git/{name}"
    await world.git.clone(REMOTE, path, **options)
    return path


async def commit(world, path, name, message):
    await world.fs.upload_file(message.encode(), f"{path}/{name}")
    await world.git.add(path, [name])
    return (await world.git.commit(path, message, *WHO)).sha


async def told(world, path):
    status = await world.git.status(path)
    files = [(each.name, word(each.staging), word(each.worktree), each.extra) for each in status.file_status]
    return {
        "branch": status.current_branch,
        "files": sorted(files),
        "counts": [status.ahead, status.behind, status.branch_published],
    }


def word(state):
    return getattr(state, "value", state)


async def output(world, command):
    return (await world.process.exec(command)).result.strip()


@scenario
async def git_cloned(world):
    path = await cloned(world, "cloned")
    branches = await world.git.branches(path)
    listed = sorted(each.name for each in await world.fs.list_files(path))
    return {"status": await told(world, path), "branches": branches.branches, "files": listed}


@scenario
async def git_branch_cloned(world):
    path = await cloned(world, "of-side", branch="side")
    return await told(world, path)


@scenario
async def git_commit_cloned(world):
    path = await cloned(world, "whole")
    first = await output(world, f"git -C {path} rev-parse HEAD~1")
    path = await cloned(world, "of-commit", commit_id=first)
    return [await told(world, path), await output(world, f"git -C {path} log --format=%s")]


@scenario
async def git_clone_refused(world):
    path = await cloned(world, "refused")
    return [
        await failure(world.git.clone(REMOTE, path)),
        await failure(world.git.clone(f"{REMOTE}.absent", "/workspace/git/refused-2")),
        await failure(world.git.clone(REMOTE, "/workspace/git/refused-3", branch="absent")),
        await failure(world.git.clone("http://127.0.0.1:1/x.git", "/workspace/git/refused-4")),
    ]


@scenario
async def git_status_of_changes(world):
    path = await cloned(world, "changes")
    for name in ("one.txt", "staged.txt", "deep/new ä.txt"):
        await world.fs.upload_file(b"changed", f"{path}/{name}")
    await world.git.add(path, ["staged.txt"])
    await world.fs.delete_file(f"{path}/two.txt")
    return await told(world, path)


@scenario
async def git_committed(world):
    path = await cloned(world, "committed")
    made = await commit(world, path, "new.txt", "A message\n\nwith a body")
    shown = await output(world, f"git -C {path} log -1 --format='%an %ae %cn%n%B'")
    return {"same": made == await output(world, f"git -C {path} rev-parse HEAD"), "shown": shown}


@scenario
async def git_nothing_to_commit(world):
    path = await cloned(world, "nothing")
    return await failure(world.git.commit(path, "nothing", *WHO))


@scenario(since=(0, 100))
async def git_empty_commit(world):
    path = await cloned(world, "empty")
    await world.git.commit(path, "empty", *WHO, allow_empty=True)
    return await told(world, path)


@scenario
async def git_add_missing(world):
    path = await cloned(world, "missing")
    return await failure(world.git.add(path, ["absent.txt"]))


@scenario(since=(0, 100))
async def git_branches_made_and_left(world):
    path = await cloned(world, "branches")
    await world.git.create_branch(path, "topic")
    made = await told(world, path)
    again = await failure(world.git.create_branch(path, "topic"))
    await world.git.checkout_branch(path, "main")
    await world.git.delete_branch(path, "topic")
    gone = await failure(world.git.delete_branch(path, "topic"))
    unknown = await failure(world.git.checkout_branch(path, "absent"))
    return {"made": made, "again": again, "gone": gone, "unknown": unknown, "left": await told(world, path)}


@scenario(since=(0, 100))
async def git_checkout_with_changes(world):
    path = await cloned(world, "unstaged")
    await world.git.create_branch(path, "topic")
    await world.fs.upload_file(b"changed", f"{path}/one.txt")
    return await failure(world.git.checkout_branch(path, "main"))


@scenario
async def git_pushed_and_pulled(world):
    here, there = await cloned(world, "pushing"), await cloned(world, "pulling")
    await commit(world, here, "pushed.txt", "pushed")
    before = await told(world, here)
    await world.git.push(here)
    await world.git.pull(there)
    await world.git.pull(there)
    return [before, await told(world, here), await output(world, f"git -C {there} log -1 --format=%s")]


@scenario
async def git_histories_part(world):
    here, there = await cloned(world, "parting"), await cloned(world, "parted")
    await commit(world, here, "theirs.txt", "theirs")
    await world.git.push(here)
    await commit(world, there, "ours.txt", "ours")
    return [await failure(world.git.push(there)), await failure(world.git.pull(there))]


@scenario
async def git_without_repository(world):
    work = world.git
    calls = [work.status("/workspace/absent"), work.branches("/tmp"), work.pull("/tmp"), work.push("/workspace/absent")]
    calls += [work.add("/tmp", ["x"]), work.commit("/tmp", "m", *WHO)]
    if not OLD:
        calls += [
            work.checkout_branch("/tmp", "main"),
            work.create_branch("/tmp", "x"),
            work.delete_branch("/tmp", "x"),
        ]
    return [await failure(call) for call in calls]


@scenario(since=NEW)
async def git_repository_made(world):
    path = "/workspace/git/fresh"
    await world.git.init(path, initial_branch="trunk")
    status, branches = await world.git.status(path), await world.git.branches(path)
    return [await told(world, path), branches.current, status.detached, await failure(world.git.init(path))]


@scenario(since=NEW)
async def git_remotes_kept(world):
    path = await cloned(world, "remotes")
    await world.git.remote_add(path, "second", "https://ann:word-1234@example.org/x.git")
    again = await failure(world.git.remote_add(path, "second", "https://b/x"))
    shown = {each.name: each.url for each in (await world.git.remotes(path)).remotes}
    await world.git.remote_add(path, "second", REMOTE, fetch=True, overwrite=True)
    fetched = await output(world, f"git -C {path} rev-parse --abbrev-ref second/side")
    return [shown, again, await world.git.remote_get(path, "second"), await world.git.remote_get(path, "x"), fetched]


@scenario(since=NEW)
async def git_settings_kept(world):
    path = await cloned(world, "settings")
    before = await world.git.get_config("user.name")
    await world.git.configure_user("Ann", "ann@example.org")
    await world.git.set_config("user.name", "Local", scope="local", path=path)
    names = [await world.git.get_config("user.name"), await world.git.get_config("user.name", scope="local", path=path)]
    return [before, *names, await failure(world.git.get_config("odd"))]


@scenario(since=NEW)
async def git_credentials_kept(world):
    await world.git.dangerously_authenticate("ann", "word-1234", host="example.org")
    return [await world.git.get_config("credential.helper"), await output(world, "cat ~/.git-credentials")]


@scenario(since=NEW)
async def git_reset_and_restored(world):
    path = await cloned(world, "reset")
    await world.fs.upload_file(b"changed", f"{path}/one.txt")
    await world.git.add(path, ["one.txt"])
    await world.git.reset(path)
    unstaged = await told(world, path)
    await world.git.restore(path, ["one.txt"])
    restored = await told(world, path)
    await world.git.reset(path, mode="hard", target="HEAD~1")
    odd = [await failure(world.git.reset(path, target="absent")), await failure(world.git.restore(path, ["absent"]))]
    return [unstaged, restored, await output(world, f"git -C {path} log --format=%s"), *odd]


@scenario(since=NEW)
async def git_pushed_to_a_branch(world):
    path = await cloned(world, "to-a-branch")
    await world.git.create_branch(path, "mine")
    await commit(world, path, "mine.txt", "mine")
    await world.git.push(path, remote="origin", branch="mine", set_upstream=True)
    other = await cloned(world, "from-a-branch", branch="mine")
    await commit(world, path, "more.txt", "more")
    await world.git.push(path)
    await world.git.pull(other, remote="origin", branch="mine")
    return await output(world, f"git -C {other} log --format=%s")
