"""Envoy: weighted clusters, and `request_mirror_policies`."""

import json
from pathlib import Path
from typing import Any

from bench.programs import Server, free_port, in_environment

_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
_MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"


def weighted(directory: Path, old: int, *, tls: bool = False) -> Server:
    """A tenth goes to a second cluster, which is the same origin."""
    clusters = {"clusters": [{"name": "old", "weight": 90}, {"name": "new", "weight": 10}]}
    name = "envoy-weighted-tls" if tls else "envoy-weighted"
    return _server(name, directory, {"weighted_clusters": clusters}, {"old": old, "new": old}, tls=tls)


def mirror(directory: Path, old: int, new: int) -> Server:
    """Every call is sent to new as well; its answer is thrown away."""
    route = {"cluster": "old", "request_mirror_policies": [{"cluster": "new"}]}
    return _server("envoy-mirror", directory, route, {"old": old, "new": new})


def _server(
    name: str, directory: Path, route: dict[str, Any], clusters: dict[str, int], *, tls: bool = False
) -> Server:
    binary = in_environment("envoy", "lib/python3*/site-packages/envoy/_bin/envoy")
    port, here = free_port(), directory / name
    here.mkdir(exist_ok=True)
    manager = {
        "@type": _MANAGER,
        "stat_prefix": "bench",
        "codec_type": "HTTP1",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {**route, "timeout": "0s"}}]}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER}}],
    }  # fmt: skip
    listener = {
        "name": "front",
        "address": _address(port),
        "filter_chains": [{"filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
    }  # fmt: skip
    found = [_cluster(each, at, directory if tls else None) for each, at in clusters.items()]
    configuration = {"static_resources": {"listeners": [listener], "clusters": found}}
    file = here / "envoy.json"
    file.write_text(json.dumps(configuration, indent=1))
    arguments = (binary, "-c", str(file), "--concurrency", "1", "--use-dynamic-base-id", "-l", "error")
    return Server(name, arguments, here, port)


def _cluster(name: str, port: int, tls: Path | None) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(port)}}
    cluster: dict[str, Any] = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    if tls is not None:
        trusted = {"validation_context": {"trusted_ca": {"filename": str(tls / "ca.pem")}}}
        context = {"@type": _TLS, "sni": "localhost", "common_tls_context": trusted}
        cluster["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return cluster


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
