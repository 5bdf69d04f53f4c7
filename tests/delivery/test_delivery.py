"""Reports delivered: to a folder, over SMTP, to webhooks."""

import json
import logging
import ssl
import subprocess
from pathlib import Path

import pytest

from router.delivery.chat import payload, post
from router.delivery.mail import send_mail
from router.delivery.message import Message, Undelivered
from router.delivery.targets import targets
from router.delivery.weekly import send_all
from router.settings_watch import ReportSettings
from tests.delivery.post_office import mail_server, webhook

SECRET = "T0PS3CRET-token"
MESSAGE = Message(
    name="crossfade-2026-W47",
    title="Отчёт о миграции, неделя 2026-W47",
    headline="Files may go on; <shell> needs a look.",
    steps=(("▶ files: ADVANCE", "Go to 50 % live."), ("■ shell: HOLD-HARM", "Stay & look.")),
    changes=("files: ADVANCE, was HOLD-DATA.",),
    files={"report.html": b"<p>page</p>", "report.md": b"# page", "report.json": b"{}", "report.pdf": b"%PDF"},
)


def by_mail(port: int, **more: object) -> ReportSettings:
    fields = {"mail_server": f"smtp://127.0.0.1:{port}", "mail_from": "crossfade@example.org"}
    return ReportSettings(**{**fields, "mail_to": ("ada@example.org", "bob@example.org"), **more})  # type: ignore[arg-type]


def test_a_folder_gets_every_file_and_the_next_of_the_week_replaces_it(tmp_path: Path) -> None:
    settings = ReportSettings(folder=str(tmp_path / "reports"))
    send_all(MESSAGE, targets(settings))
    later = Message(**{name: getattr(MESSAGE, name) for name in MESSAGE.__slots__} | {"files": {"report.html": b"2"}})

    assert send_all(later, targets(settings)) == {"folder": ""}
    names = sorted(path.name for path in (tmp_path / "reports").iterdir())
    assert names == [f"crossfade-2026-W47.{kind}" for kind in ("html", "json", "md", "pdf")]
    assert (tmp_path / "reports" / "crossfade-2026-W47.html").read_bytes() == b"2"


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = send_all(MESSAGE, targets(ReportSettings(folder=str(tmp_path / "file"))))

    assert "cannot write into report.folder" in told["folder"]


def test_a_letter_says_what_to_do_and_carries_page_and_pdf() -> None:
    with mail_server() as office:
        send_mail(MESSAGE, by_mail(office.port))
    (letter,) = office.letters
    body = letter.get_body(("plain",))

    assert letter["Subject"] == f"{MESSAGE.title}: {MESSAGE.headline}"
    assert (letter["From"], letter["To"]) == ("crossfade@example.org", "ada@example.org, bob@example.org")
    assert body is not None
    assert all(text in body.get_content() for text in (MESSAGE.headline, "Go to 50 % live.", "was HOLD-DATA"))
    attached = {each.get_filename(): each.get_content() for each in letter.iter_attachments()}
    assert attached == {"crossfade-2026-W47.html": "<p>page</p>", "crossfade-2026-W47.pdf": b"%PDF"}


def test_a_password_is_never_shown_without_tls() -> None:
    with mail_server(password=SECRET) as office:
        url = f"smtp://me:{SECRET}@127.0.0.1:{office.port}"
        with pytest.raises(Undelivered, match="offers no TLS") as refused:
            send_mail(MESSAGE, by_mail(office.port, mail_server=url))

    assert (office.shown, office.letters) == ([], [])
    assert SECRET not in str(refused.value)


