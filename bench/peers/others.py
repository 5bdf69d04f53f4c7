"""HAProxy, mitmproxy and the proxy one would write first: starlette with httpx2."""

import sys
from pathlib import Path

from bench.programs import ROOT, Server, free_port, in_environment, tool


def haproxy(directory: Path, old: int) -> Server:
    """A tenth goes to a second server, which is the same origin."""
    port, here = free_port(), directory / "haproxy"
    here.mkdir(exist_ok=True)
    file = here / "haproxy.cfg"
    file.write_text(f"""\
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout tunnel 600s
frontend front
  bind 127.0.0.1:{port} backlog 4096
  default_backend sandboxes
backend sandboxes
  http-reuse always
  server old 127.0.0.1:{old} weight 90
  server new 127.0.0.1:{old} weight 10
""")
    return Server("haproxy", (tool("haproxy"), "-f", str(file), "-db"), here, port)


def mitmproxy(directory: Path, old: int) -> Server:
    """Reverse mode, bodies streamed, nothing printed."""
    port, here = free_port(), directory / "mitmproxy"
    here.mkdir(exist_ok=True)
    binary = in_environment("mitmproxy", "bin/mitmdump")
    words = ("--mode", f"reverse:http://127.0.0.1:{old}", "--listen-host", "127.0.0.1", "--listen-port", str(port))
    options = ("-q", "--set", "stream_large_bodies=1", "--set", f"confdir={here}", "--set", "keep_host_header=true")
    return Server("mitmproxy", (binary, *words, *options), here, port)


def naive(directory: Path, old: int) -> Server:
    """bench/peers/naive.py under uvicorn with uvloop and httptools."""
    port, here = free_port(), directory / "naive"
    here.mkdir(exist_ok=True)
    words = ("--host", "127.0.0.1", "--port", str(port), "--no-access-log", "--log-level", "warning")
    command = (sys.executable, "-m", "uvicorn", "bench.peers.naive:app", "--app-dir", str(ROOT), *words)
    return Server("naive", command, here, port, {"BENCH_ORIGIN": f"http://127.0.0.1:{old}"})
