"""What every backend does with git."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from crossfade.outcome import Outcome
from crossfade.results import GitFile, GitStatus
from tests.backends.asking import Asking, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")
BAD, UNKNOWN_REPO = (400, "BAD_REQUEST"), (404, "GIT_REPO_NOT_FOUND")
UNKNOWN_BRANCH, DIRTY = (404, "GIT_BRANCH_NOT_FOUND"), (409, "GIT_DIRTY_WORKTREE")
REPO = "/workspace/repo"
SERVER = Path(__file__).with_name("git_server.py").read_bytes()
WHO = {"author": "Ann Ä", "email": "ann@example.org"}

# A bare repository with two commits on main and one on side, made by git itself.
MAKE = """
set -e
git init -q -b main made && cd made
git config user.name Eve && git config user.email eve@example.org
echo one >one.txt && git add . && git commit -q -m first
git checkout -q -b side && echo side >side.txt && git add . && git commit -q -m aside && git checkout -q main
echo two >two.txt && git add . && git commit -q -m second
cd .. && git clone -q --bare made remote.git && rm -rf made
git -C remote.git config http.receivepack true
git -C remote.git remote remove origin
echo "file://$PWD/remote.git $(git -C remote.git rev-parse main~1)"
"""


class Repository:
    """A clone in a sandbox, its remote, and short ways to ask."""

    def __init__(self, box: Asking, remote: str, first: str) -> None:
        self.box, self.remote, self.first = box, remote, first

    async def ask(self, name: str, path: str = REPO, /, **arguments: Any) -> Outcome:
        return await self.box.ask(f"git.{name}", path=path, **arguments)

    async def done(self, name: str, path: str = REPO, /, **arguments: Any) -> Any:
        outcome = await self.ask(name, path, **arguments)
        assert outcome.ok, outcome
        return outcome.value

    async def changed(self, name: str, content: bytes = b"changed\n") -> None:
        await self.box.put(f"{REPO}/{name}", content)

    async def committed(self, name: str, message: str) -> str:
        await self.changed(name)
        await self.done("add", files=(name,))
        value = await self.done("commit", message=message, **WHO)
        return str(value.hash)

    async def git(self, command: str) -> str:
        code, output = await self.box.sh(f"cd repo && git -c safe.directory='*' {command}")
        assert code == 0, output
        return output.strip()

    async def server(self) -> str:
        """The remote, served over HTTP to who knows the password."""
        await self.box.put("/workspace/server.py", SERVER)
        waiting = "until (echo >/dev/tcp/127.0.0.1/$PORT) 2>/dev/null; do sleep 0.05; done; echo $PORT"
        code, port = await self.box.sh(f"python3 server.py >server.log 2>&1 </dev/null & {waiting}")
        assert code == 0, port
        return f"http://127.0.0.1:{port.strip()}/remote.git"


@pytest_asyncio.fixture(loop_scope="module")
async def repo(box: Asking) -> AsyncIterator[Repository]:
    """A clone of a small remote."""
    code, said = await box.sh(MAKE)
    assert code == 0, said
    made = Repository(box, *said.split())
    await made.done("clone", url=made.remote)
    yield made


async def test_a_clone_holds_one_branch_and_says_what_it_is(repo: Repository) -> None:
    status = await repo.done("status")

    assert status == GitStatus(branch="main", published=True, upstream="origin/main")
    assert await repo.box.names(REPO) == [".git", "one.txt", "two.txt"]
    branches = await repo.done("branches")
    assert (branches.names, branches.current) == (("main",), "main")


async def test_a_branch_a_commit_or_a_depth_may_be_cloned(repo: Repository) -> None:
    await repo.done("clone", "side", url=repo.remote, branch="side")
    await repo.done("clone", "deep/er/first", url=repo.remote, commit=repo.first)
    await repo.done("clone", "shallow", url=repo.remote, depth=1)

    assert (await repo.done("status", "/workspace/side")).branch == "side"
    first = await repo.done("status", "/workspace/deep/er/first")
    assert (first.branch, first.detached, first.files) == ("HEAD", True, ())
    assert [each.message.strip() for each in await repo.done("history", "deep/er/first")] == ["first"]
    assert len(await repo.done("history", "shallow")) == 1


async def test_what_cannot_be_cloned_says_why(repo: Repository) -> None:
    clone = repo.remote

    assert refusal(await repo.ask("clone", url=clone)) == (409, "CONFLICT")
    assert refusal(await repo.ask("clone", "a", url=f"{clone}.absent")) == UNKNOWN_REPO
    assert refusal(await repo.ask("clone", "b", url=clone, branch="absent")) == UNKNOWN_BRANCH
    assert refusal(await repo.ask("clone", "c", url=clone, commit="1234567890")) == UNKNOWN_BRANCH
    assert refusal(await repo.ask("clone", "d", url="http://127.0.0.1:1/x.git")) == (502, "GIT_TRANSPORT_FAILED")
    assert refusal(await repo.ask("clone", "e", url="")) == BAD


async def test_a_status_names_every_change_twice(repo: Repository) -> None:
    await repo.changed("one.txt")
    await repo.changed("staged ä.txt")
    await repo.changed("deep/new.txt")
    await repo.done("add", files=("staged ä.txt",))
    await repo.box.ask("fs.delete", path=f"{REPO}/two.txt")

    files = {each.name: each for each in (await repo.done("status")).files}

    assert files == {
        "one.txt": GitFile(name="one.txt", staging="Unmodified", worktree="Modified"),
        "two.txt": GitFile(name="two.txt", staging="Unmodified", worktree="Deleted"),
        "staged ä.txt": GitFile(name="staged ä.txt", staging="Added", worktree="Unmodified"),
        "deep/new.txt": GitFile(name="deep/new.txt", staging="Untracked", worktree="Untracked"),
    }


async def test_a_commit_is_its_authors_word_for_word(repo: Repository) -> None:
    message = "A line\n\n# no comment\n" + "x" * 200_000
    await repo.changed("new.txt")
    await repo.done("add", files=(".",))

    made = await repo.done("commit", message=message, **WHO)

    newest, *older = await repo.done("history")
    assert (newest.hash, newest.author, newest.email) == (made.hash, WHO["author"], WHO["email"])
    assert newest.message == message
    assert [each.message for each in older] == ["second\n", "first\n"]
    assert newest.at[:2] == "20"
    assert newest.at.endswith("Z") or newest.at[-6] in "+-"
    assert (await repo.git("log -1 --format='%cn <%ce>'")) == "Ann Ä <ann@example.org>"
    assert (await repo.done("status")).ahead == 1


async def test_nothing_to_commit_is_refused_unless_that_is_meant(repo: Repository) -> None:
    assert refusal(await repo.ask("commit", message="none", **WHO)) == BAD
    assert refusal(await repo.ask("commit", message="", **WHO)) == BAD
    assert (await repo.ask("commit", message="empty", allow_empty=True, **WHO)).ok
    assert refusal(await repo.ask("add", files=("absent",))) == BAD
    assert refusal(await repo.ask("add", files=())) == BAD


async def test_hooks_of_a_repository_are_not_run(repo: Repository) -> None:
    await repo.box.sh(
        "printf '#!/bin/sh\\ntouch /tmp/ran; exit 1\\n' >pre-commit; chmod +x pre-commit", cwd=f"{REPO}/.git/hooks"
    )

    await repo.committed("hooked.txt", "hooked")

    assert refusal(await repo.box.ask("fs.info", path="/tmp/ran")) == (404, "NOT_FOUND")


async def test_branches_are_made_checked_out_and_deleted(repo: Repository) -> None:
    assert (await repo.ask("branch_create", name="topic")).status == 201
    assert (await repo.done("branches")).current == "topic"
    assert refusal(await repo.ask("branch_create", name="main")) == (409, "GIT_BRANCH_EXISTS")
    assert refusal(await repo.ask("branch_create", name="a b")) == BAD
    await repo.committed("topic.txt", "on topic")

    assert (await repo.ask("checkout", branch="main")).status == 200
    assert "topic.txt" not in await repo.box.names(REPO)
    assert (await repo.ask("branch_delete", name="topic")).status == 204
    assert (await repo.done("branches")).names == ("main",)
    assert refusal(await repo.ask("branch_delete", name="topic")) == UNKNOWN_BRANCH
    assert refusal(await repo.ask("branch_delete", name="main")) == BAD


async def test_a_commit_may_be_checked_out_and_what_is_unknown_not(repo: Repository) -> None:
    await repo.done("checkout", branch=repo.first)

    assert (await repo.done("branches")).current == ""
    assert refusal(await repo.ask("push")) == UNKNOWN_BRANCH
    for name in ("absent", "origin/main", "one.txt", "--orphan", "abcdef1234", "a b"):
        assert refusal(await repo.ask("checkout", branch=name)) == UNKNOWN_BRANCH, name


async def test_unstaged_changes_keep_a_branch_checked_out(repo: Repository) -> None:
    await repo.done("branch_create", name="topic")
    await repo.changed("one.txt")

    assert refusal(await repo.ask("checkout", branch="main")) == DIRTY
    assert refusal(await repo.ask("branch_create", name="other")) == DIRTY
    assert (await repo.done("branches")).current == "topic"


async def test_a_push_reaches_the_remote_and_a_pull_brings_it(repo: Repository) -> None:
    await repo.done("clone", "second", url=repo.remote)
    pushed = await repo.committed("pushed.txt", "pushed")

    assert (await repo.ask("push")).status == 200
    assert (await repo.done("status")).ahead == 0
    assert (await repo.ask("pull", "second")).status == 200
    assert (await repo.ask("pull", "second")).status == 200

    assert (await repo.done("history", "second"))[0].hash == pushed
    await repo.done("branch_create", name="mine")
    assert (await repo.ask("push", branch="mine", set_upstream=True)).status == 200
    assert await repo.git("config branch.mine.merge") == "refs/heads/mine"
    assert await repo.git("ls-remote --heads origin mine") == f"{pushed}\trefs/heads/mine"


async def test_two_histories_that_part_are_a_conflict(repo: Repository) -> None:
    await repo.done("clone", "second", url=repo.remote)
    await repo.committed("pushed.txt", "theirs")
    await repo.done("push")
    await repo.box.put("/workspace/second/own.txt", b"")
    await repo.done("add", "second", files=("own.txt",))
    await repo.done("commit", "second", message="ours", **WHO)

    assert refusal(await repo.ask("push", "second")) == (409, "GIT_PUSH_REJECTED")
    assert refusal(await repo.ask("pull", "second")) == (409, "GIT_MERGE_CONFLICT")
    assert (await repo.done("history", "second"))[0].message == "ours"


async def test_credentials_are_used_and_left_nowhere(repo: Repository) -> None:
    url = await repo.server()
    login = {"username": "ann", "password": "s3cret-word"}

    assert refusal(await repo.ask("clone", "closed", url=url)) == (401, "GIT_AUTH_FAILED")
    wrong = await repo.ask("clone", "closed", url=url, username="ann", password="wrong-word")
    assert refusal(wrong) == (401, "GIT_AUTH_FAILED")
    assert "wrong-word" not in wrong.message
    await repo.done("clone", "closed", url=url, **login)
    await repo.box.put("/workspace/closed/x", b"")
    await repo.done("add", "closed", files=("x",))
    await repo.done("commit", "closed", message="x", **WHO)
    assert refusal(await repo.ask("push", "closed")) == (401, "GIT_AUTH_FAILED")
    assert (await repo.ask("push", "closed", **login)).status == 200
    assert (await repo.ask("pull", "closed", **login)).status == 200

    places = "closed/.git ~/.git* ~/.netrc ~/.config/git ~/.cache/git"
    _, found = await repo.box.sh(f"grep -rl s3cret-word {places} 2>/dev/null; true")
    assert found == ""


async def test_credentials_may_be_kept_on_purpose(repo: Repository) -> None:
    url = await repo.server()
    host = url.split("/")[2]
    told = {"username": "ann", "password": "s3cret-word", "host": host, "protocol": "http"}

    assert (await repo.box.ask("git.credentials", **told)).status == 200

    assert (await repo.ask("clone", "closed", url=url)).status == 200
    assert refusal(await repo.box.ask("git.credentials", username="a\nhost=b", password="c")) == BAD


async def test_outside_a_repository_there_is_none_even_inside_another(repo: Repository) -> None:
    await repo.box.ask("fs.mkdir", path=f"{REPO}/deep", mode="755")

    for path in ("/workspace/absent", f"{REPO}/deep", "/tmp"):
        for name in ("status", "branches", "history", "remotes", "push", "pull"):
            assert refusal(await repo.ask(name, path)) == UNKNOWN_REPO, (name, path)
        assert refusal(await repo.ask("add", path, files=(".",))) == UNKNOWN_REPO
        assert refusal(await repo.ask("checkout", path, branch="main")) == UNKNOWN_REPO
    assert refusal(await repo.ask("status", "")) == BAD


async def test_a_repository_is_made_with_a_branch_of_any_name(repo: Repository) -> None:
    assert (await repo.ask("init", "fresh", initial_branch="trunk")).status == 201
    assert (await repo.ask("init", "bare.git", bare=True)).status == 201

    assert (await repo.done("status", "fresh")).branch == "trunk"
    branches = await repo.done("branches", "fresh")
    assert (branches.names, branches.current) == ((), "trunk")
    assert refusal(await repo.ask("history", "fresh")) == UNKNOWN_BRANCH
    assert refusal(await repo.ask("init", "fresh")) == (409, "CONFLICT")
    assert "HEAD" in await repo.box.names("/workspace/bare.git")


async def test_remotes_are_listed_without_passwords_and_replaced_on_request(repo: Repository) -> None:
    secret = "https://ann:s3cret-word@example.org/x.git"

    assert (await repo.ask("remote_add", name="second", url=secret)).status == 201
    assert refusal(await repo.ask("remote_add", name="second", url="https://b/x")) == BAD
    assert (await repo.ask("remote_add", name="third", url=repo.remote, fetch=True)).status == 201

    found = {each.name: each.url for each in await repo.done("remotes")}
    assert found == {"origin": repo.remote, "second": "https://ann@example.org/x.git", "third": repo.remote}
    assert await repo.git("rev-parse third/side")
    assert (await repo.ask("remote_add", name="second", url="https://b/x", overwrite=True)).status == 201
    assert (await repo.done("remotes"))[1].url == "https://b/x"
    assert await repo.done("remotes", "/workspace/remote.git") == ()


async def test_settings_have_a_scope(repo: Repository) -> None:
    config = repo.box.ask
    assert (await config("git.config", key="user.name")).value.value is None
    assert (await config("git.user", name="Ann", email="ann@example.org")).status == 200
    assert (await config("git.config", key="user.email")).value.value == "ann@example.org"
    assert (await repo.ask("config_set", key="user.name", value="Local\n", scope="local")).status == 200

    assert (await repo.done("config", key="user.name", scope="local")).value == "Local\n"
    assert (await config("git.config", key="user.name")).value.value == "Ann"
    assert refusal(await config("git.config", key="nothing")) == BAD
    assert refusal(await config("git.config", key="a.b", scope="local")) == BAD
    assert refusal(await config("git.config", key="a.b", scope="worktree")) == BAD


async def test_a_reset_moves_or_unstages(repo: Repository) -> None:
    await repo.changed("one.txt")
    await repo.done("add", files=("one.txt",))

    await repo.done("reset", files=("one.txt",))
    assert [each.staging for each in (await repo.done("status")).files] == ["Unmodified"]
    await repo.done("reset", mode="hard", target=repo.first)

    assert (await repo.git("rev-parse HEAD"), await repo.box.get(f"{REPO}/one.txt")) == (repo.first, b"one\n")
    assert refusal(await repo.ask("reset", mode="odd")) == BAD
    assert refusal(await repo.ask("reset", target="absent")) == UNKNOWN_BRANCH
    assert refusal(await repo.ask("reset", target="--hard")) == UNKNOWN_BRANCH


async def test_files_are_restored_from_the_index_or_a_commit(repo: Repository) -> None:
    await repo.changed("one.txt")
    await repo.done("restore", files=("one.txt",))
    assert await repo.box.get(f"{REPO}/one.txt") == b"one\n"
    await repo.changed("one.txt")
    await repo.done("add", files=("one.txt",))
    await repo.done("restore", files=("one.txt",), staged=True)
    assert await repo.box.get(f"{REPO}/one.txt") == b"changed\n"

    await repo.done("restore", files=("one.txt",), staged=True, worktree=True, source=repo.first)

    assert (await repo.done("status")).files == ()
    assert refusal(await repo.ask("restore", files=("absent",))) == BAD
    assert refusal(await repo.ask("restore", files=("one.txt",), worktree=False)) == BAD


async def test_what_names_a_file_is_never_a_pattern_or_an_option(repo: Repository) -> None:
    for name in ("*.txt", "-A", ":x"):
        await repo.changed(name)

    await repo.done("add", files=("*.txt", "-A", ":x"))

    staged = {each.name for each in (await repo.done("status")).files if each.staging == "Added"}
    assert staged == {"*.txt", "-A", ":x"}
