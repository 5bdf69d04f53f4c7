"""What a client shows, what the sandbox gets to see of it, and what we sign."""

import string
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.preview.credentials import (
    COOKIE_SECONDS,
    Signer,
    derived_secret,
    shown,
    without_credentials,
    without_key,
)

SIGNER = Signer(b"secret")
NOW = 1_800_000_000.0
ids = st.uuids().map(str)
ports = st.integers(1, 65_535)
values = st.text(st.sampled_from(string.ascii_letters + string.digits + "-_."), min_size=1, max_size=40)
queries = st.binary(max_size=80).map(lambda raw: raw.replace(b"#", b""))


def test_every_way_to_show_a_right_is_found() -> None:
    headers = [
        (b"authorization", b"bearer key"),
        (b"x-daytona-preview-token", b" token "),
        (b"cookie", b'a=1; daytona-sandbox-auth-box="one"'),
        (b"cookie", b"daytona-sandbox-auth-box=two; daytona-sandbox-auth-other=three"),
    ]

    found = shown("box", headers, b"x=1&DAYTONA_SANDBOX_AUTH_KEY=que%72y&DAYTONA_SANDBOX_AUTH_KEY=second")

    assert (found.bearer, found.token, found.query_key) == (b"bearer key", b"token", b"query")
    assert found.cookies == (b"one", b"two")
    assert not found.nothing


def test_what_is_no_right_is_not_taken_for_one() -> None:
    headers = [(b"authorization", b"Basic dTpw"), (b"cookie", b"daytona-sandbox-auth-=x; session=1")]

    assert shown("box", headers, b"daytona_sandbox_auth_key=x&key=DAYTONA_SANDBOX_AUTH_KEY").nothing


@given(values, values, values)
def test_no_credential_of_ours_reaches_the_sandbox_and_everything_else_does(one: str, two: str, three: str) -> None:
    headers = [
        (b"Accept", b"*/*"),
        (b"X-Daytona-Preview-Token", one.encode()),
        (b"E2b-Sandbox-Id", b"another"),
        (b"E2b-Sandbox-Port", b"49983"),
        (b"X-Crossfade-Tool", b"expose"),
        (b"Cookie", f"session={two}; daytona-sandbox-auth-{one}={three};theme=dark".encode()),
        (b"Cookie", f"daytona-sandbox-auth-{two}={three}".encode()),
        (b"Authorization", three.encode()),
    ]

    kept = [(b"Accept", b"*/*"), (b"Cookie", f"session={two}; theme=dark".encode())]
    assert without_credentials(headers, authorization=True) == kept
    assert without_credentials(headers, authorization=False) == [*kept, (b"Authorization", three.encode())]


@given(queries, queries, values)
def test_the_key_leaves_the_query_and_no_other_byte_changes(before: bytes, after: bytes, key: str) -> None:
    clean = [without_key(part) for part in (before, after)]

    assert without_key(b"&".join([clean[0], b"DAYTONA_SANDBOX_AUTH_KEY=" + key.encode(), clean[1]])) == b"&".join(clean)
    assert without_key(b"&".join(clean)) == b"&".join(clean)


@pytest.mark.parametrize(
    "query", [b"DAYTONA_SANDBOX_AUTH_KEY=x", b"DAYTONA%5FSANDBOX_AUTH_KEY=x", b"DAYTONA_SANDBOX_AUTH_KEY"]
)
def test_a_key_spelled_in_another_way_is_taken_out_too(query: bytes) -> None:
    assert without_key(b"a=1&" + query + b"&b=%20+") == b"a=1&b=%20+"


@given(ids, ids)
def test_a_token_opens_its_sandbox_and_no_other(one: str, other: str) -> None:
    token = SIGNER.token(one).encode()

    assert SIGNER.is_token(token, one)
    assert SIGNER.is_token(token, other) is (one == other)
    assert not Signer(b"another").is_token(token, one)
    assert not SIGNER.is_token(token[:-1], one)
    assert not SIGNER.is_token(b"", one)


@given(values, ids, st.floats(0, 2 * COOKIE_SECONDS))
def test_a_cookie_opens_for_an_hour_under_its_name(name: str, sandbox: str, later: float) -> None:
    cookie = SIGNER.cookie(name, sandbox, NOW).encode()

    assert SIGNER.opened_by(cookie, name, NOW + later) == (sandbox if later < COOKIE_SECONDS else None)
    assert SIGNER.opened_by(cookie, name + "x", NOW) is None
    assert Signer(b"another").opened_by(cookie, name, NOW) is None


@given(st.binary(max_size=80))
def test_a_made_up_cookie_opens_nothing(cookie: bytes) -> None:
    assert SIGNER.opened_by(cookie, "box", NOW) is None


@given(ids, ids)
def test_a_cookie_cannot_be_made_to_name_another_sandbox(one: str, other: str) -> None:
    cookie = SIGNER.cookie(one, one, NOW).encode().replace(one.encode(), other.encode())

    assert SIGNER.opened_by(cookie, one, NOW) == (one if one == other else None)


@given(ids, ports, ports, st.integers(1, 86_400))
def test_a_signed_token_opens_one_port_until_its_end(sandbox: str, port: int, other: int, seconds: int) -> None:
    token = SIGNER.signed(sandbox, port, NOW + seconds)

    assert token is not None
    assert len(f"{port}-{token}") <= 63
    assert SIGNER.sandbox_of(token, port, NOW + seconds - 1) == sandbox
    assert SIGNER.sandbox_of(token.upper(), port, NOW) == sandbox
    assert SIGNER.sandbox_of(token, port, NOW + seconds) is None
    assert SIGNER.sandbox_of(token, other, NOW) == (sandbox if other == port else None)
    assert Signer(b"another").sandbox_of(token, port, NOW) is None


@given(ids, ports, st.integers(0, 47), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_a_changed_signed_token_opens_nothing(sandbox: str, port: int, at: int, letter: str) -> None:
    token = SIGNER.signed(sandbox, port, NOW + 60)
    assert token is not None
    changed = token[:at] + letter + token[at + 1 :]

    assert SIGNER.sandbox_of(changed, port, NOW) == (sandbox if changed == token else None)


@given(st.text(max_size=60))
def test_what_is_no_signed_token_is_none(token: str) -> None:
    assert SIGNER.sandbox_of(token, 80, NOW) is None


@pytest.mark.parametrize("sandbox", ["box", "", "A" * 32, str(uuid.UUID(int=5)).upper(), "0" * 32])
def test_only_sandboxes_with_uuids_have_signed_links(sandbox: str) -> None:
    signed = SIGNER.signed(sandbox, 80, NOW)

    assert signed is None or str(uuid.UUID(sandbox)) == sandbox


def test_the_secret_made_of_keys_is_the_same_each_time_and_another_for_other_keys() -> None:
    assert derived_secret("a", "b") == derived_secret("a", "b")
    assert (
        len({derived_secret("a", "b"), derived_secret("b", "a"), derived_secret("ab", ""), derived_secret("", "")}) == 4
    )
