"""Trees of both sides, read from disk by `find` and `sha256sum`, with nothing of the program's own."""

import asyncio
import json
import sqlite3
from pathlib import Path


async def tree(root: Path) -> dict[str, str]:
    """Path -> type, and digest of files, below one directory."""
    script = "find . -mindepth 1 -type d -printf 'd %P\\n'; find . -type f -print0 | xargs -0 -r sha256sum"
    process = await asyncio.create_subprocess_shell(script, cwd=root, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    found: dict[str, str] = {}
    for line in out.decode("utf-8", "surrogateescape").splitlines():
        if line.startswith("d "):
            found[line[2:]] = "directory"
        else:
            digest, _, name = line.partition("  ")
            found[name.removeprefix("./")] = digest
    return found


def clean_twins(store: Path) -> dict[str, tuple[str, str]]:
    """Twins that the store holds as clean: visible id -> (old id, new id)."""
    with sqlite3.connect(store) as connection:
        rows = connection.execute("select id, dirty, body from twins").fetchall()
    found = {}
    for twin, dirty, body in rows:
        value = json.loads(body)
        ids = value.get("ids") or {}
        if not dirty and value.get("follower") == "joined" and "new" in ids and "old" in ids:
            found[str(twin)] = (ids["old"], ids["new"])
    return found
