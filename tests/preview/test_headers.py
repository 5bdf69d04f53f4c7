"""Headers on their way to a sandbox and back: who asked under which name, and answers that lead back to us."""

from dataclasses import replace
from typing import Any

import pytest

from crossfade.results import PreviewLink
from crossfade.stage import Origin
from router.preview.address import Address
from router.preview.headers import Asking, Target, auth_cookie, inwards, outwards, preflight, target_of

HOST = "8080-box.preview.example.org"
BY_HOST = Address(port=8080, name="box", path="/a")
BY_PATH = Address(port=8080, name="box", path="/a", root="/preview/8080-box")
E2B = PreviewLink(url="https://8080-i0.e2b.app", token="traffic")
DAYTONA = PreviewLink(url="https://8080-box.proxy.daytona.works", token="theirs")


def asking(*headers: tuple[bytes, bytes], **changed: Any) -> Asking:
    made = Asking(address=BY_HOST, method="GET", headers=headers, host=HOST, scheme="https", peer="10.0.0.7")
    return replace(made, **changed)


def new() -> Target:
    return target_of(Origin.NEW, "e2b", E2B, keep_asleep=False)


def told(*headers: tuple[bytes, bytes], hide: bool = False, trusted: bool = False, **changed: Any) -> dict[str, str]:
    sent = inwards(asking(*headers, **changed), new(), hide_authorization=hide, trusted=trusted)
    return {name.decode().lower(): value.decode() for name, value in sent}


def back(name: bytes, value: bytes, *, address: Address = BY_HOST, **changed: Any) -> bytes:
    return dict(outwards([(name, value)], asking(address=address, **changed), new()))[name]


def test_each_provider_gets_what_opens_its_own_link() -> None:
    on_new, on_old = new(), target_of(Origin.OLD, "daytona", DAYTONA, keep_asleep=True)

    assert (on_new.base, on_new.headers) == ("https://8080-i0.e2b.app", ((b"E2b-Traffic-Access-Token", b"traffic"),))
    assert dict(on_old.headers) == {
        b"X-Daytona-Preview-Token": b"theirs",
        b"X-Daytona-Skip-Preview-Warning": b"true",
        b"X-Daytona-Disable-CORS": b"true",
        b"X-Daytona-Trust-Forwarded-Host": b"true",
        b"X-Daytona-Skip-Last-Activity-Update": b"true",
    }


def test_names_below_localhost_are_this_machine_and_keep_their_name() -> None:
    link = PreviewLink(url="http://8080-i0.localhost:3000/below/")
    target = target_of(Origin.NEW, "e2b", link, keep_asleep=False)

    assert (target.base, target.authority, target.prefix) == (
        "http://127.0.0.1:3000", "8080-i0.localhost:3000", "/below",
    )  # fmt: skip
    assert (
        dict(inwards(asking(), target, hide_authorization=False, trusted=False))[b"Host"] == b"8080-i0.localhost:3000"
    )


def test_the_sandbox_learns_who_asked_under_which_name() -> None:
    assert told((b"host", HOST.encode()), (b"accept", b"*/*")) == {
        "accept": "*/*",
        "x-forwarded-host": HOST,
        "x-forwarded-proto": "https",
        "x-forwarded-for": "10.0.0.7",
        "e2b-traffic-access-token": "traffic",
    }
    assert told(address=BY_PATH)["x-forwarded-prefix"] == "/preview/8080-box"


def test_what_a_proxy_before_us_says_is_kept_and_ours_added() -> None:
    said = told(
        (b"x-forwarded-for", b"203.0.113.9"), (b"x-forwarded-host", b"front.example"), (b"x-forwarded-proto", b"http")
    )

    assert said["x-forwarded-for"] == "203.0.113.9, 10.0.0.7"
    assert said["x-forwarded-host"] == f"front.example, {HOST}"
    assert said["x-forwarded-proto"] == "http"


@pytest.mark.parametrize(("trusted", "host"), [(True, "front.example"), (False, f"front.example, {HOST}")])
def test_a_proxy_that_shows_a_right_may_say_the_host_alone(trusted: bool, host: str) -> None:
    headers = (b"x-forwarded-host", b"front.example"), (b"x-daytona-trust-forwarded-host", b"true")

    assert told(*headers, trusted=trusted)["x-forwarded-host"] == host
    assert "x-daytona-trust-forwarded-host" not in told(*headers, trusted=trusted)


def test_the_key_for_the_api_stays_here_and_the_pages_own_password_does_not() -> None:
    header = (b"authorization", b"Bearer key")

    assert "authorization" not in told(header, hide=True)
    assert told(header)["authorization"] == "Bearer key"


def test_headers_of_this_connection_do_not_travel_on() -> None:
    said = told(
        (b"connection", b"keep-alive, x-mine"),
        (b"x-mine", b"1"),
        (b"transfer-encoding", b"chunked"),
        (b"content-length", b"5"),
        (b"upgrade", b"websocket"),
        (b"sec-websocket-key", b"x"),
        (b"origin", b"https://front.example"),
    )

    assert said.keys() & {"connection", "x-mine", "transfer-encoding", "content-length", "upgrade"} == set()
    assert "sec-websocket-key" not in said
    assert said["origin"] == "https://front.example"


