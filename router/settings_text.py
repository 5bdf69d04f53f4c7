"""What is wrong with a text in the settings file, and on which line it stands. Pure but for certificates."""

import re
import ssl
from collections.abc import Sequence


def line_of(lines: Sequence[str], section: str, key: str) -> int:
    """Line of the key, or of its section, or 1: tomllib keeps no positions, so the text is searched."""
    target = ".".join(part for part in (section, key) if part)
    current, section_line = "", 1
    for number, line in enumerate(lines, 1):
        if header := re.match(r"\s*\[+([^\]]+)\]", line):
            current = header[1].strip()
            if current in (section, target):
                section_line = number
        dotted = f"{current}." if current else ""
        assigned = re.match(r"\s*([\w.\"'-]+)\s*=", line)
        if assigned and f"{dotted}{assigned[1]}".replace('"', "") == target:
            return number
    return section_line


def certificates_problem(file: str) -> str:
    """Why the file cannot be used as one of certificates; empty where it can."""
    try:
        ssl.create_default_context().load_verify_locations(file)
    except (OSError, ValueError) as error:  # ssl's own errors are OSErrors
        return f"is '{file}', which holds no certificates that can be read ({type(error).__name__}); give a PEM file"
    return ""


def url_problem(value: str, scheme: str, host: str | None, port: int | None) -> str:
    """Why no request could be sent there; empty where one could."""
    if scheme not in ("http", "https"):
        return "does not begin with http:// or https://"
    if not host:
        return "names no host"
    if port == 0:
        return "names port 0"
    if value.strip() != value or any(sign in value for sign in "?# \t\r\n"):
        return "must be an address and a path, without a query, a fragment or blanks"
    return ""
