"""A report by e-mail: what to do in its text, the files attached."""

import contextlib
import smtplib
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from router.delivery.message import Message, Undelivered
from router.settings_watch import ReportSettings

_SECONDS = 30.0
_PORTS = {"smtp": 25, "smtps": 465}
# The other files are for programs and tickets: they go to the folder.
_TYPES = {"html": ("text", "html"), "pdf": ("application", "pdf")}


def send_mail(message: Message, settings: ReportSettings) -> None:
    """Send it to `mail_to` over `mail_server`. Raises Undelivered; a recipient who is refused is one."""
    with _connected(settings) as server:
        refused = server.send_message(mail(message, settings))
    if refused:
        raise Undelivered(f"the mail server refused {', '.join(refused)}; the others have the report")


def mail(message: Message, settings: ReportSettings) -> EmailMessage:
    """The letter."""
    letter = EmailMessage()
    letter["Subject"] = f"{message.title}: {message.headline}"[:200].replace("\n", " ")
    letter["From"] = settings.mail_from
    letter["To"] = ", ".join(settings.mail_to)
    letter["Date"] = formatdate()
    letter["Message-ID"] = make_msgid(domain=settings.mail_from.rpartition("@")[2] or None)
    letter.set_content(message.text)
    for name, content in message.named().items():
        kind = name.rpartition(".")[2]
        if kind in _TYPES:
            main, sub = _TYPES[kind]
            letter.add_attachment(content, maintype=main, subtype=sub, filename=name)
    return letter


@contextlib.contextmanager
def _connected(settings: ReportSettings) -> Iterator[smtplib.SMTP]:
    """A server that takes letters: over TLS wherever it offers that; a password never goes without."""
    url = urlsplit(settings.mail_server)
    host, port = url.hostname or "", url.port or _PORTS.get(url.scheme, 0)
    context = ssl.create_default_context(cafile=settings.mail_ca_file or None)
    try:
        if url.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=_SECONDS, context=context)
        else:
            server = smtplib.SMTP(host, port, timeout=_SECONDS)
        with server:
            server.ehlo()
            if url.scheme == "smtp" and server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
            elif url.scheme == "smtp" and url.username:
                raise Undelivered(f"the mail server {host}:{port} offers no TLS, so it is not shown the password")
            if url.username:
                server.login(unquote(url.username), unquote(url.password or ""))
            yield server
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        raise Undelivered(f"the mail server {host}:{port} refused: {error.smtp_code} {said}") from None
    except (OSError, smtplib.SMTPException) as error:
        raise Undelivered(f"no letter over {host}:{port}: {type(error).__name__}: {error}") from None