@pytest.mark.parametrize(
    ("location", "led"),
    [
        (b"https://8080-i0.e2b.app/login?x=1#f", b"https://" + HOST.encode() + b"/login?x=1#f"),
        (b"http://8080-i0.e2b.app", b"https://" + HOST.encode() + b"/"),
        (b"//8080-I0.e2b.app/x", b"https://" + HOST.encode() + b"/x"),
        (b"/login", b"/login"),
        (b"login?next=/a", b"login?next=/a"),
        (b"https://elsewhere.example/x", b"https://elsewhere.example/x"),
        (b"https://[broken", b"https://[broken"),
        (b"", b""),
    ],
)
def test_redirects_to_the_providers_host_lead_to_ours(location: bytes, led: bytes) -> None:
    assert back(b"location", location) == led


@pytest.mark.parametrize(
    ("location", "led"),
    [
        (b"/login?x=/y", b"/preview/8080-box/login?x=/y"),
        (b"https://8080-i0.e2b.app/login", b"https://api.example.org/preview/8080-box/login"),
        (b"next", b"next"),
        (b"https://elsewhere.example/", b"https://elsewhere.example/"),
    ],
)
def test_redirects_in_the_path_form_stay_below_the_port(location: bytes, led: bytes) -> None:
    assert back(b"location", location, address=BY_PATH, host="api.example.org") == led


@pytest.mark.parametrize(
    ("cookie", "by_host", "by_path"),
    [
        (b"a=1", b"a=1", b"a=1"),
        (b"a=1; Path=/; HttpOnly", b"a=1; Path=/; HttpOnly", b"a=1; Path=/preview/8080-box/; HttpOnly"),
        (b"a=1; path=/x", b"a=1; path=/x", b"a=1; Path=/preview/8080-box/x"),
        (b"a=1; Domain=8080-i0.e2b.app; Secure", b"a=1; Secure", b"a=1; Secure"),
        (b"a=1; domain=.8080-i0.e2b.app", b"a=1", b"a=1"),
        (b"a=1; Domain=elsewhere.example", b"a=1; Domain=elsewhere.example", b"a=1; Domain=elsewhere.example"),
    ],
)
def test_cookies_of_the_providers_host_are_kept_for_ours(cookie: bytes, by_host: bytes, by_path: bytes) -> None:
    assert back(b"set-cookie", cookie) == by_host
    assert back(b"set-cookie", cookie, address=BY_PATH) == by_path


def test_other_origins_may_read_answers_as_with_daytona() -> None:
    foreign = asking((b"origin", b"https://front.example"))

    headers = dict(outwards([(b"x", b"y")], foreign, new()))

    assert headers[b"Access-Control-Allow-Origin"] == b"https://front.example"
    assert headers[b"Access-Control-Allow-Credentials"] == b"true"
    assert headers[b"x"] == b"y"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"origin", b"https://" + HOST.encode())],
        [(b"origin", b"https://front.example"), (b"x-daytona-disable-cors", b"true")],
    ],
)
def test_nothing_is_said_about_origins_where_nobody_asked(headers: list[tuple[bytes, bytes]]) -> None:
    assert outwards([], asking(*headers), new()) == []


@pytest.mark.parametrize("origin", [b"null", b"http://[", b"\xff", b"https://", b"://"])
def test_an_origin_that_is_no_address_is_answered_as_it_is(origin: bytes) -> None:
    assert dict(outwards([], asking((b"origin", origin)), new()))[b"Access-Control-Allow-Origin"] == origin


def test_what_the_page_says_about_origins_stands_alone() -> None:
    said = [(b"access-control-allow-origin", b"https://only.example")]

    assert outwards(said, asking((b"origin", b"https://front.example")), new()) == said


def test_a_browser_that_asks_first_is_told_that_everything_is_allowed() -> None:
    first = asking(
        (b"origin", b"https://front.example"), (b"access-control-request-headers", b"x-mine"), method="OPTIONS"
    )

    assert first.preflight
    assert dict(preflight(first))[b"Access-Control-Allow-Headers"] == b"x-mine"
    assert not asking((b"origin", b"https://front.example")).preflight
    assert not asking(method="OPTIONS").preflight


def test_the_cookie_that_lets_in_works_in_frames_of_other_sites_only_where_it_is_safe() -> None:
    given: dict[str, Any] = {"root": "", "domain": "preview.example.org", "seconds": 3600}

    assert auth_cookie("n", "v", secure=True, **given) == (
        b"n=v; Max-Age=3600; Path=/; HttpOnly; Domain=preview.example.org; Secure; SameSite=None"
    )
    assert auth_cookie("n", "v", secure=False, **{**given, "domain": "localhost", "root": "/p/80-a"}) == (
        b"n=v; Max-Age=3600; Path=/p; HttpOnly; SameSite=Lax"
    )