def test_a_password_goes_over_tls_to_a_server_whose_certificate_is_trusted(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    make += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(make, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with mail_server(password="p@ss", tls=context) as office:
        url = f"smtp://me:p%40ss@127.0.0.1:{office.port}"
        send_mail(MESSAGE, by_mail(office.port, mail_server=url, mail_ca_file=str(certificate)))
        with pytest.raises(Undelivered, match="CERTIFICATE_VERIFY_FAILED"):
            send_mail(MESSAGE, by_mail(office.port, mail_server=url))

    assert (office.shown, len(office.letters)) == (["p@ss over TLS"], 1)


def test_a_mail_server_that_cannot_be_reached_or_refuses_is_said_without_the_password() -> None:
    with mail_server(password="another") as office:
        with pytest.raises(Undelivered, match=r"refused: 530"):
            send_mail(MESSAGE, by_mail(office.port))
        port = office.port
    with pytest.raises(Undelivered, match=f"127.0.0.1:{port}") as gone:
        send_mail(MESSAGE, by_mail(port, mail_server=f"smtp://me:{SECRET}@127.0.0.1:{port}"))

    assert SECRET not in str(gone.value)


def test_a_refused_recipient_is_named_and_the_other_has_the_letter() -> None:
    refused = pytest.raises(Undelivered, match=r"refused bob@example.org; the others have")
    with mail_server(refuses="bob") as office, refused:
        send_mail(MESSAGE, by_mail(office.port))

    assert len(office.letters) == 1


def test_slack_gets_headline_steps_and_a_link_with_its_signs_escaped() -> None:
    with webhook(SECRET) as hook:
        post(MESSAGE, ReportSettings(webhook_url=hook.url, folder_url="https://reports.example.org/"))
    (body,) = hook.bodies
    texts = [block["text"]["text"] for block in body["blocks"]]

    assert texts[0] == MESSAGE.title
    assert texts[1] == "*Files may go on; &lt;shell&gt; needs a look.*"
    assert "*■ shell: HOLD-HARM*\nStay &amp; look." in texts[2]
    assert texts[3].startswith("<https://reports.example.org/crossfade-2026-W47.html|")


def test_teams_gets_an_adaptive_card() -> None:
    settings = ReportSettings(webhook_kind="teams", folder_url="https://reports.example.org")
    with webhook(SECRET) as hook:
        post(MESSAGE, ReportSettings(webhook_url=hook.url, webhook_kind="teams"))
    (body,) = hook.bodies
    card = body["attachments"][0]["content"]

    assert body["attachments"][0]["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert [each["text"] for each in card["body"]][:2] == [MESSAGE.title, MESSAGE.headline]
    assert "actions" not in card
    linked = payload(MESSAGE, settings)["attachments"][0]["content"]
    assert linked["actions"][0]["url"] == "https://reports.example.org/crossfade-2026-W47.html"


def test_a_busy_chat_is_asked_again_as_it_wishes() -> None:
    waited: list[float] = []
    with webhook(SECRET, answers=[429, 503, 200], headers={"Retry-After": "7"}) as hook:
        post(MESSAGE, ReportSettings(webhook_url=hook.url), sleep=waited.append)

    assert (len(hook.bodies), waited) == (3, [7.0, 7.0])


@pytest.mark.parametrize(("answer", "attempts"), [(404, 1), (302, 1), (500, 3)])
def test_a_chat_that_does_not_take_it_is_said(answer: int, attempts: int) -> None:
    headers = {"Location": "http://127.0.0.1:1/elsewhere"} if answer == 302 else {}
    not_taken = pytest.raises(Undelivered, match=f"it answered {answer}")
    with webhook(SECRET, answers=[answer], headers=headers) as hook, not_taken:
        post(MESSAGE, ReportSettings(webhook_url=hook.url), sleep=lambda _: None)

    assert len(hook.bodies) == attempts


def test_the_webhooks_address_is_in_no_log_and_no_message(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said = []
    with webhook(SECRET, answers=[404]) as hook:
        settings = ReportSettings(webhook_url=hook.url, mail_server=f"smtp://u:{SECRET}@127.0.0.1:1", mail_to=("a@b",))
        said += send_all(MESSAGE, targets(settings)).values()
    for url in (f"http://127.0.0.1:1/{SECRET}", f"http://no.such.host.invalid/{SECRET}", f"http://[bad/{SECRET}"):
        try:
            post(MESSAGE, ReportSettings(webhook_url=url), sleep=lambda _: None)
        except (Undelivered, ValueError) as error:
            said.append(str(error))

    assert len(said) == 5
    assert all(said)
    assert SECRET not in json.dumps(said) + caplog.text + repr(settings)
