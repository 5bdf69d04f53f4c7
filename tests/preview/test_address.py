"""Addresses of previews: what is one, what is none, and what is the API's."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.preview.address import Address, Addressing, NoSuchPreview, hostname, novnc_told, slashed

DOMAIN = "preview.example.org"
BOTH = Addressing(domain=DOMAIN, prefix="/preview", public_url="https://api.example.org")
ports = st.integers(1, 65_535)
# Daytona's ids are UUIDs, E2B's are letters and digits; dashes anywhere but at the ends, as a host name has them.
ids = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,40}[a-z0-9])?", fullmatch=True)
paths = st.text(st.sampled_from([*string.ascii_letters, *"/-._~%20%2F:@!$&'()*+,;="]), max_size=60).map("/".__add__)
suffixes = st.sampled_from(["", ":80", ":8443", ".", ".:8443", ":"])


@given(ports, ids, suffixes, paths, st.booleans())
def test_a_link_leads_back_to_the_port_and_sandbox_it_was_made_for(
    port: int, name: str, suffix: str, path: str, upper: bool
) -> None:
    link = BOTH.link(port, name, "https://api.example.org")

    assert link == f"https://{port}-{name}.{DOMAIN}"
    host = link.removeprefix("https://") + suffix
    found = BOTH.find(host.upper() if upper else host, path)
    assert found is not None
    assert (found.port, found.name.lower(), found.path, found.root) == (port, name, path, "")


@given(ports, ids, paths, st.sampled_from(["api.example.org", "127.0.0.1:8800", "[::1]:8800", "localhost"]))
def test_the_path_form_keeps_the_rest_of_the_path_as_it_was(port: int, name: str, path: str, host: str) -> None:
    only_path = Addressing(prefix="/preview", public_url="https://api.example.org")
    link = only_path.link(port, name, "https://api.example.org/")

    assert link == f"https://api.example.org/preview/{port}-{name}"
    root = link.removeprefix("https://api.example.org")
    assert only_path.find(host, root + path) == Address(port=port, name=name, path=path, root=root)


@pytest.mark.parametrize("path", ["/a%2Fb", "/%2F", "//", "/a//b", "/..%2f..", "/%E2%82%AC", "/a;b=c", "/."])
def test_encoded_and_odd_paths_pass_byte_for_byte(path: str) -> None:
    by_path = BOTH.find("api.example.org", f"/preview/8080-abc{path}")
    by_host = BOTH.find(f"8080-abc.{DOMAIN}", path)

    assert by_path is not None
    assert by_host is not None
    assert by_path.path == by_host.path == path


@pytest.mark.parametrize(
    "label",
    [
        *("0-abc", "65536-abc", "99999-abc", "123456-abc", "08080-abc", "-abc", "8080-", "8080", "abc", "8080-.", ""),
        *("+80-abc", "8_0-abc", "8080-abc.more", "8080--abc", "8080-a b", "8080-a%2Fb", "٨٠-abc", "8080-äbc"),
    ],
)
def test_a_host_below_the_domain_that_names_no_port_of_a_sandbox_is_nobodys(label: str) -> None:
    with pytest.raises(NoSuchPreview):
        BOTH.find(f"{label}.{DOMAIN}", "/")


@given(st.text(max_size=40))
def test_whatever_stands_before_the_domain_is_a_port_of_a_sandbox_or_nothing(label: str) -> None:
    try:
        found = BOTH.find(f"{label}.{DOMAIN}", "/")
    except NoSuchPreview:
        return

    assert found is not None
    assert 0 < found.port <= 65_535
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", found.name)
    assert label.strip() == f"{found.port}-{found.name}"


@pytest.mark.parametrize(
    "path",
    [
        *("/preview/", "/preview//", "/preview/abc/", "/preview/0-abc/", "/preview/65536-abc/", "/preview/8080-/x"),
        *("/preview/8080-..%2F/", "/preview/8080-%61bc/", "/preview/8080-a%2Fb/c", "/preview/..", "/preview/8080-.x/"),
    ],
)
def test_a_path_below_the_prefix_that_names_no_port_of_a_sandbox_is_nobodys(path: str) -> None:
    with pytest.raises(NoSuchPreview):
        BOTH.find("api.example.org", path)


@pytest.mark.parametrize(
    "host",
    [
        *("api.example.org", "api.example.org:443", "127.0.0.1:8800", "[::1]", "[::1]:8800", "[fe80::1%25eth0]:80", ""),
        *(f"8080-abc.{DOMAIN}.evil.org", f"8080-abc.not{DOMAIN}", f"8080-abc{DOMAIN}", "10-0-0-5.pod.cluster.local"),
        *("[8080-abc.preview.example.org]", "8080-abc.preview.example.org:port", ":8800", "..", "8080-abc"),
    ],
)
def test_every_other_host_is_the_apis(host: str) -> None:
    assert BOTH.find(host, "/api/sandbox") is None


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_host_and_path_make_it_fail(host: str, path: str) -> None:
    for addressing in (BOTH, Addressing(domain="localhost:8800"), Addressing(prefix="/p"), Addressing()):
        try:
            found = addressing.find(host, path)
        except NoSuchPreview:
            continue
        assert found is None or 0 < found.port <= 65_535


def test_the_domain_itself_is_the_apis_only_where_the_api_lives_there() -> None:
    assert Addressing(domain="localhost:8800").find("localhost:8800", "/api/config") is None
    assert Addressing(domain=DOMAIN, public_url=f"https://{DOMAIN}").find(DOMAIN, "/api/config") is None
    with pytest.raises(NoSuchPreview):
        BOTH.find(DOMAIN, "/api/config")


def test_a_domain_without_its_root_dot_or_port_is_the_same_domain() -> None:
    for host in (f"8080-abc.{DOMAIN}.", f"8080-abc.{DOMAIN}:8443", f"8080-ABC.{DOMAIN.upper()}.:1"):
        found = Addressing(domain=f"{DOMAIN}:8443").find(host, "/")
        assert found is not None
        assert found.name.lower() == "abc"


@pytest.mark.parametrize(
    ("host", "name"),
    [
        *(("a.b", "a.b"), ("a.b:80", "a.b"), ("a.b.", "a.b"), ("a.b.:80", "a.b"), ("a.b:", "a.b"), (" a.b ", "a.b")),
        *(("[::1]", "[::1]"), ("[::1]:80", "[::1]:80"), ("a.b:http", "a.b:http"), ("", ""), (":80", "")),
    ],
)
def test_a_host_header_is_taken_apart(host: str, name: str) -> None:
    assert hostname(host) == name


@pytest.mark.parametrize("name", ["UPPER", "with.dot", "under_score", "a" * 60, "ends-", ""])
def test_a_name_that_no_host_can_hold_is_addressed_by_path_or_not_at_all(name: str) -> None:
    by_host = Addressing(domain=DOMAIN).link(8080, name, "https://api")
    by_path = BOTH.link(8080, name, "https://api")

    assert by_host is None
    assert by_path == (f"https://api/preview/8080-{name}" if name else None)


@given(ports, ids)
def test_a_host_name_is_never_longer_than_dns_allows(port: int, name: str) -> None:
    link = Addressing(domain=DOMAIN).link(port, name, "")

    assert link is None or len(link.removeprefix("https://").split(".")[0]) <= 63


def test_unset_there_is_no_address_of_ours() -> None:
    nothing = Addressing()

    assert not nothing.configured
    assert nothing.template is None
    assert nothing.link(8080, "abc", "https://api") is None
    assert nothing.find(f"8080-abc.{DOMAIN}", "/preview/8080-abc/") is None


def test_the_template_is_as_daytonas_config_has_it() -> None:
    assert BOTH.template == f"https://{{{{PORT}}}}-{{{{sandboxId}}}}.{DOMAIN}"


def test_an_origins_link_that_leads_back_here_is_known() -> None:
    local = Addressing(domain="localhost:8800", prefix="/preview", public_url="http://127.0.0.1:8800")

    assert local.handed_out("8080-abc.localhost:8800", "")
    assert not local.handed_out("8080-abc.localhost:9000", "")
    assert local.handed_out("127.0.0.1:8800", "/preview/8080-abc")
    assert not local.handed_out("127.0.0.1:9000", "/preview/8080-abc")
    assert not local.handed_out("127.0.0.1:8800", "")


def test_a_path_without_its_slash_is_sent_to_the_one_with() -> None:
    assert slashed(Address(port=80, name="a", path="", root="/preview/80-a"), b"x=1") == "/preview/80-a/?x=1"
    assert slashed(Address(port=80, name="a", path="/", root="/preview/80-a"), b"") is None
    assert slashed(Address(port=80, name="a", path="/"), b"") is None


@pytest.mark.parametrize(
    ("port", "root", "path", "query", "there"),
    [
        (6080, "/p/6080-a", "/vnc_lite.html", b"a=b", "/p/6080-a/vnc_lite.html?a=b&path=p/6080-a/websockify"),
        (6080, "/p/6080-a", "/vnc.html", b"", "/p/6080-a/vnc.html?path=p/6080-a/websockify"),
        (6080, "/p/6080-a", "/vnc.html", b"path=mine", None),
        (6080, "/p/6080-a", "/app/ui.js", b"", None),
        (6080, "", "/vnc.html", b"", None),
        (8080, "/p/8080-a", "/vnc.html", b"", None),
    ],
)  # fmt: skip
def test_a_novnc_page_is_told_where_its_socket_is(
    port: int, root: str, path: str, query: bytes, there: str | None
) -> None:
    assert novnc_told(Address(port=port, name="a", path=path, root=root), query) == there
