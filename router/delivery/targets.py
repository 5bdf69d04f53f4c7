"""Where reports go: the targets that the settings name."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from router.delivery.chat import post
from router.delivery.mail import send_mail
from router.delivery.message import Message, Undelivered
from router.settings_watch import ReportSettings


def targets(settings: ReportSettings) -> Mapping[str, Callable[[Message], None]]:
    """How to deliver, by the target's name: "folder", "mail", "chat". Each blocks, and raises Undelivered."""
    found: dict[str, Callable[[Message], None]] = {}
    if settings.folder:
        found["folder"] = lambda message: put(message, Path(settings.folder))
    if settings.mail_to:
        found["mail"] = lambda message: send_mail(message, settings)
    if settings.webhook_url:
        found["chat"] = lambda message: post(message, settings)
    return found


def put(message: Message, folder: Path) -> None:
    """Write the files into the folder, each whole or not at all; a report of the same week is replaced."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in message.named().items():
            beside = folder / f".{name}.{os.getpid()}"
            beside.write_bytes(content)
            beside.replace(folder / name)
    except OSError as error:
        raise Undelivered(f"cannot write into report.folder '{folder}': {error.strerror}") from error
