"""nginx as the two origins and as a peer: configurations, and how it is started."""

import os
from pathlib import Path

from bench import work
from bench.programs import Server, tool


def head(directory: Path, extra: str = "") -> str:
    """What every configuration begins with: one worker, no logs, connections that are kept."""
    temporary = "\n  ".join(f"{kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy", "fastcgi",
                                                                              "uwsgi", "scgi"))  # fmt: skip
    return f"""\
daemon off;
worker_processes 1;
{"user root;" if os.geteuid() == 0 else ""}
pid {directory}/nginx.pid;
error_log {directory}/error.log error;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  {temporary}
  keepalive_timeout 600;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  sendfile on;
  tcp_nodelay on;
  default_type application/json;
  types {{}}
  {extra}
"""


def server(name: str, directory: Path, port: int, configuration: str) -> Server:
    """An nginx that is not started yet. Raises Missing."""
    here = directory / name
    here.mkdir(exist_ok=True)
    file = here / "nginx.conf"
    file.write_text(configuration)
    return Server(name, (tool("nginx"), "-c", str(file), "-p", str(here), "-e", str(here / "start.log")), here, port)


# The origins...


def old_origin(directory: Path, port: int, files: Path, *, echo: int = 0, certificates: Path | None = None) -> Server:
    """Daytona: control plane and toolbox, each answer always the same. `echo`: where its terminals are."""
    name = "old-tls" if certificates else "old"
    us = f"https://localhost:{port}" if certificates else f"http://127.0.0.1:{port}"
    tls = f"ssl_certificate {certificates}/server.pem; ssl_certificate_key {certificates}/server.key;"
    body = f"""
  {_sizes()}
  server {{
    listen 127.0.0.1:{port} {"ssl" if certificates else ""} backlog=4096;
    {tls if certificates else ""}
    location = /api/config {{ return 200 {_quoted(work.daytona_config(us))}; }}
    location = /api/sandbox {{ return 200 {_quoted(work.daytona_sandbox("$request_id", us))}; }}
    location ~ ^/api/sandbox/(?<sandbox>[^/]+) {{ return 200 {_quoted(work.daytona_sandbox("$sandbox", us))}; }}
    {_toolbox(files, port, echo, "https" if certificates else "http")}
  }}
}}
"""
    return server(name, directory, port, head(directory / name) + body)


def new_origin(directory: Path, port: int, files: Path) -> Server:
    """E2B: control plane and envd; Daytona's toolbox too, because peers cannot translate what they mirror."""
    here = directory / "new"
    here.mkdir(exist_ok=True)
    (here / "start.bin").write_bytes(work.envd_exec())
    body = f"""
  {_sizes()}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /v2/sandboxes {{ return 201 {_quoted(work.e2b_sandbox("i$request_id"))}; }}
    location ~ ^/sandboxes/[^/]+/refreshes$ {{ return 204; }}
    location ~ ^/sandboxes/(?<sandbox>[^/]+)$ {{ return 200 {_quoted(work.e2b_sandbox("$sandbox"))}; }}
    location = /files {{ root {files}; default_type application/octet-stream; try_files /$file =404; }}
    location = /filesystem.Filesystem/Stat {{ return 200 {_quoted(work.envd_stat())}; }}
    location = /filesystem.Filesystem/ListDir {{ return 200 {_quoted(work.envd_list())}; }}
    location = /process.Process/Start {{ error_page 405 =200 /start.bin; return 405; }}
    location = /start.bin {{ internal; root {here}; default_type application/connect+json; }}
    {_toolbox(files, port, 0, "http")}
  }}
}}
"""
    return server("new", directory, port, head(here) + body)


def _toolbox(files: Path, port: int, echo: int, scheme: str) -> str:
    below = "~ ^/toolbox/[^/]+"
    terminals = f"""
    location {below}/process/pty/ {{
      proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
      proxy_read_timeout 600s; proxy_pass http://127.0.0.1:{echo};
    }}"""
    return f"""
    location {below}/files/info$ {{ return 200 {_quoted(work.daytona_info())}; }}
    location {below}/files$ {{ return 200 {_quoted(work.daytona_list())}; }}
    location {below}/files/bulk-download$ {{
      default_type "multipart/form-data; boundary={work.BOUNDARY}"; return 200 {_quoted(work.daytona_read())};
    }}
    location {below}/files/download$ {{ root {files}; default_type application/octet-stream; try_files /$file =404; }}
    location {below}/process/execute$ {{ return 200 {_quoted(work.daytona_exec())}; }}
    location {below}/files/bulk-upload$ {{
      # The whole body is read before it is answered, as an origin that stores it would.
      proxy_request_buffering on; proxy_pass_request_body off; proxy_set_header Content-Length "";
      client_body_buffer_size 128k; rewrite ^ /uploaded break; proxy_pass {scheme}://127.0.0.1:{port};
    }}
    location = /uploaded {{ return 200 '{{}}'; }}{terminals if echo else ""}"""


def _sizes() -> str:
    """Which file an answer is read from; the query may be percent-encoded."""
    rows = " ".join(f"~{name}$ {name};" for name in work.SIZES)
    return f"map $arg_path $file {{ default {work.NAME}; {rows} }}"


def _quoted(text: str) -> str:
    """A string as nginx reads it; `$` stays what it is, a variable."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r").replace("\n", "\\n")
    return f'"{escaped}"'


def write_files(directory: Path, *, huge: bool) -> None:
    """The files that are downloaded; the huge one is a hole."""
    (directory / work.NAME).write_text(work.TEXT)
    for name, size in work.SIZES.items():
        if size <= 16 * 1024**2:
            (directory / name).write_bytes(os.urandom(1024) * (size // 1024))
        elif huge:
            with (directory / name).open("wb") as file:
                file.truncate(size)
