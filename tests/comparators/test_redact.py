"""comparators/redact.py: what must not be seen, and that masking hides no difference."""

import time
from typing import Any

import pytest
from comparison_examples import pair, pairs
from hypothesis import given
from hypothesis import strategies as st

from comparators import compare, plain, redacted, sealed, secrets_of
from comparators.redact import masked, sample
from crossfade import Pair, done, refused
from crossfade.results import CommandInfo, ExecResult, PreviewLink, SandboxInfo, SessionInfo

SECRET = "pl4nted-s3cret-Value-0042"

LEAKS = [
    "Authorization: Bearer {}",
    "authorization: {}",
    '"Authorization": "Bearer {}"',
    "curl -H 'Authorization: Basic {}' http://x",
    'curl -H "X-API-Key: {}" http://x',
    "X-Daytona-Preview-Token: {}",
    "Cookie: daytona-sandbox-auth-1={}",
    "VNC_PASSWORD={}",
    "export GEMINI_API_KEY={}",
    "export OPENAI_API_KEY='{}'",
    'declare -x MY_SECRET="{}"',
    "{{'password': '{}'}}",
    '{{"apiKey":"{}"}}',
    '{{\\"api_key\\": \\"{}\\"}}',
    "token: {}",
    "access_token={}&x=1",
    "https://user:{}@host/x",
    "https://host/x?DAYTONA_SANDBOX_AUTH_KEY={}",
    "mysql --password={} -u root",
    "login --token {} now",
    "DB_PASSWD={};A=1",
    "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("text", LEAKS)
def test_a_secret_is_masked_wherever_it_stands(text: str) -> None:
    assert SECRET not in redacted("before\n" + text.format(SECRET) + "\nafter")


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-abcdefghijklmnop1234",
        "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "dtn_0123456789abcdef0123456789abcdef0123",
        "e2b_0123456789abcdef0123456789abcdef01234567",
        "ghp_0123456789abcdefghijABCDEFGHIJ",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc_def-123",
    ],
)
def test_keys_known_by_their_shape_need_no_name(key: str) -> None:
    assert key not in redacted(f"the value is {key}, really")


@pytest.mark.parametrize(
    "text", ["total 12", "monkey: banana", "tokens: 12 used", "keyboard=us", "author: me", "see http://host:80/a@b"]
)
def test_ordinary_text_keeps_its_words(text: str) -> None:
    assert redacted(text).split()[0] == text.split()[0]


@given(st.text(max_size=80))
def test_masking_twice_changes_nothing(text: str) -> None:
    assert redacted(redacted(text)) == redacted(text)


@pytest.mark.parametrize("text", LEAKS)
def test_what_is_masked_stays_masked(text: str) -> None:
    once = redacted(text.format(SECRET))

    assert redacted(once) == once


@pytest.mark.parametrize("text", LEAKS)
def test_a_seal_keeps_equal_secrets_equal_and_different_ones_different(text: str) -> None:
    key = b"k" * 16
    one, same, other = (
        sealed({"output": text.format(value).encode()}, key) for value in (SECRET, SECRET, SECRET + "x")
    )

    assert one == same
    assert one != other
    assert SECRET.encode() not in one["output"]


@given(pairs())
def test_sealing_twice_changes_nothing(pair: Pair) -> None:
    key = b"k" * 16

    assert sealed(sealed(pair.old, key), key) == sealed(pair.old, key)


def test_a_seal_sees_names_and_values_that_are_strings_apart() -> None:
    seal: Any = sealed({"fields": {"password": SECRET, "plain": "x"}}, b"k" * 16)

    assert SECRET not in str(seal)
    assert seal["fields"]["plain"] == "x"


def test_samples_are_one_short_line_without_long_words() -> None:
    shown = sample("line one\nline two " + SECRET + " " + "long " * 100)

    assert len(shown) == 200
    assert "\n" not in shown
    assert SECRET not in shown


def test_known_values_of_a_call_never_enter_a_comparison() -> None:
    arguments = {"command": f"curl -H 'Authorization: Bearer {SECRET}' x", "env": {"COLOUR": "ultramarine"}}
    secrets = secrets_of(arguments)
    old, new = (done(ExecResult(exit_code=code, output=f"{SECRET} ultramarine\n".encode())) for code in (0, 1))
    found = plain("process.exec", old, secrets=secrets)

    assert set(secrets) == {SECRET, "ultramarine"}
    assert b"ultramarine" not in found["value"]["output"]
    assert SECRET not in str(compare(pair("process.exec", old, new, secrets=secrets)))


def test_a_password_for_git_is_a_secret_of_its_call() -> None:
    arguments = {"path": "/r", "username": "ann", "password": "word-1234", "url": "https://ann:other-56@h/x.git"}

    assert set(secrets_of(arguments)) == {"word-1234", "other-56"}


def test_of_secrets_only_exact_values_are_masked() -> None:
    assert masked({"a": ["xabcdx", b"abcd", 1]}, ["abcd", "abc", ""]) == {
        "a": ["x<masked:00000000>x", b"<masked:00000000>", 1]
    }


def test_commands_tokens_and_environments_have_no_plain_form() -> None:
    for operation, value in (
        ("session.get", SessionInfo(id="s", commands=(CommandInfo(id="1", command=f"echo {SECRET}"),))),
        ("sandbox.preview", PreviewLink(url=f"https://x/?k={SECRET}", token=SECRET)),
        ("sandbox.get", SandboxInfo(id="1", state="started", env={"VNC_PASSWORD": SECRET}, raw={"authToken": SECRET})),
    ):
        assert SECRET not in str(plain(operation, done(value)))


@pytest.mark.parametrize("text", LEAKS)
def test_a_planted_secret_is_in_no_difference(text: str) -> None:
    old = done(ExecResult(exit_code=0, output=b"a\n" + text.format(SECRET).encode()))
    new = done(ExecResult(exit_code=0, output=b"a\n" + text.format(SECRET + "9").encode() + b" changed"))

    assert SECRET not in str(compare(pair("process.exec", old, new)))


@pytest.mark.parametrize(
    "text",
    ["a", "key=", '"', "token ", "a-b_", "secret", "authorization:", "eyJaaaaaaaa-", "://a:", 'key="', "--token", " "],
)
@pytest.mark.parametrize("head", ["", "authorization:", "token", "://", "--password="])
def test_masking_half_a_megabyte_of_anything_is_quick(head: str, text: str) -> None:
    before = time.perf_counter()
    redacted(head + text * (500_000 // len(text)))

    assert time.perf_counter() - before < 5


@pytest.mark.parametrize("word", ["status", "exit_code", "output", "value"])
def test_a_variables_value_that_is_called_like_a_field_hides_no_difference(word: str) -> None:
    old, new = (
        plain("process.exec", done(ExecResult(exit_code=code, output=b"x")), secrets=(word,)) for code in (0, 1)
    )
    refusal = plain("process.exec", refused(500, "INTERNAL", "x"), secrets=(word,))

    assert [each.path for each in compare(Pair(operation="process.exec", old=old, new=new)).differences] == [
        "exit_code"
    ]
    assert [each.path for each in compare(Pair(operation="process.exec", old=old, new=refusal)).differences] == [
        "status"
    ]
