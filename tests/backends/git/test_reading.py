"""Reading git, and what is kept from it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.operation import Operation
from crossfade.outcome import Fate
from crossfade.results import GitFile
from router.backends.git import operations, reading
from router.backends.git.refusals import refusal, words
from router.backends.git.running import MISSING, Credentials, Git, Ran, server_of, without_password

hosts = st.from_regex(r"[a-z][a-z0-9.-]{0,20}[a-z]", fullmatch=True)
secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126, blacklist_characters="/@?#[]\\:"), min_size=5)


class Said:
    """A git that answers the same whatever it is asked, and remembers what that was."""

    def __init__(self, code: int = 0, output: bytes = b"", errors: bytes = b"") -> None:
        self.ran = Ran(code=code, output=output, errors=errors)
        self.asked: list[tuple[tuple[str, ...], dict[str, str], bytes]] = []

    def place(self, path: str) -> str:
        return f"/w/{path}"

    async def run(self, arguments, *, env, stdin) -> Ran:
        self.asked.append((tuple(arguments), dict(env), stdin))
        return self.ran


@given(hosts, secrets)
def test_an_address_is_shown_without_its_password(host: str, secret: str) -> None:
    shown = without_password(f"https://ann:{secret}@{host}:8443/x.git")

    assert shown == f"https://ann@{host}:8443/x.git"
    assert without_password(shown) == shown


@pytest.mark.parametrize(
    ("address", "server"),
    [
        ("https://ann:x@example.org/a/b.git", "https://example.org"),
        ("http://example.org:8080/a", "http://example.org:8080"),
        ("git@example.org:a/b.git", ""),
        ("ssh://git@example.org/a", ""),
        ("file:///a", ""),
        ("http://[", ""),
        ("https://a:b:c/", ""),
    ],
)
def test_credentials_are_bound_to_a_server_reached_by_http(address: str, server: str) -> None:
    assert server_of(address) == server


async def test_a_password_is_in_no_argument_and_reaches_one_server_only() -> None:
    program = Said()

    await Git(program, "r").run(
        "push", credentials=Credentials(username="ann", password="s3cret"), remote="https://a/b"
    )
    await Git(program, "r").run("push", credentials=Credentials(username="ann", password="s3cret"), remote="git@a:b")

    (arguments, env, _), (_, no_env, _) = program.asked
    assert "s3cret" not in " ".join(arguments)
    assert any(word.startswith("credential.https://a.helper=") for word in arguments)
    assert "s3cret" in env.values()
    assert "s3cret" not in no_env.values()
    assert "s3cret" not in repr(Credentials(username="ann", password="s3cret"))


async def test_where_there_is_no_git_it_is_unsupported_by_name() -> None:
    outcome = await operations.perform(Said(MISSING), Operation(name="git.status", arguments={"path": "r"}))

    assert (outcome.fate, outcome.status) == (Fate.UNSUPPORTED, 501)
    assert "git.status needs git" in outcome.message


async def test_what_cannot_be_read_is_unknown_not_a_guess() -> None:
    program = Said(output=b"strange\0")

    outcome = await operations.perform(program, Operation(name="git.status", arguments={"path": "r"}))

    assert outcome.fate is Fate.UNKNOWN


async def test_arguments_are_looked_at_before_anything_is_run() -> None:
    program = Said()
    asked = [
        Operation(name="git.clone", arguments={"path": "r"}),
        Operation(name="git.add", arguments={"path": "r", "files": ("a\0b",)}),
        Operation(name="git.status", arguments={"path": "a\0b"}),
        Operation(name="git.user", arguments={"name": "Ann"}),
    ]

    outcomes = [await operations.perform(program, each) for each in asked]

    assert [each.status for each in outcomes] == [400] * 4
    assert program.asked == []


def test_a_conflict_and_a_rename_are_read() -> None:
    entries = (
        b"# branch.oid (initial)\0# branch.head main\0"
        b"u UU N... 100644 100644 100644 100644 h1 h2 h3 both ways.txt\0"
        b"2 R. N... 100644 100644 100644 h1 h2 R100 new name.txt\0old name.txt\0"
    )

    files = reading.status(entries).files

    assert files == (
        GitFile(name="both ways.txt", staging="Updated but unmerged", worktree="Updated but unmerged"),
        GitFile(name="new name.txt", staging="Renamed", worktree="Unmodified", extra="old name.txt"),
    )


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ("remote: Repository not found.\nfatal: repository 'https://h/x/' not found", 404, "GIT_REPO_NOT_FOUND"),
        ("fatal: unable to access 'https://h/': The requested URL returned error: 403", 403, "FORBIDDEN"),
        ("fatal: unable to access 'https://h/': The requested URL returned error: 404", 404, "GIT_REPO_NOT_FOUND"),
        ("fatal: unable to access 'https://h/': Could not resolve host: h", 502, "GIT_TRANSPORT_FAILED"),
        ("fatal: Authentication failed for 'https://h/'", 401, "GIT_AUTH_FAILED"),
        ("remote: error: GH006: Protected branch update failed\n! [remote rejected]", 422, "GIT_REMOTE_REJECTED"),
        ("something else", 400, "BAD_REQUEST"),
        ("", 400, "BAD_REQUEST"),
    ],
)
def test_a_reason_has_a_status_and_a_code(said: str, status: int, code: str) -> None:
    outcome = refusal("git.pull", Ran(code=128, output=b"", errors=said.encode())).outcome

    assert (outcome.status, outcome.code) == (status, code)
    assert outcome.message


def test_secrets_and_hints_are_left_out_of_a_reason() -> None:
    errors = b"hint: word\nfatal: no access for ann:word\nerror: and so on\nnoise"

    outcome = refusal("git.pull", Ran(code=1, output=b"", errors=errors), secrets=("word", "")).outcome

    assert outcome.message == "no access for ann:***; and so on"
    assert words("plain\nmore") == "plain"
