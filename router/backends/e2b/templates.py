"""Which template a sandbox is made from: Daytona's snapshots and images are images, E2B's templates are built ahead."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

_ANY = "*"
_FROM = re.compile(r"FROM\s+(\S+)", re.IGNORECASE)
_DIGITS = 12


def template_for(arguments: Mapping[str, Any], templates: Mapping[str, str]) -> tuple[str, str]:
    """The template, empty where there is none, and the key of `origins.new.templates` that was looked for.

    A snapshot's key is its name. An image's is `image:` and its name, such as `image:python:3.12`; of one that is built
    for the sandbox it is `image:sha256:` and the first 12 digits of its recipe's digest: another recipe or other files
    in it make another sandbox.
    """
    recipe = arguments.get("image")
    key = (
        _image_key(str(recipe), arguments.get("image_files") or ()) if recipe else str(arguments.get("snapshot") or "")
    )
    return templates.get(key) or templates.get(_ANY) or "", key


def _image_key(recipe: str, files: Any) -> str:
    written = [line.strip() for line in recipe.splitlines()]
    lines = [line for line in written if line and not line.startswith("#")]
    if len(lines) == 1 and not files and (named := _FROM.fullmatch(lines[0])):
        return f"image:{named[1]}"
    digest = hashlib.sha256("\n".join([*lines, *sorted(str(each) for each in files)]).encode(errors="surrogatepass"))
    return f"image:sha256:{digest.hexdigest()[:_DIGITS]}"
