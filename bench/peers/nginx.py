"""nginx: `split_clients` by sandbox, and `mirror`."""

from pathlib import Path

from bench.nginx import head, server
from bench.programs import Server, free_port

_PROXY = """
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $to_origin;
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
      proxy_read_timeout 600s;"""
_COMMON = """
  map $http_upgrade $to_origin { default upgrade; '' ''; }
  map $uri $sandbox { ~^/toolbox/(?<id>[^/]+)/ $id; }
"""


def split(directory: Path, old: int, scheme: str = "http") -> Server:
    """A tenth of the sandboxes goes to a second upstream, which is the same origin: all answers are old's."""
    port, verify = free_port(), ""
    if scheme == "https":
        verify = f"proxy_ssl_trusted_certificate {directory}/ca.pem; proxy_ssl_verify on; proxy_ssl_name localhost;"
    here = directory / f"nginx-split-{scheme}"
    body = f"""
  {_COMMON}
  split_clients $sandbox $side {{ 10% new; * old; }}
  upstream old {{ server 127.0.0.1:{old}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 600s; }}
  upstream new {{ server 127.0.0.1:{old}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 600s; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ {_PROXY} {verify}
      proxy_pass {scheme}://$side;
    }}
  }}
}}
"""
    return server(here.name, directory, port, head(here) + body)


def mirror(directory: Path, old: int, new: int) -> Server:
    """Every call is sent to new as well; its answer is thrown away."""
    port, here = free_port(), directory / "nginx-mirror"
    body = f"""
  {_COMMON}
  upstream old {{ server 127.0.0.1:{old}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 600s; }}
  upstream new {{ server 127.0.0.1:{new}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 600s; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ {_PROXY.replace("proxy_request_buffering off;", "")}
      mirror /mirror;
      proxy_pass http://old;
    }}
    location = /mirror {{ internal; {_PROXY.replace("proxy_request_buffering off;", "")}
      proxy_pass http://new$request_uri;
    }}
  }}
}}
"""
    return server(here.name, directory, port, head(here) + body)
