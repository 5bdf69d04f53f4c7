"""A private certificate authority and a server certificate for `localhost`, made by the openssl program."""

import subprocess
from pathlib import Path

from bench.programs import Broken, tool


def make(directory: Path) -> None:
    """Write ca.pem, server.pem and server.key. Raises Missing, Broken."""
    extensions = directory / "server.ext"
    extensions.write_text("subjectAltName = DNS:localhost, IP:127.0.0.1\n")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    authority = ("-subj", "/CN=crossfade bench", "-addext", "basicConstraints=critical,CA:TRUE")
    server = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", extensions.name)
    for words in (
        ("req", "-x509", *key, *authority, "-days", "30", "-keyout", "ca.key", "-out", "ca.pem"),
        ("req", *key, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"),
        ("x509", "-req", "-in", "server.csr", *server, "-days", "30", "-out", "server.pem"),
    ):
        done = subprocess.run([tool("openssl"), *words], cwd=directory, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Broken(f"openssl {words[0]} failed: {done.stderr[-300:]}")
